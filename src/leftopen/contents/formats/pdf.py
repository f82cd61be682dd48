"""PDF documents: page text, filled form fields (AcroForm, XFA), embedded files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pypdfium2
from pypdfium2 import raw

from leftopen.contents import pdfform
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.place import gap, numbered
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_FEW = 8  # visible characters below which a page with a picture counts as a scan
_PASSWORD = 4  # FPDF_ERR_PASSWORD (fpdfview.h)
_SPACE = re.compile(r"\s+")


def _recognise(head: bytes, name: str) -> int:
    at = head.find(b"%PDF-", 0, 1024)  # readers accept it anywhere in the first 1,024 bytes
    return 98 if at == 0 else 90 if at > 0 else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    try:
        document = pypdfium2.PdfDocument(blob.data)
    except pypdfium2.PdfiumError as error:
        encrypted = getattr(error, "err_code", 0) == _PASSWORD or "assword" in str(error)
        reason = Reason.ENCRYPTED if encrypted else Reason.CORRUPT
        detail = "a password is needed" if encrypted else f"pdf: {error}"
        yield gap(reason, blob.place, detail, size=len(blob.data))
        if not encrypted:
            yield from pdfform.read(blob, limits, damaged=True)
        return
    try:
        yield from _pages(document, blob, limits)
        has_form = document.get_formtype() != raw.FORMTYPE_NONE
        has_files = raw.FPDFDoc_GetAttachmentCount(document) > 0
    finally:
        document.close()
    if b"%%EOF" not in blob.data[-2048:]:
        detail = "the end of the file is missing; what was left of it was read"
        yield gap(Reason.CORRUPT, blob.place, detail, size=len(blob.data))
    if has_form or has_files:
        yield from pdfform.read(blob, limits)


def _pages(document: Any, blob: Blob, limits: Limits) -> Iterator[Text | Gap]:
    count = len(document)
    pictures = broken = 0
    for number in range(min(count, limits.pages)):
        try:
            words, scanned = _page(document, number, limits)
        except pypdfium2.PdfiumError:
            broken += 1
            continue
        pictures += scanned
        if words:
            place = numbered(blob.place, "page", number + 1)
            yield Text(words, TextKind.BODY, place, carrier="pdf")
    if pictures:
        yield gap(
            Reason.IMAGE_ONLY, blob.place, "pages without text", count=pictures, size=len(blob.data)
        )
    if broken:
        yield gap(Reason.CORRUPT, blob.place, "pages that cannot be opened", count=broken)
    if count > limits.pages:
        left = count - limits.pages
        yield gap(Reason.TOO_LARGE, blob.place, "pages over the limit", count=left)
    if not count:
        yield gap(Reason.EMPTY, blob.place, "a document without pages")


def _page(document: Any, number: int, limits: Limits) -> tuple[str, bool]:
    """The words of a page, and whether it is a picture without words."""
    page = document[number]
    try:
        text_page = page.get_textpage()
        try:
            chars = min(text_page.count_chars(), limits.text_chars)
            words = text_page.get_text_range(0, chars) if chars > 0 else ""
        finally:
            text_page.close()
        visible = len(_SPACE.sub("", words)) if len(words) < 200 else _FEW
        scanned = visible < _FEW and _has_picture(page)
    finally:
        page.close()
    # PDFium marks a hyphen at the end of a line with a noncharacter.
    return words.replace("\r\n", "\n").replace("\ufffe", "-").strip(), scanned


def _has_picture(page: Any) -> bool:
    return any(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))


PDF = Format(name="pdf", recognise=_recognise, read=_read)
