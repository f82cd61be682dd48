"""OpenDocument texts and presentations (odt, odp)."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import officexml
from leftopen.contents.api import Format, Limits, Text
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

_PARTS = frozenset({"content.xml", "styles.xml"})  # styles.xml holds page headers and footers


def _recognise(head: bytes, name: str) -> int:
    if not head.startswith(b"PK\x03\x04"):
        return 0
    # The first member is `mimetype`, stored (OpenDocument 1.2 part 3, 3.3).
    if b"mimetypeapplication/vnd.oasis.opendocument." in head[:120]:
        return 0 if b"opendocument.spreadsheet" in head[:120] else 95
    return 90 if name.lower().endswith((".odt", ".odp")) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    yield from officexml.read(
        blob,
        limits,
        carrier="odf",
        main="content.xml",
        wanted=_PARTS.__contains__,
        embedded=lambda name: name.startswith("Object ") and not name.endswith("/"),
    )


ODF = Format(name="odf", recognise=_recognise, read=_read)
