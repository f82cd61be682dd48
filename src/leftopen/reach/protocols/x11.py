"""X11: a display without a cookie.

Proof: the connection setup without any authorisation is accepted, and the answer names vendor and
screens; nothing is asked for after that. An X server lets its own machine in more easily than
others (the vantage counts), which the detail cannot know.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Size
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Proof, Protocol

MAX_SETUP: Final = 262_140  # the length field counts words of 4 bytes
# little-endian, protocol 11.0, no authorisation (X Window System Protocol, chapter 8)
SETUP: Final = struct.pack("<cxHHHH2x", b"l", 11, 0, 0, 0)
_REFUSED, _OPENED, _MORE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Setup:
    """What an accepted setup says; the vendor is hostile text."""

    vendor: bytes
    release: int
    screens: int
    width: int
    height: int


def read_setup(body: bytes) -> Setup:
    """The accepted setup after its first 8 bytes; raises ProtocolError where it contradicts."""
    if len(body) < 32:
        raise ProtocolError("an X11 setup that is too short")
    (release,) = struct.unpack_from("<I", body)
    vendor_size, _, screens, formats = struct.unpack_from("<HHBB", body, 16)
    first = 32 + (vendor_size + 3) // 4 * 4 + 8 * formats
    if len(body) < first + (40 if screens else 0):
        raise ProtocolError("an X11 setup that is shorter than it says")
    width, height = struct.unpack_from("<HH", body, first + 20) if screens else (0, 0)
    return Setup(body[32 : 32 + vendor_size], release, screens, width, height)


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(SETUP)
        head = await connection.read_exactly(8)
        status, reason_size, major, _, words = struct.unpack("<BBHHH", head)
        if status not in (_REFUSED, _OPENED, _MORE) or (status != _MORE and major != 11):
            return None
        body = await connection.read_exactly(4 * words)
    if status == _OPENED:
        return _opened(context, read_setup(body))
    reason = body[:reason_size] if status == _REFUSED else body
    return _refused(context, reason.rstrip(b"\0\n"), more=status == _MORE)


def _opened(context: Context, setup: Setup) -> Proof:
    endpoint = context.target.endpoint
    command = f"xdpyinfo -display {endpoint.address}:{endpoint.port - 6000}"
    evidence = context.evidence("X11 setup 11.0 without authorisation", setup.vendor, command)
    return Proof(
        Access.LISTS,
        f"{setup.screens} screens open without a cookie, the first of "
        f"{setup.width} x {setup.height}; nothing on them was asked for",
        product=safe(setup.vendor, 60),
        version=str(setup.release),
        size=Size(objects=setup.screens, unit="screens", basis="connection setup"),
        evidence=(evidence,),
    )


def _refused(context: Context, reason: bytes, *, more: bool) -> Proof:
    asks = "asks for authorisation" if more else "refuses without authorisation"
    evidence = context.evidence("X11 setup 11.0 without authorisation", reason)
    detail = f"it {asks}: {safe(reason, 100)}"
    return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(evidence,))


X11 = Protocol(
    name="x11",
    ports=tuple(range(6000, 6010)),
    sends="the connection setup without authorisation",
    allowed=(rb"l\0\x0b\0\0\0\0\0\0\0\0\0\Z",),
    prove=_prove,
    recognise=lambda said: False,  # it says nothing unasked: its ports are asked
    source="https://www.x.org/releases/X11R7.7/doc/xproto/x11protocol.html#Encoding::Connection_Setup",
)
