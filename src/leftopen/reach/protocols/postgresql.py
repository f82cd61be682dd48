"""PostgreSQL: databases that open without a password.

Two proofs. A made-up role that gets AuthenticationOk shows that pg_hba.conf trusts this address,
before the server finds that there is no such role: no name is claimed and no row is read. A role
of the scope file's [claims] goes on to one row of one table. No password is ever sent. Views and
foreign tables are left alone: reading them runs code or leads to another server.
https://www.postgresql.org/docs/current/auth-pg-hba-conf.html
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import postgresql_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

MAX_ATTEMPTS: Final = 8
MAX_DATABASES: Final = 5  # that the proof looks into
MAX_TABLES: Final = 1000  # per database
READ_BYTES: Final = 65_536
MAX_ROWS: Final = 10_000  # of one fetch
_METHODS: Final = {3: "a password", 5: "an MD5 password", 7: "GSSAPI", 9: "SSPI", 10: "SCRAM"}
_REFUSED: Final = "28"  # SQLSTATE class: invalid authorization specification
_AFTER_LOGIN: Final = ("28000", "3D000")  # no such role, no such database

DATABASES: Final = (
    b"SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate "
    b"AND pg_catalog.has_database_privilege(datname, 'CONNECT') ORDER BY datname LIMIT 100"
)
TABLES: Final = (
    b"SELECT n.nspname, c.relname, c.reltuples::pg_catalog.int8, "
    b"pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class c "
    b"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') "
    b"AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    b"AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') "
    b"AND pg_catalog.has_table_privilege(c.oid, 'SELECT') "
    b"ORDER BY 4 DESC, 1, 2 LIMIT %d" % MAX_TABLES
)


@dataclass(frozen=True, slots=True)
class Look:
    """One attempt to begin a session, and how it went."""

    role: str
    database: str
    tls: bool
    begun: wire.Start

    @property
    def offered_tls(self) -> bool:
        """Whether the server said yes to SSLRequest, however the handshake went."""
        failed = self.begun.error and self.begun.error.code == wire.TLS_FAILED
        return self.tls or bool(failed)

    @property
    def rank(self) -> int:
        """The furthest a stranger gets comes first; an unclear answer before a refusal."""
        if self.begun.ready:
            return 0
        error = self.begun.error
        if self.begun.authenticated and error and error.code in _AFTER_LOGIN:
            return 1
        if error and not error.code.startswith(_REFUSED):
            return 2
        return 3 if self.begun.method else 4

    @property
    def said(self) -> str:
        """The server's answer in words."""
        begun = self.begun
        passed = "AuthenticationOk; " if begun.authenticated else ""
        if begun.error:
            return f"{passed}{begun.error}"
        method = _METHODS.get(begun.method, f"authentication request {begun.method}")
        return f"{passed}ReadyForQuery" if begun.ready else f"asks for {method}"


@dataclass(frozen=True, slots=True)
class Table:
    """A readable table; `rows` is the planner's estimate, None where it has none yet."""

    database: str
    schema: bytes
    name: bytes
    rows: int | None
    bytes: int

    @property
    def path(self) -> str:
        """`database/schema/table`, each part percent-encoded where a slash would confuse."""
        parts = (self.database.encode(), self.schema, self.name)
        return "/".join(quote(part, safe=" ") for part in parts)


@dataclass(slots=True)
class Survey:
    """What was seen with an open session."""

    tables: list[Table] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    read: Table | None = None  # the table of which a row was read
    unseen: int = 0  # databases not looked into


def _made_up(context: Context) -> str:
    """A role that cannot exist, and that the owner finds in his log."""
    return f"leftopen_{context.keyring.digest('role', context.run_id)[:8]}"


def _plan(context: Context, databases: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Role, database and whether to ask for TLS, in the order of attempts."""
    for role in (*context.claims.postgresql_roles, _made_up(context)):
        for database in databases:
            yield role, database, True
            yield role, database, False


def _first_databases(context: Context) -> tuple[str, ...]:
    return context.claims.postgresql_databases or ("postgres",)


@asynccontextmanager
async def _begin(
    context: Context, role: str, database: str, *, encrypted: bool
) -> AsyncIterator[tuple[Connection, wire.Start | None]]:
    """A connection with a StartupMessage answered; None when it is not PostgreSQL."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        if encrypted and not context.tls:
            await connection.write(wire.SSL_REQUEST)
            answer = await connection.read_exactly(1)
            if answer == b"S":
                try:
                    await connection.start_tls()
                except ProtocolError as e:
                    failed = wire.DatabaseError(wire.TLS_FAILED, safe(str(e)))
                    yield connection, wire.Start(error=failed)
                    return
            elif answer != b"N":
                yield connection, None
                return
        yield connection, await wire.start(connection, role, database)


@asynccontextmanager
async def _session(
    context: Context, databases: Sequence[str]
) -> AsyncIterator[tuple[Connection | None, list[Look]]]:
    """The first session that needs no password, and every attempt up to it.

    Without TLS only where the same attempt with TLS did not get in: pg_hba.conf may tell the two
    apart (hostssl, hostnossl).
    """
    looks: list[Look] = []
    for role, database, encrypted in _plan(context, databases):
        if not encrypted and (context.tls or not looks[-1].offered_tls):
            continue
        if len(looks) == MAX_ATTEMPTS:
            context.gaps.append(context.gap(Reason.BUDGET, "", f"cut at {MAX_ATTEMPTS} attempts"))
            break
        async with _begin(context, role, database, encrypted=encrypted) as (connection, begun):
            if begun is None:
                break
            looks.append(Look(role, database, connection.tls, begun))
            if begun.ready:
                yield connection, looks
                return
    yield None, looks


async def _prove(context: Context) -> Proof | None:
    async with _session(context, _first_databases(context)) as (connection, looks):
        if not looks:
            return None
        best = min(looks, key=lambda look: look.rank)
        if connection is None:
            return _judge(context, best)
        return await _look_around(context, best, connection)


def _judge(context: Context, look: Look) -> Proof:
    """The word for a server that let nobody in as far as a query."""
    access, detail = {
        1: (
            Access.LISTS,
            "trust: any role name is let in without a password; "
            "no role name in [claims] was let in, so no row was read",
        ),
        2: (Access.UNDETERMINED, f"the server answered {look.said}"),
        3: (Access.ASKS_CREDENTIAL, f"the server {look.said}"),
        4: (Access.REFUSED_OR_ABSENT, f"refused for this address: {look.said}"),
    }[look.rank]
    return Proof(
        access=access,
        detail=detail,
        product="postgresql",
        tls=look.tls,
        evidence=(_evidence(context, look),),
    )


def _evidence(context: Context, look: Look) -> Evidence:
    endpoint = context.target.endpoint
    return context.evidence(
        f"StartupMessage user={look.role} database={look.database}",
        look.said.encode(),
        f"psql -w -h {endpoint.address} -p {endpoint.port} -U {look.role} -d {look.database}",
    )


async def _look_around(context: Context, look: Look, connection: Connection) -> Proof:
    survey = Survey(evidence=[_evidence(context, look)])
    async with aclosing(_databases(context, look, connection)) as databases:
        seen = 0
        async for database, session in databases:
            if session is None or seen == MAX_DATABASES:
                survey.unseen += 1
                continue
            seen += 1
            await _survey(context, survey, database, session)
    way = f"role {safe(look.role, 70)} is let in without a password"
    if survey.read:
        access, detail = Access.GIVES_DATA, f"{way}; a row of {safe(survey.read.path)} was read"
    elif survey.tables:
        access, detail = Access.LISTS, f"{way}; tables are named, no row came"
    else:
        access, detail = Access.LISTS, f"{way}; there is no table that it may read"
    return Proof(
        access=access,
        detail=detail,
        product="postgresql",
        version=safe(look.begun.settings.get(b"server_version", b""), 40),
        tls=look.tls,
        size=_size(survey),
        evidence=tuple(survey.evidence),
        containers=tuple(safe(table.path, 80) for table in survey.tables[:20]),
    )


def _size(survey: Survey) -> Size:
    rows = [table.rows for table in survey.tables if table.rows is not None]
    return Size(
        objects=sum(rows) if rows or not survey.tables else None,
        bytes=sum(table.bytes for table in survey.tables),
        unit="rows",
        basis="pg_class.reltuples (an estimate), pg_total_relation_size",
        complete=len(rows) == len(survey.tables) and not survey.unseen,
    )


async def _databases(
    context: Context, look: Look, connection: Connection
) -> AsyncGenerator[tuple[str, Connection | None], None]:
    """The open database, then the others that the server names; None for one that refuses."""
    answer = await wire.ask(connection, DATABASES, 100)
    yield look.database, connection
    names = [row[0].decode("utf-8", "replace") for row in answer.rows if row and row[0]]
    for name in names:
        if name == look.database:
            continue
        if not 0 < len(name.encode()) <= 63 or context.dialer.budget.connections_left < 1:
            yield name, None
            continue
        async with _begin(context, look.role, name, encrypted=look.tls) as (other, begun):
            yield name, other if begun and begun.ready else None


async def _survey(context: Context, survey: Survey, database: str, session: Connection) -> None:
    """Add the tables of one database, and one row if there is none yet."""
    tables, _ = await _tables(session, database)
    survey.tables.extend(tables)
    listed = b"\n".join(table.path.encode() for table in tables)
    survey.evidence.append(context.evidence(f"tables of {safe(database, 70)}", listed))
    for table in tables[:3] if survey.read is None else ():
        sql = _select(table.schema, table.name, 1)
        answer = await wire.ask(session, sql, 1, READ_BYTES)
        if answer.rows:
            values = b",".join(value or b"" for value in answer.rows[0])
            survey.evidence.append(context.evidence(safe(sql), values, content=True))
            survey.read = table
            return


async def _tables(session: Connection, database: str) -> tuple[list[Table], str]:
    """The readable tables, largest first, or the error of the server."""
    answer = await wire.ask(session, TABLES, MAX_TABLES)
    found = []
    for row in answer.rows:
        match row:
            case (bytes(schema), bytes(name), bytes(rows), bytes(size)):
                estimate = _number(rows)
                known = estimate if estimate is not None and estimate >= 0 else None
                found.append(Table(database, schema, name, known, _number(size) or 0))
    return found, str(answer.error or "")


def _number(value: bytes) -> int | None:
    return int(value) if re.fullmatch(rb"-?\d{1,18}", value) else None


def _select(schema: bytes, name: bytes, rows: int) -> bytes:
    """ONLY, because a child of the table may be a foreign one."""
    table = b"%s.%s" % (wire.identifier(schema), wire.identifier(name))
    return b"SELECT * FROM ONLY %s LIMIT %d" % (table, rows)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _session(context, _first_databases(context)) as (connection, looks):
        if connection is None:
            detail = f"no session without a password: {looks[-1].said if looks else 'no answer'}"
            yield context.gap(Reason.NOT_GIVEN, "[claims] postgresql_roles", detail)
            return
        async with aclosing(_databases(context, looks[-1], connection)) as databases:
            async for database, session in databases:
                if session is None:
                    yield context.gap(Reason.REFUSED, database, "the database was not opened")
                    continue
                tables, error = await _tables(session, database)
                for table in tables:
                    yield _ref(table)
                if error or len(tables) == MAX_TABLES:
                    detail = error or f"the list of tables was cut at {MAX_TABLES}"
                    yield context.gap(Reason.BUDGET, database, detail)


def _ref(table: Table) -> ObjectRef:
    schema = table.schema.decode("utf-8", "replace")
    return ObjectRef(
        path=table.path,
        group=f"{table.database}/{schema}",
        size=table.bytes,
        media_type="text/csv",
    )


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    """The first rows of a table as CSV with a header, so that columns give values a context."""
    database, schema, name = (unquote_to_bytes(part) for part in ref.path.split("/"))
    async with _session(context, (database.decode(),)) as (connection, _):
        if connection is None:
            raise ProtocolError("no session without a password this time")
        answer = await wire.ask(connection, _select(schema, name, MAX_ROWS), MAX_ROWS, limit)
    if answer.error:
        raise ObjectRefused(f"the table was refused: {answer.error}")
    data = _csv([answer.columns, *answer.rows])
    cut = answer.cut or len(answer.rows) == MAX_ROWS or len(data) > limit
    return Fetched(data[:limit], complete=not cut, media_type="text/csv")


def _csv(rows: Sequence[wire.Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([(value or b"").decode("utf-8", "replace") for value in row])
    return out.getvalue().encode()


_NAME: Final = rb'"(?:[^"\x00]|"")+"'
_SELECT: Final = rb"SELECT \* FROM ONLY " + _NAME + rb"\." + _NAME + rb" LIMIT \d{1,5}"
_WORD: Final = rb"[^\x00]{1,63}\x00"
_STATEMENTS: Final = b"|".join((re.escape(DATABASES), re.escape(TABLES), _SELECT))

POSTGRESQL = Protocol(
    name="postgresql",
    ports=(5432,),
    sends="SSLRequest, StartupMessage with a made-up role and those of [claims], never a "
    "password; read-only: names of databases and tables, SELECT with LIMIT",
    allowed=(
        re.escape(wire.SSL_REQUEST) + rb"\Z",
        rb".{4}\x00\x03\x00\x00user\x00%bdatabase\x00%bclient_encoding\x00UTF8\x00\x00\Z"
        % (_WORD, _WORD),
        rb"Q.{4}"
        + re.escape(wire.BEFORE)
        + b"(?:"
        + _STATEMENTS
        + b")"
        + re.escape(wire.AFTER)
        + rb"\x00\Z",
        re.escape(wire.CLEAR) + rb"\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    source="https://www.postgresql.org/docs/current/protocol.html",
)
