"""HTML pages: words without tags and scripts, data tables with their headers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents import charset, markup
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

_ROOT = re.compile(r"<(?:!doctype html|html|head|body)\b")
_ANY = re.compile(r"<(?:table|div|p|br|span|meta|title|a|h[1-6]|b|font)\b[^<>]*>")
_DECLARED = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})")


def _recognise(head: bytes, name: str) -> int:
    if b"<" not in head:
        return 0
    text = charset.text_head(head)
    if _ROOT.search(text):
        # In the middle of a text it may be a mail or a script that quotes a page.
        return 85 if text.startswith("<") else 30
    if text.startswith("<") and _ANY.match(text):
        return 75
    return 50 if name.lower().endswith((".html", ".htm", ".xhtml")) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    declared = _DECLARED.search(blob.data, 0, 2048)
    source = charset.decode(blob.data, declared.group(1).decode() if declared else "")
    words, tables = markup.to_text(source)
    yield Text(words, TextKind.BODY, blob.place, carrier="html")
    for table in tables:
        yield Text(table, TextKind.TABLE, blob.place, carrier="html")


HTML = Format(name="html", recognise=_recognise, read=_read)
