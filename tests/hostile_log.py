"""What every reader of trace is shown: hostile lines, and the counts that must add up."""

from __future__ import annotations

import polars as pl
from hypothesis import strategies as st

from leftopen.trace.api import SCHEMA, Chunk, LogFormat, ReadOptions

HOSTILE = (
    b"\x1b]0;owned\x07\x1b[2J\n",
    b"\xff\xfe\x80 invalid\n",
    b"\x00" * 4096 + b"\n",
    b"A" * (1 << 20) + b"B\n",
    b'{"a":' * 5000 + b"\n",
    b"99999999999999999999999999 " * 20 + b"\n",
    b"0000-00-00 9999-12-31T23:59:59Z 0001-01-01T00:00:00Z\n",
    b'{"time":"9999-12-31T23:59:59Z"}\n',
    b"\r\n",
)


def read_all(plugin: LogFormat, data: bytes, options: ReadOptions | None = None) -> list[Chunk]:
    """Every chunk of a text; the counts of each must add up."""
    found = list(plugin.read(iter((data,)), options or ReadOptions(year=2023)))
    for chunk in found:
        assert 0 <= chunk.rejected + chunk.blank <= chunk.lines
        assert dict(chunk.rows.schema) == SCHEMA
        assert chunk.rows["time"].null_count() == 0
        assert chunk.rows["line"].null_count() == 0
        assert chunk.rows["time"].is_between(0, 2**31 - 1).all()
        assert (chunk.rows["bytes"].fill_null(0) >= 0).all()
    if plugin.unit == "line" and data:
        assert lines(found) == data.count(b"\n") + (not data.endswith(b"\n"))
    return found


def rows(found: list[Chunk]) -> pl.DataFrame:
    """The rows of all chunks."""
    return pl.concat([c.rows for c in found]) if found else pl.DataFrame(schema=SCHEMA)


def lines(found: list[Chunk]) -> int:
    return sum(c.lines for c in found)


def rejected(found: list[Chunk]) -> int:
    return sum(c.rejected for c in found)


def blank(found: list[Chunk]) -> int:
    return sum(c.blank for c in found)


def hostile_between(plugin: LogFormat, good: str) -> None:
    """Hostile lines between good ones: every good row is still there, every line counted."""
    data = good.encode()
    wanted = rows(read_all(plugin, data)).drop("line")
    for line in HOSTILE:
        made = read_all(plugin, data + line)
        assert rows(made).drop("line").head(wanted.height).equals(wanted), line[:40]
        assert rejected(made) + blank(made) >= 1, line[:40]
        read_all(plugin, line + data)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """A text with a stretch replaced by other bytes, or other characters of its own kind."""
    data = text.encode()
    start, end = draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))
    other = draw(st.one_of(st.binary(max_size=9), st.text('0123456789,.:-" {}[]n', max_size=9)))
    put = other.encode() if isinstance(other, str) else other
    return data[:start] + put + data[min(end, start + 20) if draw(st.booleans()) else end :]
