"""Which time a log can speak for (research/trace.md 3.3 and 3.4).

A log proves that it was recording by records on both sides that are closer together than a
silence it could tell from quiet. The silence test thins to one event per client and five minutes
(raw counts gave 37 false alarms of 38, thinned ones none), takes the rate by hour of the day, and
calls a gap a hole where N * exp(-mu) < 0.001: mu events were due in it, and N gaps were looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from leftopen.model.time import Interval, share, subtract, union
from leftopen.model.trace import Coverage
from leftopen.trace.digest import Slot, SourceDigest, merge_slots
from leftopen.trace.rotation import missing

FALSE_ALARMS = 0.001
HOUR, DAY, WEEK = 3600, 86400, 7 * 86400
DAYS_FOR_HOURS = 3  # fewer days: one rate for all hours
WEEKS_FOR_HOURS = 3  # more: one rate for each hour of the week
DISORDER = 0.1  # share of records out of order above which a clock is not trustworthy


@dataclass(frozen=True, slots=True)
class LogCoverage:
    """What one log (all files of it) can speak for."""

    covers: tuple[Interval, ...]
    holes: tuple[Interval, ...]  # inside its own first to last
    silence: float | None  # seconds; shorter ones cannot be told from quiet; None: any can hide
    clock_trusted: bool = True

    def within(self, window: Interval) -> tuple[Interval, ...]:
        """The covered part of a window."""
        return tuple(c for i in self.covers if (c := i.intersect(window)))


class Rate:
    """Thinned events per second by hour of the day, or of the week where there is enough."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        """`slots` by time, at least one."""
        first, last = slots[0].first, max(s.last for s in slots)
        self.events = sum(s.events for s in slots)
        span = max(1, last - first)
        cycle = WEEK if span > WEEKS_FOR_HOURS * WEEK else DAY
        mean = self.events / span
        self._hours = [mean] * (cycle // HOUR)
        if span >= DAYS_FOR_HOURS * DAY:
            counts = _counts(slots, first, last, len(self._hours))
            self._hours = [median(seen) / HOUR if seen else mean for seen in counts]
        self._sums = [0.0]
        for rate in self._hours:
            self._sums.append(self._sums[-1] + rate * HOUR)

    def expected(self, start: float, end: float) -> float:
        """Events due between two instants, in seconds since 1970."""
        return self._since_epoch(end) - self._since_epoch(start)

    def silence(self) -> float | None:
        """The longest gap that this log could have by chance, wherever it starts."""
        need = math.log(max(1, self.events) / FALSE_ALARMS)
        total = self._sums[-1]
        if total <= 0 or self.events < 2:
            return None
        cycles, rest = divmod(need, total)
        return max(
            cycles * len(self._hours) * HOUR + self._walk(hour, rest)
            for hour in range(len(self._hours))
        )

    def _walk(self, hour: int, need: float) -> float:
        gone = 0.0
        while need > 0:
            rate = self._hours[hour % len(self._hours)]
            if rate * HOUR >= need:
                return gone + need / rate
            need -= rate * HOUR
            gone, hour = gone + HOUR, hour + 1
        return gone

    def _since_epoch(self, at: float) -> float:
        cycles, rest = divmod(at, len(self._hours) * HOUR)
        hour = int(rest // HOUR)
        return cycles * self._sums[-1] + self._sums[hour] + self._hours[hour] * (rest - hour * HOUR)


def _counts(slots: Sequence[Slot], first: int, last: int, hours: int) -> list[list[int]]:
    """Events of each hour of the cycle, on days that have any; first and last hour are partial."""
    by_hour: dict[int, int] = {}
    for slot in slots:
        by_hour[slot.at // HOUR] = by_hour.get(slot.at // HOUR, 0) + slot.events
    counts: list[list[int]] = [[] for _ in range(hours)]
    for day in sorted({hour // 24 for hour in by_hour}):
        for hour in range(day * 24, day * 24 + 24):
            if first // HOUR < hour < last // HOUR:
                counts[hour % hours].append(by_hour.get(hour, 0))
    return counts


def silences(slots: Sequence[Slot]) -> tuple[tuple[int, int], ...]:
    """Gaps between records that are too long to be chance, in seconds since 1970."""
    if len(slots) < 2:
        return ()
    rate = Rate(slots)
    found, latest = [], slots[0].last
    for slot in slots[1:]:
        due = rate.expected(latest, slot.first)
        if slot.first > latest and rate.events * math.exp(-due) < FALSE_ALARMS:
            found.append((latest, slot.first))
        latest = max(latest, slot.last)
    return tuple(found)


def log_coverage(digests: Sequence[SourceDigest]) -> LogCoverage:
    """Coverage of one log from the digests of its files."""
    slots = merge_slots(digests)
    claimed = union(_interval(a, b) for d in digests for a, b in d.claimed)
    if not slots:
        return LogCoverage(claimed, (), float(HOUR) if claimed else None)
    span = _interval(slots[0].first, max(s.last for s in slots))
    broken = union(_interval(a, b) for a, b in (*silences(slots), *_breaks(digests)) if b > a)
    silence = Rate(slots).silence()
    whole: tuple[Interval, ...] = (span,)
    if claimed:  # a missing hourly file is a hole, however quiet the log
        whole, broken = claimed, union((*broken, *subtract(span, claimed)))
        silence = min(float(HOUR), HOUR if silence is None else silence)
    covers = tuple(part for item in whole for part in subtract(item, broken))
    return LogCoverage(covers, broken, silence, _clock_trusted(digests))


def _clock_trusted(digests: Iterable[SourceDigest]) -> bool:
    return all(d.disorder <= DISORDER * max(1, d.source.parsed) for d in digests)


def _breaks(digests: Sequence[SourceDigest]) -> list[tuple[int, int]]:
    """Holes of missing rotations and of files that were cut short, to the next file's first."""
    spans = [_span(d) for d in digests if d.slots]
    numbered = {d.rotation: _span(d) for d in digests if d.rotation is not None and d.slots}
    found = []
    for number in missing(numbered):
        older = min(n for n in numbered if n > number)
        newer = max(n for n in numbered if n < number)
        found.append((numbered[older][1], numbered[newer][0]))
    for digest in digests:
        if digest.damaged and digest.slots:
            end = _span(digest)[1]
            later = [first for first, _ in spans if first > end]
            found += [(end, min(later))] if later else []
    return found


def _span(digest: SourceDigest) -> tuple[int, int]:
    return digest.slots[0].first, max(s.last for s in digest.slots)


def _interval(start: int, end: int) -> Interval:
    return Interval(start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC))


def combine(
    window: Interval,
    every: Iterable[Interval],
    app: Iterable[Interval],
    counting: Iterable[Interval],
) -> Coverage:
    """The three shares of a window: by any source, one that names objects, one that counts."""
    clipped = [
        tuple(c for i in union(given) if (c := i.intersect(window)))
        for given in (every, app, counting)
    ]
    return Coverage(
        window=window,
        any=share(window, clipped[0]),
        app=share(window, clipped[1]),
        bytes=share(window, clipped[2]),
        any_intervals=clipped[0],
        app_intervals=clipped[1],
        bytes_intervals=clipped[2],
        holes=subtract(window, clipped[0]),
    )
