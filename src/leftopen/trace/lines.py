"""Byte blocks to numbered lines: lossy UTF-8, capped length, nothing dropped.

A line longer than MAX_LINE is one null in the series: one rejected line, whatever its size.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace.api import SCHEMA, Chunk, Row, Trouble, frame

MAX_LINE = 1 << 20  # bytes
SAMPLE_LINES = 200  # lines of the head that recognition looks at
BAD_KEPT = 3
_NEVER = b"\x01"
_SPECIAL = (codecs.BOM_UTF8, b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines without their LF or CR LF; `first` is the number of the first (1-based)."""

    first: int
    text: pl.Series
    overlong: int = 0
    nul_bytes: int = 0

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What of these lines the file itself broke."""
        found = []
        if self.overlong:
            detail = f"a line longer than {MAX_LINE} bytes near line {self.first}"
            found.append(Trouble(Reason.TOO_LARGE, detail, self.overlong))
        if self.nul_bytes:
            detail = f"{self.nul_bytes} NUL bytes near line {self.first}: what stood there is lost"
            found.append(Trouble(Reason.CORRUPT, detail))
        return tuple(found)


def split(blocks: Iterable[bytes]) -> Iterator[Lines]:
    """Cut blocks into lines. Memory is bounded by the block and MAX_LINE, not by the input."""
    tail, skipping, number = b"", False, 1
    for block in blocks:
        start = 0
        if skipping:
            start = block.find(b"\n") + 1
            if not start:
                continue
            yield Lines(number, _nothing(), overlong=1)
            number, skipping = number + 1, False
        end = block.rfind(b"\n", start) + 1
        if end > start:
            # One copy, not two: a block is large enough that each costs as much as its hash.
            made = _lines(number, b"".join((tail, memoryview(block)[start : end - 1])))
            yield made
            number += made.text.len()
            tail, start = b"", end
        tail += block[start:]
        if len(tail) > MAX_LINE:
            tail, skipping = b"", True
    if skipping:
        yield Lines(number, _nothing(), overlong=1)
    elif tail:
        yield _lines(number, tail)


def _nothing() -> pl.Series:
    return pl.Series("line", [None], dtype=pl.String)


def _lines(first: int, data: bytes) -> Lines:
    text = _quickly(data)
    if text is None:
        whole = pl.Series("line", [data.decode("utf-8", "replace")])
        text = whole.str.split("\n").list.explode(keep_nulls=True, empty_as_null=True)
        text = text.str.strip_suffix("\r")
    nul_bytes = data.count(0) if b"\0" in data else 0  # looking is far cheaper than counting
    if nul_bytes:
        # A crash leaves a run of NULs in front of the next line written (XFS, ext4).
        cut = text.str.strip_chars_start("\0")
        text = text.to_frame("line").select(
            pl.when(cut == "").then("line").otherwise(pl.lit(cut)).alias("line")
        )["line"]
    longest = text.str.len_bytes().max()
    if not isinstance(longest, int) or longest <= MAX_LINE:
        return Lines(first, text, nul_bytes=nul_bytes)
    long = text.str.len_bytes() > MAX_LINE
    kept = text.to_frame("line").select(pl.when(~long).then("line").alias("line"))["line"]
    return Lines(first, kept, int(long.sum()), nul_bytes)


def _quickly(data: bytes) -> pl.Series | None:
    """The lines by Polars' CSV reader with a separator that no line holds: ten times as fast.

    None where that reader has ideas of its own: about that byte, a byte order mark, what looks
    compressed, the end of a line, or the number of lines.
    """
    if _NEVER in data or data.startswith(_SPECIAL) or not data:
        return None
    made = pl.read_csv(
        data,
        separator=_NEVER.decode(),
        quote_char=None,
        has_header=False,
        infer_schema=False,
        new_columns=["line"],
        encoding="utf8-lossy",
    )
    if made.width != 1:
        return None
    text = made["line"].fill_null("")
    # Every byte is accounted for; where some were replaced or a CR is gone, the lines are counted.
    whole = int(text.str.len_bytes().sum()) + made.height - 1 == len(data)
    return text if whole or made.height == data.count(b"\n") + 1 else None


def by_line(
    blocks: Iterable[bytes],
    parse: Callable[[int, str], list[Row] | None],
    finish: Callable[[], list[Row]] = list,
    clock: Callable[[], str] = str,
) -> Iterator[Chunk]:
    """Read line by line: `parse(number, text)` gives rows, or None to reject the line.

    `finish` gives the rows that are due when the file ends, `clock` what was assumed about time.
    """
    for lines in split(blocks):
        rows: list[Row] = []
        bad: list[int] = []
        blank = rejected = 0
        for number, text in enumerate(lines.text.to_list(), lines.first):
            if text is not None and not text.strip():
                blank += 1
                continue
            made = None if text is None else parse(number, text.rstrip("\r"))
            if made is None:
                rejected += 1
                if len(bad) < BAD_KEPT:
                    bad.append(number)
            else:
                rows += made
        yield Chunk(
            rows=frame(rows),
            lines=lines.text.len(),
            rejected=rejected,
            blank=blank,
            bad=tuple(bad),
            troubles=lines.troubles,
            clock=clock(),
        )
    yield Chunk(rows=frame(finish()), lines=0, rejected=0)


def share(head: bytes, pattern: re.Pattern[str]) -> int:
    """How many of a hundred lines of a file's head match; 0 for an empty head."""
    text = head.decode("utf-8", "replace").split("\n")
    whole = text[:-1] if len(text) > 1 else text
    seen = [line.strip("\r\0")[:8192] for line in whole[:SAMPLE_LINES] if line.strip()]
    return 100 * sum(1 for line in seen if pattern.match(line)) // len(seen) if seen else 0


def scattered(head: bytes, pattern: re.Pattern[bytes]) -> int:
    """How sure a file is of a kind whose lines stand among those of any programs (syslog)."""
    found = len(pattern.findall(head))
    return min(95, 60 + min(found, SAMPLE_LINES) // 5) if found else 0


def empty() -> pl.DataFrame:
    """No rows."""
    return pl.DataFrame(schema=SCHEMA)
