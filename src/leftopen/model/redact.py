"""The one choke point for values and for hostile text.

A sensitive value leaves the stage that found it only as `redact(...)` and as
`Keyring.digest(...)`. Text that somebody else wrote (a banner, a file name, a log line) is shown
only through `safe(...)`.
"""

from __future__ import annotations

import hmac
import re
import unicodedata

# Seven digits or more, single separators allowed: every number that names a person or a card.
# A slash separates only in a date; elsewhere it is a folder's. An IPv4 address stays.
_LONG_NUMBER = re.compile(
    r"(?P<ipv4>(?<![\d.-])(?:\d{1,3}\.){3}\d{1,3}(?![\d.-]))"
    r"|\d(?:[-. _\u00a0\u2010-\u2015]?\d){6,}"
    r"|(?<!\d)\d{1,4}/\d{1,2}/\d{1,4}(?!\d)"
)
_DIGIT = re.compile(r"\d")
_SHAPE = str.maketrans(
    dict.fromkeys("0123456789", "#") | {c: "x" for c in map(chr, range(128)) if c.isalpha()}
)
_MAILBOX = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+'-]{0,63}@(?=[A-Za-z0-9-]+\.)")


def mask_numbers(text: str) -> str:
    """Replace each digit of every run of seven or more digits (single separators count in)."""
    return _LONG_NUMBER.sub(lambda m: m["ipv4"] or _DIGIT.sub("#", m.group()), text)


def escape_controls(text: str) -> str:
    """Make control, format (bidi, zero width), surrogate and unassigned characters visible."""
    if text.isprintable():
        return text
    return "".join(
        c if c == " " or unicodedata.category(c)[0] not in "CZ" else f"\\u{ord(c):04x}"
        for c in text
    )


def safe(text: str | bytes, limit: int = 200) -> str:
    """Somebody else's text, made fit to store and show: masked, escaped and cut.

    Long numbers lose their digits, e-mail addresses all but the first letter and the domain.

    Whoever renders it still escapes for its own medium (HTML, Markdown, CSV).
    """
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "replace")
    masked = _MAILBOX.sub(r"\1***@", mask_numbers(text[: limit * 2]))
    cut = escape_controls(masked)
    return cut if len(cut) <= limit else cut[: limit - 1] + "…"


def redact(value: str, keep: int = 0) -> str:
    """The shape of a value: letters become x, digits #, at most `keep` last characters stay.

    `keep` is for kinds where the field's practice shows an ending (a card's last four), and
    never more than a third of the value.
    """
    keep = min(keep, len(value) // 3)
    head, tail = value[: len(value) - keep], value[len(value) - keep :]
    if head.isascii():
        masked = head.translate(_SHAPE)
    else:
        masked = "".join("#" if c.isdigit() else "x" if c.isalpha() else c for c in head)
    return escape_controls(masked + tail)


class Keyring:
    """Keyed digests of values, one key per case, kept outside the case file.

    An unkeyed hash of a nine-digit number protects nothing: all of them can be tried in seconds.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """`key` is at least 16 random bytes; raises ValueError when it is shorter."""
        if len(key) < 16:
            raise ValueError("a case key has at least 16 bytes")
        self._key = key

    def digest(self, kind: str, value: str | bytes) -> str:
        """HMAC-SHA-256 of (kind, value), first 16 bytes as hex. Normalise `value` first."""
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return hmac.digest(self._key, kind.encode() + b"\0" + raw, "sha256").hex()[:32]

    @property
    def raw(self) -> bytes:
        """The key itself, to hand to a worker process; never written to the store."""
        return self._key
