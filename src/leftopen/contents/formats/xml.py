"""XML documents: every value behind the names of its elements; split values joined (e-QIP)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents import charset, xmltree
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

_ROOT = re.compile(r"<(?:\?xml|!doctype|!--|[a-z_][\w:.-]*[\s/>])")


def _recognise(head: bytes, name: str) -> int:
    text = charset.text_head(head)
    if text.startswith("<?xml"):
        return 80
    if text.startswith("<") and _ROOT.match(text):
        return 70 if name.lower().endswith((".xml", ".xfdf", ".svg", ".gpx", ".kml")) else 60
    return 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    root, gaps = xmltree.parse(blob.data.lstrip(), blob.place)
    yield from gaps
    if root is None:
        yield Text(charset.decode(blob.data), TextKind.BODY, blob.place, carrier="xml")
        return
    yield from xmltree.form_text(root, blob.place, "xml", limits)


XML = Format(name="xml", recognise=_recognise, read=_read)
