"""Zeek's logs, tab-separated or JSON, made into columns by the names of their fields.

docs.zeek.org/en/master/log-formats.html: a TSV log says its separator, the text of an unset ("-")
and of an empty field ("(empty)"), its path and its fields in lines that begin with "#"; text is
escaped as \\xNN. Rotated logs that were joined carry these again. In JSON there is one object a
line, unset fields are left out, and ts is a number or, by an option, ISO 8601.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain

import msgspec
import polars as pl

from leftopen.trace.api import Chunk
from leftopen.trace.clock import LAST
from leftopen.trace.headed import Columns, Headed, split_columns
from leftopen.trace.instants import ADDRESS, private, utc
from leftopen.trace.json_records import BAD_JSON
from leftopen.trace.lines import BAD_KEPT, Lines, empty, split

Fields = dict[str, pl.DataType]
# A table of `line`, `time`, `fits` and the fields gives rows in SCHEMA.
MakeRows = Callable[[pl.LazyFrame], pl.LazyFrame]
Look = Callable[[pl.DataFrame], None]
UNSET = ("-", "(empty)", "")
TEXT, COUNT, REAL, FLAG = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
# Who began a connection, with whom, and on which port: in every log of connections.
ENDS: Fields = {"id.orig_h": TEXT, "id.resp_h": TEXT, "id.resp_p": COUNT}
_SEPARATOR = re.compile(r"#separator \\x([0-9a-fA-F]{2})\s*")


def recognise(head: bytes, path: str, fields: tuple[str, ...], rare: tuple[str, ...]) -> int:
    """By the path, or by the names of the fields of the first record; `rare` are all of its own."""
    start = head[:65_536].lstrip()
    if start.startswith(b"{"):
        first = start.split(b"\n", 1)[0]
        if f'"_path":"{path}"'.encode() in first.replace(b" ", b""):
            return 97
        names = [f'"{name}"'.encode() in first for name in fields]
        return 93 if all(names) and any(f'"{n}"'.encode() in first for n in rare) else 0
    if not start.startswith(b"#"):
        return 0
    if f"#path\t{path}\n".encode() in start.replace(b"\r", b""):
        return 98
    named = re.search(rb"^#fields\t(.*)$", start, re.MULTILINE)
    if named is None or b"#path\t" in start:
        return 0
    there = set(named[1].decode("utf-8", "replace").strip().split("\t"))
    return 93 if there >= set(fields) and there & set(rare) else 0


def read(
    blocks: Iterator[bytes], fields: Fields, make: MakeRows, look: Look | None = None
) -> Iterator[Chunk]:
    """Rows of every record that has a time and whose fields are of their type.

    `look` sees every good table as it was read.
    """
    reader = _Reader(fields, make, look)
    held = b""
    for block in blocks:
        held += block
        if held.strip():
            break
    every = chain((held,), blocks)
    if held.lstrip()[:1] == b"{":
        for lines in split(every):
            yield reader.json(lines)
    else:
        yield from Headed(mark="^#", header=reader.header, table=reader.table).read(every)


class _Reader:
    def __init__(self, fields: Fields, make: MakeRows, look: Look | None) -> None:
        self._fields = {"ts": TEXT} | fields
        self._make, self._look = make, look
        self._separator = "\t"
        named = [
            (f"f{n}", Value, msgspec.field(name=name, default=None))
            for n, name in enumerate(self._fields)
        ]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("Record", named)).decode

    def header(self, text: str, before: Columns) -> Columns | None:
        """Comments keep the columns that are known."""
        if found := _SEPARATOR.fullmatch(text):
            self._separator = chr(int(found[1], 16))
        if text.startswith("#fields"):
            return tuple(text[8:].rstrip().split(self._separator))
        return before

    def table(self, columns: Columns, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """Rows, and the numbers of lines that are none."""
        return self._rows(split_columns(lines, columns, self._separator, tuple(self._fields)))

    def json(self, lines: Lines) -> Chunk:
        """One object a line."""
        numbers: list[int] = []
        values: list[tuple[object, ...]] = []
        bad: list[int] = []
        blank = 0
        for number, text in enumerate(lines.text.to_list(), lines.first):
            if text is not None and not text.strip():
                blank += 1
                continue
            try:
                values.append(msgspec.structs.astuple(self._decode(text or "")))
                numbers.append(number)
            except BAD_JSON:
                bad.append(number)
        rows, wrong = self._of_json(numbers, values)
        bad = sorted([*bad, *wrong.to_list()])
        return Chunk(
            rows=rows,
            lines=lines.text.len(),
            rejected=len(bad),
            blank=blank,
            bad=tuple(bad[:BAD_KEPT]),
            troubles=lines.troubles,
        )

    def _of_json(
        self, numbers: list[int], values: list[tuple[object, ...]]
    ) -> tuple[pl.DataFrame, pl.Series]:
        columns: dict[str, list[str | None]] = {name: [] for name in self._fields}
        if values:
            for name, column in zip(self._fields, zip(*values, strict=True), strict=True):
                columns[name] = [_text(value) for value in column]
        table = pl.DataFrame(columns, schema=dict.fromkeys(self._fields, TEXT))
        line = pl.Series("line", numbers, dtype=pl.Int64)
        return self._rows(table.lazy().with_columns(line, pl.lit(True).alias("fits")))

    def _rows(self, table: pl.LazyFrame) -> tuple[pl.DataFrame, pl.Series]:
        made = table.with_columns(
            pl.when(~pl.col(name).is_in(UNSET)).then(name).alias(name) for name in self._fields
        )
        right = [
            (pl.col(name).is_null() | _typed(name, kind).is_not_null())
            for name, kind in self._fields.items()
        ]
        cast = made.with_columns(
            pl.all_horizontal(right).alias("right"), _time().alias("time")
        ).with_columns(_typed(name, kind).alias(name) for name, kind in self._fields.items())
        good = pl.col("fits") & pl.col("right") & pl.col("time").is_between(0, LAST)
        told = cast.with_columns(good.fill_null(False).alias("ok")).collect()
        kept = told.filter("ok")
        if self._look:
            self._look(kept)
        rows = self._make(kept.lazy()).collect() if kept.height else empty()
        return rows, told.filter(~pl.col("ok"))["line"]


Value = int | float | str | bool | list[str] | None


def port() -> pl.Expr:
    """The local port as `port`; 0 where none is named."""
    return pl.col("id.resp_p").fill_null(0).alias("port")


def outward(far: str, near: str) -> pl.Expr:
    """Whether a private address began it with one that is not: nobody who came in."""
    return private(far) & ~private(near)


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, str) and not value[:1].isascii():
        return value
    return None if value is None else str(value)


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    if name == "ts":
        return pl.col(name)
    if kind == COUNT:  # digits that fit: JSON writes 5.0 for some
        return pl.col(name).str.extract(r"^([0-9]{1,18})(?:\.0+)?$").cast(COUNT, strict=False)
    if kind == FLAG:
        return pl.when(pl.col(name).is_in(["T", "F"])).then(pl.col(name) == "T")
    if name in ("id.orig_h", "id.resp_h"):
        return pl.col(name).str.extract(rf"^({ADDRESS})$").str.to_lowercase()
    return pl.col(name).cast(kind, strict=False)


def _time() -> pl.Expr:
    """Epoch seconds with a fraction, or ISO 8601."""
    number = pl.col("ts").str.extract(r"^([0-9]{1,12})(?:\.[0-9]*)?$").cast(COUNT, strict=False)
    iso = pl.when(pl.col("ts").str.contains("T", literal=True)).then("ts")
    return pl.coalesce(number, iso.map_elements(utc, return_dtype=COUNT, skip_nulls=True))
