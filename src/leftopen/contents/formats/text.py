"""Plain text in any charset: the reader of last resort for what is not binary."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import charset, mime
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.place import gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_PGP = "-----BEGIN PGP MESSAGE-----"


def _recognise(head: bytes, name: str) -> int:
    if not head[:1].isascii() and mime.media_type_of(head):
        return 0  # a picture, though its bytes might pass for Windows-1252
    return 10 if charset.looks_like_text(head) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    text = charset.decode(blob.data)
    yield Text(text, TextKind.BODY, blob.place, carrier="plain")
    if _PGP in text:
        yield gap(Reason.ENCRYPTED, blob.place, "OpenPGP message", size=len(blob.data))


TEXT = Format(name="text", recognise=_recognise, read=_read)
