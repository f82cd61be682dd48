"""VictoriaMetrics, single node: series and their samples without a login.

Proof: metrics are named and one series of one comes back from the export, while a metric that
nobody has gives none. With -httpAuth these are a 401 of the realm VictoriaMetrics; /health and
/metrics answer 200 still and prove nothing, so they are not asked.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import MOST, TRIED, get, nobody, shown, unproved
from leftopen.reach.json_answer import parsed

NAMES: Final = "/api/v1/label/__name__/values"
TSDB: Final = "/api/v1/status/tsdb"
MAX_METRICS: Final = 5000
LINE_BYTES: Final = 65_536  # of an export that the proof reads
_PAGE: Final = re.compile(rb"<h2>Single-node VictoriaMetrics</h2>")
_REALM: Final = 'Basic realm="VictoriaMetrics"'
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,200}")


class _Values(msgspec.Struct):
    status: Literal["success"]
    data: list[str]


class _Stats(msgspec.Struct, rename="camel"):
    total_series: int


class _Tsdb(msgspec.Struct):
    status: Literal["success"]
    data: _Stats


class _Line(msgspec.Struct):
    """One line of an export: a series and a few of its samples."""

    metric: dict[str, str]
    values: list[float | None]
    timestamps: list[int]


def _recognise(answer: Response) -> bool:
    if "x-server-hostname" not in answer.headers:
        return False
    closed = answer.status == 401 and answer.headers.get("www-authenticate", "") == _REALM
    return closed or (answer.status == 200 and _PAGE.match(answer.body) is not None)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await get(client, "/")
        if not _recognise(front):
            return None
        answer = await get(client, NAMES)
        refused = web.refusal(context, web.Landing(NAMES, answer))
        proof = refused or await _series(context, client, answer)
    return replace(proof, product="victoriametrics")


async def _series(context: Context, client: HttpClient, answer: Response) -> Proof:
    found = parsed(answer, _Values) if answer.status == 200 else None
    listed = shown(context, NAMES, answer)
    if found is None:
        return unproved(f"no names of metrics, answered with {answer.status}", listed)
    if await _sample(context, client, nobody(context).replace("-", "_")):
        return unproved("a metric that nobody has is answered as well", listed)
    read: tuple[Evidence, ...] = ()
    for name in found.data[:TRIED]:
        read = read or await _sample(context, client, name)
    state = "samples of one series were read" if read else "no sample could be read"
    named = f"{len(found.data)} metrics are named without a login; {state}"
    listing = Access.LISTS if found.data else Access.METADATA
    return Proof(
        access=Access.GIVES_DATA if read else listing,
        detail=named if found.data else "open without a login and empty",
        size=await _size(context, client),
        evidence=(listed, *read),
    )


def _export(metric: str) -> str:
    match = quote(f'{{__name__="{metric}"}}', safe="")
    return f"/api/v1/export?match%5B%5D={match}&max_rows_per_line=100"


async def _sample(context: Context, client: HttpClient, metric: str) -> tuple[Evidence, ...]:
    """Evidence of the first line of an export, where it is one."""
    if not _METRIC.fullmatch(metric):
        return ()
    path = _export(metric)
    answer = await client.request("GET", path, limit=LINE_BYTES)
    line = answer.body.partition(b"\n")[0]
    try:
        found = msgspec.json.decode(line, type=_Line) if answer.status == 200 else None
    except (msgspec.DecodeError, RecursionError):
        return ()
    if not found or not found.values or found.metric.get("__name__") != metric:
        return ()
    return (context.evidence(f"GET {path}", line, web.reproduce(context, path), content=True),)


async def _size(context: Context, client: HttpClient) -> Size | None:
    """The series of today, which is what the status counts; None where it is not told."""
    try:
        found = parsed(await get(client, TSDB), _Tsdb)
    except BudgetSpent:
        raise
    except ProtocolError as e:  # what is proved stays so
        context.gaps.append(context.gap(Reason.MISBEHAVED, TSDB, str(e)))
        return None
    if found is None or not 0 <= found.data.total_series < MOST:
        return None
    basis = "status/tsdb totalSeries, of today"
    return Size(objects=found.data.total_series, unit="series", basis=basis, complete=False)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """An object is the export of one metric."""
    async with context.http() as client:
        found = parsed(await get(client, NAMES), _Values)
    if found is None:
        raise ProtocolError("the names of metrics are no longer answered")
    for name in found.data[:MAX_METRICS]:
        if _METRIC.fullmatch(name):
            group = name.partition("_")[0]
            yield ObjectRef(path=_export(name), group=group, media_type="application/json")
        else:
            yield context.gap(Reason.UNSUPPORTED, name, "a metric whose name needs quoting")
    if (left := len(found.data) - MAX_METRICS) > 0:
        yield context.gap(Reason.BUDGET, "", f"more than {MAX_METRICS} metrics", count=left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


VICTORIAMETRICS = Protocol(
    name="victoriametrics",
    ports=(8428,),
    sends="GET of names of metrics, of a count of series, of an export of one metric",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.victoriametrics.com/single-server-victoriametrics/",
)
