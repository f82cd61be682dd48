"""Delimited tables (CSV, TSV): every value behind its column header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from leftopen.contents import charset, rows
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.place import gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 20
_LEAST_LINES = 3  # lines with equally many delimiters that make a table of a nameless text


def _recognise(head: bytes, name: str) -> int:
    text = charset.text_head(head)
    if not text:
        return 0
    named = name.lower().endswith((".csv", ".tsv", ".tab"))
    if named and not text.startswith(("<", "{", "[")):
        return 70
    first, _, rest = text.partition("\n")
    second = rest.partition("\n")[0]
    if not any(0 < first.count(d) == second.count(d) for d in _DELIMITERS):
        return 0  # most texts end here
    delimiter, agreeing, lines = _delimiter(text)
    return 40 if delimiter and lines >= _LEAST_LINES and agreeing == lines else 0


def _delimiter(text: str) -> tuple[str, int, int]:
    """The delimiter that most lines hold equally often, how many do, and of how many."""
    lines = [line for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]
    if len(lines) > _LEAST_LINES:
        lines.pop()  # the last one may be cut
    best = ("", 0)
    for delimiter in _DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        least = 2 if delimiter in ",;" else 1  # one comma per line is prose
        common = max(set(counts), key=counts.count, default=0)
        agreeing = counts.count(common)
        if common >= least and agreeing > best[1]:
            best = (delimiter, agreeing)
    return best[0], best[1], len(lines)


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    text = charset.decode(blob.data)
    delimiter = _delimiter(text[: 64 * 1024])[0] or ","
    table: list[list[str]] = []
    left = limits.cells
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=delimiter)
    try:
        for row in reader:
            left -= len(row)
            if left < 0:
                yield gap(Reason.TOO_LARGE, blob.place, "rows beyond the limit on cells")
                break
            table.append([cell if "\n" not in cell else " ".join(cell.split()) for cell in row])
    except csv.Error:
        # A field over 128 KB: as a rule one quotation mark that is never closed. The rest is
        # handed on as it stands.
        rest = text[_offset(text, len(table)) :]
        yield Text(rest, TextKind.BODY, blob.place, carrier="csv")
        detail = f"row {len(table) + 1} is no row; the rest was read as plain text"
        yield gap(Reason.UNPARSED, blob.place, detail, size=len(rest))
    if table:
        yield Text(rows.render(table), TextKind.TABLE, blob.place, carrier="csv")


def _offset(text: str, lines: int) -> int:
    """Where line number `lines` starts: rows before it held at least one line each."""
    at = 0
    for _ in range(lines):
        at = text.find("\n", at) + 1
        if at == 0:
            return len(text)
    return at


CSV = Format(name="csv", recognise=_recognise, read=_read)
