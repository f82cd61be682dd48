"""W3C extended log files: directives that name the fields, and lines cut by them.

W3C WD-logfile-960323. "#Fields:" may come again in mid-file with other fields; "#Date:" gives the
day where the lines have none.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from leftopen.trace.api import Chunk
from leftopen.trace.columnar import chunk, count, in_range, numbered
from leftopen.trace.lines import Lines, empty

FIELDS_MAX = 100  # of one directive
LAYOUTS_MAX = 50  # different directives in one block


def field(table: pl.DataFrame, *names: str) -> pl.Expr:
    """The first of these fields that the file has, as text; "-" and absence are null."""
    found = next((n for n in names if n in table.columns), None)
    if found is None:
        return pl.lit(None, dtype=pl.String)
    return pl.when(pl.col(found) != "-").then(pl.col(found))


def sent(table: pl.DataFrame) -> pl.Expr:
    """The bytes of "sc-bytes"; without that field they are unknown, never 0."""
    return count("sc-bytes") if "sc-bytes" in table.columns else pl.lit(None, dtype=pl.Int64)


class Reader:
    """Reads one file, block by block; remembers the directives in force."""

    def __init__(self, separator: str, normal: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """`normal` makes rows in SCHEMA of the fields as text, with line and time."""
        self._separator = separator
        self._normal = normal
        self._layout: str | None = None
        self._day: str | None = None

    def chunk(self, lines: Lines) -> Chunk:
        """The rows of a block; lines before any "#Fields:" are rejected."""
        text = pl.col("text")
        fields = text.str.extract(r"^#Fields:[ \t]*(.*)$")
        day = text.str.extract(r"^#Date:[ \t]*([0-9]{4}-[0-9]{2}-[0-9]{2})")
        every = numbered(lines).with_columns(
            fields.forward_fill().fill_null(pl.lit(self._layout)).alias("layout"),
            day.forward_fill().fill_null(pl.lit(self._day)).alias("day"),
            (text.str.strip_chars() == "").fill_null(False).alias("blank"),
            text.str.starts_with("#").fill_null(False).alias("directive"),
        )
        if every.height:
            self._layout, self._day = every["layout"][-1], every["day"][-1]
        plain = every.filter(~pl.col("blank") & ~pl.col("directive"))
        rows = [empty()]
        layouts = plain["layout"].drop_nulls().unique(maintain_order=True).head(LAYOUTS_MAX)
        for layout in layouts.to_list():
            rows.append(self._rows(plain.filter(pl.col("layout") == layout), layout))
        made = pl.concat(rows).sort("line")
        wrong = plain.filter(~pl.col("line").is_in(made["line"].to_list()))["line"]
        return chunk(lines, made, wrong, int(every["blank"].sum()), "")

    def _rows(self, part: pl.DataFrame, layout: str) -> pl.DataFrame:
        names = layout.split()
        if not 2 <= len(names) <= FIELDS_MAX or len(set(names)) < len(names):
            return empty()
        text = pl.col("text")
        cut = text.str.split_exact(self._separator, len(names) - 1).struct.rename_fields(names)
        number = text.str.count_matches(self._separator, literal=True) + 1
        table = (
            part.filter((number == len(names)).fill_null(False))
            .select("line", pl.col("day").alias(" day"), cut.alias(" cut"))
            .unnest(" cut")
        )
        day = pl.col("date") if "date" in names else pl.col(" day")
        clock = pl.col("time") if "time" in names else pl.lit(None, dtype=pl.String)
        stamp = pl.concat_str([day, pl.lit(" "), clock.str.slice(0, 8)])
        at = stamp.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.epoch("s")
        whole = clock.str.contains(r"^[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z?$")
        timed = table.with_columns(at.alias("time"), whole.fill_null(False).alias(" whole"))
        return self._normal(timed.filter(in_range(pl.col("time")) & pl.col(" whole")))
