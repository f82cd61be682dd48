"""Word documents (docx): body, tables, headers, footers, comments, notes, deleted text, fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents import officexml
from leftopen.contents.api import Format, Limits, Text
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

_MAIN = "word/document.xml"
_PARTS = re.compile(
    r"word/(?:document|comments|footnotes|endnotes|header\d*|footer\d*|glossary/document)\.xml|"
    r"customXml/item\d+\.xml"
)


def _recognise(head: bytes, name: str) -> int:
    if not head.startswith(b"PK\x03\x04"):
        return 0
    if _MAIN.encode() in head:
        return 95
    return 90 if name.lower().endswith((".docx", ".docm", ".dotx")) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    yield from officexml.read(
        blob,
        limits,
        carrier="docx",
        main=_MAIN,
        wanted=lambda name: bool(_PARTS.fullmatch(name)),
        embedded=lambda name: name.startswith("word/embeddings/"),
    )


DOCX = Format(name="docx", recognise=_recognise, read=_read)
