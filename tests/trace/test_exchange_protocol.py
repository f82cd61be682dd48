"""Exchange protocol logs: bodies and listings told apart, hostile lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import exchange_protocol
from log_cases import counts_of, hostile, rows_of

HEAD = exchange_protocol.HEAD.replace("\r", "")
LINE = "2023-02-08T03:12:46.1Z,01,2,10.0.0.4:143,203.0.113.9:5,kim,9,20,900,fetch,1 BODY[],R=OK\n"


@pytest.mark.parametrize(
    ("command", "act", "units"),
    [
        ("fetch,1 BODY.PEEK[]", Act.WHOLE, 1),
        ("uid,FETCH 1 RFC822", Act.WHOLE, 1),
        ("fetch,1 BODY.PEEK[HEADER]", Act.LISTED, 0),
        ("fetch,1 RFC822.SIZE", Act.LISTED, 0),
        ("RETR,1", Act.WHOLE, 1),
        ("uidl,", Act.LISTED, 0),
        ("capability,", Act.LOOKED, 0),
    ],
)
def test_what_a_command_gives(command: str, act: Act, units: int) -> None:
    (row,) = rows_of(exchange_protocol.FORMAT, HEAD + LINE.replace("fetch,1 BODY[]", command))
    assert (row["act"], row["units"], row["bytes"]) == (act, units, 900)


def test_counts_over_64_bits_and_blanks_are_unknown() -> None:
    for size in ("9" * 40, "-1", ""):
        (row,) = rows_of(exchange_protocol.FORMAT, HEAD + LINE.replace(",900,", f",{size},"))
        assert (row["bytes"], row["act"]) == (None, Act.WHOLE)


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        text = HEAD + LINE.replace("2023", year)
        assert counts_of(exchange_protocol.FORMAT, text)[1] == 1


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "fetch", "900", "2023-02-08", "1 BODY[]", "R=OK"):
        counts_of(exchange_protocol.FORMAT, (HEAD + LINE).encode() + line)
    counts_of(exchange_protocol.FORMAT, HEAD + '"' + "a" * 200_000 + "\n")


@given(st.lists(st.sampled_from([LINE, HEAD, "\n", "x\n", LINE[:40] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(exchange_protocol.FORMAT, HEAD + "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:40] + "\n") for p in parts)
