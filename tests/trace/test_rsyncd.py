"""rsyncd logs: sessions joined by process, bytes counted once, hostile lines."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import rsyncd
from log_cases import counts_of, hostile, rows_of

BEGIN = "2023/02/08 03:12:44 [7] rsync on mail/ from h (203.0.113.9)\n"
FILE = "2023/02/08 03:12:45 [7] send h [203.0.113.9] mail () a.mbox 2097152\n"
END = "2023/02/08 03:12:46 [7] sent 663160 bytes  received 90 bytes  total size 2099999\n"


def test_compressed_session_counts_what_moved_not_file_sizes() -> None:
    found = rows_of(rsyncd.FORMAT, BEGIN + FILE + END)
    assert sum(r["bytes"] for r in found) == 663160


def test_session_without_its_last_line_is_unknown() -> None:
    found = rows_of(rsyncd.FORMAT, BEGIN + FILE)
    assert (found[-1]["bytes"], found[-1]["act"]) == (None, Act.WHOLE)
    again = rows_of(rsyncd.FORMAT, BEGIN + BEGIN + END)  # the process id came again
    assert [r["bytes"] for r in again].count(None) == 1


def test_counts_over_64_bits_are_unknown() -> None:
    found = rows_of(rsyncd.FORMAT, BEGIN + END.replace("663160", "9" * 40))
    assert found[-1]["bytes"] is None


def test_open_sessions_are_bounded() -> None:
    made = rsyncd.OPEN_SESSIONS + 10
    text = "".join(BEGIN.replace("[7]", f"[{n}]") for n in range(made))
    found = rows_of(rsyncd.FORMAT, text)
    assert sum(r["bytes"] is None for r in found) == made


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(rsyncd.FORMAT, BEGIN.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(FILE, "203.0.113.9", "a.mbox", "2097152", "2023/02/08", "[7]"):
        counts_of(rsyncd.FORMAT, BEGIN.encode() + line + END.encode())


@given(st.lists(st.sampled_from([BEGIN, FILE, END, "\n", "x\n", BEGIN[:18] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    text = "".join(parts)
    _, rejected, _ = counts_of(rsyncd.FORMAT, text)
    assert rejected == sum(p in ("x\n", BEGIN[:18] + "\n") for p in parts)
    assert sum(r["bytes"] or 0 for r in rows_of(rsyncd.FORMAT, text)) == 663160 * parts.count(END)
