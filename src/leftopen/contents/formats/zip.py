"""Zip archives, and what hides in one: Office and OpenDocument files are told by their members."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import archive
from leftopen.contents.api import Format, Limits, Text
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_OFFICE = (
    ("word/document.xml", _WORD),
    ("xl/workbook.xml", _SHEET),
    ("xl/workbook.bin", _SHEET),
    ("ppt/presentation.xml", _SLIDES),
)
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."


def _recognise(head: bytes, name: str) -> int:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return 60
    return 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    media_type = _document_type(blob, limits)
    if media_type and media_type != blob.media_type:
        yield Blob(data=blob.data, place=blob.place, media_type=media_type)
    else:
        yield from archive.members(blob, limits)


def _document_type(blob: Blob, limits: Limits) -> str:
    """The media type of the document that this archive is, or ""."""
    opened = archive.open_zip(blob, limits)
    if isinstance(opened, Gap):
        return ""
    with opened as file:
        names = set(file.namelist())
        for member, media_type in _OFFICE:
            if member in names:
                return media_type
        if "mimetype" in names and "content.xml" in names:
            data = archive.read_member(file, file.getinfo("mimetype"), blob, limits)
            if isinstance(data, bytes) and data.startswith(_OPEN_DOCUMENT):
                return data[:80].decode("ascii", "replace").strip()
    return ""


ZIP = Format(name="zip", recognise=_recognise, read=_read)
