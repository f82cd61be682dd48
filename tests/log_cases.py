"""What tests of log formats share: hostile lines, line accounting, rows as dictionaries."""

from __future__ import annotations

from typing import Any

import polars as pl

from leftopen.trace.api import SCHEMA, LogFormat, ReadOptions

HOSTILE_BYTES = (
    b"\x1b[2J\x1b]0;pwned\x07",  # terminal escapes
    b"\xff\xfe\x80\xc3(",  # not UTF-8
    b"\x00" * 40,
    b"9" * 60,  # over 64 bits
    b"-1",
    "\u202e\u2028\u0085".encode(),  # direction and line marks
    b"A" * (1 << 20),  # the line is over the limit
)


def rows_of(
    plugin: LogFormat, data: bytes | str, options: ReadOptions | None = None
) -> list[dict[str, Any]]:
    """The rows of a text."""
    raw = data.encode() if isinstance(data, str) else data
    found = [c.rows for c in plugin.read(iter([raw]), options or ReadOptions(year=2023))]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *found]).to_dicts()


def counts_of(plugin: LogFormat, data: bytes | str) -> tuple[int, int, int]:
    """Lines, rejected and blank of a text; asserts that the sum holds line by line."""
    raw = data.encode() if isinstance(data, str) else data
    found = list(plugin.read(iter([raw]), ReadOptions(year=2023)))
    lines = sum(c.lines for c in found)
    rejected, blank = sum(c.rejected for c in found), sum(c.blank for c in found)
    assert lines == raw.count(b"\n") + (bool(raw) and not raw.endswith(b"\n"))
    assert rejected + blank <= lines
    assert all(c.rows["time"].is_between(0, 2**31 - 1).all() for c in found)
    sent = [n for c in found for n in c.rows["bytes"].drop_nulls().to_list()]
    assert all(n >= 0 for n in sent)
    return lines, rejected, blank


def hostile(line: str, *parts: str) -> list[bytes]:
    """The line with each of its `parts` replaced by each hostile text."""
    raw = line.encode()
    assert all(part.encode() in raw for part in parts)
    return [raw.replace(part.encode(), bad, 1) for part in parts for bad in HOSTILE_BYTES]
