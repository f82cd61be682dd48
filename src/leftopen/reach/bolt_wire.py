"""Bolt, the protocol of Neo4j: handshake, messages in chunks, and PackStream values.

https://neo4j.com/docs/bolt/current/. Only the messages that a reader needs: HELLO and LOGON with
the scheme none, RUN in read mode, PULL, RESET. ROUTE is never sent.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

Value: TypeAlias = (
    "bool | int | float | str | bytes | list[Value] | dict[str, Value] | Struct | None"
)

# Versions 5.2 to 5.0, 4.4 to 4.2, 4.1, 3.0
HANDSHAKE: Final = b"\x60\x60\xb0\x17\0\2\2\5\0\2\4\4\0\0\1\4\0\0\0\3"
VERSIONS: Final = ((5, 2), (5, 1), (5, 0), (4, 4), (4, 3), (4, 2), (4, 1), (3, 0))
SUCCESS, RECORD, IGNORED, FAILURE = 0x70, 0x71, 0x7E, 0x7F
NODE: Final = 0x4E
MAX_MESSAGE: Final = 1_048_576
MAX_DEPTH: Final = 20
MAX_RECORDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Struct:
    """A structure: its tag and its fields."""

    tag: int
    fields: list[Value]


def text(value: str) -> bytes:
    """A string as PackStream, at most 65,535 bytes."""
    data = value.encode()
    head = bytes((0x80 | len(data),)) if len(data) < 16 else b"\xd1" + struct.pack(">H", len(data))
    return head + data


def message(body: bytes) -> bytes:
    """A message in one chunk."""
    return struct.pack(">H", len(body)) + body + b"\0\0"


def begin(scheme: bool) -> bytes:
    """HELLO; up to 5.0 it carries the scheme of the login as well."""
    fields = text("user_agent") + text("leftopen/1")
    return message(
        b"\xb1\x01" + (b"\xa2" if scheme else b"\xa1") + fields + (NONE if scheme else b"")
    )


NONE: Final = text("scheme") + text("none")
LOGON: Final = message(b"\xb1\x6a\xa1" + NONE)
RESET: Final = message(b"\xb0\x0f")
PULL: Final = message(b"\xb1\x3f\xa1" + text("n") + b"\xff")  # all: the query has its LIMIT
PULL_ALL: Final = message(b"\xb0\x3f")  # version 3
RUN_HEAD: Final = b"\xb3\x10"
RUN_TAIL: Final = b"\xa0\xa1" + text("mode") + text("r")


def run(cypher: str) -> bytes:
    """RUN without parameters, in read mode."""
    return message(RUN_HEAD + text(cypher) + RUN_TAIL)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ProtocolError("a value that is too short for what it says")
        self.at += size
        return self.data[self.at - size : self.at]

    def value(self, depth: int = 0) -> Value:
        if depth > MAX_DEPTH:
            raise ProtocolError("a value that is nested too deep")
        mark = self.take(1)[0]
        if mark < 0x80 or mark >= 0xF0:
            return mark if mark < 0x80 else mark - 256
        if mark in _PLAIN:
            return _PLAIN[mark]
        if mark == 0xC1:
            found: float = struct.unpack(">d", self.take(8))[0]
            return found
        if 0xC8 <= mark <= 0xCB:
            return int.from_bytes(self.take(1 << (mark - 0xC8)), "big", signed=True)
        kind, size = self._sized(mark)
        if kind == "bytes":
            return self.take(size)
        if kind == "text":
            return self.take(size).decode("utf-8", "replace")
        return self._many(kind, size, depth + 1)

    def _sized(self, mark: int) -> tuple[str, int]:
        tiny = {0x80: "text", 0x90: "list", 0xA0: "map", 0xB0: "struct"}.get(mark & 0xF0)
        if tiny:
            return tiny, mark & 0x0F
        for first, kind in ((0xCC, "bytes"), (0xD0, "text"), (0xD4, "list"), (0xD8, "map")):
            if 0 <= mark - first <= 2:
                return kind, int.from_bytes(self.take(1 << (mark - first)), "big")
        raise ProtocolError("a value of an unknown kind")

    def _many(self, kind: str, size: int, depth: int) -> Value:
        if kind == "struct":
            tag = self.take(1)[0]
            return Struct(tag, [self.value(depth) for _ in range(size)])
        if kind == "list":
            return [self.value(depth) for _ in range(size)]
        found: dict[str, Value] = {}
        for _ in range(size):
            key = self.value(depth)
            if not isinstance(key, str):
                raise ProtocolError("a key that is no text")
            found[key] = self.value(depth)
        return found


_PLAIN: Final[dict[int, bool | None]] = {0xC0: None, 0xC2: False, 0xC3: True}


def decode(data: bytes) -> Value:
    """One value and nothing behind it; raises ProtocolError."""
    reader = _Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise ProtocolError("bytes behind a value")
    return value


async def handshake(connection: Connection) -> tuple[int, int] | None:
    """Major and minor version; None when it is not Bolt, or no version is shared."""
    await connection.write(HANDSHAKE)
    answer = await connection.read_exactly(4)
    version = (answer[3], answer[2])
    return version if answer[:2] == b"\0\0" and version in VERSIONS else None


async def receive(connection: Connection, limit: int = MAX_MESSAGE) -> Struct:
    """The next message; raises ProtocolError over `limit` bytes or for something else."""
    parts: list[bytes] = []
    size = 0
    while True:
        length = int.from_bytes(await connection.read_exactly(2), "big")
        if not length and parts:
            break
        size += length + 2  # so that empty chunks (they keep a connection alive) end as well
        if size > limit:
            raise ProtocolError(f"a message of more than {limit} bytes")
        if length:
            parts.append(await connection.read_exactly(length))
    found = decode(b"".join(parts))
    if not isinstance(found, Struct) or found.tag not in (SUCCESS, RECORD, IGNORED, FAILURE):
        raise ProtocolError("a message of an unknown kind")
    return found


def fields_of(answer: Struct) -> dict[str, Value]:
    """The map of a SUCCESS or a FAILURE; empty where there is none."""
    first = answer.fields[0] if answer.fields else None
    return first if isinstance(first, dict) else {}
