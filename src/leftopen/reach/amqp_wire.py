"""AMQP's first words: 0-9-1 methods of an anonymous session, and the SASL mechanisms of 1.0.

Everything that is sent is one of a few constants. https://www.rabbitmq.com/resources/specs/
amqp0-9-1.pdf; AMQP 1.0 part 5 (OASIS); RFC 4505 for ANONYMOUS, whose response may be empty.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

Value: TypeAlias = "str | int | Mapping[str, Value] | None"

HEADER_091: Final = b"AMQP\0\0\x09\x01"
HEADER_10: Final = b"AMQP\0\x01\0\0"
HEADER_SASL: Final = b"AMQP\x03\x01\0\0"
HEADERS: Final = (HEADER_091, HEADER_10, HEADER_SASL, b"AMQP\x02\x01\0\0", b"AMQP\x01\x01\0\x0a")
FRAME_BYTES: Final = 131_072  # frame-max of RabbitMQ
MAX_DEPTH: Final = 8
MAX_FIELDS: Final = 200
_END: Final = b"\xce"
_FIXED: Final = {  # bytes of a value of each kind
    **dict.fromkeys(b"V", 0),
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"sUu", 2),
    **dict.fromkeys(b"Iif", 4),
    **dict.fromkeys(b"D", 5),
    **dict.fromkeys(b"LldT", 8),
}
START, TUNE, OPEN_OK, CHANNEL_OK, DECLARE_OK = (10, 10), (10, 30), (10, 41), (20, 11), (40, 11)
CLOSES: Final = ((10, 50), (20, 40))


def method(channel: int, number: tuple[int, int], arguments: bytes) -> bytes:
    """One method frame."""
    payload = struct.pack(">HH", *number) + arguments
    return struct.pack(">BHI", 1, channel, len(payload)) + payload + _END


START_OK: Final = method(0, (10, 11), bytes(4) + b"\x09ANONYMOUS" + bytes(4) + b"\x05en_US")
TUNE_OK: Final = method(0, (10, 31), struct.pack(">HIH", 1, 4096, 0))  # the least that is allowed
OPEN: Final = method(0, (10, 40), b"\x01/\0\0")
CHANNEL: Final = method(1, (20, 10), b"\0")
# Passive: asks whether it is there and makes nothing. Each broker has it.
DECLARE: Final = method(1, (40, 10), b"\0\0\x0aamq.direct\x06direct\x01" + bytes(4))
CLOSE: Final = method(0, (10, 50), struct.pack(">HBHH", 200, 0, 0, 0))
SENT: Final = (
    *(HEADER_091, HEADER_SASL, START_OK),
    *(TUNE_OK, OPEN, CHANNEL, DECLARE, CLOSE),
)


@dataclass(frozen=True, slots=True)
class Start:
    """What a 0-9-1 server says of itself; hostile text."""

    properties: Mapping[str, Value]
    mechanisms: tuple[str, ...]

    def text(self, name: str) -> str:
        """A property that is text, else an empty one."""
        value = self.properties.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Method:
    """A method frame."""

    number: tuple[int, int]
    arguments: bytes

    @property
    def refusal(self) -> str:
        """The code and text of a close; hostile text."""
        if self.number not in CLOSES or len(self.arguments) < 3:
            return ""
        (code,) = struct.unpack_from(">H", self.arguments)
        return f"{code} {_short(self.arguments, 2)[0]}"


def start_of(found: Method) -> Start:
    """Connection.Start; raises ProtocolError where it is something else."""
    if found.number != START or found.arguments[:2] != b"\0\x09":
        raise ProtocolError("not the Connection.Start of AMQP 0-9-1")
    properties, at = _table(found.arguments, 2, 0)
    mechanisms, at = _long(found.arguments, at)
    _, at = _long(found.arguments, at)
    if at != len(found.arguments):
        raise ProtocolError("a Connection.Start with more behind its end")
    return Start(properties, tuple(mechanisms.decode("utf-8", "replace").split()[:20]))


async def read_method(connection: Connection, first: bytes = b"") -> Method:
    """The next method frame, heartbeats left out; raises ProtocolError."""
    for _ in range(10):
        head = first + await connection.read_exactly(7 - len(first))
        first = b""
        kind, _, size = struct.unpack(">BHI", head)
        if kind not in (1, 8) or size > FRAME_BYTES:
            raise ProtocolError(f"no frame of a method: kind {kind}, {size} bytes")
        payload = await connection.read_exactly(size + 1)
        if payload[-1:] != _END:
            raise ProtocolError("a frame without its end")
        if kind == 1:
            if size < 4:
                raise ProtocolError("a method without its number")
            one, two = struct.unpack_from(">HH", payload)
            return Method((one, two), payload[4:-1])
    raise ProtocolError("heartbeats without end")


def _need(data: bytes, at: int, size: int) -> None:
    if at + size > len(data):
        raise ProtocolError("a frame that ends early")


def _short(data: bytes, at: int) -> tuple[str, int]:
    _need(data, at, 1)
    end = at + 1 + data[at]
    _need(data, at, 1 + data[at])
    return data[at + 1 : end].decode("utf-8", "replace"), end


def _long(data: bytes, at: int) -> tuple[bytes, int]:
    _need(data, at, 4)
    (size,) = struct.unpack_from(">I", data, at)
    _need(data, at, 4 + size)
    return data[at + 4 : at + 4 + size], at + 4 + size


def _table(data: bytes, at: int, depth: int) -> tuple[dict[str, Value], int]:
    """A field table: text, whole numbers and tables; what else there is becomes None."""
    inner, end = _long(data, at)
    found: dict[str, Value] = {}
    at = 0
    while at < len(inner):
        if depth >= MAX_DEPTH or len(found) >= MAX_FIELDS:
            raise ProtocolError("a table that is too large or too deep")
        name, at = _short(inner, at)
        found[name], at = _value(inner, at, depth)
    return found, end


def _value(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    _need(data, at, 1)
    kind, at = data[at], at + 1
    if kind in b"SxA":
        text, at = _long(data, at)
        return text.decode("utf-8", "replace") if kind in b"S" else None, at
    if kind in b"F":
        return _table(data, at, depth + 1)
    size = _FIXED.get(kind)
    if size is None:
        raise ProtocolError(f"a field of an unknown kind {kind}")
    _need(data, at, size)
    number = int.from_bytes(data[at : at + size], "big") if kind in b"tB" else None
    return number, at + size


def mechanisms_of(frame: bytes) -> tuple[str, ...]:
    """The SASL mechanisms of an AMQP 1.0 frame, its size left out; raises ProtocolError."""
    if len(frame) < 8 or frame[0] != 2 or frame[1] != 1 or frame[4:7] != b"\0S@":
        raise ProtocolError("not the mechanisms of AMQP 1.0")
    widths = {0xC0: 2, 0xD0: 8}  # list8, list32: size and count
    at = 8 + widths.get(frame[7], len(frame))
    if at >= len(frame):
        raise ProtocolError("mechanisms without a list")
    kind, at = frame[at], at + 1
    count = 1
    if kind in (0xE0, 0xF0):  # an array of symbols, which share one constructor
        wide = 4 if kind == 0xF0 else 1
        _need(frame, at, 2 * wide + 1)
        count = int.from_bytes(frame[at + wide : at + 2 * wide], "big")
        kind, at = frame[at + 2 * wide], at + 2 * wide + 1
    wide = {0xA3: 1, 0xB3: 4}.get(kind, 0)
    if not wide or count > 50:
        raise ProtocolError("mechanisms that are no symbols")
    names = []
    for _ in range(count):
        _need(frame, at, wide)
        size = int.from_bytes(frame[at : at + wide], "big")
        _need(frame, at + wide, size)
        names.append(frame[at + wide : at + wide + size].decode("ascii", "replace"))
        at += wide + size
    return tuple(names)
