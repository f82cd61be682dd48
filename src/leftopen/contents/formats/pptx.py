"""PowerPoint presentations (pptx): slides, speaker notes, comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents import officexml
from leftopen.contents.api import Format, Limits, Text
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

_MAIN = "ppt/presentation.xml"
_PARTS = re.compile(r"ppt/(?:slides|notesSlides|comments)/[A-Za-z]+\d*\.xml")


def _recognise(head: bytes, name: str) -> int:
    if not head.startswith(b"PK\x03\x04"):
        return 0
    if _MAIN.encode() in head:
        return 95
    return 90 if name.lower().endswith((".pptx", ".pptm", ".ppsx")) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    yield from officexml.read(
        blob,
        limits,
        carrier="pptx",
        main=_MAIN,
        wanted=lambda name: bool(_PARTS.fullmatch(name)),
        embedded=lambda name: name.startswith("ppt/embeddings/"),
    )


PPTX = Format(name="pptx", recognise=_recognise, read=_read)
