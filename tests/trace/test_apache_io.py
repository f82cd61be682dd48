"""Apache with %I %O: what was cut short, what is plain clf, hostile lines."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.formats import apache_io
from leftopen.trace.read import recognise
from log_cases import counts_of, hostile, rows_of

LINE = apache_io.EXAMPLE.splitlines(keepends=True)[0]


def test_two_numbers_that_are_no_wire_counts_are_left_to_clf() -> None:
    times = LINE.replace(" 180 2097480", " 12 350")  # e.g. milliseconds
    assert apache_io.recognise(times.encode(), "") == 0
    best, _ = recognise(times.encode(), "access.log")
    assert best is not None
    assert best.name == "clf"


def test_counts_over_64_bits_are_unknown() -> None:
    (row,) = rows_of(apache_io.FORMAT, LINE.replace("2097480", "9" * 40))
    assert row["bytes"] is None


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(apache_io.FORMAT, LINE.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    parts = "203.0.113.9", "/mail/a.mbox", "2097152", "Wget/1.21", "08/Feb/2023", "2097480"
    for line in hostile(LINE, *parts):
        counts_of(apache_io.FORMAT, LINE.encode() + line)


def test_a_long_request_that_does_not_end_well_is_no_trap() -> None:
    line = LINE.replace("GET /mail/a.mbox?x HTTP/1.1", "A" * 500_000).replace(" 180 ", " x ")
    assert counts_of(apache_io.FORMAT, line) == (1, 1, 0)  # would not return if quadratic


@given(st.lists(st.sampled_from([LINE, "\n", "x\n", LINE[:90] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(apache_io.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:90] + "\n") for p in parts)
