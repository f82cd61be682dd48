"""Stretches of time that a log vouches for, joined as they come; memory bounded by merging."""

from __future__ import annotations

from collections.abc import Iterable

PENDING_MAX = 100_000
KEPT_MAX = 200_000

Stretch = tuple[int, int]


class Stretches:
    """The union of intervals in seconds since 1970, less the ones known to be lost."""

    def __init__(self, bridge: int = 0) -> None:
        """Intervals no further apart than `bridge` seconds are one."""
        self._bridge = bridge
        self._found: list[Stretch] = []
        self._lost: list[Stretch] = []
        self._merged = 0

    def add(self, stretches: Iterable[Stretch]) -> None:
        """Vouched for."""
        self._found += stretches
        if len(self._found) > self._merged + PENDING_MAX:
            self._found = merge(self._found, self._bridge)[-KEPT_MAX:]
            self._merged = len(self._found)

    def lose(self, stretches: Iterable[Stretch]) -> None:
        """Known not to have been recorded, whatever else is vouched for."""
        self._lost = merge([*self._lost, *stretches], 0)[-KEPT_MAX:]

    def result(self) -> tuple[Stretch, ...]:
        """What is left."""
        left: list[Stretch] = []
        lost = merge(self._lost, 0)
        at = 0
        for start, end in merge(self._found, self._bridge):
            while at < len(lost) and lost[at][1] <= start:
                at += 1
            here = at
            while here < len(lost) and lost[here][0] < end:
                if lost[here][0] > start:
                    left.append((start, lost[here][0]))
                start = max(start, lost[here][1])
                here += 1
            if start < end:
                left.append((start, end))
        return tuple(left)


def merge(stretches: Iterable[Stretch], bridge: int) -> list[Stretch]:
    """The union, by time; gaps up to `bridge` are closed and what ends before it starts is left."""
    made: list[Stretch] = []
    for start, end in sorted(stretches):
        if end < start:
            continue
        if made and start <= made[-1][1] + bridge:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return made
