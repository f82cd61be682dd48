"""Filled fields of PDF forms (AcroForm, XFA) and embedded files, through qpdf.

Text extraction of a PDF misses all of this: to it a completed SF-86 is a blank one
(research/contents.md section 0, finding 1).
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pikepdf

from leftopen.contents import archive, xmltree
from leftopen.contents.api import Limits, Text, TextKind
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

# qpdf's warnings would go to stderr; what they are about is a Gap or was repaired.
logging.getLogger("pikepdf").setLevel(logging.CRITICAL + 1)

_LABEL_CHARS = 60
_DEPTH = 40  # of the field tree
_OFF = frozenset({"Off", ""})
_FLATE = 1_100  # what Flate can expand to at most, as a factor
BROKEN = (
    pikepdf.PdfError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    OSError,
    OverflowError,
)


def read(blob: Blob, limits: Limits, *, damaged: bool = False) -> Iterator[Text | Blob | Gap]:
    """Texts of carrier `acroform` and `xfa`, and embedded files as child blobs.

    `damaged`: the file is already reported as corrupt, so failing again says nothing new.
    """
    try:
        with pikepdf.open(io.BytesIO(blob.data), suppress_warnings=True) as pdf:
            yield from _form(pdf, blob, limits)
            yield from _files(pdf, blob, limits)
    except pikepdf.PasswordError:
        yield gap(Reason.ENCRYPTED, blob.place, "form fields need a password", size=len(blob.data))
    except BROKEN as error:
        if not damaged:
            yield gap(Reason.CORRUPT, blob.place, f"form: {error}", size=len(blob.data))


def _form(pdf: pikepdf.Pdf, blob: Blob, limits: Limits) -> Iterator[Text | Gap]:
    form = pdf.Root.get("/AcroForm")
    if not isinstance(form, pikepdf.Dictionary):
        return
    yield from _acroform(pdf, form, blob, limits)
    xfa = form.get("/XFA")
    if xfa is not None:
        yield from _xfa(xfa, blob, limits)


def _acroform(
    pdf: pikepdf.Pdf, form: pikepdf.Dictionary, blob: Blob, limits: Limits
) -> Iterator[Text | Gap]:
    fields: list[tuple[str, str]] = []
    lines: list[str] = []
    count = 0
    for name, label, value in _walk(pdf, form, limits):
        count += 1
        if value:
            fields.append((name, value))
            lines.append(f"{name} {label}: {value}\n" if label else f"{name}: {value}\n")
    if count:
        yield Text(
            text="".join(lines),
            kind=TextKind.FORM,
            place=below(blob.place, "form", "form fields"),
            fields=tuple(fields),
            carrier="acroform",
            field_count=count,
        )
    if count >= limits.fields:
        yield gap(Reason.TOO_LARGE, blob.place, f"only {count} form fields were read")


def _walk(
    pdf: pikepdf.Pdf, form: pikepdf.Dictionary, limits: Limits
) -> Iterator[tuple[str, str, str]]:
    """(full name, label, value) of every terminal field; V is inherited (ISO 32000 12.7.4.1)."""
    roots = list(form.get("/Fields", [])) or list(_widgets(pdf, limits))
    stack: list[tuple[Any, str, Any, int]] = [(f, "", None, 0) for f in reversed(roots)]
    seen: set[tuple[int, int]] = set()
    left = limits.fields
    while stack and left > 0:
        node, parent, inherited, depth = stack.pop()
        if not isinstance(node, pikepdf.Dictionary) or depth > _DEPTH:
            continue
        if node.objgen != (0, 0):
            if node.objgen in seen:
                continue
            seen.add(node.objgen)
        part = node.get("/T")
        name = parent if part is None else f"{parent}.{_string(part)}" if parent else _string(part)
        value = node.get("/V", inherited)
        kids = [k for k in _list(node.get("/Kids")) if isinstance(k, pikepdf.Dictionary)]
        named = [k for k in kids if "/T" in k]
        if named:
            stack.extend((kid, name, value, depth + 1) for kid in reversed(named))
        else:
            left -= 1
            yield name, _string(node.get("/TU"))[:_LABEL_CHARS], _value(value)


def _widgets(pdf: pikepdf.Pdf, limits: Limits) -> Iterator[Any]:
    """Fields that stand on pages only: some writers leave /Fields empty."""
    for number, page in enumerate(pdf.pages):
        if number >= limits.pages:
            return
        for annotation in _list(page.obj.get("/Annots")):
            if isinstance(annotation, pikepdf.Dictionary) and "/T" in annotation:
                yield annotation


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, pikepdf.Array) else []


def _string(value: Any) -> str:
    return " ".join(str(value).split()) if isinstance(value, pikepdf.String) else ""


def _value(value: Any) -> str:
    if isinstance(value, pikepdf.String):
        return str(value).replace("\r", " ").replace("\n", " ").strip()
    if isinstance(value, pikepdf.Name):
        name = str(value).lstrip("/")
        return "" if name in _OFF else name
    if isinstance(value, pikepdf.Array):
        return ", ".join(filter(None, map(_value, value)))
    if isinstance(value, pikepdf.Stream):
        return " ".join(value.read_bytes()[:100_000].decode("utf-8", "replace").split())
    return "" if value is None or isinstance(value, pikepdf.Object) else str(value)


def _xfa(xfa: Any, blob: Blob, limits: Limits) -> Iterator[Text | Gap]:
    """The data of an XFA form: the `datasets` packet, or the whole XDP in one stream."""
    place = below(blob.place, "form", "XFA data")
    packets = [xfa]
    if isinstance(xfa, pikepdf.Array):
        names = [str(xfa[n]) for n in range(0, len(xfa) - 1, 2)]
        packets = [xfa[2 * n + 1] for n, name in enumerate(names) if name == "datasets"]
    for packet in packets:
        data = _stream(packet, limits)
        if data is None:
            yield gap(Reason.TOO_LARGE, place, "XFA stream over the limit or broken")
            continue
        root, gaps = xmltree.parse(data, place)
        yield from gaps
        if root is None:
            continue
        found = [e for e in root.iter() if xmltree.local_name(e) == "data"] or [root]
        yield from xmltree.form_text(found[0], place, "xfa", limits)


def _stream(stream: Any, limits: Limits) -> bytes | None:
    """The bytes of a stream within the limit; qpdf itself expands without a bound."""
    if not isinstance(stream, pikepdf.Stream):
        return None
    encoded = stream.read_raw_bytes()
    if stream.get("/Filter") == pikepdf.Name.FlateDecode and "/DecodeParms" not in stream:
        return archive.inflate(encoded, limits.blob_bytes)
    if len(encoded) * _FLATE > limits.blob_bytes:
        return None
    return stream.read_bytes()


def _files(pdf: pikepdf.Pdf, blob: Blob, limits: Limits) -> Iterator[Blob | Gap]:
    for number, name in enumerate(pdf.attachments):
        place = below(blob.place, "member", name)
        if number >= limits.members:
            yield gap(Reason.TOO_LARGE, blob.place, "embedded files over the limit")
            return
        try:
            data = _stream(pdf.attachments[name].get_file().obj, limits)
        except BROKEN as error:
            yield gap(Reason.CORRUPT, place, f"embedded file: {error}")
            continue
        if data is None:
            yield gap(Reason.TOO_LARGE, place, "embedded file over the limit or broken")
        else:
            yield Blob(data=data, place=place, name=name)
