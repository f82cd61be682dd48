"""ProFTPD's ExtendedLog: downloads by reply code, not taken for a web log."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import clf, proftpd
from leftopen.trace.read import recognise
from log_cases import counts_of, hostile, rows_of

LINE = proftpd.EXAMPLE.splitlines(keepends=True)[1]


@pytest.mark.parametrize(
    ("code", "act", "content"),
    [("226", Act.WHOLE, 2097152), ("426", Act.PART, 0), ("451", Act.PART, 0), ("-", Act.PART, 0)],
)
def test_reply_code_says_whether_it_arrived(code: str, act: Act, content: int) -> None:
    (row,) = rows_of(proftpd.FORMAT, LINE.replace(" 226 ", f" {code} "))
    assert (row["act"], row["content"], row["bytes"]) == (act, content, 2097152)


def test_web_logs_are_left_to_clf() -> None:
    web = '203.0.113.9 - - [08/Feb/2023:04:12:45 +0100] "GET /a HTTP/1.1" 200 5\n'
    assert proftpd.recognise(web.encode(), "proftpd.log") == 0
    best, _ = recognise((web * 9).encode(), "proftpd.log")
    assert best is clf.FORMAT


def test_counts_over_64_bits_are_unknown() -> None:
    assert rows_of(proftpd.FORMAT, LINE.replace("2097152", "9" * 40))[0]["bytes"] is None


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(proftpd.FORMAT, LINE.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "/pub/a b.mbox", "2097152", "08/Feb/2023", "RETR"):
        counts_of(proftpd.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, "\n", "x\n", LINE[:60] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(proftpd.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:60] + "\n") for p in parts)
