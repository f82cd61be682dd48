"""Spreadsheets (xlsx, xlsm, xlsb, ods): every value behind its column header."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import archive, sheets
from leftopen.contents.api import Format, Limits, Text
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_MAINS = frozenset({"xl/workbook.xml", "xl/workbook.bin", "content.xml"})


def _recognise(head: bytes, name: str) -> int:
    if not head.startswith(b"PK\x03\x04"):
        return 0
    if b"xl/workbook." in head or b"opendocument.spreadsheet" in head[:120]:
        return 95
    return 90 if name.lower().endswith((".xlsx", ".xlsm", ".xlsb", ".ods")) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    opened = archive.open_zip(blob, limits)
    if isinstance(opened, Gap):
        yield opened
        return
    with opened as file:
        if _MAINS.isdisjoint(file.namelist()):
            yield from archive.members(blob, limits)
            return
        refused = False
        for info in file.infolist()[: limits.members]:
            if not info.filename.endswith((".xml", ".bin")):
                continue
            # calamine expands and allocates without a bound of its own: look before it does.
            data = archive.read_member(file, info, blob, limits)
            if isinstance(data, Gap):
                refused = True
                yield data
            elif info.filename.startswith("xl/worksheets/") and sheets.area(data) > limits.cells:
                refused = True
                place = below(blob.place, "member", info.filename)
                yield gap(Reason.TOO_LARGE, place, "more cells than the limit", size=len(data))
            elif info.filename.startswith(("xl/comments", "xl/threadedComments/")):
                yield Blob(data=data, place=below(blob.place, "page", info.filename))
    if not refused:
        yield from sheets.texts(blob, limits)


XLSX = Format(name="xlsx", recognise=_recognise, read=_read)
