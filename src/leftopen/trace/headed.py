"""Logs whose columns are named by header lines, which may change or come again within a file.

Files of one sensor are joined by users, so a header stands anywhere. Lines are sorted by the
header above them, and read by columns once for each header and block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from leftopen.trace.api import Chunk
from leftopen.trace.lines import BAD_KEPT, Lines, empty, split

HEADERS_MAX = 64  # different ones in a file; lines below any further one are rejected
COLUMNS_MAX = 400

Columns = tuple[str, ...]
# A table of `line` and `text`, and the names of its columns, gives rows in SCHEMA and the numbers
# of the lines that are none.
ReadTable = Callable[[Columns, pl.DataFrame], tuple[pl.DataFrame, pl.Series]]


@dataclass(slots=True)
class Headed:
    """What one format does with its headers.

    `mark` is a regular expression that finds lines to hand to `header`: new columns, or the old
    ones to keep them (a comment), or None to reject the line.
    """

    mark: str
    header: Callable[[str, Columns], Columns | None]
    table: ReadTable
    columns: Columns = ()  # before the first header
    _known: list[Columns] = field(default_factory=list)

    def read(self, blocks: Iterator[bytes]) -> Iterator[Chunk]:
        """All lines, by block."""
        for lines in split(blocks):
            yield self._chunk(lines)

    def _chunk(self, lines: Lines) -> Chunk:
        number = pl.int_range(lines.first, lines.first + lines.text.len(), dtype=pl.Int64)
        text = pl.col("text")
        every = (
            lines.text.alias("text")
            .to_frame()
            .with_columns(
                number.alias("line"),
                (text.str.strip_chars() == "").fill_null(False).alias("blank"),
                text.str.contains(self.mark).fill_null(False).alias("head"),
            )
        )
        wrong = every.filter(text.is_null())["line"].to_list()
        start = self._id(self.columns)
        ids, refused = self._headers(every.filter(pl.col("head")))
        wrong += refused
        told = every.join(ids, on="line", how="left", maintain_order="left").with_columns(
            pl.col("id").forward_fill().fill_null(start)
        )
        body = told.filter(~pl.col("head") & ~pl.col("blank") & text.is_not_null())
        found: list[pl.DataFrame] = []
        for (name,), part in body.group_by("id", maintain_order=True):
            columns = self._known[int(str(name))]
            if columns:
                rows, bad = self.table(columns, part.select("line", "text"))
                found.append(rows)
                wrong += bad.to_list()
            else:
                wrong += part["line"].to_list()
        wrong.sort()
        return Chunk(
            rows=pl.concat(found).sort("line", maintain_order=True) if found else empty(),
            lines=lines.text.len(),
            rejected=len(wrong),
            blank=int(every["blank"].sum()),
            bad=tuple(wrong[:BAD_KEPT]),
            troubles=lines.troubles,
        )

    def _headers(self, heads: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
        numbers: list[int] = []
        ids: list[int] = []
        refused: list[int] = []
        for line, text in zip(heads["line"].to_list(), heads["text"].to_list(), strict=True):
            made = self.header(text[:65_536].rstrip("\r"), self.columns)
            if made is None:
                refused.append(line)
                continue
            self.columns = made[:COLUMNS_MAX]
            numbers.append(line)
            ids.append(self._id(self.columns))
        schema = {"line": pl.Int64(), "id": pl.Int64()}
        return pl.DataFrame({"line": numbers, "id": ids}, schema=schema), refused

    def _id(self, columns: Columns) -> int:
        if columns not in self._known:
            if len(self._known) >= HEADERS_MAX:
                columns = ()
                if () not in self._known:
                    self._known.append(())
            else:
                self._known.append(columns)
        return self._known.index(columns)


def split_columns(
    table: pl.DataFrame, columns: Columns, separator: str, used: tuple[str, ...]
) -> pl.LazyFrame:
    """The used columns of each line as text; `fits`: it has as many fields as the header.

    A column that the header does not name is null. Trailing carriage returns are cut.
    """
    text = pl.col("text").str.strip_chars_end("\r")
    pieces = [f"field_{n}" for n in range(len(columns))]
    split = (
        table.lazy()
        .with_columns(
            (text.str.count_matches(separator, literal=True) + 1 == len(columns)).alias("fits"),
            text.str.splitn(separator, len(columns)).alias("pieces")
            if len(columns) == 1
            else text.str.split_exact(separator, len(columns) - 1).alias("pieces"),
        )
        .with_columns(pl.col("pieces").struct.rename_fields(pieces))
    )
    wanted = [
        pl.col("pieces").struct.field(pieces[columns.index(name)]).alias(name)
        if name in columns
        else pl.lit(None, dtype=pl.String).alias(name)
        for name in used
    ]
    return split.select("line", "fits", *wanted)
