"""Instants, intervals and intervals with uncertain ends. All times are aware and in UTC."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from leftopen.model.record import Record


def now() -> datetime:
    """The time of this run, whole seconds, UTC.

    SOURCE_DATE_EPOCH pins it, so that a run can be repeated to the byte
    (https://reproducible-builds.org/specs/source-date-epoch/).
    """
    pinned = os.environ.get("SOURCE_DATE_EPOCH")
    if pinned and pinned.isdigit():
        return datetime.fromtimestamp(int(pinned), UTC)
    return datetime.now(UTC).replace(microsecond=0)


class Interval(Record, frozen=True, kw_only=True):
    """A closed stretch of time, `start` <= `end`."""

    start: datetime
    end: datetime

    @property
    def duration(self) -> timedelta:
        """Length of the stretch."""
        return self.end - self.start

    def intersect(self, other: Interval) -> Interval | None:
        """The common part, or None when there is none longer than an instant."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Interval(start=start, end=end) if start < end else None


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same time as sorted intervals that neither touch nor overlap."""
    merged: list[Interval] = []
    for item in sorted(intervals, key=lambda i: (i.start, i.end)):
        if merged and item.start <= merged[-1].end:
            last = merged.pop()
            item = Interval(start=last.start, end=max(last.end, item.end))
        merged.append(item)
    return tuple(merged)


def subtract(whole: Interval, parts: Iterable[Interval]) -> tuple[Interval, ...]:
    """What of `whole` is in none of `parts`."""
    left: list[Interval] = []
    at = whole.start
    for part in union(parts):
        if part.end <= at or part.start >= whole.end:
            continue
        if part.start > at:
            left.append(Interval(start=at, end=part.start))
        at = max(at, part.end)
    if at < whole.end:
        left.append(Interval(start=at, end=whole.end))
    return tuple(left)


def share(whole: Interval, parts: Iterable[Interval]) -> float:
    """The share of `whole` that `parts` cover, 0.0 to 1.0."""
    if whole.end <= whole.start:
        return 0.0
    covered = sum(
        (c.duration for p in union(parts) if (c := whole.intersect(p))), start=timedelta()
    )
    return covered / whole.duration


class Bound(Record, frozen=True, kw_only=True):
    """One instant that limits an event, and what says so (a probe, Shodan, a log, an mtime)."""

    time: datetime
    basis: str


class Between(Record, frozen=True, kw_only=True):
    """An event with an uncertain time: not before `after`, not after `before`.

    For "opened": last known closed .. first known open.
    For "closed": last known open .. first known closed; `before` None means still open when
    last looked at.
    """

    after: Bound | None = None
    before: Bound | None = None
