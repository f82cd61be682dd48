"""CQL's binary protocol, versions 3 and 4, over one connection: three requests and rows of text.

https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec. Servers that speak
version 5 speak 4 as well. Compression is not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection

ERROR, READY, AUTHENTICATE, SUPPORTED, RESULT = 0x00, 0x02, 0x03, 0x06, 0x08
MAX_FRAME: Final = 4_194_304
MAX_DEPTH: Final = 8  # of a type inside of types
MAX_COLUMNS: Final = 64  # nothing that is asked for has more than five
STARTUP_BODY: Final = b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"
_ONE: Final = b"\x00\x01\x04"  # consistency ONE, then the flag of a page size

Row = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A response: its opcode and body; `cut` where the body was longer than the limit."""

    opcode: int
    body: bytes
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a RESULT. `complete` is False where the frame was cut or pages follow."""

    rows: tuple[Row, ...]
    complete: bool


class Reader:
    """Reads the notations of section 3 of the specification; raises ProtocolError at the end."""

    def __init__(self, data: bytes) -> None:
        """From the first byte on."""
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if not 0 <= size <= len(self._data) - self._at:
            raise ProtocolError("a frame that is too short for what it says")
        self._at += size
        return self._data[self._at - size : self._at]

    def short(self) -> int:
        """[short]."""
        return int.from_bytes(self.take(2), "big")

    def integer(self) -> int:
        """[int]."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def string(self) -> bytes:
        """[string]."""
        return self.take(self.short())

    def value(self) -> bytes | None:
        """[bytes]; None for null."""
        size = self.integer()
        return None if size < 0 else self.take(size)

    def skip_type(self, depth: int = 0) -> None:
        """[option]: the type of a column."""
        if depth > MAX_DEPTH:
            raise ProtocolError("a type that is nested too deep")
        kind = self.short()
        if kind == 0:
            self.string()
        inner = {0x20: 1, 0x21: 2, 0x22: 1}.get(kind, 0)
        if kind == 0x30:
            self.string(), self.string()
        if kind in (0x30, 0x31):
            inner = self.short()
        for _ in range(inner):
            if kind == 0x30:
                self.string()
            self.skip_type(depth + 1)


def request(version: int, opcode: int, body: bytes = b"") -> bytes:
    """A request frame on stream 0."""
    return bytes((version, 0, 0, 0, opcode)) + len(body).to_bytes(4, "big") + body


def query(version: int, cql: bytes, rows: int) -> bytes:
    """QUERY with one page of so many rows."""
    body = len(cql).to_bytes(4, "big") + cql + _ONE + rows.to_bytes(4, "big")
    return request(version, 0x07, body)


async def exchange(connection: Connection, data: bytes, limit: int = MAX_FRAME) -> Frame | None:
    """Send a request and read its response; None when it is not this protocol.

    Raises:
        ProtocolError: a length that is none, or bytes of a kind that was not asked for.
    """
    await connection.write(data)
    head = await connection.read_exactly(9)
    flags, opcode, length = head[1], head[4], int.from_bytes(head[5:], "big")
    if head[0] not in range(0x81, 0x87) or head[2:4] != b"\0\0" or opcode > 0x10:
        return None
    if flags & ~0x18 or length > 268_435_456:  # the specification's own limit: 256 MiB
        raise ProtocolError(f"a frame of {length} bytes with flags {flags} that none asked for")
    body = await connection.read_exactly(min(length, limit))
    if flags & 0x08:  # warnings come first
        reader = Reader(body)
        skipped = 2 + sum(2 + len(reader.string()) for _ in range(reader.short()))
        body = body[skipped:]
    return Frame(opcode, body, cut=length > limit)


def error_of(frame: Frame) -> tuple[int, str]:
    """Code and text of an ERROR, fit to show."""
    reader = Reader(frame.body)
    return reader.integer(), safe(reader.string())


def supported(frame: Frame) -> dict[bytes, list[bytes]]:
    """What SUPPORTED offers; raises ProtocolError where CQL_VERSION is not among it."""
    reader = Reader(frame.body)
    found = {
        reader.string(): [reader.string() for _ in range(reader.short())]
        for _ in range(reader.short())
    }
    if b"CQL_VERSION" not in found:
        raise ProtocolError("options without a version of CQL")
    return found


def rows_of(frame: Frame, limit: int) -> Rows:
    """The rows of a RESULT, of one that was cut as far as it goes; raises ProtocolError."""
    reader = Reader(frame.body)
    if frame.opcode != RESULT or reader.integer() != 2:
        raise ProtocolError("no rows where rows were asked for")
    flags, columns = reader.integer(), reader.integer()
    if not 0 < columns <= MAX_COLUMNS or flags & 0x04:
        raise ProtocolError("rows with an impossible number of columns")
    if flags & 0x02:
        reader.value()
    if flags & 0x01:
        reader.string(), reader.string()
    for _ in range(columns):
        if not flags & 0x01:
            reader.string(), reader.string()
        reader.string()
        reader.skip_type()
    count = reader.integer()
    if not 0 <= count <= limit:
        raise ProtocolError("more rows than asked for")
    rows: list[Row] = []
    try:
        for _ in range(count):
            rows.append(tuple(reader.value() for _ in range(columns)))
    except ProtocolError:
        if not frame.cut:
            raise
    return Rows(tuple(rows), complete=len(rows) == count and not flags & 0x02)
