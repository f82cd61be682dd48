"""JSON documents: every value behind its key; mail of webmail interfaces and indexes as mail."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from leftopen.contents import charset, records
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.place import gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason


def _recognise(head: bytes, name: str) -> int:
    text = charset.text_head(head)
    named = name.lower().endswith(".json")
    if text.startswith("{"):
        start = text[1:64].lstrip()[:1]
        return 80 if start in ('"', "}") else 60 if named else 0
    if text.startswith("["):
        start = text[1:64].lstrip()[:1]
        return 75 if start in ("{", "[") else 60 if named else 20 if start == '"' else 0
    return 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    text = charset.decode(blob.data).lstrip("\ufeff")
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        yield gap(Reason.TOO_DEEP, blob.place, "JSON nesting", size=len(blob.data))
        yield Text(text, TextKind.BODY, blob.place, carrier="json")
        return
    except (msgspec.DecodeError, UnicodeError) as error:
        # Read as words, so that a broken export still shows what it holds.
        yield gap(Reason.CORRUPT, blob.place, f"json: {error}", size=len(blob.data))
        yield Text(text, TextKind.BODY, blob.place, carrier="json")
        return
    yield from records.texts(value, blob.place, "json", limits)


JSON = Format(name="json", recognise=_recognise, read=_read)
