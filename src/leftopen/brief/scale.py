"""Time to x: the scale of the time line and its ticks, all in UTC."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leftopen.brief import plain
from leftopen.model.case import Case
from leftopen.model.time import Interval

LEFT, RIGHT = 204.0, 1084.0  # the plot; names of the lanes stand left of it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (
    *(_MINUTE * n for n in (1, 5, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14)),
)
_MONTH_STEPS = (1, 3, 6, 12, 24, 60, 120, 600, 1_200, 12_000)


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds to x. What lies outside is drawn at the edge."""

    start: float
    end: float

    @classmethod
    def of(cls, case: Case) -> Scale:
        """The window with a margin; wider where an end of the exposure is not known."""
        low, high = _seconds(case.window.start), _seconds(case.window.end)
        margin = max((high - low) * 0.03, 1_800.0)
        before = margin if case.exposure.opened.after else margin * 3
        after = margin if case.exposure.closed.before else margin * 3
        first, last = _seconds(datetime.min), _seconds(datetime.max)
        return cls(max(low - before, first), min(high + after, last))

    def x(self, moment: datetime) -> float:
        """Where an instant stands."""
        share = (_seconds(moment) - self.start) / (self.end - self.start)
        return LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT)

    def at(self, seconds: float) -> float:
        """Where so many seconds since 1970 stand."""
        return LEFT + (seconds - self.start) / (self.end - self.start) * (RIGHT - LEFT)

    def span(self, stretch: Interval) -> tuple[float, float]:
        """Left edge and width, never thinner than a visible line."""
        x = self.x(stretch.start)
        return x, max(self.x(stretch.end) - x, 1.5)

    def ticks(self) -> list[tuple[float, str, str]]:
        """(x, label, heading): whole days where they fit, else hours or months, in UTC."""
        pixels = (RIGHT - LEFT) / (self.end - self.start)
        for step in _STEPS:
            if step * pixels >= (25 if step >= _DAY else 44):
                first = math.ceil(self.start / step)
                return [
                    _tick(self.at(n * step), n * step, step)
                    for n in range(first, math.floor(self.end / step) + 1)
                ]
        months = next((m for m in _MONTH_STEPS if m * 30 * _DAY * pixels >= 40), _MONTH_STEPS[-1])
        return [(self.at(s), label, year) for s, label, year in _months(self, months)]


def _tick(x: float, seconds: float, step: int) -> tuple[float, str, str]:
    at = _EPOCH + timedelta(seconds=seconds)
    if step >= _DAY:
        return x, str(at.day), f"{plain.MONTHS[at.month - 1]} {at.year}"
    return x, f"{at:%H:%M}", plain.day(at)


def _months(scale: Scale, step: int) -> Iterator[tuple[float, str, str]]:
    first = _EPOCH + timedelta(seconds=scale.start)
    number = math.ceil((first.year * 12 + first.month) / step) * step
    while number < 9_999 * 12:
        year, month = divmod(number, 12)
        at = _seconds(datetime(max(year, 1), month + 1, 1))
        if at > scale.end:
            return
        if at >= scale.start:
            yield at, plain.MONTHS[month], str(year)
        number += step


def _seconds(moment: datetime) -> float:
    return (plain.utc(moment) - _EPOCH).total_seconds()
