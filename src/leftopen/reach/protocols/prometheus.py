"""Prometheus: targets and series without a login.

Proof: buildinfo parses, a sample of one metric comes back, and a metric that nobody has gives
none. Of low weight in itself: what counts is whether labels hold anything personal. With
web.config every path is a 401 whose challenge is `Basic` without a realm.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 1_000_000
MAX_METRICS: Final = 5000
SERIES: Final = 1000  # series of one metric that a fetch asks for; before 2.53 not heeded
BUILD: Final = "/api/v1/status/buildinfo"
TARGETS: Final = "/api/v1/targets"
TSDB: Final = "/api/v1/status/tsdb"
METRICS: Final = f"/api/v1/label/__name__/values?limit={MAX_METRICS + 1}"
_PAGES: Final = ("/graph", "/classic/graph", "/query")  # where GET / leads, by version
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,200}")


class _Build(msgspec.Struct, rename="camel"):
    version: str
    revision: str
    go_version: str


class _BuildAnswer(msgspec.Struct):
    status: Literal["success"]
    data: _Build


class _Target(msgspec.Struct):
    labels: dict[str, str]


class _Active(msgspec.Struct, rename="camel"):
    active_targets: list[_Target] | None


class _Targets(msgspec.Struct):
    status: Literal["success"]
    data: _Active


class _Count(msgspec.Struct):
    name: str
    value: int


class _Head(msgspec.Struct, rename="camel"):
    num_series: int


class _Stats(msgspec.Struct, rename="camel"):
    series_count_by_metric_name: list[_Count] | None = None
    head_stats: _Head | None = None


class _Tsdb(msgspec.Struct):
    status: Literal["success"]
    data: _Stats


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(msgspec.Struct, rename="camel"):
    result_type: Literal["vector"]
    result: list[_Sample]


class _Query(msgspec.Struct):
    status: Literal["success"]
    data: _Vector


class _Values(msgspec.Struct):
    status: Literal["success"]
    data: list[str] | None


class _SeriesAnswer(msgspec.Struct):
    status: Literal["success"]
    data: list[dict[str, Any]]


def _closed(answer: Response) -> bool:
    """The refusal of Prometheus' exporter-toolkit: a challenge without a realm."""
    asks = answer.headers.get("www-authenticate", "").strip()
    return answer.status == 401 and asks == "Basic" and answer.body.strip() == b"Unauthorized"


def _recognise(answer: Response) -> bool:
    try:
        to = urlsplit(answer.headers.get("location", "")[:200]).path if answer.status == 302 else ""
    except ValueError:  # no URL: half an address in brackets
        return False
    return to.endswith(_PAGES) or _closed(answer)


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=ANSWER_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await _get(client, BUILD)
        except BudgetSpent:
            raise
        except ProtocolError:  # a redirect to /graph may be anybody's
            return None
        refused = web.refusal(context, web.Landing(BUILD, answer))
        if refused and _closed(answer):
            detail = f"{refused.detail}, as Prometheus and its exporters do"
            return replace(refused, product="prometheus", detail=detail)
        found = parsed(answer, _BuildAnswer) if answer.status == 200 else None
        if found is None:
            return None
        proof = await _data(context, client)
        return replace(proof, product="prometheus", version=found.data.version)


async def _data(context: Context, client: HttpClient) -> Proof:
    answer = await _get(client, TARGETS)
    if refused := web.refusal(context, web.Landing(TARGETS, answer)):
        return replace(refused, detail=f"buildinfo answers, the data does not: {refused.detail}")
    found = parsed(answer, _Targets)
    shown = context.evidence(
        f"GET {TARGETS}", answer.body, web.reproduce(context, TARGETS), content=True
    )
    nobody = f"leftopen_{context.keyring.digest('nonsense', context.run_id)[:20]}"
    other = parsed(await _get(client, _one(nobody)), _Query)
    if other is None or other.data.result:
        detail = "a metric that nobody has is not answered with none, so nothing is proved"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    tsdb = parsed(await _get(client, TSDB), _Tsdb)
    counts = (tsdb.data.series_count_by_metric_name or []) if tsdb else []
    read: tuple[Evidence, ...] = ()
    for name in ("up", *(c.name for c in counts[:3])):
        read = read or await _sample(context, client, name)
    targets = (found.data.active_targets or []) if found else []
    state = "one sample was read" if read else "no sample could be read"
    names = dict.fromkeys(safe(t.labels.get("job", ""), 80) for t in targets[:500])
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS if targets else Access.SPEAKS,
        detail=f"{len(targets)} targets are named without a login; {state}",
        size=_size(tsdb),
        evidence=(shown, *read),
        containers=tuple(filter(None, names))[:20],
    )


def _one(metric: str) -> str:
    """The query for one sample of a metric."""
    query = f'topk(1, {{__name__="{metric}"}})'
    return f"/api/v1/query?query={quote(query, safe='')}"


def _size(tsdb: _Tsdb | None) -> Size | None:
    head = tsdb.data.head_stats if tsdb else None
    if head is None or not 0 <= head.num_series < 2**53:
        return None
    basis = "status/tsdb numSeries, the head block"
    return Size(objects=head.num_series, unit="series", basis=basis, complete=False)


async def _sample(context: Context, client: HttpClient, metric: str) -> tuple[Evidence, ...]:
    if not _METRIC.fullmatch(metric):
        return ()
    path = _one(metric)
    answer = await _get(client, path)
    found = parsed(answer, _Query)
    if answer.status != 200 or not found or not any(s.metric for s in found.data.result):
        return ()
    command = web.reproduce(context, path)
    return (context.evidence(f"GET {path}", answer.body, command, content=True),)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """An object is all series of one metric: their labels, without samples."""
    async with context.http() as client:
        found = parsed(await _get(client, METRICS), _Values)
        if found is None:
            raise ProtocolError("the names of metrics are no longer answered")
        names = found.data or []
        for name in names[:MAX_METRICS]:
            if _METRIC.fullmatch(name):
                match = quote(f'{{__name__="{name}"}}', safe="")
                path = f"/api/v1/series?match%5B%5D={match}&limit={SERIES}"
                group = name.partition("_")[0]
                yield ObjectRef(path=path, group=group, media_type="application/json")
            else:
                yield context.gap(Reason.UNSUPPORTED, name, "a metric whose name needs quoting")
        if (left := len(names) - MAX_METRICS) > 0:
            detail = f"more than {MAX_METRICS} names of metrics"
            yield context.gap(Reason.BUDGET, "", detail, count=left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        found = await web.get_object(client, ref.path, limit)
    try:
        series = msgspec.json.decode(found.data, type=_SeriesAnswer) if found.complete else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProtocolError("the answer is no list of series") from None
    return replace(found, complete=series is not None and len(series.data) != SERIES)


PROMETHEUS = Protocol(
    name="prometheus",
    ports=(9090,),
    sends="GET of buildinfo, of targets, of one sample, of names of metrics and their series",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://prometheus.io/docs/prometheus/latest/querying/api/",
)
