"""S/MIME (CMS): what is signed, who signed it, and a Gap for what is encrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

# DER of the object identifiers (RFC 5652 section 4, RFC 5280 appendix A, RFC 2985).
_SIGNED = bytes.fromhex("06092a864886f70d010702")
_ENVELOPED = bytes.fromhex("06092a864886f70d010703")
_AUTH_ENVELOPED = bytes.fromhex("060b2a864886f70d0109100117")
_DATA = bytes.fromhex("06092a864886f70d010701")
_COMMON_NAME = bytes.fromhex("0603550403")
_EMAIL = bytes.fromhex("06092a864886f70d010901")
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}
# An rfc822Name in a subjectAltName: context tag 1, length, address (RFC 5280 4.2.1.6).
_ADDRESS = re.compile(rb"\x81([\x05-\x7f])([!-~]+@[!-~]+)", re.DOTALL)
_MOST = 200  # names taken from one signature


def _recognise(head: bytes, name: str) -> int:
    if head[:1] != b"\x30":
        return 0
    start = head[:40]
    return 95 if any(oid in start for oid in (_SIGNED, _ENVELOPED, _AUTH_ENVELOPED)) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    data = blob.data
    if _SIGNED not in data[:40]:
        yield gap(Reason.ENCRYPTED, blob.place, "S/MIME enveloped data", size=len(data))
        return
    fields = tuple(_names(data))[:_MOST]
    if fields:
        text = "".join([f"{name}: {value}\n" for name, value in fields])
        yield Text(text, TextKind.HEADER, blob.place, fields=fields, carrier="certificate")
    content = _content(data)
    if content is None:
        yield gap(Reason.CORRUPT, blob.place, "signed content cannot be cut out", size=len(data))
    elif content:
        place = below(blob.place, "part", "signed content")
        yield Blob(data=content, place=place, media_type="message/rfc822")


def _names(data: bytes) -> Iterator[tuple[str, str]]:
    """Common names and addresses of the certificates: "DOE.JOHN.Q.1234567890" on a CAC."""
    seen: set[tuple[str, str]] = set()
    for oid, label in ((_COMMON_NAME, "Signer"), (_EMAIL, "Signer-Address")):
        at = data.find(oid)
        while at >= 0 and len(seen) < _MOST:
            value = _string(data, at + len(oid))
            if value and (label, value) not in seen:
                seen.add((label, value))
                yield label, value
            at = data.find(oid, at + 1)
    for found in _ADDRESS.finditer(data):
        value = found.group(2)[: found.group(1)[0]].decode("ascii")
        if "@" in value and ("Signer-Address", value) not in seen and len(seen) < _MOST:
            seen.add(("Signer-Address", value))
            yield "Signer-Address", value


def _string(data: bytes, at: int) -> str:
    codec = _STRINGS.get(data[at]) if at < len(data) else None
    found = _header(data, at)
    if codec is None or found is None:
        return ""
    start, length = found
    if length is None or length > 256:
        return ""
    return " ".join(data[start : start + length].decode(codec, "replace").split())


def _header(data: bytes, at: int) -> tuple[int, int | None] | None:
    """(start of the contents, length or None when indefinite) of one DER or BER element."""
    if at + 2 > len(data):
        return None
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    if first == 0x80:
        return at + 2, None
    size = first & 0x7F
    if size > 4 or at + 2 + size > len(data):
        return None
    return at + 2 + size, int.from_bytes(data[at + 2 : at + 2 + size], "big")


def _content(data: bytes) -> bytes | None:
    """The encapsulated content; b"" for a detached signature; None when it is broken."""
    at = data.find(_DATA, 0, 400)
    if at < 0:
        return b""
    at += len(_DATA)
    if data[at : at + 1] != b"\xa0":  # no [0] eContent: the signature is detached
        return b""
    wrapper = _header(data, at)
    if wrapper is None:
        return None
    return _octets(data, wrapper[0])


def _octets(data: bytes, at: int) -> bytes | None:
    """An OCTET STRING, in one piece (DER) or in many (BER, as streaming signers write it)."""
    found = _header(data, at)
    if found is None:
        return None
    start, length = found
    if data[at] == 0x04:
        return data[start : start + length] if length is not None else None
    if data[at] != 0x24:
        return None
    end = len(data) if length is None else min(len(data), start + length)
    pieces: list[bytes] = []
    while start < end and data[start] == 0x04:
        piece = _header(data, start)
        if piece is None or piece[1] is None:
            return None
        pieces.append(data[piece[0] : piece[0] + piece[1]])
        start = piece[0] + piece[1]
    return b"".join(pieces)


PKCS7 = Format(name="pkcs7", recognise=_recognise, read=_read)
