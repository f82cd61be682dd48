"""PostgreSQL's frontend/backend protocol 3.0 over one connection, read-only by construction.

https://www.postgresql.org/docs/current/protocol-message-formats.html. Every query travels in one
message with its own read-only transaction and time limit around it, so that it holds behind a
pooler too, where the next message may reach another session.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection

Row = tuple[bytes | None, ...]

SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
VERSION_3: Final = b"\x00\x03\x00\x00"
BEFORE: Final = b"BEGIN READ ONLY;SET LOCAL statement_timeout=5000;"
AFTER: Final = b";ROLLBACK"
CLEAR: Final = b"Q\x00\x00\x00\x0dROLLBACK\x00"
MAX_MESSAGE: Final = 1_048_576
TLS_FAILED: Final = "TLS"  # in place of an SQLSTATE
MAX_MESSAGES: Final = 200  # of the start of a session, and beside the rows of a query


@dataclass(frozen=True, slots=True)
class DatabaseError:
    """An ErrorResponse: SQLSTATE and text, fit to show."""

    code: str
    text: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.code} {self.text}"


@dataclass(slots=True)
class Start:
    """How a session began. `ready` and neither `method` nor `error`: it takes queries."""

    authenticated: bool = False  # AuthenticationOk came, and nothing was asked before it
    method: int = 0  # the code of the authentication request
    ready: bool = False
    error: DatabaseError | None = None
    settings: dict[bytes, bytes] = field(default_factory=dict)  # ParameterStatus


@dataclass(slots=True)
class Result:
    """The answer to one query.

    `cut`: the last row is not whole and more may follow; the session is of no use any more.
    """

    columns: tuple[bytes, ...] = ()
    rows: list[Row] = field(default_factory=list)
    error: DatabaseError | None = None
    cut: bool = False


def startup(role: str, database: str) -> bytes:
    """A StartupMessage."""
    words = ("user", role, "database", database, "client_encoding", "UTF8", "")
    body = VERSION_3 + b"".join(word.encode() + b"\0" for word in words)
    return (len(body) + 4).to_bytes(4, "big") + body


def query(sql: bytes) -> bytes:
    """A Query message around one statement."""
    body = BEFORE + sql + AFTER + b"\0"
    return b"Q" + (len(body) + 4).to_bytes(4, "big") + body


def identifier(name: bytes) -> bytes:
    """A name as a quoted identifier; it came out of a catalogue, so it has no NUL."""
    return b'"' + name.replace(b'"', b'""') + b'"'


def error_of(body: bytes) -> DatabaseError:
    """The fields of an ErrorResponse."""
    fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
    return DatabaseError(safe(fields.get(b"C", b"?????"), 5), safe(fields.get(b"M", b"")))


def columns_of(body: bytes) -> tuple[bytes, ...]:
    """The names in a RowDescription; raises ProtocolError."""
    count, at = int.from_bytes(body[:2], "big"), 2
    names = []
    for _ in range(count):
        end = body.find(b"\0", at)
        if end < 0 or end + 19 > len(body):
            raise ProtocolError("a RowDescription that is too short")
        names.append(body[at:end])
        at = end + 19
    return tuple(names)


def row_of(body: bytes, *, cut: bool = False) -> Row:
    """The values of a DataRow, of one that was `cut` as far as it goes; raises ProtocolError."""
    count, at = int.from_bytes(body[:2], "big"), 2
    values: list[bytes | None] = []
    for _ in range(count):
        if cut and at + 4 > len(body):
            break
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if length < -1 or (at + max(length, 0) > len(body) and not cut):
            raise ProtocolError("a DataRow that is too short")
        values.append(None if length < 0 else body[at : at + length])
        at += max(length, 0)
    return tuple(values)


async def start(connection: Connection, role: str, database: str) -> Start | None:
    """Open a session and answer no request for a credential; None when it is not PostgreSQL."""
    await connection.write(startup(role, database))
    begun = Start()
    for number in range(MAX_MESSAGES):
        kind, length = await _head(connection)
        if number == 0 and kind not in b"REvN":
            return None
        body = await _body(connection, length)
        if kind == b"R":
            begun.method = int.from_bytes(body[:4], "big")
            if begun.method:
                return begun
            begun.authenticated = True
        elif kind == b"E":
            begun.error = error_of(body)
            return begun
        elif kind == b"S":
            name, _, value = body.rstrip(b"\0").partition(b"\0")
            begun.settings[name] = value
        elif kind == b"Z":
            begun.ready = True
            return begun
        elif kind not in b"KNv":
            raise ProtocolError("an unexpected message at the start of the session")
    raise ProtocolError("a session that never becomes ready")


async def ask(connection: Connection, sql: bytes, rows: int, size: int = MAX_MESSAGE) -> Result:
    """The answer to one statement that has LIMIT `rows`, at most `size` bytes of rows.

    Raises:
        ProtocolError: more rows than asked for, or not the protocol.
    """
    await connection.write(query(sql))
    result = Result()
    beside = 0
    while beside < MAX_MESSAGES:
        kind, length = await _head(connection)
        if kind == b"D" and length >= size:
            begun = await connection.read_exactly(min(length, size))
            result.rows.append(row_of(begun, cut=True))
            result.cut = True
            return result
        body = await _body(connection, length, size if kind == b"D" else MAX_MESSAGE)
        if kind == b"D":
            size -= length + 1  # so that empty rows end as well
            if len(result.rows) == rows:
                raise ProtocolError("more rows than asked for")
            result.rows.append(row_of(body))
            continue
        beside += 1
        if kind == b"Z" and body == b"E":  # a failed transaction refuses the next query too
            await connection.write(CLEAR)
        elif kind == b"Z":
            return result
        elif kind == b"T":
            result.columns = columns_of(body)
        elif kind == b"E":
            result.error = error_of(body)
        elif kind not in b"CNSI":
            raise ProtocolError("an unexpected message in an answer")
    raise ProtocolError("an answer that never ends")


async def _head(connection: Connection) -> tuple[bytes, int]:
    """Type of the next message and length of its body."""
    head = await connection.read_exactly(5)
    return head[:1], int.from_bytes(head[1:], "big") - 4


async def _body(connection: Connection, length: int, limit: int = MAX_MESSAGE) -> bytes:
    if not 0 <= length <= limit:
        raise ProtocolError(f"a message of {length} bytes where {limit} are the limit")
    return await connection.read_exactly(length)
