"""Columns of one block of lines: which are good, which are not, and nothing in between."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from leftopen.trace.api import SCHEMA, Chunk
from leftopen.trace.clock import LAST
from leftopen.trace.lines import BAD_KEPT, Lines

COUNT = "^[0-9]{1,18}$"  # what is a count of bytes; all else is unknown


def numbered(lines: Lines) -> pl.DataFrame:
    """Columns line and text (without the carriage return) of a block."""
    text = lines.text.str.strip_chars_end("\r").alias("text")
    numbers = pl.int_range(lines.first, lines.first + lines.text.len(), dtype=pl.Int64)
    return text.to_frame().with_columns(numbers.alias("line"))


def count(name: str) -> pl.Expr:
    """A column of text as a count; null where it is blank, "-" or out of range."""
    text = pl.col(name)
    return pl.when(text.str.contains(COUNT)).then(text.cast(pl.Int64, strict=False))


def in_range(time: pl.Expr) -> pl.Expr:
    """Whether an instant can be kept."""
    return time.is_between(0, LAST).fill_null(False)


def normal(good: pl.DataFrame, columns: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Rows in SCHEMA; what `columns` leaves out is taken by name, or the schema's "nothing"."""
    nothing = {
        "port": pl.lit(0),
        "status": pl.lit(0),
        "content": pl.lit(0),
        "units": pl.lit(0),
        "object": pl.lit(None),
        "agent": pl.lit(None),
        "user": pl.lit(False),
    }
    named = {**nothing, **columns}
    return good.select(
        named.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in SCHEMA.items()
    )


def status(code: pl.Expr) -> pl.Expr:
    """The hundreds digit of a status; 0 where it is none."""
    return pl.when(code.is_between(100, 599)).then(code // 100).otherwise(0)


def chunk(lines: Lines, rows: pl.DataFrame, rejected: pl.Series, blank: int, clock: str) -> Chunk:
    """A chunk whose counts add up; `rejected` holds line numbers."""
    return Chunk(
        rows=rows,
        lines=lines.text.len(),
        rejected=rejected.len(),
        blank=blank,
        bad=tuple(rejected.head(BAD_KEPT).to_list()),
        troubles=lines.troubles,
        clock=clock,
    )
