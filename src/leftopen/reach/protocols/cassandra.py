"""Cassandra and Scylla: keyspaces and rows without a login (AllowAllAuthenticator, the default).

Proof: STARTUP is answered with READY in place of AUTHENTICATE, and a row of a table comes back.
OPTIONS is answered by everybody and proves nothing. Addresses of other nodes are not asked for.
https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import cassandra_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

MAX_TABLES: Final = 2000
MAX_RANGES: Final = 20_000
MAX_ROWS: Final = 1000  # of one fetch: partitions are wide
READ_BYTES: Final = 65_536
_PROTOCOL_ERROR: Final = 0x000A
_BAD_CREDENTIALS: Final = 0x0100
TABLES: Final = b"SELECT keyspace_name, table_name FROM system_schema.tables LIMIT 2000"
SIZES: Final = (
    b"SELECT keyspace_name, table_name, partitions_count, mean_partition_size "
    b"FROM system.size_estimates LIMIT 20000"
)


@dataclass(frozen=True, slots=True)
class Session:
    """A connection after STARTUP: the version that is spoken and what the server said."""

    connection: Connection
    version: int
    answer: wire.Frame
    cql: str

    @property
    def ready(self) -> bool:
        """Whether it takes queries without a login."""
        return self.answer.opcode == wire.READY

    async def ask(self, cql: bytes, rows: int, limit: int = wire.MAX_FRAME) -> wire.Rows | str:
        """The rows, or the server's error in words; raises ProtocolError."""
        request = wire.query(self.version, cql, rows)
        frame = await wire.exchange(self.connection, request, limit)
        if frame is None:
            raise ProtocolError("no longer Cassandra's protocol")
        if frame.opcode == wire.ERROR:
            code, text = wire.error_of(frame)
            return f"0x{code:04x} {text}"
        return wire.rows_of(frame, rows)


@asynccontextmanager
async def _begin(context: Context) -> AsyncIterator[Session | None]:
    """OPTIONS and STARTUP in version 4, in 3 where that is refused; None: not Cassandra."""
    for version in (4, 3):
        async with await context.dialer.connect(tls=context.tls) as connection:
            offered = await wire.exchange(connection, wire.request(version, 0x05))
            if offered is None or offered.opcode not in (wire.ERROR, wire.SUPPORTED):
                yield None
                return
            if offered.opcode == wire.ERROR:
                code, text = wire.error_of(offered)
                if code != _PROTOCOL_ERROR or version == 3:
                    raise ProtocolError(f"OPTIONS was answered with an error: {text}")
                continue
            versions = wire.supported(offered)[b"CQL_VERSION"]
            answer = await wire.exchange(connection, wire.request(version, 0x01, wire.STARTUP_BODY))
            if answer is None:
                raise ProtocolError("no longer Cassandra's protocol")
            yield Session(connection, version, answer, safe(versions[0], 20) if versions else "")
            return


async def _prove(context: Context) -> Proof | None:
    async with _begin(context) as session:
        if session is None:
            return None
        return await _look_around(context, session) if session.ready else _refused(context, session)


def _evidence(context: Context, asked: str, answer: bytes, *, content: bool = False) -> Evidence:
    endpoint = context.target.endpoint
    command = f"cqlsh {endpoint.address} {endpoint.port}"
    shown = command if asked == "STARTUP" else f"{command} -e '{asked}'"
    return context.evidence(asked, answer, shown, content=content)


def _refused(context: Context, session: Session) -> Proof:
    answer, access = session.answer, Access.ASKS_CREDENTIAL
    if answer.opcode == wire.AUTHENTICATE:
        said = safe(wire.Reader(answer.body).string(), 80)
        detail = f"it asks for a login: {said}"
    elif answer.opcode == wire.ERROR:
        code, said = wire.error_of(answer)
        access = access if code == _BAD_CREDENTIALS else Access.UNDETERMINED
        detail = f"STARTUP was answered with error 0x{code:04x} {said}"
    else:
        raise ProtocolError("an unexpected answer to STARTUP")
    return Proof(
        access,
        detail,
        product="cassandra",
        tls=context.tls,
        evidence=(_evidence(context, "STARTUP", said.encode()),),
    )


async def _look_around(context: Context, session: Session) -> Proof:
    """Names of tables, one row, sizes."""
    listed = await session.ask(TABLES, MAX_TABLES)
    tables = _ours(listed)
    evidence = [_evidence(context, "STARTUP", b"READY")]
    if isinstance(listed, str):
        context.gaps.append(context.gap(Reason.REFUSED, "system_schema.tables", listed))
    else:
        names = b"\n".join(b".".join(table) for table in tables)
        evidence.append(_evidence(context, TABLES.decode(), names))
    read = await _first_row(context, session, tables)
    access = Access.GIVES_DATA if read else Access.LISTS if tables else Access.METADATA
    state = "a row was read" if read else "no row came"
    return Proof(
        access=access,
        detail=f"no login is asked for (CQL {session.cql}); {len(tables)} tables, {state}",
        product="cassandra",
        tls=context.tls,
        size=await _size(session, tables),
        evidence=(*evidence, *read),
        containers=tuple(safe(b".".join(table), 80) for table in tables[:20]),
    )


def _ours(listed: wire.Rows | str) -> list[tuple[bytes, bytes]]:
    """Tables outside of the system's own keyspaces."""
    found = []
    for row in listed.rows if isinstance(listed, wire.Rows) else ():
        match row:
            case (bytes(keyspace), bytes(name)) if keyspace and name:
                if keyspace != b"system" and not keyspace.startswith((b"system_", b"dse_")):
                    found.append((keyspace, name))
    return sorted(found)


async def _first_row(
    context: Context, session: Session, tables: list[tuple[bytes, bytes]]
) -> tuple[Evidence, ...]:
    for cql in [_select(*table, 1) for table in tables[:5]]:
        answer = await session.ask(cql, 1, READ_BYTES) if cql else ""
        if cql and isinstance(answer, wire.Rows) and answer.rows and answer.rows[0][0]:
            return (_evidence(context, safe(cql), answer.rows[0][0], content=True),)
    return ()


def _select(keyspace: bytes, name: bytes, rows: int) -> bytes | None:
    """Names of Cassandra are words; anything else is not asked for."""
    if not all(re.fullmatch(rb"\w{1,222}", part) for part in (keyspace, name)):
        return None
    return b'SELECT JSON * FROM "%s"."%s" LIMIT %d' % (keyspace, name, rows)


async def _size(session: Session, tables: list[tuple[bytes, bytes]]) -> Size | None:
    """What this node estimates for its own ranges of tokens."""
    answer = await session.ask(SIZES, MAX_RANGES) if tables else ""
    ours = set(tables)
    partitions = total = known = 0
    for row in answer.rows if isinstance(answer, wire.Rows) else ():
        match row:
            case (bytes(keyspace), bytes(name), bytes(count), bytes(mean)) if (
                keyspace,
                name,
            ) in ours and len(count) == len(mean) == 8:
                number = max(0, int.from_bytes(count, "big", signed=True))
                partitions += number
                total += number * max(0, int.from_bytes(mean, "big", signed=True))
                known += 1
    if not known or total >= 2**63:
        return None
    basis = "system.size_estimates of this node alone"
    return Size(objects=partitions, bytes=total, unit="partitions", basis=basis, complete=False)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _begin(context) as session:
        if session is None or not session.ready:
            raise ProtocolError("no session without a login this time")
        listed = await session.ask(TABLES, MAX_TABLES)
        if isinstance(listed, str):
            yield context.gap(Reason.REFUSED, "system_schema.tables", listed)
            return
        for keyspace, name in _ours(listed):
            path = f"{quote(keyspace)}/{quote(name)}"
            if _select(keyspace, name, 1) is None:
                yield context.gap(Reason.UNSUPPORTED, path, "a name that is no word")
                continue
            yield ObjectRef(path=path, group=quote(keyspace), media_type="application/x-ndjson")
        if not listed.complete or len(listed.rows) == MAX_TABLES:
            yield context.gap(Reason.BUDGET, "", f"the list of tables was cut at {MAX_TABLES}")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    """The first rows of a table, a line of JSON each."""
    parts = [unquote_to_bytes(part) for part in ref.path.split("/")]
    cql = _select(parts[0], parts[1], MAX_ROWS) if len(parts) == 2 else None
    if cql is None:
        raise ObjectRefused("a name that is no word is not asked for")
    async with _begin(context) as session:
        if session is None or not session.ready:
            raise ProtocolError("no session without a login this time")
        answer = await session.ask(cql, MAX_ROWS, min(limit + 4096, wire.MAX_FRAME))
    if isinstance(answer, str):
        raise ObjectRefused(f"the table was refused: {answer}")
    data = b"".join((row[0] or b"") + b"\n" for row in answer.rows)
    whole = answer.complete and len(answer.rows) < MAX_ROWS and len(data) <= limit
    return Fetched(data[:limit], complete=whole, media_type="application/x-ndjson")


def _never(said: bytes) -> bool:
    """It says nothing unasked: it is tried at its usual ports, and nowhere blind."""
    del said
    return False


_BODY: Final = rb"[\x03\x04]\x00\x00\x00\x07.{8}(?:"
_CQL: Final = rb'SELECT JSON \* FROM "\w{1,222}"\."\w{1,222}" LIMIT \d{1,4}'

CASSANDRA = Protocol(
    name="cassandra",
    ports=(9042,),
    tls_ports=(9142,),
    sends="OPTIONS, STARTUP, QUERY with two lists of tables and SELECT JSON * with LIMIT",
    allowed=(
        rb"[\x03\x04]\x00\x00\x00\x05\x00\x00\x00\x00\Z",
        rb"[\x03\x04]\x00\x00\x00\x01.{4}" + re.escape(wire.STARTUP_BODY) + rb"\Z",
        _BODY + b"|".join((re.escape(TABLES), re.escape(SIZES), _CQL)) + rb")\x00\x01\x04.{4}\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=_never,
    source="https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec",
)
