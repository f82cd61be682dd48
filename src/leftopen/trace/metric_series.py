"""Metrics: sums over intervals that name no client, as rows that a ceiling can be made of.

A row of a metric has no client; its bytes are the sum of one interval, its time the interval's
end, and the intervals are what the format vouches for: a metric that is emitted all the time shows
a missing interval as a hole. Sums of different metrics are never mixed: what does not count bytes
sent out gives rows without bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, Row, Trouble, frame
from leftopen.trace.clock import LAST
from leftopen.trace.json_records import BAD_JSON
from leftopen.trace.lines import BAD_KEPT
from leftopen.trace.stretches import merge

DOCUMENT_MAX = 64 << 20  # bytes of one answer
WIDEST = 31 * 86400  # seconds; a wider interval is no metric's

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """One interval of one metric: `total` None where the service has no figure for it."""

    start: int
    seconds: int
    total: int | None


def answer_of(
    blocks: Iterable[bytes], decoder: msgspec.json.Decoder[T], service: str
) -> T | Chunk | None:
    """The one JSON answer of `service` that a file holds.

    A Chunk says why it is none; None: the file is empty.
    """
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > DOCUMENT_MAX:
            return broken(Reason.TOO_LARGE, f"an answer over {DOCUMENT_MAX} bytes")
    if not data.strip():
        return None
    try:
        return decoder.decode(bytes(data))
    except BAD_JSON:
        return broken(Reason.CORRUPT, f"not an answer of {service}, or cut short")


def broken(reason: Reason, detail: str) -> Chunk:
    """A file that gives no point at all: one line, which is rejected."""
    trouble = Trouble(reason, detail)
    return Chunk(rows=frame(()), lines=1, rejected=1, bad=(1,), troubles=(trouble,))


def chunk(points: Iterable[Point | None], first: int, troubles: tuple[Trouble, ...] = ()) -> Chunk:
    """A Chunk of points; None stands for one that could not be read.

    A point without a figure is a row of unknown bytes, and its interval is not vouched for.
    """
    rows: list[Row] = []
    bad: list[int] = []
    claimed: list[tuple[int, int]] = []
    number = first - 1
    for number, point in enumerate(points, first):
        if point is None or not _sound(point):
            bad.append(number)
            continue
        end = point.start + point.seconds
        rows.append(Row(number, end, bytes=point.total))
        if point.total is not None:
            claimed.append((point.start, end))
    return Chunk(
        rows=frame(rows),
        lines=number - first + 1,
        rejected=len(bad),
        bad=tuple(bad[:BAD_KEPT]),
        claimed=tuple(merge(claimed, 0)),
        troubles=troubles,
    )


def _sound(point: Point) -> bool:
    end = point.start + point.seconds
    return point.start >= 0 and 0 < point.seconds <= WIDEST and end <= LAST


def whole(value: object) -> int | None:
    """A sum that a metric wrote as a number (often 4096.0); None: none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= 10**18 else None
