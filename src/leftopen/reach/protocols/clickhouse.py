"""ClickHouse over HTTP: databases that take a query without a user.

Proof: the server computes an answer that only ClickHouse gives (its version beside a word of ours)
and a row of a table comes back. `/` and `/ping` say Ok. to everybody. That a GET is read-only is
the server's promise; what is asked is built from four statements here, whatever it promises.
Tables whose engine leads elsewhere (Distributed, URL, S3, MySQL ...) and views are left alone.
https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 1_000_000
MAX_TABLES: Final = 1000  # as TABLES says
MAX_ROWS: Final = 10_000  # of one fetch
PROOF_BYTES: Final = 65_536
# Codes of ErrorCodes.cpp: no such user, wrong or missing password, authentication failed
_ASKS: Final = (192, 193, 194, 516)
_ADDRESS: Final = 195  # IP_ADDRESS_NOT_ALLOWED
TABLES: Final = (
    "SELECT database, name FROM system.tables WHERE database NOT IN "
    "('system', 'INFORMATION_SCHEMA', 'information_schema') AND (engine LIKE '%MergeTree' OR "
    "engine IN ('Log', 'TinyLog', 'StripeLog', 'Memory')) ORDER BY database, name "
    "LIMIT 1000 FORMAT JSONCompact"
)
PARTS: Final = (
    "SELECT database, table, toString(sum(rows)), toString(sum(bytes_on_disk)) "
    "FROM system.parts WHERE active GROUP BY database, table ORDER BY database, table "
    "LIMIT 10000 FORMAT JSONCompact"
)
_FIXED: Final = "|".join(re.escape(quote(sql, safe="")) for sql in (TABLES, PARTS))
_NAME: Final = r"%60(?:[A-Za-z0-9_.~-]|%(?!60|5C|00)[0-9A-F]{2})+%60"
_READS: Final = re.compile(
    rf"/\?query=(?:SELECT%20version%28%29%2C%20%27[0-9a-z-]{{1,40}}%27|{_FIXED}|"
    rf"SELECT%20%2A%20FROM%20{_NAME}\.{_NAME}%20LIMIT%20\d{{1,5}}%20FORMAT%20CSVWithNames)",
    re.ASCII,
)
_CODE: Final = re.compile(rb"Code: (\d{1,5})[.,]")
_VERSION: Final = re.compile(rb"(\d{1,4}(?:\.\d{1,6}){1,4}[\w.-]{0,30})\t([0-9a-z-]{1,40})\n")
_BROKE_OFF: Final = b"DB::Exception"  # an error amid an answer 200 stands at its end


class _Answer(msgspec.Struct):
    data: list[list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows lie on this server; None is what system.parts does not say."""

    database: str
    name: str
    rows: int | None = None
    bytes: int | None = None

    def path(self, rows: int) -> str | None:
        """The request for its first rows; None for a name that quoting might not hold."""
        if not self.database or not self.name or re.search(r"[`\\\0]", self.database + self.name):
            return None
        names = f"`{self.database}`.`{self.name}`"
        return path_of(f"SELECT * FROM {names} LIMIT {rows} FORMAT CSVWithNames")  # noqa: S608  quoted


def path_of(sql: str) -> str:
    """The request path of a statement."""
    return f"/?query={quote(sql, safe='', errors='replace')}"


def is_read(path: str) -> bool:
    """Whether this request path is one of the reading statements, with nothing behind it."""
    return _READS.fullmatch(path) is not None


def code_of(answer: Response) -> int:
    """ClickHouse's number for what went wrong, 0 where it is not an exception."""
    said = answer.headers.get("x-clickhouse-exception-code", "")
    if re.fullmatch(r"\d{1,5}", said):
        return int(said)
    found = _CODE.match(answer.body) if _BROKE_OFF in answer.body[:4096] else None
    return int(found.group(1)) if found else 0


async def _get(client: HttpClient, path: str, limit: int = ANSWER_BYTES) -> Response:
    if not is_read(path):
        raise OutOfScope("not one of the reading statements")
    return await client.request("GET", path, limit=limit)


def _recognise(answer: Response) -> bool:
    """A header of its own, or the health check that it answers at `/`."""
    named = any(name.startswith("x-clickhouse-") for name in answer.headers)
    return named or (answer.status == 200 and answer.body == b"Ok.\n")


async def _prove(context: Context) -> Proof | None:
    word = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    path = path_of(f"SELECT version(), '{word}'")
    async with context.http() as client:
        answer = await _get(client, path, PROOF_BYTES)
        shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
        if code := code_of(answer):
            return _refused(answer, code, shown)
        said = _VERSION.fullmatch(answer.body)
        if answer.status != 200 or not said or said.group(2).decode() != word:
            return None
        proof = await _data(context, client)
        version = said.group(1).decode()
        return replace(proof, version=version, evidence=(shown, *proof.evidence))


def _refused(answer: Response, code: int, shown: Evidence) -> Proof:
    said = f"a query without a user is answered with {answer.status}, code {code}"
    access = Access.UNDETERMINED
    if code in _ASKS:
        access, said = Access.ASKS_CREDENTIAL, f"{said}: it asks for a user and a password"
    elif code == _ADDRESS:
        access, said = Access.REFUSED_OR_ABSENT, f"{said}: refused for this address"
    return Proof(access, said, product="clickhouse", evidence=(shown,))


async def _data(context: Context, client: HttpClient) -> Proof:
    """Names, one row, sizes: as much of it as is given."""
    tables, listed = await _tables(client)
    evidence = [context.evidence(f"GET {path_of(TABLES)}", listed.body)]
    if code := code_of(listed):
        detail = f"the list of tables was refused with code {code}"
        context.gaps.append(context.gap(Reason.REFUSED, "system.tables", detail))
    read = await _first_row(context, client, tables)
    state = "a row of a table was read" if read else "no row came"
    access = Access.GIVES_DATA if read else Access.LISTS if tables else Access.METADATA
    return Proof(
        access=access,
        detail=f"queries are answered without a user; {len(tables)} tables are named, {state}",
        product="clickhouse",
        size=_size(tables),
        evidence=(*evidence, *read),
        containers=tuple(safe(f"{t.database}.{t.name}", 80) for t in tables[:20]),
    )


async def _tables(client: HttpClient) -> tuple[list[Table], Response]:
    """Tables with what system.parts says of them, largest first, and the list as it came."""
    listed = await _get(client, path_of(TABLES))
    names = _rows(listed, 2)[:MAX_TABLES]
    sizes = {
        (row[0], row[1]): (int(row[2]), int(row[3]))
        for row in (_rows(await _get(client, path_of(PARTS)), 4) if names else [])
        if all(re.fullmatch(r"\d{1,18}", number) for number in row[2:])
    }
    tables = [Table(d, n, *sizes.get((d, n), (None, None))) for d, n in names]
    return sorted(tables, key=lambda table: -(table.bytes or 0)), listed


def _rows(answer: Response, width: int) -> list[list[str]]:
    found = parsed(answer, _Answer) if answer.status == 200 else None
    return [row for row in found.data if len(row) == width] if found else []


def _size(tables: Sequence[Table]) -> Size | None:
    known = [table for table in tables if table.rows is not None]
    if not known:
        return None
    return Size(
        objects=sum(table.rows or 0 for table in known),
        bytes=sum(table.bytes or 0 for table in known),
        unit="rows",
        basis="system.parts, active ones",
        complete=len(known) == len(tables) < MAX_TABLES,
    )


async def _first_row(
    context: Context, client: HttpClient, tables: Sequence[Table]
) -> tuple[Evidence, ...]:
    for path in [table.path(1) for table in tables[:3]]:
        if path is None:
            continue
        answer = await _get(client, path, PROOF_BYTES)
        _, _, row = answer.body.partition(b"\n")
        if answer.status == 200 and row and not code_of(answer):
            command = web.reproduce(context, path)
            return (context.evidence(f"GET {path}", answer.body, command, content=True),)
    return ()


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        tables, listed = await _tables(client)
        if listed.status != 200 or parsed(listed, _Answer) is None:
            raise ProtocolError(f"no list of tables, answered with {listed.status}")
        for table in tables:
            path = table.path(MAX_ROWS)
            if path is None:
                detail = "a table with a backtick or a backslash in its name is not asked for"
                yield context.gap(Reason.UNSUPPORTED, f"{table.database}.{table.name}", detail)
                continue
            yield ObjectRef(
                path=path, group=table.database, size=table.bytes, media_type="text/csv"
            )
        if len(tables) == MAX_TABLES:
            yield context.gap(Reason.BUDGET, "", f"tables after the first {MAX_TABLES}")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    """The first rows of a table as CSV with a header."""
    async with context.http() as client:
        answer = await _get(client, ref.path, limit)
        if code := code_of(answer):
            raise ObjectRefused(f"answered with {answer.status}, code {code}")
        if answer.status != 200:
            raise ProtocolError(f"no rows, answered with {answer.status}")
        lines = answer.body.count(b"\n")
        whole = answer.complete and lines <= MAX_ROWS and _BROKE_OFF not in answer.body[-2000:]
        return Fetched(answer.body, complete=whole, media_type="text/csv")


CLICKHOUSE = Protocol(
    name="clickhouse",
    ports=(8123,),
    tls_ports=(8443,),
    sends="GET of / and of /?query= with SELECT version(), two lists of tables and "
    "SELECT * with LIMIT of one table; never a user",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://clickhouse.com/docs/interfaces/http",
)
