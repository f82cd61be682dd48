"""MySQL's client/server protocol over one connection: the anonymous account and text results.

https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html and
https://mariadb.com/docs/server/reference/clientserver-protocol. The only account that is named is
the one without a name, and the only password is none: both stand as constants in the one
HandshakeResponse that there is. Neither LOCAL INFILE nor several statements in one message are
among the capabilities that are asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection

Row = tuple[bytes | None, ...]

SSL: Final = 0x800
_PROTOCOL_41: Final = 0x200
_PLUGIN_AUTH: Final = 0x80000
# LONG_PASSWORD, LONG_FLAG, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
_ASKED: Final = 0x1 | 0x4 | _PROTOCOL_41 | 0x2000 | 0x8000 | _PLUGIN_AUTH
_UTF8: Final = b"\x2d"  # utf8mb4_general_ci: no byte of a letter is a backtick
MAX_PACKET: Final = 1_048_576
MAX_COLUMNS: Final = 4096
SHORT: Final = 1_100  # no ERR packet is longer
MAX_STEPS: Final = 8  # packets of a login
_GREETING: Final = re.compile(rb"\x0a([\x20-\x7e]{1,120})\x00", re.DOTALL)
_ERROR: Final = re.compile(rb"\xff(..)(?:#[0-9A-Z]{5})?([^\x00]{3,1024})\x00?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DatabaseError:
    """An ERR packet: the server's number and text, fit to show."""

    code: int
    text: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class Greeting:
    """Protocol::HandshakeV10, as far as anybody needs it here."""

    version: str
    capabilities: int
    plugin: bytes

    @property
    def offers_tls(self) -> bool:
        """Whether SSLRequest may be sent."""
        return bool(self.capabilities & SSL)


@dataclass(slots=True)
class Result:
    """The answer to one statement.

    `cut`: the last row is not whole and more may follow; the session is of no use any more.
    """

    columns: tuple[bytes, ...] = ()
    rows: list[Row] = field(default_factory=list)
    error: DatabaseError | None = None
    cut: bool = False


def packet(number: int, body: bytes) -> bytes:
    """A packet: length, sequence number, body."""
    return len(body).to_bytes(3, "little") + bytes((number,)) + body


def _hello(*, tls: bool) -> bytes:
    capabilities = _ASKED | (SSL if tls else 0)
    return capabilities.to_bytes(4, "little") + MAX_PACKET.to_bytes(4, "little") + _UTF8 + bytes(23)


def _response(*, tls: bool) -> bytes:
    """HandshakeResponse41: user "", an auth response of no bytes, the oldest plugin there is."""
    return packet(2 if tls else 1, _hello(tls=tls) + b"\0" + b"\0" + b"mysql_native_password\0")


SSL_REQUEST: Final = packet(1, _hello(tls=True))
RESPONSE: Final = _response(tls=False)
RESPONSE_IN_TLS: Final = _response(tls=True)


def query(sql: bytes) -> bytes:
    """COM_QUERY."""
    return packet(0, b"\x03" + sql)


def error_of(body: bytes) -> DatabaseError | None:
    """An ERR packet; None when the body is no well-formed one. The SQLSTATE is left out."""
    if not (match := _ERROR.match(body)):
        return None
    code = int.from_bytes(match.group(1), "little")
    return DatabaseError(code, safe(match.group(2))) if 1000 <= code < 10_000 else None


def greeting_of(body: bytes) -> Greeting | None:
    """A greeting of protocol version 10; None when it is none, or older than 4.1."""
    match = _GREETING.match(body)
    rest = body[match.end() :] if match else b""
    # thread id 4, scramble 8, filler 1, capabilities 2, charset 1, status 2, capabilities 2,
    # length of the scramble 1, reserved 10
    if match is None or len(rest) < 31 or rest[12]:
        return None
    capabilities = int.from_bytes(rest[13:15] + rest[18:20], "little")
    if not capabilities & _PROTOCOL_41 or any(rest[21:27]):
        return None
    plugin = rest[31 + max(13, rest[20] - 8) :].split(b"\0")[0]
    version = match.group(1).decode("ascii")
    return Greeting(version, capabilities, plugin if capabilities & _PLUGIN_AUTH else b"")


def recognise(said: bytes) -> bool:
    """Whether this is a greeting, or the error that MySQL sends in its place."""
    length, body = int.from_bytes(said[:3], "little"), said[4:]
    if len(said) < 8 or said[3] or not 8 <= length <= 1024 or len(body) > length:
        return False
    if len(body) == length:
        return greeting_of(body) is not None or error_of(body) is not None
    return re.match(rb"\x0a[\x20-\x7e]{3,}", body) is not None  # its end has not come yet


def _length(body: bytes, at: int) -> tuple[int | None, int]:
    """A length-encoded integer and where it ends; None for NULL; raises ProtocolError."""
    first = body[at : at + 1]
    if not first or first == b"\xff":
        raise ProtocolError("a length that is none")
    if first == b"\xfb":
        return None, at + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first[0], 0)
    end = at + 1 + width
    if end > len(body):
        raise ProtocolError("a length that is cut")
    return (int.from_bytes(body[at + 1 : end], "little") if width else first[0]), end


def row_of(body: bytes, columns: int, *, cut: bool = False) -> Row:
    """The values of a text row, of one that was `cut` as far as it goes; raises ProtocolError."""
    values: list[bytes | None] = []
    at = 0
    for _ in range(columns):
        if cut and at + 9 > len(body):
            break
        length, at = _length(body, at)
        if at + (length or 0) > len(body) and not cut:
            raise ProtocolError("a row that is too short")
        values.append(None if length is None else body[at : at + length])
        at += length or 0
    return tuple(values)


def column_of(body: bytes) -> bytes:
    """The name in a ColumnDefinition41: its fifth string; raises ProtocolError."""
    name = row_of(body, 5)[4]
    if name is None:
        raise ProtocolError("a column without a name")
    return name


async def receive(connection: Connection, limit: int = MAX_PACKET) -> tuple[int, bytes]:
    """Sequence number and body of the next packet; raises ProtocolError over `limit`."""
    length, number = await _head(connection)
    if length > limit:
        raise ProtocolError(f"a packet of {length} bytes where {limit} are the limit")
    return number, await connection.read_exactly(length)


async def _head(connection: Connection) -> tuple[int, int]:
    head = await connection.read_exactly(4)
    return int.from_bytes(head[:3], "little"), head[3]


async def log_in(connection: Connection) -> DatabaseError | str:
    """Be nobody, with no password: "" when that is let in, what is asked for, or the error."""
    await connection.write(RESPONSE_IN_TLS if connection.tls else RESPONSE)
    for _ in range(MAX_STEPS):
        number, body = await receive(connection)
        if body[:1] == b"\0":
            return ""
        if body[:1] == b"\xff":
            if error := error_of(body):
                return error
            raise ProtocolError("an error packet that is broken")
        if body[:1] == b"\x01":  # AuthMoreData: caching_sha2 wants the password itself
            return "a password"
        if body[:1] != b"\xfe":
            raise ProtocolError("an unexpected packet in a login")
        if len(body) == 1:
            return "a password in the form before MySQL 4.1"
        await connection.write(packet((number + 1) % 256, b""))  # whatever the plugin: nothing
    raise ProtocolError("a login that never ends")


async def ask(connection: Connection, sql: bytes, rows: int, size: int = MAX_PACKET) -> Result:
    """The answer to one statement that has LIMIT `rows`, at most `size` bytes of rows.

    Raises:
        ProtocolError: more rows than asked for, not the protocol, or a request for a local file.
    """
    await connection.write(query(sql))
    _, body = await receive(connection)
    if body[:1] == b"\xfb":
        raise ProtocolError("the server asks for a file of ours (LOCAL INFILE): refused")
    if body[:1] in (b"\xff", b"\0"):
        return Result(error=_failure(body) if body[:1] == b"\xff" else None)
    count, end = _length(body, 0)
    if not count or count > MAX_COLUMNS or end != len(body):
        raise ProtocolError("an answer with an impossible number of columns")
    left = MAX_PACKET
    names = []
    for _ in range(count):
        body = (await receive(connection, left))[1]
        left -= len(body)
        names.append(column_of(body))
    if not _is_end((await receive(connection))[1]):
        raise ProtocolError("columns without an end")
    return await _rows(connection, Result(tuple(names)), rows, size)


async def _rows(connection: Connection, result: Result, rows: int, size: int) -> Result:
    while True:
        length, _ = await _head(connection)
        # An end or an error is short, and comes whatever is left.
        body = await connection.read_exactly(min(length, max(size, SHORT)))
        if _is_end(body):
            return result
        if body[:1] == b"\xff":
            result.error = _failure(body)
            return result
        if len(result.rows) == rows:
            raise ProtocolError("more rows than asked for")
        size -= 4
        if length > size:
            result.rows.append(row_of(body[: max(size, 0)], len(result.columns), cut=True))
            result.cut = True
            return result
        size -= length
        result.rows.append(row_of(body, len(result.columns)))


def _is_end(body: bytes) -> bool:
    return body[:1] == b"\xfe" and len(body) < 9


def _failure(body: bytes) -> DatabaseError:
    if error := error_of(body):
        return error
    raise ProtocolError("an error packet that is broken")
