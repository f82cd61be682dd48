"""InfluxDB 3: databases, tables and rows where it was started with --without-auth.

With a token, which is the default, every path answers 401 with nothing that names the product,
/ping included: such a one is a web server that asks for a credential. What is asked in SQL is
built from two statements only, and every name goes in quoted.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof
from leftopen.reach.documents import get, nobody, shown, unproved
from leftopen.reach.json_answer import parsed

DATABASES: Final = "/api/v3/configure/database?format=json"
MAX_DATABASES: Final = 200
MAX_TABLES: Final = 2000  # as in _TABLES
ROWS: Final = 1000  # rows of a table that a fetch asks for
_TABLES: Final = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema='iox' LIMIT 2000"
)
_NAME: Final = r"(?:[A-Za-z0-9_.~-]|%22%22|%(?!22)[0-9A-F]{2})+"
_READS: Final = re.compile(
    r"/api/v3/query_sql\?db=[A-Za-z0-9_.~%-]+&format=json&q=(?:"
    rf"{re.escape(quote(_TABLES, safe=''))}"
    rf"|SELECT%20%2A%20FROM%20%22{_NAME}%22%20LIMIT%20[0-9]{{1,4}})"
)


class _Database(msgspec.Struct):
    name: str = msgspec.field(name="iox::database")
    deleted: bool = False


class _Table(msgspec.Struct):
    table_name: str


def is_ours(version: str) -> bool:
    """Whether the version that /ping names is one of InfluxDB 3."""
    return version.lstrip("v").startswith("3.")


def _sql(database: str, statement: str) -> str:
    asked = f"db={quote(database, safe='')}&format=json&q={quote(statement, safe='')}"
    return f"/api/v3/query_sql?{asked}"


def rows_of(database: str, table: str, limit: int) -> str:
    """The request path of the first rows of a table; a quote in its name is doubled, as in SQL."""
    escaped = table.replace('"', '""')
    statement = f'SELECT * FROM "{escaped}" LIMIT {limit}'  # noqa: S608  see is_read
    return _sql(database, statement)


def is_read(path: str) -> bool:
    """Whether this is one of the two reading statements, with nothing behind it."""
    return _READS.fullmatch(path) is not None


def _has(answer: Response) -> bool:
    rows = parsed(answer, list[dict[str, Any]])
    return rows is not None and any(rows)


async def _databases(client: HttpClient) -> tuple[Response, list[str] | None]:
    answer = await get(client, DATABASES)
    found = parsed(answer, list[_Database]) if answer.status == 200 else None
    names = [d.name for d in found if not d.deleted and d.name] if found is not None else None
    return answer, names


async def _tables(client: HttpClient, database: str) -> list[str] | None:
    answer = await get(client, _sql(database, _TABLES))
    found = parsed(answer, list[_Table]) if answer.status == 200 else None
    return [t.table_name for t in found[:MAX_TABLES]] if found is not None else None


async def data(context: Context, client: HttpClient) -> Proof:
    """What a stranger is given: a row, names of databases, or a refusal."""
    answer, names = await _databases(client)
    if refused := web.refusal(context, web.Landing(DATABASES, answer)):
        return refused
    evidence = shown(context, DATABASES, answer)
    if names is None:
        return unproved(f"no list of databases, answered with {answer.status}", evidence)
    unknown = nobody(context)
    if (await get(client, rows_of(unknown, unknown, 1))).status == 200:
        return unproved("a database that nobody has is answered as well", evidence)
    ours = [name for name in names if name != "_internal"] or names
    row: Evidence | None = None
    for name in ours[:3]:
        row = row or await _row(context, client, name)
    state = "one row was read" if row else "no row could be read" if names else "it is empty"
    return Proof(
        access=Access.GIVES_DATA if row else Access.LISTS,
        detail=f"{len(names)} databases are named without a token; {state}",
        evidence=(evidence, row) if row else (evidence,),
        containers=tuple(safe(name, 80) for name in ours[:20]),
    )


async def _row(context: Context, client: HttpClient, database: str) -> Evidence | None:
    for table in (await _tables(client, database) or [])[:3]:
        path = rows_of(database, table, 1)
        if not is_read(path):
            continue
        answer = await get(client, path)
        if answer.status == 200 and _has(answer):
            command = web.reproduce(context, path)
            return context.evidence(f"GET {path}", answer.body, command, content=True)
    return None


async def objects(context: Context, client: HttpClient) -> AsyncIterator[ObjectRef | Gap]:
    """An address for each table, database by database."""
    _, names = await _databases(client)
    if names is None:
        raise ProtocolError("the list of databases is no longer answered")
    for database in names[:MAX_DATABASES]:
        tables = await _tables(client, database)
        if tables is None:
            yield context.gap(Reason.UNPARSED, database, "no list of its tables")
            continue
        for table in tables:
            path = rows_of(database, table, ROWS)
            yield ObjectRef(path=path, group=database, media_type="application/json")
        if len(tables) == MAX_TABLES:
            detail = f"tables after the first {MAX_TABLES}"
            yield context.gap(Reason.BUDGET, database, detail)
    if (left := len(names) - MAX_DATABASES) > 0:
        yield context.gap(Reason.BUDGET, "", f"more than {MAX_DATABASES} databases", left)


async def fetch(client: HttpClient, path: str, limit: int) -> Fetched:
    """The first rows of a table.

    Raises:
        OutOfScope: the path is none of the two reading statements.
        ObjectRefused, ProtocolError: it is kept back, or answered otherwise than with rows.
    """
    if not is_read(path):
        raise OutOfScope("not one of the reading statements of SQL")
    answer = await client.request("GET", path, limit=limit)
    if answer.status in (400, 401, 403, 404):
        raise ObjectRefused(f"answered with {answer.status}")
    rows = parsed(answer, list[dict[str, Any]])
    if answer.status != 200 or (answer.complete and rows is None):
        raise ProtocolError(f"no rows, answered with {answer.status}")
    whole = rows is not None and len(rows) < ROWS
    return Fetched(answer.body, complete=whole, media_type="application/json")
