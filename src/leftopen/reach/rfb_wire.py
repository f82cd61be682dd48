"""The handshake of RFB, the protocol of VNC (RFC 6143), up to what names the desktop.

Nothing here asks for the screen, sends a key or moves the pointer.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

NONE: Final = 1
VNC_AUTHENTICATION: Final = 2
TIGHT: Final = 16
TLS: Final = 18
VENCRYPT: Final = 19
MAX_TEXT: Final = 4096
HELLO: Final = re.compile(rb"RFB (\d{3})\.(\d{3})\n")
# Our version, one byte of a security type or of ClientInit (shared), VeNCrypt's version 0.2
ALLOWED: Final = (rb"RFB 003\.00[378]\n\Z", rb"[\x01\x13]\Z", rb"\x00\x02\Z")
_SERVER_INIT: Final = struct.Struct(">HH16sI")  # RFC 6143 7.3.2


@dataclass(frozen=True, slots=True)
class Desktop:
    """What ServerInit says; the name is hostile text."""

    width: int
    height: int
    name: bytes


def spoken(hello: bytes) -> int | None:
    """The minor version to speak with a server that says this (7.1.1); None where it is no RFB.

    3.889 is Apple's, 4.x and 5.x are RealVNC's: all of them speak 3.8. Anything else is 3.3.
    """
    found = HELLO.fullmatch(hello)
    if found is None:
        return None
    major, minor = int(found.group(1)), int(found.group(2))
    return 8 if major > 3 or minor >= 8 else 7 if minor == 7 else 3


async def text(connection: Connection) -> bytes:
    """A text with its length before it; raises ProtocolError over `MAX_TEXT` bytes."""
    (size,) = struct.unpack(">I", await connection.read_exactly(4))
    if size > MAX_TEXT:
        raise ProtocolError(f"a text of {size} bytes where {MAX_TEXT} are the limit")
    return await connection.read_exactly(size)


async def security(connection: Connection, minor: int) -> tuple[int, ...]:
    """The security types that are offered; none at all where the connection is refused.

    In 3.3 the server decides on one.
    """
    if minor == 3:
        (one,) = struct.unpack(">I", await connection.read_exactly(4))
        return (one,) if one else ()
    (count,) = await connection.read_exactly(1)
    return tuple(await connection.read_exactly(count))


async def enter(connection: Connection, minor: int) -> Desktop:
    """Take the type None and read ServerInit; raises ProtocolError where it is refused after all.

    ClientInit says "shared", so that nobody who looks at the desktop is thrown out.
    """
    if minor >= 7:
        await connection.write(bytes([NONE]))
    if minor >= 8:
        (result,) = struct.unpack(">I", await connection.read_exactly(4))
        if result:
            raise ProtocolError("the type None is offered and then refused")
    await connection.write(b"\x01")
    head = await connection.read_exactly(_SERVER_INIT.size)
    width, height, _, size = _SERVER_INIT.unpack(head)
    if size > MAX_TEXT:
        raise ProtocolError(f"a desktop's name of {size} bytes where {MAX_TEXT} are the limit")
    return Desktop(width, height, await connection.read_exactly(size))


async def vencrypt(connection: Connection) -> tuple[int, ...]:
    """The sub-types of VeNCrypt 0.2, as `vencrypt` of the rfbproto community document says."""
    await connection.write(bytes([VENCRYPT]))
    if await connection.read_exactly(2) < b"\x00\x02":
        raise ProtocolError("a VeNCrypt before 0.2")
    await connection.write(b"\x00\x02")
    if await connection.read_exactly(1) != b"\x00":
        raise ProtocolError("VeNCrypt 0.2 is refused")
    (count,) = await connection.read_exactly(1)
    return struct.unpack(f">{count}I", await connection.read_exactly(4 * count))
