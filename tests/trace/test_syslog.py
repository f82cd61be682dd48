"""The syslog frame: both RFCs, the ISO variant, and lines that have none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.trace.clock import Clock
from leftopen.trace.syslog import FRAME_PYTHON, Framed, unframe

AT = 1675825965
SAMPLES = [
    # RFC 3164, 5.4, example 1, with a tag and colon as every daemon writes them
    "<34>Feb  8 03:12:45 mymachine su[23]: text",
    "Feb  8 03:12:45 mymachine su: text",
    "2023-02-08T04:12:45.123456+01:00 mymachine su[23]: text",
    "2023-02-08T03:12:45Z mymachine su: text",
    # RFC 5424, 6.5, examples 1 and 3
    "<34>1 2023-02-08T03:12:45.003Z mymachine.example.com su - ID47 - \ufefftext",
    '<165>1 2023-02-08T04:12:45+01:00 192.0.2.1 su 8710 - [e@32473 iut="3" s="A"] text',
]


@pytest.mark.parametrize("line", SAMPLES)
def test_frame_is_taken_off(line: str) -> None:
    found = unframe(line, Clock("UTC", 0.0, 2023))
    assert (found.text, found.time, found.tag) == ("text", AT, "su")
    frame = re.match(FRAME_PYTHON, line)
    assert frame is not None
    assert line[frame.end() :] == "text"


@pytest.mark.parametrize("line", ["text", "", "203.0.113.9 - - [x] text", "<34>1 x", "Feb  8"])
def test_a_line_without_a_frame_is_its_own_text(line: str) -> None:
    assert unframe(line, Clock("UTC", 0.0)) == Framed(line)


@pytest.mark.parametrize("stamp", ["Feb 31 03:12:45", "Foo  8 03:12:45", "9999-12-31T23:59:59Z"])
def test_no_such_time(stamp: str) -> None:
    found = unframe(f"{stamp} host su: text", Clock("UTC", 0.0, 2023))
    assert (found.text, found.time) == ("text", None)


@given(st.text(max_size=200))
def test_fuzz_never_raises_nor_adds(line: str) -> None:
    assert line.endswith(unframe(line, Clock("UTC", 0.0, 2023)).text)
