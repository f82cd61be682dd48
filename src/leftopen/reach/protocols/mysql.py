"""MySQL and its kin (MariaDB, TiDB, Sphinx): databases that open to nobody in particular.

Proof: the anonymous account (no user name, no password, as MySQL installed it up to 5.6) is let in
and a row of a table comes back. No other account is ever named: root without a password would be a
guess. Tables whose engine leads to another server (FEDERATED, CONNECT, SPIDER) and views are left
alone. What a server asks for besides, a password or a file of ours, it does not get.
https://dev.mysql.com/doc/refman/8.4/en/account-names.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import mysql_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.rows_csv import as_csv

MAX_TABLES: Final = 1000
READ_BYTES: Final = 65_536
MAX_ROWS: Final = 10_000  # of one fetch
ADDRESS_REFUSED: Final = 1130  # ER_HOST_NOT_PRIVILEGED
# Access denied; without a password; account locked (MySQL, MariaDB); TLS required
_ASKS: Final = (1045, 1698, 3118, 4151, 3159)
_SYSTEM: Final = (b"information_schema", b"performance_schema", b"mysql", b"sys", b"metrics_schema")
_SPHINX: Final = re.compile(r"[\d.]+(?: [0-9a-f@]+)?[ -](?:id64-)?(?:release|beta|dev)")

DATABASES: Final = b"SHOW DATABASES"
INDEXES: Final = b"SHOW TABLES"  # Sphinx: it has no databases
TABLES: Final = (
    b"SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES "
    b"WHERE TABLE_TYPE = 'BASE TABLE' AND UPPER(ENGINE) IN ('INNODB', 'MYISAM', 'ARIA', 'MEMORY', "
    b"'ARCHIVE', 'CSV', 'ROCKSDB', 'TOKUDB', 'NDBCLUSTER', 'COLUMNSTORE') AND "
    b"LOWER(TABLE_SCHEMA) NOT IN ('%s') ORDER BY DATA_LENGTH DESC, TABLE_SCHEMA, TABLE_NAME "
    b"LIMIT %d" % (b"', '".join(_SYSTEM), MAX_TABLES)
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table (of Sphinx: an index, without a database); None is what the server does not say."""

    names: tuple[bytes, ...]
    rows: int | None = None
    bytes: int | None = None

    @property
    def path(self) -> str:
        """`database/table`, each part percent-encoded where a slash would confuse."""
        return "/".join(quote(name, safe=" ") for name in self.names)


@dataclass(frozen=True, slots=True)
class Login:
    """A connection that was greeted, and how the anonymous account fared."""

    connection: Connection
    greeting: wire.Greeting | None  # None: the server refused before a greeting
    refused: wire.DatabaseError | str

    @property
    def product(self) -> tuple[str, str]:
        """Product and version; MariaDB 10 puts 5.5.5- in front for old replicas."""
        said = self.greeting.version if self.greeting else ""
        for word in ("MariaDB", "TiDB"):
            if word in said:
                return word.lower(), safe(said.removeprefix("5.5.5-"), 60)
        return "sphinx" if _SPHINX.match(said) else "mysql", safe(said, 60)


@asynccontextmanager
async def _login(context: Context) -> AsyncIterator[Login | None]:
    """The anonymous account inside TLS where that is offered, in clear where TLS fails."""
    encrypt = not context.tls
    while True:
        async with await context.dialer.connect(tls=context.tls) as connection:
            number, body = await wire.receive(connection, 1024)
            greeting, error = wire.greeting_of(body), wire.error_of(body)
            if number or (greeting is None and error is None):
                yield None
                return
            if greeting and greeting.offers_tls and encrypt:
                await connection.write(wire.SSL_REQUEST)
                try:
                    await connection.start_tls()
                except BudgetSpent:
                    raise
                except ProtocolError as e:
                    context.gaps.append(context.gap(Reason.MISBEHAVED, "TLS", f"it failed: {e}"))
                    encrypt = False
                    continue
            yield Login(connection, greeting, error or await wire.log_in(connection))
            return


async def _prove(context: Context) -> Proof | None:
    async with _login(context) as login:
        if login is None:
            return None
        if login.refused:
            return _refused(context, login)
        return await _look_around(context, login)


def _refused(context: Context, login: Login) -> Proof:
    said = login.refused
    asks = isinstance(said, str) or said.code in _ASKS
    access, detail = Access.UNDETERMINED, f"the server answered {said}"
    if asks:
        access = Access.ASKS_CREDENTIAL
        detail = "the anonymous account is refused; accounts with a name were not tried: "
        detail += f"it asks for {said}" if isinstance(said, str) else str(said)
    elif isinstance(said, wire.DatabaseError) and said.code == ADDRESS_REFUSED:
        access, detail = Access.REFUSED_OR_ABSENT, f"refused for this address: {said}"
    else:
        context.gaps.append(context.gap(Reason.REFUSED, "login", detail))
    return _proof(context, login, access, detail, _evidence(context, "login", str(said).encode()))


def _proof(
    context: Context,
    login: Login,
    access: Access,
    detail: str,
    *evidence: Evidence,
    size: Size | None = None,
    containers: tuple[str, ...] = (),
) -> Proof:
    product, version = login.product
    return Proof(
        access=access,
        detail=detail,
        product=product,
        version=version,
        tls=login.connection.tls,
        size=size,
        evidence=evidence,
        containers=containers,
    )


def _evidence(context: Context, sql: str, answer: bytes, *, content: bool = False) -> Evidence:
    endpoint = context.target.endpoint
    command = f"mariadb --no-defaults -h {endpoint.address} -P {endpoint.port} -u ''"
    shown = command if sql == "login" else f'{command} -e "{sql}"'
    asked = "HandshakeResponse41 user='' without a password" if sql == "login" else sql
    return context.evidence(asked, answer, shown, content=content)


async def _look_around(context: Context, login: Login) -> Proof:
    """Names of databases and tables, and one row of one of them."""
    session = login.connection
    answer = await wire.ask(session, DATABASES, MAX_TABLES * 10)
    names = [row[0] for row in answer.rows if row and row[0]]
    ours = [name for name in names if name.lower() not in _SYSTEM]
    evidence = [_evidence(context, "login", b"OK")]
    if names:
        evidence.append(_evidence(context, DATABASES.decode(), b"\n".join(names)))
    tables, error = await _tables(session)
    read = await _first_row(context, session, tables)
    if read:
        access, state = Access.GIVES_DATA, "a row of a table was read"
    elif tables or ours:
        access, state = Access.LISTS, "names are given, no row came"
    else:
        access, state = Access.METADATA, "it may see no database"
        if error:
            context.gaps.append(context.gap(Reason.REFUSED, "tables", error))
    way = "no user name and no password are needed"
    if not (login.greeting and login.product[0] == "sphinx"):
        way = "the anonymous account is let in without a password"
    shown = [table.path for table in tables] or [name.decode("utf-8", "replace") for name in ours]
    return _proof(
        context,
        login,
        access,
        f"{way}; {state}",
        *evidence,
        *read,
        size=_size(tables, cut=len(tables) == MAX_TABLES),
        containers=tuple(safe(name, 80) for name in shown[:20]),
    )


async def _first_row(
    context: Context, session: Connection, tables: list[Table]
) -> tuple[Evidence, ...]:
    for table in tables[:3]:
        if (sql := _select(table.names, 1)) is None:
            continue
        answer = await wire.ask(session, sql, 1, READ_BYTES)
        if answer.rows:
            values = b",".join(value or b"" for value in answer.rows[0])
            return (_evidence(context, safe(sql), values, content=True),)
    return ()


def _size(tables: list[Table], *, cut: bool) -> Size | None:
    rows = [table.rows for table in tables if table.rows is not None]
    if not rows:
        return None
    return Size(
        objects=sum(rows),
        bytes=sum(table.bytes or 0 for table in tables),
        unit="rows",
        basis="information_schema.TABLES (TABLE_ROWS is an estimate of InnoDB)",
        complete=len(rows) == len(tables) and not cut,
    )


async def _tables(session: Connection) -> tuple[list[Table], str]:
    """The tables that this account may see, largest first, or the error of the server."""
    answer = await wire.ask(session, TABLES, MAX_TABLES)
    found = []
    for row in answer.rows:
        match row:
            case (bytes(schema), bytes(name), rows, size) if schema and name:
                found.append(Table((schema, name), _number(rows), _number(size)))
    if not answer.error:
        return found, ""
    indexes = await wire.ask(session, INDEXES, MAX_TABLES)
    if indexes.columns[:1] in ((b"Index",), (b"Table",)):  # Sphinx; Manticore
        return [Table((row[0],)) for row in indexes.rows if row[0]], ""
    return found, str(answer.error)


def _number(value: bytes | None) -> int | None:
    return int(value) if value and re.fullmatch(rb"\d{1,18}", value) else None


def _select(names: tuple[bytes, ...], rows: int) -> bytes | None:
    """None for a name with a backtick: a server in another charset might read it otherwise."""
    if not all(re.fullmatch(rb"[^`\x00]{1,256}", name) for name in names):
        return None
    return b"SELECT * FROM `%s` LIMIT %d" % (b"`.`".join(names), rows)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _login(context) as login:
        if login is None or login.refused:
            raise ProtocolError("the anonymous account is not let in this time")
        tables, error = await _tables(login.connection)
        for table in tables:
            group = table.path.rpartition("/")[0]
            if _select(table.names, 1) is None:
                detail = "a table with a backtick in its name is not asked for"
                yield context.gap(Reason.UNSUPPORTED, table.path, detail)
                continue
            yield ObjectRef(path=table.path, group=group, size=table.bytes, media_type="text/csv")
        if error:
            yield context.gap(Reason.REFUSED, "tables", error)
        if len(tables) == MAX_TABLES:
            yield context.gap(Reason.BUDGET, "", f"the list of tables was cut at {MAX_TABLES}")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    """The first rows of a table as CSV with a header, so that columns give values a context."""
    names = tuple(unquote_to_bytes(part) for part in ref.path.split("/"))
    if (sql := _select(names, MAX_ROWS)) is None:
        raise ObjectRefused("a name with a backtick is not asked for")
    async with _login(context) as login:
        if login is None or login.refused:
            raise ProtocolError("the anonymous account is not let in this time")
        answer = await wire.ask(login.connection, sql, MAX_ROWS, limit)
    if answer.error and not answer.rows:
        raise ObjectRefused(f"the table was refused: {answer.error}")
    data = as_csv([answer.columns, *answer.rows])
    cut = answer.cut or answer.error or len(answer.rows) == MAX_ROWS or len(data) > limit
    return Fetched(data[:limit], complete=not cut, media_type="text/csv")


_EXAMPLE: Final = (
    b"\x0a5.5.5-10.11.19-MariaDB\0" + b"\x01\0\0\0" + b"abcdefgh\0" + b"\xfe\xf7\x2d\x02\0"
    b"\xff\x81\x15" + bytes(10) + b"abcdefghijkl\0mysql_native_password\0"
)
_HOST: Final = b"\xff\x6a\x04Host '192.0.2.1' is not allowed to connect to this MariaDB server"

MYSQL = Protocol(
    name="mysql",
    ports=(3306, 4000, 9306),
    sends="SSLRequest, one login without user name and password; SHOW DATABASES, SHOW TABLES, "
    "SELECT of names and sizes, SELECT * with LIMIT of one table",
    allowed=(
        re.escape(wire.SSL_REQUEST) + rb"\Z",
        re.escape(wire.RESPONSE) + rb"\Z",
        re.escape(wire.RESPONSE_IN_TLS) + rb"\Z",
        rb"\x00\x00\x00.\Z",
        rb".{3}\x00\x03(?:SHOW DATABASES|SHOW TABLES|" + re.escape(TABLES) + rb")\Z",
        rb".{3}\x00\x03SELECT \* FROM `[^`\x00]{1,256}`(?:\.`[^`\x00]{1,256}`)? LIMIT \d{1,5}\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=wire.recognise,
    examples=(wire.packet(0, _EXAMPLE), wire.packet(0, _HOST)),
    counterexamples=(
        b"",
        b"220 ftp\r\n",
        b"\x05\0\0\0\x0a5.7\0",
        wire.packet(1, _EXAMPLE),
        wire.packet(0, b"\x09" + _EXAMPLE[1:]),
        wire.packet(0, _HOST) + b"x",
    ),
    source="https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html",
)
