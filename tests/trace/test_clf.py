"""The quick way through an access log says what the pattern says, on whatever is in it."""

from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.trace.formats.clf import FIELDS, by_pattern, cut, recognise
from leftopen.trace.lines import split

USUAL = '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /mail/a?x=1 HTTP/1.1" 200 209 "-" "Wget"'
LINES = (
    USUAL,
    '203.0.113.9 - frank [08/Feb/2023:03:12:45 +0100] "GET / HTTP/1.1" 200 -',
    '2001:db8::7 - - [08/Feb/2023:03:12:45 +0100] "HEAD /x HTTP/1.0" 304 0',
    '2001:db8::7 ident - [08/Feb/2023:03:12:45 +0100] "HEAD /x HTTP/1.0" 304 0',
    'a.example:443 203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET / HTTP/1.1" 200 5 "-" "a"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "" 400 226 "-" "-"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] " " 400 226 "-" "-"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET" 400 226 "-" "-" 0.001',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET  /two HTTP/1.1" 200 1 "r" "a" "more"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /a\\"b HTTP/1.1" 200 1 "r" "a \\" b"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /x HTTP/1.1" 200 1"r" "a"',
    '203.0.113.9 - a b [c] [08/Feb/2023:03:12:45 +0100] "GET /x HTTP/1.1" 200 1 "r" "a"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100]"GET /x HTTP/1.1" 200 1',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /x HTTP/1.1" 20 1',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /x HTTP/1.1" 200 +1',
    '203.0.113.9 - - [] "GET /x HTTP/1.1" 200 1 "r"',
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /x HTTP/1.1" 200 1 "r" "no end',
    "",
    "   ",
    "no log at all",
    '" "',
)


def both(texts: list[str]) -> None:
    """Where cutting is sure of a line, it says what the pattern says."""
    frame = pl.DataFrame({"text": texts, "line": list(range(len(texts)))}).cast({"line": pl.Int64})
    quick, sure = cut(frame), by_pattern(frame)
    usual = quick["usual"]
    assert quick.filter("usual").select(FIELDS).equals(sure.filter(usual).select(FIELDS))
    # Recognition has a pattern of its own, of the same lines.
    told = [recognise(f"{text}\n".encode(), "x") > 0 for text in texts]
    stripped = frame.with_columns(pl.col("text").str.strip_chars("\r\0"))
    assert told == by_pattern(stripped)["client"].is_not_null().to_list()


def test_the_two_ways_agree() -> None:
    both(list(LINES))


@pytest.mark.parametrize("line", LINES[:3])
def test_the_usual_line_goes_the_quick_way(line: str) -> None:
    frame = pl.DataFrame({"text": [line], "line": [1]}).cast({"line": pl.Int64})
    assert cut(frame)["usual"].to_list() == [True]


START = '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "'
WITHOUT_END = (
    START + "a" * 8100,
    START + "\\a" * 4050,
    START + ("a" * 10 + "\\a") * 675,
    START + "a" * 4000 + "?" + "a" * 4000,
    START + " " * 8100,
    START + "a" * 8000 + '" 20',
    "a:1" * 2700,
    "a:1 a a " + "a [" * 2700,
    "a a" + " a" * 4000,
)


@pytest.mark.parametrize("line", WITHOUT_END)
def test_lines_without_end_cost_what_their_length_does(line: str) -> None:
    before = time.process_time()
    assert recognise(f"{line}\n".encode() * 8, "x") == 0
    assert time.process_time() - before < 1  # the fields' own pattern took 50 s for 2 KiB


PIECES = st.sampled_from(
    [*' "[]\\:-+?.\r', " [", "] ", '" "', "GET", "/x", "200", "12", "203.0.113.9", "::1", "a:1 "]
)


@given(st.lists(st.lists(PIECES, max_size=14).map("".join), min_size=1, max_size=8))
def test_fuzz_the_two_ways_agree_on_anything(texts: list[str]) -> None:
    both(texts)


@given(
    st.lists(
        st.tuples(st.sampled_from(LINES), st.integers(0, 95), PIECES).map(
            lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :]
        ),
        min_size=1,
        max_size=8,
    )
)
def test_fuzz_the_two_ways_agree_on_lines_with_something_wrong(texts: list[str]) -> None:
    both(texts)


TEXT = st.sampled_from(
    [
        *(b"a", b"\n", b"\n\n", b'"', b"\xff", b"\xc3", b"\xa9", b"\xe2\x82", b"\0", b" ", b"\t"),
        *(b"\r", b"\r\n", b"#", b"\x01", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80"),
        *(b"'", b",", b"\x1f\x8b\x08", b"x\x9c", b"x^", b"\x28\xb5\x2f\xfd\x04"),
    ]
)


@given(st.lists(TEXT, max_size=14).map(b"".join))
def test_fuzz_lines_are_what_stands_between_line_ends(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    wanted = [line.removesuffix("\r") for line in text.split("\n")]
    wanted = wanted[:-1] if wanted[-1] == "" and not data.endswith(b"\r") else wanted
    got = [line or "" for lines in split([data]) for line in lines.text.to_list()]
    if b"\0" not in data:  # those are what is left after a crash, and are cut off
        assert got == wanted
    assert len(got) == len(wanted)
