"""InfluxDB: measurements and points without a login.

Proof: SHOW DATABASES names databases, one point of a measurement comes back, and a database that
nobody has is an error. /ping and /debug/vars answer everybody. InfluxDB 1.x carries out writing
statements that come by GET (a DROP as well), so what is asked is built from four statements only.
2.x always asks for a token; until somebody has set it up, whoever comes first owns it. Of 3.x see
influxdb3.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import influxdb3, web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol, reason_of
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 1_000_000
MAX_DATABASES: Final = 200
MAX_MEASUREMENTS: Final = 5000
SIZED: Final = 10  # databases whose series are counted
POINTS: Final = 1000  # points of a measurement that a fetch asks for
DATABASES: Final = "/query?q=SHOW%20DATABASES"
SETUP: Final = "/api/v2/setup"  # by GET it only says whether a setup is still to be done
_NAME: Final = r"(?:[A-Za-z0-9_.~-]|%5C%22|%5C%5C|%5Cn|%(?!22|5C)[0-9A-F]{2})*"
_READS: Final = re.compile(
    r"/ping|/api/v2/setup|/query\?(?:q=SHOW%20DATABASES|db=[A-Za-z0-9_.~%-]*&q=(?:"
    r"SHOW%20SERIES%20CARDINALITY|SHOW%20MEASUREMENTS%20LIMIT%20\d+"
    rf"|SELECT%20%2A%20FROM%20%22{_NAME}%22%20LIMIT%20\d+))",
    re.ASCII,
)


class _Series(msgspec.Struct):
    columns: list[str]
    values: list[list[Any]] = []
    name: str = ""


class _Setup(msgspec.Struct):
    allowed: bool


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result]

    @property
    def rows(self) -> list[list[Any]]:
        """The rows of the first series."""
        return next((s.values for r in self.results for s in r.series), [])

    @property
    def error(self) -> str:
        """What went wrong with a statement: said inside of an answer 200."""
        return next((r.error for r in self.results if r.error), "")


def is_read(path: str) -> bool:
    """Whether this request path is one of the reading statements, with nothing behind it."""
    return _READS.fullmatch(path) is not None


def _ask_for(database: str, statement: str, measurement: str = "", limit: int = 0) -> str:
    """The request path of a statement; a name goes in quoted, as InfluxQL escapes it."""
    if measurement:
        escaped = measurement.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        statement = f'{statement} "{escaped}"'
    if limit:
        statement = f"{statement} LIMIT {limit}"
    return f"/query?db={quote(database, safe='')}&q={quote(statement, safe='')}"


def _points(database: str, measurement: str, limit: int) -> str:
    return _ask_for(database, "SELECT * FROM", measurement, limit)


async def _get(client: HttpClient, path: str, limit: int = ANSWER_BYTES) -> Response:
    if not is_read(path):
        raise OutOfScope("not one of the reading statements of InfluxQL")
    return await client.request("GET", path, limit=limit)


def _named(answer: Response) -> bool:
    return "x-influxdb-version" in answer.headers


def _recognise(answer: Response) -> bool:
    """1.x and 2.x name themselves everywhere, 3.x at /ping alone: its 404 is these two words."""
    bare = answer.status == 404 and answer.body.strip() == b"not found"
    return _named(answer) or bare


async def _ping(client: HttpClient) -> Response | None:
    """The answer of /ping, which names the version; None where another program speaks."""
    try:
        answer = await _get(client, "/ping")
    except BudgetSpent:
        raise
    except ProtocolError:
        return None
    return answer if _named(answer) else None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front
        ping = await (_ping(client) if front and not _named(front) else _get(client, "/ping"))
        if ping is None or not _named(ping):
            return None
        version = ping.headers["x-influxdb-version"]
        if influxdb3.is_ours(version):
            proof = await influxdb3.data(context, client)
        else:
            answer = await _get(client, DATABASES)
            refused = web.refusal(context, web.Landing(DATABASES, answer))
            if refused and version.lstrip("v").startswith("2."):
                refused = await _set_up(client, refused)
            proof = refused or await _data(context, client, answer)
        return replace(proof, product="influxdb", version=version)


async def _set_up(client: HttpClient, refused: Proof) -> Proof:
    """2.x: whether its owner has set it up. To do so is a POST, which is never sent."""
    answer = await _get(client, SETUP)
    found = parsed(answer, _Setup) if answer.status == 200 else None
    if found is None or not found.allowed:
        return refused
    detail = f"{refused.detail}; nobody has set it up yet: whoever comes first becomes its owner"
    return replace(refused, detail=detail)


async def _data(context: Context, client: HttpClient, answer: Response) -> Proof:
    found = parsed(answer, _Answer)
    command = web.reproduce(context, DATABASES)
    shown = context.evidence(f"GET {DATABASES}", answer.body, command)
    if answer.status != 200 or found is None or found.error:
        said = safe(found.error, 80) if found else "something else than a list"
        detail = f"SHOW DATABASES was answered with {answer.status}: {said}"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    names = _names(found)
    nobody = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    other = parsed(await _get(client, _points(nobody, nobody, 1)), _Answer)
    if other is None or not other.error:
        detail = "a database that nobody has is answered as well, so the list proves little"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    ours = [name for name in names if name != "_internal"] or names
    read: tuple[Evidence, ...] = ()
    for name in ours[:3]:
        read = read or await _point(context, client, name)
    state = "one point was read" if read else "no point could be read" if names else "it is empty"
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"{len(names)} databases are named without a login; {state}",
        size=await _size(context, client, ours),
        evidence=(shown, *read),
        containers=tuple(safe(name, 80) for name in ours[:20]),
    )


def _names(answer: _Answer) -> list[str]:
    rows = answer.rows[: max(MAX_DATABASES, MAX_MEASUREMENTS) + 1]
    return [row[0] for row in rows if row and isinstance(row[0], str) and row[0]]


async def _point(context: Context, client: HttpClient, database: str) -> tuple[Evidence, ...]:
    """One point of one of the first measurements."""
    listed = parsed(await _get(client, _ask_for(database, "SHOW MEASUREMENTS", limit=3)), _Answer)
    for name in _names(listed)[:3] if listed else []:
        path = _points(database, name, 1)
        if not is_read(path):
            continue
        answer = await _get(client, path)
        found = parsed(answer, _Answer)
        if answer.status == 200 and found and any(_fields(row) for row in found.rows):
            command = web.reproduce(context, path)
            return (context.evidence(f"GET {path}", answer.body, command, content=True),)
    return ()


def _fields(row: list[Any]) -> list[Any]:
    """The values of a point: its first column is the time."""
    return [value for value in row[1:] if value is not None]


async def _size(context: Context, client: HttpClient, databases: list[str]) -> Size | None:
    """Series of the first databases; what was proved stands if counting breaks off."""
    series, known = 0, 0
    try:
        for name in databases[:SIZED]:
            found = parsed(await _get(client, _ask_for(name, "SHOW SERIES CARDINALITY")), _Answer)
            row = found.rows[0] if found and found.rows else []
            if row and isinstance(row[0], int) and 0 <= row[0] < 2**53:
                series, known = series + row[0], known + 1
    except (ProtocolError, TimeoutError) as e:
        context.gaps.append(context.gap(reason_of(e), "size", f"counting broke off: {e}"))
    if databases and not known:
        return None
    basis = f"SHOW SERIES CARDINALITY (an estimate) of {known} databases"
    return Size(objects=series, unit="series", basis=basis, complete=known == len(databases))


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        ping = await _get(client, "/ping")
        if influxdb3.is_ours(ping.headers.get("x-influxdb-version", "")):
            async for item in influxdb3.objects(context, client):
                yield item
            return
        found = parsed(await _get(client, DATABASES), _Answer)
        if found is None or found.error:
            raise ProtocolError("SHOW DATABASES is no longer answered")
        names = _names(found)
        for database in names[:MAX_DATABASES]:
            path = _ask_for(database, "SHOW MEASUREMENTS", limit=MAX_MEASUREMENTS)
            listed = parsed(await _get(client, path), _Answer)
            if listed is None or listed.error:
                yield context.gap(Reason.UNPARSED, database, "no list of its measurements")
                continue
            measurements = _names(listed)[:MAX_MEASUREMENTS]
            for name in measurements:
                path = _points(database, name, POINTS)
                yield ObjectRef(path=path, group=database, media_type="application/json")
            if len(measurements) == MAX_MEASUREMENTS:
                detail = f"measurements after the first {MAX_MEASUREMENTS}"
                yield context.gap(Reason.BUDGET, database, detail)
        if (left := len(names) - MAX_DATABASES) > 0:
            yield context.gap(Reason.BUDGET, "", f"more than {MAX_DATABASES} databases", left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        if ref.path.startswith("/api/v3/"):
            return await influxdb3.fetch(client, ref.path, limit)
        answer = await _get(client, ref.path, limit)
        if answer.status in (401, 403):
            raise ObjectRefused(f"answered with {answer.status}")
        found = parsed(answer, _Answer)
        if answer.status != 200 or (answer.complete and found is None):
            raise ProtocolError(f"no points, answered with {answer.status}")
        if found and found.error:
            raise ObjectRefused(f"the measurement was refused: {safe(found.error, 80)}")
        whole = found is not None and len(found.rows) < POINTS
        return Fetched(answer.body, complete=whole, media_type="application/json")


INFLUXDB = Protocol(
    name="influxdb",
    ports=(8086, 8181),
    sends="GET of /ping, of /query with SHOW DATABASES, SHOW MEASUREMENTS and SELECT .. LIMIT",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.influxdata.com/influxdb/v1/tools/api/",
)
