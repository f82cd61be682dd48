"""ClickHouse's own protocol: databases that let a claimed user in without a password.

The hello names a user, so one is named only where the owner put it into [claims]. Without a claim
the hello names nobody: the exception that comes back shows that ClickHouse speaks, and no more.
Proof: the bytes of one row. Columns come in the server's binary types, so contents are read over
HTTP (the protocol clickhouse), not here. Revision 52000 keeps both sides' messages short.
https://clickhouse.com/docs/native-protocol/basics
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Proof, Protocol

MAX_USERS: Final = 4
MAX_STRING: Final = 65_536
MAX_PACKETS: Final = 1000
MAX_NAMES: Final = 1000
_ASKS: Final = (192, 193, 194, 516)  # as over HTTP: ErrorCodes.cpp
_HELLO: Final = b"\x00\x08leftopen\x01\x00\xa0\x96\x03\x00"  # name, 1.0, revision, database ""
_EMPTY_BLOCK: Final = b"\x02\x00\x00\x00\x00"
TABLES: Final = (
    b"SELECT database, name FROM system.tables WHERE database NOT IN "
    b"('system', 'INFORMATION_SCHEMA', 'information_schema') AND (engine LIKE '%MergeTree' OR "
    b"engine IN ('Log', 'TinyLog', 'StripeLog', 'Memory')) ORDER BY database, name LIMIT 1000"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An exception of the server, fit to show."""

    code: int
    text: str


async def _number(connection: Connection) -> int:
    """A variable-length number of at most 63 bits; raises ProtocolError."""
    value = 0
    for shift in range(0, 63, 7):
        byte = (await connection.read_exactly(1))[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ProtocolError("a number that never ends")


async def _string(connection: Connection) -> bytes:
    if (size := await _number(connection)) > MAX_STRING:
        raise ProtocolError(f"a string of {size} bytes where {MAX_STRING} are the limit")
    return await connection.read_exactly(size)


async def _exception(connection: Connection) -> Refusal:
    """The first of a chain of exceptions; the session is over with it, the rest is not read."""
    code = int.from_bytes(await connection.read_exactly(4), "little", signed=True)
    name, text = await _string(connection), await _string(connection)
    if not name.endswith(b"Exception"):
        raise ProtocolError("an exception without the name of one")
    return Refusal(code, safe(text))


def hello(user: str) -> bytes:
    """The client's hello: this user, no password."""
    name = user.encode()[:100]
    return _HELLO + bytes((len(name),)) + name + b"\0"


def query(sql: bytes) -> bytes:
    """A query without an id or settings, complete, uncompressed, and the block that ends it."""
    size = bytes((len(sql) % 128 | 0x80, len(sql) // 128))
    return b"\x01\x00\x00\x02\x00" + size + sql + _EMPTY_BLOCK


async def _greet(connection: Connection, user: str) -> str | Refusal | None:
    """The version of a server that lets this user in, its refusal; None: not ClickHouse."""
    await connection.write(hello(user))
    kind = (await connection.read_exactly(1))[0]
    if kind == 2:
        return await _exception(connection)
    if kind or await _string(connection) != b"ClickHouse":
        return None
    major, minor = await _number(connection), await _number(connection)
    await _number(connection)  # its revision
    return f"{major}.{minor}"


async def _prove(context: Context) -> Proof | None:
    users = context.claims.clickhouse_users[:MAX_USERS] or ("",)
    refused: list[tuple[str, Refusal]] = []
    for user in users:
        async with await context.dialer.connect(tls=context.tls) as connection:
            begun = await _greet(connection, user)
            if begun is None:
                return None
            if isinstance(begun, str):
                return await _look_around(context, connection, user, begun)
            refused.append((user, begun))
    return _judge(context, refused)


def _evidence(context: Context, user: str, answer: bytes, sql: str = "") -> Evidence:
    endpoint = context.target.endpoint
    command = f"clickhouse-client --host {endpoint.address} --port {endpoint.port} --user '{user}'"
    asked = sql or f"hello, user '{user}', no password"
    shown = f'{command} --query "{sql}"' if sql else command
    return context.evidence(asked, answer, shown, content=sql.startswith("SELECT *"))


def _judge(context: Context, refused: list[tuple[str, Refusal]]) -> Proof:
    user, last = refused[-1]
    asks = [r for _, r in refused if r.code in _ASKS]
    if not context.claims.clickhouse_users:
        access = Access.SPEAKS
        detail = "a user has to be named, and [claims] clickhouse_users names none"
        context.gaps.append(context.gap(Reason.NOT_GIVEN, "[claims] clickhouse_users", detail))
    elif len(asks) == len(refused):
        access, detail = Access.ASKS_CREDENTIAL, "no user of [claims] is let in without a password"
    elif last.code == 195:  # IP_ADDRESS_NOT_ALLOWED
        access, detail = Access.REFUSED_OR_ABSENT, "refused for this address"
    else:
        access, detail = Access.UNDETERMINED, "the server answered something else to the hello"
    said = f"{detail}: code {last.code} {last.text}"
    shown = _evidence(context, user, last.text.encode())
    return Proof(access, safe(said), product="clickhouse", evidence=(shown,))


async def _look_around(context: Context, connection: Connection, user: str, version: str) -> Proof:
    way = f"user {safe(user or '(none)', 60)} is let in without a password"
    evidence = [_evidence(context, user, version.encode())]
    names = await _tables(connection)
    access = Access.LISTS if names else Access.METADATA
    detail = f"{way}; {len(names)} tables are named, no row came"
    listed = b"\n".join(b".".join(name) for name in names)
    evidence.append(_evidence(context, user, listed, TABLES.decode()))
    for sql in [_select(*name) for name in names[:3]]:
        if sql and (row := await _row(connection, sql)):
            evidence.append(_evidence(context, user, row, safe(sql)))
            access, detail = Access.GIVES_DATA, f"{way}; the bytes of a row of a table were read"
            why = "contents are read over HTTP, not from binary columns"
            context.gaps.append(context.gap(Reason.UNSUPPORTED, "contents", why))
            break
    return Proof(
        access=access,
        detail=detail,
        product="clickhouse",
        version=version,
        evidence=tuple(evidence),
        containers=tuple(safe(b".".join(name), 80) for name in names[:20]),
    )


def _select(database: bytes, name: bytes) -> bytes | None:
    sql = b"SELECT * FROM `%s`.`%s` LIMIT 1" % (database, name)
    plain = all(re.fullmatch(rb"[^`\\\x00]{1,256}", part) for part in (database, name))
    return sql if plain else None


async def _block_info(connection: Connection) -> None:
    """Numbered fields up to a 0: whether it overflows, and a number of 32 bits."""
    for _ in range(4):
        if (field := await _number(connection)) == 0:
            return
        if field not in (1, 2):
            break
        await connection.read_exactly(1 if field == 1 else 4)
    raise ProtocolError("a block with unknown fields")


async def _block(connection: Connection, sql: bytes = b"") -> tuple[int, int] | None:
    """Columns and rows of the next block of an answer; None at its end or its exception."""
    if sql:
        await connection.write(query(sql))
    for _ in range(MAX_PACKETS):
        kind = (await connection.read_exactly(1))[0]
        if kind == 1:
            await _string(connection)  # the name of a temporary table: none
            await _block_info(connection)
            return await _number(connection), await _number(connection)
        if kind in (2, 5):
            return None
        if kind == 3:  # progress: rows, bytes, rows in all
            for _ in range(3):
                await _number(connection)
        elif kind == 6:  # profile: rows, blocks, bytes, flag, rows before the limit, flag
            for flag in (False, False, False, True, False, True):
                await (connection.read_exactly(1) if flag else _number(connection))
        else:
            raise ProtocolError("an unexpected packet in an answer")
    raise ProtocolError("an answer that never ends")


async def _tables(connection: Connection) -> list[tuple[bytes, bytes]]:
    """Names of tables; the session takes another query after it only where there are some."""
    names: list[tuple[bytes, bytes]] = []
    block = await _block(connection, TABLES)
    for _ in range(MAX_PACKETS):
        if block is None:
            return names
        columns, rows = block
        if columns not in (0, 2) or len(names) + rows > MAX_NAMES:
            raise ProtocolError("a list of tables of an impossible size")
        found = []
        for _ in range(columns):
            await _string(connection)
            if await _string(connection) != b"String":
                raise ProtocolError("a name that is no String")
            found.append([await _string(connection) for _ in range(rows)])
        names += zip(*found, strict=True)
        block = await _block(connection)
    raise ProtocolError("an answer that never ends")


async def _row(connection: Connection, sql: bytes) -> bytes:
    """The first bytes of the one row, in the type of its first column; empty where none came."""
    block = await _block(connection, sql)
    for _ in range(MAX_PACKETS):
        if block is None:
            return b""
        columns, rows = block
        if rows:
            await _string(connection), await _string(connection)
            return await connection.read_some(1024)
        for _ in range(min(columns, MAX_NAMES)):  # the head of the answer: names and types
            await _string(connection), await _string(connection)
        block = await _block(connection)
    raise ProtocolError("an answer that never ends")


def _never(said: bytes) -> bool:
    """It says nothing unasked: it is tried at its usual ports, and nowhere blind."""
    del said
    return False


CLICKHOUSE_NATIVE = Protocol(
    name="clickhouse_native",
    ports=(9000,),
    tls_ports=(9440,),
    sends="hello without a user, or with those of [claims] and no password; a list of tables, "
    "SELECT * with LIMIT 1 of one table",
    allowed=(
        re.escape(_HELLO) + rb"[\x00-\x64][^\x00]{0,100}\x00\Z",
        re.escape(query(TABLES)) + rb"\Z",
        rb"\x01\x00\x00\x02\x00..SELECT \* FROM `[^`\\\x00]{1,256}`\.`[^`\\\x00]{1,256}` LIMIT 1"
        + re.escape(_EMPTY_BLOCK)
        + rb"\Z",
    ),
    prove=_prove,
    recognise=_never,
    source="https://clickhouse.com/docs/native-protocol/basics",
)
