"""DNS messages (RFC 1035) as far as a zone transfer (RFC 5936) needs them.

A compressed name may only point to before itself, so that no loop is possible; what a record
holds is skipped, not read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError

SOA: Final = 6
AXFR: Final = 252
IN: Final = 1
REFUSED, NOT_AUTHORITATIVE, SERVER_FAILURE = 5, 9, 2
# Length, number, no flag at all, one question and nothing else: SOA or AXFR of class IN
ALLOWED: Final = (rb"[\0\x01].{3}\0\0\0\x01\0{6}(?:[\x01-\x3f][\w-]{1,63})*\0\0[\x06\xfc]\0\x01\Z",)
_LABEL: Final = re.compile(r"[\w-]{1,63}")
_HEAD: Final = struct.Struct(">HHHHHH")
_MAX_NAME: Final = 255
_RCODES: Final = {
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    9: "NOTAUTH",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record, its owner in lower case; the data are left unread."""

    owner: bytes
    kind: int


@dataclass(frozen=True, slots=True)
class Message:
    """One answer: its code and the records of its answer section."""

    rcode: int
    authoritative: bool
    records: tuple[Record, ...]


def rcode_name(code: int) -> str:
    """The mnemonic of an answer's code (IANA's list), the number where it has none here."""
    return _RCODES.get(code, f"rcode {code}")


def encoded(zone: str) -> bytes | None:
    """A zone's name in wire format, in lower case; None where it cannot be one."""
    name = zone.rstrip(".").lower()
    labels = name.split(".") if name else []
    if not all(label.isascii() and _LABEL.fullmatch(label) for label in labels):
        return None
    wire = b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"
    return wire if len(wire) <= _MAX_NAME else None


def query(number: int, zone: bytes, kind: int) -> bytes:
    """One question over TCP, its length before it; recursion is not desired."""
    message = _HEAD.pack(number, 0, 1, 0, 0, 0) + zone + struct.pack(">HH", kind, IN)
    return struct.pack(">H", len(message)) + message


def read(message: bytes, number: int) -> Message:
    """An answer to the query of this number; raises ProtocolError for anything else."""
    if len(message) < _HEAD.size:
        raise ProtocolError("a DNS message without a head")
    got, flags, questions, answers, _, _ = _HEAD.unpack_from(message)
    if got != number or not flags & 0x8000 or flags & 0x7800:
        raise ProtocolError("not the answer to this DNS query")
    if questions > 1:
        raise ProtocolError("a DNS answer with more questions than were asked")
    at = _HEAD.size
    for _ in range(questions):
        _, at = _name(message, at)
        at += 4
    records = tuple(_records(message, at, answers))
    return Message(flags & 0xF, bool(flags & 0x400), records)


def _records(message: bytes, at: int, count: int) -> Iterator[Record]:
    for _ in range(count):  # each takes 11 bytes at least, of 65,535
        owner, at = _name(message, at)
        if len(message) < at + 10:
            raise ProtocolError("a DNS record that is cut")
        kind, _, _, size = struct.unpack_from(">HHIH", message, at)
        at += 10 + size
        if at > len(message):
            raise ProtocolError("a DNS record that is longer than its message")
        yield Record(owner, kind)


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """The name at this place in wire format without compression, and where it ends there."""
    parts, size, end = list[bytes](), 1, 0
    lowest = at
    while True:
        if at >= len(message):
            raise ProtocolError("a DNS name that is cut")
        length = message[at]
        if length == 0:
            return b"".join((*parts, b"\0")).lower(), end or at + 1
        if length >= 0xC0:
            if at + 1 >= len(message):
                raise ProtocolError("a DNS name that is cut")
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            if at >= lowest:
                raise ProtocolError("a DNS name that points to itself or ahead")
            lowest = at
            continue
        if length > 63:
            raise ProtocolError("a DNS label of an unknown kind")
        parts.append(message[at : at + 1 + length])
        size += 1 + length
        at += 1 + length
        if size > _MAX_NAME:
            raise ProtocolError("a DNS name of more than 255 bytes")
