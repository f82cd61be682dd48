"""Amazon CloudWatch metrics (get-metric-statistics and get-metric-data answers, JSON).

{"Label": "BytesDownloaded", "Datapoints": [{"Timestamp": ..., "Sum": ..., "Unit": "Bytes"}]}, or
{"MetricDataResults": [{"Id", "Label", "Timestamps", "Values"}]}. Traps, each handled here: points
are in no order; the period stands nowhere in the answer, so it is the smallest step between two
points; only a Sum counts, an Average does not; of get-metric-data it is not said which statistic
was asked for, so its values are taken as sums and that is said; no point in an interval means that
no figure was sent (CloudWatch keeps no zeros of a service at rest), so it vouches for nothing;
NetworkOut of EC2 counts the owner's own reading and the inside of the network as well, a ceiling
and no more; 1-hour points are kept for 455 days
(docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, Example, LogFormat, ReadOptions, Trouble
from leftopen.trace.instants import epoch, utc
from leftopen.trace.json_records import BAD_JSON
from leftopen.trace.metric_series import Point, answer_of, broken, chunk, whole

DEFAULT_PERIOD = 300  # seconds; of a single point: the basic monitoring interval
OUT = (
    *("BytesDownloaded", "NetworkOut", "BytesOutToDestination", "BytesOutToSource"),
    "ProcessedBytes",
)


class _Datapoint(msgspec.Struct):
    Timestamp: str | int | float
    Sum: int | float | None = None


class _Result(msgspec.Struct):
    Timestamps: list[str | int | float]
    Values: list[int | float]
    Label: str = ""
    Id: str = ""


class _Answer(msgspec.Struct):
    Label: str = ""
    Datapoints: list[msgspec.Raw] | None = None
    MetricDataResults: list[msgspec.Raw] | None = None


_answer = msgspec.json.Decoder(_Answer)
_datapoint = msgspec.json.Decoder(_Datapoint)
_result = msgspec.json.Decoder(_Result)
Moment = tuple[int, int | None]


def recognise(head: bytes, name: str) -> int:
    """By the names around the points."""
    if head.lstrip()[:1] != b"{":
        return 0
    listed = b'"Datapoints"' in head and b'"Timestamp"' in head
    return 96 if listed or b'"MetricDataResults"' in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """One row an interval. One "line" is one point."""
    answer = answer_of(blocks, _answer, "CloudWatch")
    if answer is None:
        return
    if isinstance(answer, Chunk):
        yield answer
    elif answer.Datapoints is not None:
        yield _statistics(answer)
    elif answer.MetricDataResults:
        yield _first_counting(answer.MetricDataResults)
    else:
        yield broken(Reason.EMPTY, "no points")


def _statistics(answer: _Answer) -> Chunk:
    raws = answer.Datapoints or []
    if not _counts(answer.Label):
        detail = f"{answer.Label[:60]} does not count bytes going out"
        return broken(Reason.UNSUPPORTED, detail)
    moments: list[Moment | None] = []
    for raw in raws:
        try:
            point = _datapoint.decode(raw)
        except BAD_JSON:
            moments.append(None)
        else:
            moments.append(_moment(point.Timestamp, point.Sum))
    return _chunk(moments, ())


def _first_counting(raws: list[msgspec.Raw]) -> Chunk:
    found: list[_Result] = []
    for raw in raws:
        try:
            found.append(_result.decode(raw))
        except BAD_JSON:
            return broken(Reason.CORRUPT, "a result that does not have the shape of one")
    result = next((r for r in found if _counts(r.Label)), None)
    if result is None:
        return broken(Reason.UNSUPPORTED, "no result that counts bytes going out")
    said = Trouble(Reason.UNKNOWN_VALUE, "values taken as sums: the answer does not say it")
    pairs = zip(result.Timestamps, result.Values, strict=False)
    moments = [_moment(at, value) for at, value in pairs]
    uneven = abs(len(result.Timestamps) - len(result.Values))
    return _chunk([*moments, *([None] * uneven)], (said,))


def _counts(label: str) -> bool:
    return any(name in label.split() for name in OUT)


def _moment(at: str | int | float, value: object) -> Moment | None:
    time = utc(at) if isinstance(at, str) else epoch(at)
    total = whole(value)
    return None if time is None or (total is None and value is not None) else (time, total)


def _chunk(moments: list[Moment | None], troubles: tuple[Trouble, ...]) -> Chunk:
    good = sorted((m for m in moments if m is not None), key=lambda m: m[0])
    steps = [b[0] - a[0] for a, b in pairwise(good) if b[0] > a[0]]
    period = min(steps, default=DEFAULT_PERIOD)
    points = [Point(at, period, total) for at, total in good]
    return chunk([*points, *([None] * (len(moments) - len(good)))], 1, troubles)


def _example(*data: object, label: str = "BytesDownloaded") -> str:
    return json.dumps({"Label": label, "Datapoints": list(data)}, indent=2)


def _point(at: str, total: object) -> dict[str, object]:
    return {"Timestamp": at, "Sum": total, "Unit": "Bytes"}


RESULTS = json.dumps(
    {
        "MetricDataResults": [
            {
                "Id": "m1",
                "Label": "mail NetworkOut",
                "Timestamps": ["2023-02-08T03:15:00Z", "2023-02-08T03:10:00+00:00"],
                "Values": [900.0, 2097152.0],
                "StatusCode": "Complete",
            }
        ]
    }
)

FORMAT = LogFormat(
    name="cloudwatch_metrics",
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
                _point("2023-02-08T03:13:00Z", 900.0),
                _point("2023-02-08T03:12:00+00:00", 2097152.0),
            ),
            rows=(
                {"line": 1, "time": 1675825980, "client": None, "bytes": 2097152},
                {"line": 2, "time": 1675826040, "bytes": 900},
            ),
        ),
        Example(
            text=RESULTS,
            rows=({"time": 1675826100, "bytes": 2097152}, {"time": 1675826400, "bytes": 900}),
        ),
    ),
    counterexamples=(
        _example(_point("9999-12-31T23:59:59Z", 5)),
        _example(_point("2023-02-08T03:12:00Z", -5)),
        _example(_point("2023-02-08T03:12:00Z", 5), label="CPUUtilization"),
        _example(_point("2023-02-08T03:12:00Z", "x")),
        RESULTS[:-30],
    ),
    source="docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html",
    unit="point",
)
