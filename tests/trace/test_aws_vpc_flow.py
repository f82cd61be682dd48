"""AWS VPC flow logs: field order, NODATA and SKIPDATA, direction, and what breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import ReadOptions
from leftopen.trace.formats.aws_vpc_flow import FORMAT, V2, V5
from leftopen.trace.stretches import Stretches


def test_the_vendors_samples() -> None:
    # docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html
    text = (
        "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 "
        "1418530010 1418530070 ACCEPT OK\n"
        "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 "
        "1418530010 1418530070 REJECT OK\n"
        "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n"
        "2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA\n"
        "2 123456789010 eni-1235b8ca123456789 203.0.113.12 172.31.16.139 0 0 1 4 336 1432917027 "
        "1432917142 ACCEPT OK\n"
        "2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 "
        "2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 8855 1477913708 "
        "1477913820 ACCEPT OK\n"
    )
    found = read_all(FORMAT, text.encode())
    made = rows(found).to_dicts()
    assert rejected(found) == 0
    assert [(r["line"], r["client"], r["port"], r["bytes"]) for r in made] == [
        (1, "172.31.16.139", 22, 0),
        (2, "172.31.9.69", 3389, 0),
        (3, None, 0, 0),
        (5, "203.0.113.12", 0, 0),
        (6, "2001:db8:1234:a100:8d6e:3477:df66:f105", 22, 0),
    ]


def test_skipdata_is_a_hole_and_a_gap_and_nodata_vouches() -> None:
    found = read_all(FORMAT, V2.encode())
    # 10 minutes are bridged, but never over what AWS says it lost
    assert found[-1].claimed == ((1675825965, 1675826200), (1675826260, 1675826360))
    troubles = [t for c in found for t in c.troubles]
    assert [(t.reason, t.count) for t in troubles] == [(Reason.NO_LOG, 1)]
    assert found[-1].origin == "eni-1235b8ca123456789"
    assert FORMAT.recognise(V2.encode(), "x") == 94


def test_a_long_silence_is_not_vouched_for() -> None:
    first = V2.split("\n")[0] + "\n"
    later = first.replace("16758259", "16758359").replace("16758260", "16758360")
    found = read_all(FORMAT, (first + later).encode())
    assert len(found[-1].claimed) == 2


def test_two_interfaces_are_no_origin() -> None:
    text = V2 + V2.split("\n")[0].replace("eni-1235b8ca123456789", "eni-2") + "\n"
    assert read_all(FORMAT, text.encode())[-1].origin == ""


def test_headers_change_within_a_file() -> None:
    found = read_all(FORMAT, (V5 + V5 + "start end srcaddr dstaddr\n" + V5).encode())
    assert (rows(found).height, rejected(found)) == (9, 0)
    assert rows(found)["line"].is_sorted()


def test_many_headers_are_bounded() -> None:
    text = "".join(
        f"start end srcaddr dstaddr x{n}\n1 2 10.0.0.1 203.0.113.9 5\n" for n in range(99)
    )
    found = read_all(FORMAT, text.encode())
    assert rows(found).height + rejected(found) == 99
    assert rejected(found) > 0


def test_a_line_that_does_not_fit_its_header_is_rejected() -> None:
    text = V5 + "egress 1675825965 1675826020 812\n"
    assert rejected(read_all(FORMAT, text.encode())) == 1


def test_cloudwatch_stamp_in_front() -> None:
    text = "".join(f"2023-02-08T03:12:45.000Z {line}\n" for line in V2.splitlines())
    assert FORMAT.recognise(text.encode(), "x") == 94
    assert rows(read_all(FORMAT, text.encode())).equals(rows(read_all(FORMAT, V2.encode())))


def test_without_bytes_the_size_is_unknown() -> None:
    text = "srcaddr dstaddr srcport dstport start end\n10.0.0.4 203.0.113.9 443 50000 1 2\n"
    made = rows(read_all(FORMAT, text.encode()))
    assert made["bytes"].to_list() == [None]


@pytest.mark.parametrize(
    ("flags", "client"),
    [(2, None), (3, None), (18, "203.0.113.9"), (19, "203.0.113.9"), (1, "203.0.113.9")],
)
def test_flags_tell_who_began(flags: int, client: str | None) -> None:
    head = "flow-direction srcaddr dstaddr srcport dstport bytes start end tcp-flags log-status\n"
    text = f"{head}egress 10.0.0.4 203.0.113.9 8443 50000 70 1 2 {flags} OK\n"
    assert rows(read_all(FORMAT, text.encode()))["client"].to_list() == [client]


def test_only_the_asked_port_keeps_its_clients() -> None:
    made = rows(read_all(FORMAT, V2.encode(), ReadOptions(port=3389)))
    assert made["client"].drop_nulls().to_list() == ["198.51.100.4"]


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, V2)
    hostile_between(FORMAT, V5)


def test_stretches_stay_bounded_and_right() -> None:
    kept = Stretches(bridge=10)
    for start in range(0, 3_000_000, 5):
        kept.add([(start, start + 1)])
    kept.lose([(100, 200), (150, 250), (2_999_000, 9_999_999)])
    assert kept.result() == ((0, 100), (250, 2_999_000))


@given(data=st.one_of(st.binary(max_size=200), mutated(V2), mutated(V5)))
@settings(max_examples=80, deadline=None)
def test_fuzz_aws_vpc_flow(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
