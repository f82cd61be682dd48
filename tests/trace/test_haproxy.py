"""HAProxy logs: not final, cut short, in local time, hostile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats import haproxy
from log_cases import counts_of, hostile, rows_of

LINE = (
    "203.0.113.9:33317 [08/Feb/2023:03:12:45.655] in static/srv1 10/0/30/69/109 200 2750 - - ---- "
    '1/1/1/1/0 0/0 "GET /a.mbox HTTP/1.1"\n'
)


@pytest.mark.parametrize(
    ("state", "act"), [("----", 4), ("CD--", 3), ("cD--", 3), ("SD--", 3), ("LR--", 4)]
)
def test_termination_state_says_cut(state: str, act: int) -> None:
    (row,) = rows_of(haproxy.FORMAT, LINE.replace("----", state))
    assert (row["act"], row["bytes"]) == (act, 2750)


def test_a_count_that_is_not_final_is_unknown() -> None:
    (row,) = rows_of(haproxy.FORMAT, LINE.replace(" 2750 ", " +2750 "))
    assert (row["bytes"], row["act"]) == (None, Act.WHOLE)


def test_local_time_needs_the_zone_and_says_so() -> None:
    chunks = list(haproxy.read(iter([LINE.encode()]), ReadOptions(zone="Europe/Berlin")))
    assert chunks[0].rows["time"].to_list() == [1675825965 - 3600]
    assert "Europe/Berlin" in chunks[0].clock
    twice = LINE.replace("08/Feb/2023:03:12", "29/Oct/2023:02:30")
    never = LINE.replace("08/Feb/2023:03:12", "26/Mar/2023:02:30")
    berlin = ReadOptions(zone="Europe/Berlin")
    assert rows_of(haproxy.FORMAT, twice, berlin)[0]["time"] == 1698539445
    assert rows_of(haproxy.FORMAT, never, berlin) == []


def test_no_answer_is_an_attempt() -> None:
    (row,) = rows_of(haproxy.FORMAT, LINE.replace(" 200 2750 ", " -1 0 "))
    assert (row["act"], row["status"], row["bytes"]) == (Act.TOUCHED, 0, 0)


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(haproxy.FORMAT, LINE.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "/a.mbox", "200", "2750", "08/Feb/2023", "----"):
        counts_of(haproxy.FORMAT, LINE.encode() + line)
        rows_of(haproxy.FORMAT, line)


@given(st.lists(st.sampled_from([LINE, haproxy.TCP, haproxy.HTTP, "\n", "x\n", LINE[:60] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(haproxy.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:60] + "\n") for p in parts)
