"""Rows of cells as text in which every value stands behind its column header.

A value in a table has its only context in the header of its column; putting the header in front of
each value is the largest single gain in recall (research/contents_measured.md 6b).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER_ROWS = 10  # rows at the top among which the header is looked for
_LABEL_CHARS = 60
_WORD = re.compile(r"[a-z]+|#")
_KNOWN_WORDS = (
    "name first last middle surname given family fname lname ssn ssan social dob date birth born "
    "phone tel telephone mobile cell fax email mail address street city state zip postal country "
    "id edipi dodid rank grade unit uic account acct card iban routing aba number num no gender "
    "sex title department dept office employee patient mrn npi passport license licence dl "
    "clearance status type amount salary user username login password notes remarks role position "
    "relationship spouse sponsor blood religion diagnosis dx hire start end expiration # mos "
    "payband branch component company position organization organisation subject from to"
)
_KNOWN = frozenset(_KNOWN_WORDS.split())
_SSN_LABEL = re.compile(r"\bss(?:n|an|#| ?no)\b|ss#|\bsoc(?:ial|\.)? ?sec", re.IGNORECASE)
_LOST_ZERO = re.compile(r"\d{7,8}(?:\.0)?")


def is_ssn_label(label: str) -> bool:
    """Whether a column header or key says that its values are Social Security numbers."""
    return bool(_SSN_LABEL.search(label.replace("_", " ")))


def restore_zeros(value: str) -> str:
    """An SSN that a spreadsheet stored as a number and robbed of its leading zeros."""
    return value.split(".")[0].zfill(9) if _LOST_ZERO.fullmatch(value) else value


def render(rows: Sequence[Sequence[str]]) -> str:
    """One line per row, cells separated by tabs, each behind its header: `SSN: 1\\tDOB: 2\\n`."""
    at = header_row(rows)
    if at is None:
        return _pairs(rows) if _is_two_columns(rows) else _plain(rows)
    lines = ["\t".join(c for c in row if c) for row in rows[: at + 1]]
    labels = [" ".join(cell.split())[:_LABEL_CHARS].rstrip(": ") for cell in rows[at]]
    heads = [f"{label}: " if label else "" for label in labels]
    padded = [n for n, label in enumerate(labels) if is_ssn_label(label)]
    for row in rows[at + 1 :]:
        cells = list(row)
        for n in padded:
            if n < len(cells):
                cells[n] = restore_zeros(cells[n])
        line = "\t".join([h + c for h, c in zip(heads, cells, strict=False) if c])
        extra = [c for c in cells[len(heads) :] if c]
        lines.append("\t".join([line, *extra]) if extra else line)
    return "\n".join(lines) + "\n"


def header_row(rows: Sequence[Sequence[str]]) -> int | None:
    """The index of the row that names the columns, or None.

    A header is a row of labels (short, hardly a digit) with known label words in it, or one
    above rows that hold numbers in a column.
    """
    if _is_two_columns(rows):
        return None
    least = min(2, max(map(len, rows[:_HEADER_ROWS]), default=0))
    for n, row in enumerate(rows[:_HEADER_ROWS]):
        cells = [c for c in row if c]
        if len(cells) < max(1, least):
            continue
        if not all(map(_is_label, cells)):
            continue
        known = sum(map(_is_known, cells))
        if known * 2 >= len(cells) and n + 1 < len(rows):
            return n
        if _numbers_below(row, rows[n + 1 : n + 1 + _HEADER_ROWS]):
            return n
    return None


def _is_label(cell: str) -> bool:
    return (
        len(cell) <= _LABEL_CHARS
        and "@" not in cell
        and sum(map(str.isdigit, cell)) < 3
        and any(map(str.isalpha, cell))
    )


def _is_known(cell: str) -> bool:
    return not _KNOWN.isdisjoint(_WORD.findall(cell.lower()))


def _numbers_below(header: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    for column, label in enumerate(header):
        cells = [row[column] for row in below if column < len(row) and row[column]]
        if label and cells and sum(any(map(str.isdigit, c)) for c in cells) * 2 > len(cells):
            return True
    return False


def _is_two_columns(rows: Sequence[Sequence[str]]) -> bool:
    """A sheet of labels and values side by side, as forms are laid out in spreadsheets."""
    sample = [row for row in rows[:50] if any(row)]
    if not sample or any(map(any, (row[2:] for row in sample))):
        return False
    firsts = [row[0] for row in sample if row[0]]
    if not all(map(_is_label, firsts)) or (len(sample[0]) > 1 and _is_known(sample[0][1])):
        return False
    return sum(c.endswith(":") or _is_known(c) for c in firsts) * 2 >= len(sample)


def _pairs(rows: Sequence[Sequence[str]]) -> str:
    lines = []
    for row in rows:
        label, value = row[0].rstrip(": ") if row else "", row[1] if len(row) > 1 else ""
        if is_ssn_label(label):
            value = restore_zeros(value)
        lines.append(f"{label}: {value}" if label and value else label or value)
    return "\n".join(lines) + "\n"


def _plain(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(["\t".join([c for c in row if c]) for row in rows]) + "\n"
