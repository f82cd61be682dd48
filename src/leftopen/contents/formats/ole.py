"""Compound files of older Office (xls, doc, ppt, msg), and the wrapping of encrypted documents."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import sheets
from leftopen.contents.api import Format, Limits, Text
from leftopen.contents.place import gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2


def _named(stream: str) -> bytes:
    """A stream's name as the directory of a compound file holds it."""
    return stream.encode("utf-16-le")


_ENCRYPTED = _named("EncryptedPackage")  # [MS-OFFCRYPTO] 2.3.4.4
_WORKBOOK = (_named("Workbook") + b"\0\0", _named("Book") + b"\0\0")
_OTHERS = (
    (_named("WordDocument"), "Word 97 document"),
    (_named("PowerPoint Document"), "PowerPoint 97 presentation"),
    (_named("__properties_version1.0"), "Outlook message (msg)"),
    (_named("__nameid_version1.0"), "Outlook message (msg)"),
)


def _recognise(head: bytes, name: str) -> int:
    return 90 if head.startswith(_MAGIC) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    data = blob.data
    if _ENCRYPTED in data:
        yield gap(Reason.ENCRYPTED, blob.place, "encrypted Office document", size=len(data))
        return
    what = next((title for stream, title in _OTHERS if stream in data), "")
    if not what and any(stream in data for stream in _WORKBOOK):
        yield from sheets.texts(blob, limits)
        return
    detail = f"no reader for: {what or 'compound file'}"
    yield gap(Reason.UNSUPPORTED, blob.place, detail, size=len(data))


OLE = Format(name="ole", recognise=_recognise, read=_read)
