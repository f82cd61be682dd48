"""nfdump CSV: zones, both directions, ICMP, the summary, and what breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.trace.api import ReadOptions
from leftopen.trace.formats.nfdump import FORMAT, HEADER, V16, V17

FLOWS = V16.split("Summary")[0]


def test_the_zone_is_the_declared_one_and_is_said() -> None:
    found = read_all(FORMAT, V17.encode(), ReadOptions(zone="America/New_York"))
    assert rows(found)["time"].to_list() == [1675843965]
    assert "America/New_York" in found[0].clock


def test_an_hour_twice_is_the_first_and_an_hour_that_is_not_is_rejected() -> None:
    text = V17.replace("2023-02-08 03:12:45", "2023-10-29 02:30:00")
    found = read_all(FORMAT, text.encode(), ReadOptions(zone="Europe/Berlin"))
    assert rows(found)["time"].to_list() == [1698539400]
    text = V17.replace("2023-02-08 03:12:45", "2023-03-26 02:30:00")
    assert rejected(read_all(FORMAT, text.encode(), ReadOptions(zone="Europe/Berlin"))) == 1


def test_the_way_back_counts_only_where_our_side_received() -> None:
    made = rows(read_all(FORMAT, V16.encode()))
    assert made.filter(made["client"] == "203.0.113.9")["bytes"].to_list() == [2097152, 0]
    assert made.filter(made["client"] == "2001:db8::9")["bytes"].to_list() == [7000]


def test_the_summary_is_no_flow_and_files_may_be_joined() -> None:
    found = read_all(FORMAT, (V16 + V16 + V17).encode())
    assert (rows(found).height, rejected(found)) == (11, 0)
    assert rejected(read_all(FORMAT, (V16 + "garbage\n").encode())) == 1


def test_without_a_header_nothing_is_guessed() -> None:
    body = FLOWS.removeprefix(HEADER)
    found = read_all(FORMAT, body.encode())
    assert (rows(found).height, rejected(found)) == (0, 5)


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, FLOWS)
    hostile_between(FORMAT, V17)


@given(data=st.one_of(st.binary(max_size=200), mutated(V16), mutated(V17)))
@settings(max_examples=80, deadline=None)
def test_fuzz_nfdump(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
