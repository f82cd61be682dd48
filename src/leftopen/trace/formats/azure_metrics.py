"""Azure platform metrics (az monitor metrics list, REST answer, JSON).

{"interval": "PT1M", "value": [{"name": {"value": "Egress"}, "timeseries": [{"data": [...]}]}]}.
Traps, each handled here: only totals of metrics that count bytes going out are ceilings (Egress of
a storage account, BytesSent..., Network Out Total of a machine); averages and other metrics give no
bytes; a point without a total is unknown, never 0; several timeseries are one metric split by a
dimension, and are summed by their sum; of the many metrics of one answer the first that counts
bytes is taken, the others are said; metrics are kept for 93 days; Egress counts the owner's own
reading as well, so it is a ceiling and no more
(learn.microsoft.com/rest/api/monitor/metrics/list, azure-monitor/reference/supported-metrics).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, Example, LogFormat, ReadOptions, Trouble, frame
from leftopen.trace.instants import utc
from leftopen.trace.json_records import BAD_JSON
from leftopen.trace.metric_series import Point, answer_of, chunk, whole

OUT = (
    *("Egress", "Network Out Total", "BytesSent", "BytesOut"),
    *("ByteCount", "network_bytes_egress"),
)
_INTERVAL = re.compile(r"PT?(?:(\d{1,3})D)?T?(?:(\d{1,4})H)?(?:(\d{1,5})M)?")


class _Name(msgspec.Struct):
    value: str


class _Datum(msgspec.Struct):
    timeStamp: str
    total: int | float | None = None


class _Series(msgspec.Struct):
    data: list[msgspec.Raw]


class _Metric(msgspec.Struct):
    name: _Name
    timeseries: list[_Series]
    unit: str = ""
    id: str = ""


class _Answer(msgspec.Struct):
    value: list[_Metric]
    interval: str = ""


_answer = msgspec.json.Decoder(_Answer)
_datum = msgspec.json.Decoder(_Datum)


def recognise(head: bytes, name: str) -> int:
    """By the names around the series."""
    names = (b'"timeseries"', b'"interval"', b'"timespan"')
    return 96 if head.lstrip()[:1] == b"{" and all(n in head for n in names) else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """One row an interval. One "line" is one point."""
    answer = answer_of(blocks, _answer, "Azure Monitor")
    if answer is not None:
        yield answer if isinstance(answer, Chunk) else _points(answer)


def _points(answer: _Answer) -> Chunk:
    seconds = _seconds(answer.interval)
    counting = [m for m in answer.value if m.name.value in OUT and m.unit in ("", "Bytes")]
    others = [m.name.value[:60] for m in answer.value if m not in counting[:1]]
    troubles = _said(others) if others else ()
    if not counting or seconds is None:
        total = sum(len(s.data) for m in answer.value for s in m.timeseries)
        why = "no metric that counts bytes going out" if seconds else "no interval that is known"
        return Chunk(
            rows=frame(()),
            lines=max(1, total),
            rejected=max(1, total),
            bad=(1,),
            troubles=(*troubles, Trouble(Reason.UNSUPPORTED, why)),
        )
    points, bad = _summed(counting[0], seconds)
    return chunk([*points, *([None] * bad)], 1, troubles)


def _said(others: list[str]) -> tuple[Trouble, ...]:
    detail = f"not read as bytes sent: {', '.join(others[:8])}"
    return (Trouble(Reason.UNKNOWN_VALUE, detail, len(others)),)


def _summed(metric: _Metric, seconds: int) -> tuple[list[Point], int]:
    """Points by time over all series of a metric, and how many data were none."""
    sums: dict[int, int | None] = {}
    bad = 0
    for raw in (raw for series in metric.timeseries for raw in series.data):
        try:
            datum = _datum.decode(raw)
        except BAD_JSON:
            bad += 1
            continue
        start, total = utc(datum.timeStamp), whole(datum.total)
        if start is None or (total is None and datum.total is not None):
            bad += 1
            continue
        before = sums.get(start, 0)
        sums[start] = None if before is None or total is None else min(before + total, 10**18)
    return [Point(start, seconds, sums[start]) for start in sorted(sums)], bad


def _seconds(interval: str) -> int | None:
    found = _INTERVAL.fullmatch(interval)
    if found is None:
        return None
    days, hours, minutes = (int(n or 0) for n in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 or None


def _example(*data: object, metric: str = "Egress", interval: str = "PT1M", more: int = 0) -> str:
    series = {"data": list(data), "metadatavalues": []}
    one = {"id": "/x", "name": {"value": metric}, "unit": "Bytes", "timeseries": [series]}
    other = {"id": "/y", "name": {"value": "Ingress"}, "unit": "Bytes", "timeseries": [series]}
    return json.dumps(
        {
            "cost": 1,
            "timespan": "2023-02-08T03:00:00Z/2023-02-08T04:00:00Z",
            "interval": interval,
            "value": [one] + [other] * more,
            "namespace": "Microsoft.Storage/storageAccounts",
        }
    )


FORMAT = LogFormat(
    name="azure_metrics",
    kind="metric",
    protocols=("ceiling",),  # no exposure: without clients it covers nothing
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=False,
    tight=False,
    stamped="end of the interval",
    has_zone=True,
    examples=(
        Example(
            text=_example(
                {"timeStamp": "2023-02-08T03:12:00Z", "total": 2097152.0},
                {"timeStamp": "2023-02-08T03:13:00Z", "total": 0},
                {"timeStamp": "2023-02-08T03:14:00Z"},
            ),
            rows=(
                {"line": 1, "time": 1675825980, "client": None, "bytes": 2097152},
                {"line": 2, "time": 1675826040, "bytes": 0},
                {"line": 3, "time": 1675826100, "bytes": None},
            ),
        ),
    ),
    counterexamples=(
        _example({"timeStamp": "9999-12-31T23:59:59Z", "total": 5}),
        _example({"timeStamp": "2023-02-08T03:12:00Z", "total": -5}),
        _example({"timeStamp": "2023-02-08T03:12:00Z", "total": 5}, metric="Transactions"),
        _example({"timeStamp": "2023-02-08T03:12:00Z", "total": 5}, interval="soon"),
        _example({"timeStamp": "2023-02-08T03:12:00Z", "total": 5})[:-9],
    ),
    source="learn.microsoft.com/rest/api/monitor/metrics/list",
    unit="point",
)
