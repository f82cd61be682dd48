"""Workbooks (xlsx, xlsb, xls, ods) through calamine, within bounds."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from leftopen.contents import rows
from leftopen.contents.api import Limits, Text, TextKind
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_CELL = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')


def texts(blob: Blob, limits: Limits) -> Iterator[Text | Gap]:
    """One Text per sheet, hidden sheets as well; a Gap for what is broken or over a limit."""
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(blob.data))
        names = list(book.sheet_names)
    except (CalamineError, OSError, ValueError) as error:
        yield gap(Reason.CORRUPT, blob.place, f"workbook: {error}", size=len(blob.data))
        return
    cells = 0
    for name in names[: limits.members]:
        place = below(blob.place, "sheet", name)
        try:
            sheet = book.get_sheet_by_name(name)
            if not sheet.height:
                continue
            most = max(0, limits.cells - cells) // max(1, sheet.width)
            taken = _rows(sheet, most)
        except (CalamineError, OSError, ValueError) as error:
            yield gap(Reason.CORRUPT, place, f"sheet: {error}")
            continue
        cells += len(taken) * max(1, sheet.width)
        yield Text(rows.render(taken), TextKind.TABLE, place, carrier="xlsx")
        if sheet.height > most:
            left = sheet.height - most
            yield gap(Reason.TOO_LARGE, place, "rows beyond the limit on cells", count=left)


def _rows(sheet: Any, most: int) -> list[Sequence[str]]:
    taken: list[Sequence[str]] = []
    for row in sheet.iter_rows():
        if len(taken) >= most:
            break
        taken.append([_cell(value) for value in row])
    return taken


def _cell(value: Any) -> str:
    if type(value) is str:
        return value if "\n" not in value and "\t" not in value else " ".join(value.split())
    if type(value) is float:
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(" ")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def area(sheet_xml: bytes) -> int:
    """Cells of the rectangle that a sheet part spans: calamine allocates all of it.

    Two cells in opposite corners of a sheet would ask for 17 thousand million.
    """
    found = _CELL.findall(sheet_xml)
    if not found:
        return 0
    columns = {_column(letters) for letters in {letters for letters, _ in found}}
    numbers = {int(number) for _, number in found}
    return (max(columns) - min(columns) + 1) * (max(numbers) - min(numbers) + 1)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
