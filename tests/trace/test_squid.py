"""Squid logs: aborted, tunnelled, framed by syslog, hostile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import squid
from log_cases import counts_of, hostile, rows_of

LINE = "1675825965.001 50 203.0.113.9 TCP_MISS/200 900 GET http://h/a.mbox - DIRECT/10.0.0.4 x/y\n"
COMBINED = squid.COMBINED.splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("result", "act"),
    [
        ("TCP_MISS", Act.WHOLE),
        ("TCP_MEM_HIT_ABORTED", Act.PART),
        ("TCP_REFRESH_FAIL_OLD", Act.PART),
        ("TCP_MISS_TIMEDOUT", Act.PART),
    ],
)
def test_result_code_says_cut(result: str, act: Act) -> None:
    (row,) = rows_of(squid.FORMAT, LINE.replace("TCP_MISS", result))
    assert (row["act"], row["object"]) == (act, "/a.mbox")


def test_syslog_frame_is_accepted() -> None:
    framed = "Feb  8 03:12:45 px squid[7]: " + LINE
    assert rows_of(squid.FORMAT, framed) == rows_of(squid.FORMAT, LINE)
    assert squid.recognise(framed.encode(), "") == 97


def test_counts_over_64_bits_are_unknown() -> None:
    for size in ("9" * 40, "-1"):
        assert rows_of(squid.FORMAT, LINE.replace(" 900 ", f" {size} "))[0]["bytes"] is None


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(squid.FORMAT, COMBINED.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "http://h/a.mbox", "900", "1675825965", "/200"):
        counts_of(squid.FORMAT, LINE.encode() + line)
    for line in hostile(COMBINED, "203.0.113.9", "Wget/1.21", "2097152", "08/Feb/2023"):
        counts_of(squid.FORMAT, COMBINED.encode() + line)


def test_a_long_request_that_does_not_end_well_is_no_trap() -> None:
    line = COMBINED.replace("http://h/a.mbox?x", "A" * 500_000).replace(" 200 ", " x ")
    assert counts_of(squid.FORMAT, line) == (1, 1, 0)  # would not return if quadratic


@given(st.lists(st.sampled_from([LINE, COMBINED, "\n", "x\n", LINE[:40] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(squid.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:40] + "\n") for p in parts)
