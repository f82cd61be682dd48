"""OpenWire (ActiveMQ): what the broker says of itself, unasked.

WireFormatInfo comes before any login and names provider and version. Nothing is sent: a client's
answer would open a session whose only use is to take messages.
https://activemq.apache.org/components/classic/documentation/openwire-version-2-specification
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import NOTHING, SILENCE, by_netcat

MAX_FRAME: Final = 16_384
MAX_PROPERTIES: Final = 100
_MAGIC: Final = b"\x01ActiveMQ"
# Lengths of primitive values by their type; 9, 10 and 13 say their own.
_FIXED: Final = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 8, 7: 8, 8: 4}
_SIZED: Final = {9: 2, 10: 4, 13: 4}


def _recognise(greeting: bytes) -> bool:
    return greeting[4:13] == _MAGIC


def info_of(frame: bytes) -> tuple[int, dict[str, str]]:
    """Version of the format and texts of the properties; raises ProtocolError."""
    if not frame.startswith(_MAGIC) or len(frame) < 14:
        raise ProtocolError("not a WireFormatInfo")
    try:
        (version,) = struct.unpack_from(">i", frame, 9)
        return version, dict(_properties(frame))
    except struct.error:
        raise ProtocolError("a WireFormatInfo that ends too early") from None


def _properties(frame: bytes) -> Iterator[tuple[str, str]]:
    (present,) = struct.unpack_from(">?", frame, 13)
    if not present:
        return
    (count,) = struct.unpack_from(">i", frame, 18)  # after the length of the map
    if not 0 <= count <= MAX_PROPERTIES:
        raise ProtocolError(f"a WireFormatInfo with {count} properties")
    at = 22
    for _ in range(count):
        name, at = _bytes(frame, at, 2)
        (kind,) = struct.unpack_from(">B", frame, at)
        at += 1
        if kind in _SIZED:
            value, at = _bytes(frame, at, _SIZED[kind])
            if kind != 10:
                yield name.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise ProtocolError(f"a property of the type {kind}")


def _bytes(frame: bytes, at: int, width: int) -> tuple[bytes, int]:
    start = at + width
    end = start + int.from_bytes(frame[at:start], "big")
    if end > len(frame):
        raise ProtocolError("a text that ends after the WireFormatInfo")
    return frame[start:end], end


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        if not await connection.greeting(SILENCE, 13):
            return None
        head = await connection.read_exactly(13)
        if not _recognise(head):
            return None
        size = int.from_bytes(head[:4], "big")
        if not 10 <= size <= MAX_FRAME:
            raise ProtocolError(f"a frame of {size} bytes")
        frame = head[4:] + await connection.read_exactly(size - 9)
    form, said = info_of(frame)
    version = said.get("ProviderVersion", "")
    shown = f"OpenWire {form}, {said.get('ProviderName', '')} {version}".encode()
    seen = context.evidence("(nothing)", shown, by_netcat(context))
    detail = f"says unasked that it speaks OpenWire {form}; no session was opened"
    return Proof(
        Access.METADATA if version else Access.SPEAKS,
        detail,
        product=safe(said.get("ProviderName", "") or "ActiveMQ", 60),
        version=version,
        evidence=(seen,),
    )


OPENWIRE = Protocol(
    name="openwire",
    ports=(61616,),
    tls_ports=(61617,),
    sends="nothing",
    allowed=(NOTHING,),
    prove=_prove,
    recognise=_recognise,
    examples=(b"\0\0\x01\x40\x01ActiveMQ\0\0\0\x0c\x01",),
    counterexamples=(b"ActiveMQ\r\n", b"\0\0\0\x08\x02ActiveMQ", b"AMQP\0\x01\0\0"),
    source="https://activemq.apache.org/components/classic/documentation/"
    "openwire-version-2-specification",
)
