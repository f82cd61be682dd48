"""Connection tracking: counts that need accounting, NAT, ulogd, and what breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.trace.api import ReadOptions
from leftopen.trace.formats.conntrack import EVENTS, FORMAT, _ulogd_line


def test_without_accounting_what_was_sent_is_unknown_never_zero() -> None:
    made = rows(read_all(FORMAT, EVENTS.encode()))
    assert made["bytes"].to_list() == [0, 2157152, None, 0]


def test_the_server_behind_nat_is_the_source_of_the_way_back() -> None:
    # the gateway went to the outside itself: private on both ends of the original is not asked
    text = EVENTS.split("\n")[3].replace("dst=192.0.2.7", "dst=10.9.9.9") + "\n"
    assert rows(read_all(FORMAT, text.encode()))["client"].to_list() == [None]


def test_without_a_time_a_line_is_rejected() -> None:
    text = "".join(line.split("\t", 1)[1] + "\n" for line in EVENTS.splitlines())
    found = read_all(FORMAT, text.encode())
    assert (rows(found).height, rejected(found)) == (0, 4)
    assert FORMAT.recognise(text.encode(), "x") == 0


def test_ulogd_local_time_takes_the_declared_zone() -> None:
    text = _ulogd_line(timestamp="2023-02-08T04:12:45.123456")
    found = read_all(FORMAT, text.encode(), ReadOptions(zone="Europe/Berlin"))
    assert rows(found)["time"].to_list() == [1675825965]
    assert rows(read_all(FORMAT, _ulogd_line(**{"flow.end.sec": 5}).encode()))["time"][0] == 5


def test_only_the_asked_port_keeps_its_clients() -> None:
    made = rows(read_all(FORMAT, EVENTS.encode(), ReadOptions(port=22)))
    assert made["client"].drop_nulls().is_empty()


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, EVENTS)
    hostile_between(FORMAT, _ulogd_line())


@given(data=st.one_of(st.binary(max_size=200), mutated(EVENTS), mutated(_ulogd_line() * 2)))
@settings(max_examples=80, deadline=None)
def test_fuzz_conntrack(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
