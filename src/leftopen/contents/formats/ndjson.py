"""Newline-delimited JSON, as exports and bulk interfaces of search engines write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from leftopen.contents import charset, records
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.place import gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_BATCH = 1_000  # records walked at once


def _recognise(head: bytes, name: str) -> int:
    text = charset.text_head(head)
    if not text.startswith("{"):
        return 0
    if name.lower().endswith((".ndjson", ".jsonl", ".ldjson")):
        return 90
    first, _, rest = text.partition("\n")
    if first.rstrip().endswith("}") and rest.lstrip().startswith("{") and _is_object(first):
        return 85
    return 0


def _is_object(line: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    text = charset.decode(blob.data).lstrip("\ufeff")
    batch: list[Any] = []
    broken: list[str] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            batch.append(msgspec.json.decode(line))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            broken.append(line)
        if len(batch) >= _BATCH:
            yield from records.texts(batch, blob.place, "ndjson", limits)
            batch = []
    if batch:
        yield from records.texts(batch, blob.place, "ndjson", limits)
    if broken:
        detail = "lines that are no JSON; read as plain text"
        yield gap(Reason.UNPARSED, blob.place, detail, count=len(broken))
        yield Text("\n".join(broken), TextKind.BODY, blob.place, carrier="ndjson")


NDJSON = Format(name="ndjson", recognise=_recognise, read=_read)
