"""Marked reads: what a product offers only as HTTP POST, as rules for the dialer's allow-list."""

from __future__ import annotations

from typing import Final

SEGMENT: Final = rb"[\w%~.-]{1,3060}"  # a part of a path, 255 characters at most, percent-encoded


def post(path: str) -> bytes:
    """The rule that allows a POST of this path and no other; `*` is one part of any name."""
    parts = (SEGMENT if part == "*" else part.encode("ascii") for part in path.split("/"))
    return b"POST " + b"/".join(parts) + rb" HTTP/1\.1\r\n"
