"""OpenLDAP statistics: entries by connection, bytes unknown."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.formats import slapd_stats
from log_cases import counts_of, hostile, rows_of

LINE = "Feb  8 03:12:44 l slapd[7]: conn=1 fd=1 ACCEPT from IP=203.0.113.9:5 (IP=0.0.0.0:389)\n"


DONE = "Feb  8 03:12:44 l slapd[7]: conn=1 op=1 SEARCH RESULT tag=101 err=0 nentries=7 text=\n"


def test_entries_are_units_and_bytes_unknown() -> None:
    _, row = rows_of(slapd_stats.FORMAT, LINE + DONE)
    assert (row["client"], row["units"], row["bytes"]) == ("203.0.113.9", 7, None)
    _, row = rows_of(slapd_stats.FORMAT, LINE + DONE.replace("=7 ", "=" + "9" * 40 + " "))
    assert (row["units"], row["bytes"]) == (0, None)


def test_open_connections_are_bounded() -> None:
    made = slapd_stats.OPEN_CONNECTIONS + 1
    text = "".join(LINE.replace("conn=1 ", f"conn={n + 1} ") for n in range(made))
    assert rows_of(slapd_stats.FORMAT, text + DONE)[-1]["client"] == "unattributed"


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        iso = LINE.replace("Feb  8 03:12:4", f"{year}-02-08T03:12:4")
        assert counts_of(slapd_stats.FORMAT, iso) == (1, 1, 0)


def test_framed_by_rfc_5424() -> None:
    tail = LINE.split("]: ", 1)[1]
    framed = "<30>1 2023-02-08T03:12:44Z h slapd 7 - - " + tail
    assert rows_of(slapd_stats.FORMAT, framed) == rows_of(slapd_stats.FORMAT, LINE)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "conn=1", "389", "ACCEPT", "Feb  8"):
        counts_of(slapd_stats.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, slapd_stats.EXAMPLE, "\n", "x\n", LINE[:12] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(slapd_stats.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:12] + "\n") for p in parts)
