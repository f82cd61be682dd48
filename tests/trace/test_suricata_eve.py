"""Suricata EVE: the same bytes once, dropped packets, and what breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import ReadOptions
from leftopen.trace.formats import suricata_eve
from leftopen.trace.formats.suricata_eve import _ASKED, _GOT, FORMAT, _example

TEXT = FORMAT.examples[0].text
FLOWS = _example("flow", flow=_GOT) + _example("flow", flow=_GOT, flow_id=7)


def drops(*totals: int) -> list[str]:
    text = "".join(_example("stats", stats={"capture": {"kernel_drops": n}}) for n in totals)
    found = read_all(FORMAT, text.encode())
    troubles = [t for c in found for t in c.troubles]
    assert {t.reason for t in troubles} <= {Reason.LOST}
    return [t.detail.split()[3] for t in troubles]


def test_a_body_counts_by_its_flow_or_by_its_length_never_by_both() -> None:
    asked = _example("http", http=_ASKED)
    both = rows(read_all(FORMAT, (asked + asked + _example("flow", flow=_GOT)).encode()))
    assert both["bytes"].sum() == 2157152
    alone = rows(read_all(FORMAT, (asked + asked).encode()))
    assert alone["bytes"].sum() == 2 * 2097152


def test_waiting_bodies_are_bounded() -> None:
    made = "".join(_example("http", http=_ASKED, flow_id=n + 1) for n in range(5))
    before, suricata_eve.OPEN_FLOWS = suricata_eve.OPEN_FLOWS, 2
    try:
        found = rows(read_all(FORMAT, made.encode()))
    finally:
        suricata_eve.OPEN_FLOWS = before
    assert found["bytes"].sum() == 5 * 2097152


def test_drops_are_a_running_total_that_a_restart_begins_again() -> None:
    assert drops(0, 0) == []
    assert drops(7, 7, 9, 2, 2) == ["7", "2", "2"]


def test_only_the_asked_port_keeps_its_clients() -> None:
    made = rows(read_all(FORMAT, FLOWS.encode(), ReadOptions(port=22)))
    assert made["client"].drop_nulls().is_empty()


def test_an_unknown_length_is_unknown() -> None:
    text = _example("http", http=_ASKED | {"length": None})
    assert rows(read_all(FORMAT, text.encode()))["bytes"].to_list() == [0, None]


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, FLOWS)


@given(data=st.one_of(st.binary(max_size=200), mutated(TEXT)))
@settings(max_examples=80, deadline=None)
def test_fuzz_suricata_eve(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
