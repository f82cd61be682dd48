"""Figures in the words of the report: times, durations, amounts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from leftopen.model.time import Interval

SHOWN = 5
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def moment(time: datetime) -> str:
    """`2023-02-08 03:12:45 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def span(item: Interval) -> str:
    """`2023-02-08 03:12:45 to 2023-02-09 00:00:00 UTC`."""
    return f"{item.start:%Y-%m-%d %H:%M:%S} to {moment(item.end)}"


def duration(length: timedelta | float) -> str:
    """In the unit that reads best, from seconds to days."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    for size, unit in ((2 * 86400, "days"), (2 * 3600, "hours"), (120, "minutes")):
        if seconds >= size:
            per = {"days": 86400, "hours": 3600, "minutes": 60}[unit]
            return f"{seconds / per:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def amount(count: int, turn: Callable[[float], float] = round) -> str:
    """Bytes in decimal units (IEC 80000-13): `38.50 GB`. `turn` rounds the last digit."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{turn(value * 100) / 100:.2f} {_UNITS[unit]}"


def at_least(count: int) -> str:
    """A lower limit, never rounded up."""
    return f"at least {amount(count, math.floor)}"


def at_most(count: int) -> str:
    """An upper limit, never rounded down."""
    return f"at most {amount(count, math.ceil)}"


def percent(part: float) -> str:
    """One digit, rounded down: a share of what is known never reads higher than it is."""
    return f"{math.floor(part * 1000) / 10:.1f}%"


def listed(items: Sequence[Interval]) -> str:
    """The first few, and how many more."""
    text = "; ".join(span(item) for item in items[:SHOWN])
    return text + (f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else "")


def number(count: int, noun: str) -> str:
    """`1 object`, `1,204 objects`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
