"""Splits an mbox into messages without copying it: works on bytes and on a memory map.

RFC 4155 and the four older dialects agree on one thing only: a message starts at a line that
begins with "From ". Body lines that begin so are told apart by what stands in the line (an
address or a time) and by what follows (a header line).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap

# A separator: an address or a time in it, and behind it a header field's name and colon
# (RFC 5322 2.2).
_START = re.compile(rb"From [^\n]{0,990}?(?:@|\d:\d\d)[^\n]{0,990}\n[!-9;-~]{1,76}[ \t]?:")
_LINE = 2000
_QUOTED = re.compile(rb"\n>(>*From )")


def starts_mbox(head: bytes) -> bool:
    """Whether these are the first bytes of an mbox."""
    return head.startswith(b"From ") and _is_start(head, 0)


def split(data: bytes | mmap) -> Iterator[tuple[int, int]]:
    """(start, end) of every message, without its "From " line. Text before the first is one too."""
    size = len(data)
    at = 0 if data[:5] == b"From " and _is_start(data, 0) else _next(data, 0)
    if at > 0 and data[:at].strip():
        yield 0, at
    while 0 <= at < size:
        line_end = data.find(b"\n", at, at + _LINE)
        start = line_end + 1 if line_end >= 0 else size
        following = _next(data, line_end if line_end >= 0 else size)
        end = following if following >= 0 else size
        yield start, end
        at = following


def _next(data: bytes | mmap, at: int) -> int:
    """Where the next "From " line starts at or after the line end `at`; -1 when there is none."""
    while True:
        at = data.find(b"\nFrom ", at)
        if at < 0 or _is_start(data, at + 1):
            return at + 1 if at >= 0 else -1
        at += 1


def _is_start(data: bytes | mmap, at: int) -> bool:
    return _START.match(data, at) is not None


def unquote(message: bytes) -> bytes:
    """A message with the ">From " lines of its body as they were (mboxrd, qmail's mbox(5))."""
    return _QUOTED.sub(rb"\n\1", message) if b"\n>" in message else message
