"""Lines with their place, for the syntaxes that are made of lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE = 65_536  # characters of one line (with its continuations) that a reader looks at


class Line(NamedTuple):
    """A logical line: its text without the line end, and its place."""

    text: str
    number: int  # of its first physical line, 1-based
    start: int  # characters [start, end) of the file, line ends of continuations included
    end: int


def lines(text: str, *, continued: bool = False) -> Iterator[Line]:
    """Lines of a text that are not empty; `continued` lets a backslash at a line's end join."""
    if continued and "\\" in text:
        yield from _joined(text)
        return
    at = 0
    for number, part in enumerate(text.split("\n"), 1):
        end = at + len(part)
        if part:
            yield Line(part[:MAX_LINE].removesuffix("\r"), number, at, end)
        at = end + 1


def _joined(text: str) -> Iterator[Line]:
    at, number = 0, 0
    while at < len(text):
        start, first, parts, size = at, number + 1, list[str](), 0
        while True:
            newline = text.find("\n", at)
            end = len(text) if newline < 0 else newline
            part = text[at : min(end, at + MAX_LINE)].removesuffix("\r")
            at, number = end + 1, number + 1
            goes_on = part.endswith("\\") and at < len(text)
            parts.append(part[:-1] if goes_on else part)
            size += len(part)
            if not goes_on or size > MAX_LINE:
                break
        yield Line("".join(parts), first, start, end)


def unquote(text: str) -> str:
    """The text without one pair of quotes around it."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
