"""Bytes to text: declared charset, byte order marks, UTF-16 without a mark, UTF-8, Windows-1252.

Digits are ASCII in every charset of mail except UTF-16, UTF-32 and EBCDIC, so a wrong guess among
the others costs accents, never a number.
"""

from __future__ import annotations

import codecs
from functools import lru_cache

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Text codecs of Python that no mail declares in earnest; punycode and idna are also quadratic.
_REFUSED = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
)
# Charsets in which ASCII bytes do not mean ASCII characters.
_NOT_ASCII = ("utf-7", "utf-16", "utf-32", "iso2022", "hz", "cp037", "cp500", "cp1140", "cp273")
_SAMPLE = 4096


def decode(data: bytes, declared: str = "") -> str:
    """The text of `data`; never raises. What no charset explains becomes U+FFFD."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    if wide := utf16_without_mark(data):
        return data.decode(wide, "replace")
    codec = _codec(declared) if declared else ""
    if data.isascii() and not codec.startswith(_NOT_ASCII):
        return data.decode("ascii")
    for name in (codec, "utf-8"):
        if name:
            try:
                return data.decode(name)
            except (UnicodeError, ValueError):
                continue
    return data.decode(codec or "cp1252", "replace")


def utf16_without_mark(data: bytes) -> str:
    """The byte order of Latin text in UTF-16 without a mark, else ""."""
    sample = data[:_SAMPLE]
    if len(sample) < 4 or b"\0" not in sample:
        return ""
    pairs = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > pairs * 0.6 and even < pairs * 0.1:
        return "utf-16-le"
    if even > pairs * 0.6 and odd < pairs * 0.1:
        return "utf-16-be"
    return ""


@lru_cache(maxsize=256)
def _codec(declared: str) -> str:
    name = declared.strip().strip("\"'").lower()[:40]
    try:
        found = codecs.lookup(name).name
        b"    ".decode(found, "replace")  # refuses codecs that are not text, such as base64
    except (LookupError, ValueError):
        return ""
    return "" if found.replace("-", "_") in _REFUSED else found


@lru_cache(maxsize=16)
def text_head(head: bytes) -> str:
    """The first bytes of an object as lower-case text without leading space; "" when binary."""
    if not looks_like_text(head):
        return ""
    return decode(head).lstrip("\ufeff \t\r\n").lower()


_CONTROLS = bytes(c for c in range(32) if c not in b"\t\n\r\f\x1b\x08\x1a")


def looks_like_text(head: bytes) -> bool:
    """Whether bytes can be text: at most one control character in fifty (UTF-16 and 32 count)."""
    if not head:
        return False
    if head.startswith(tuple(mark for mark, _ in _MARKS)) or utf16_without_mark(head):
        return True
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls * 50 <= len(head)
