"""Rates over all probes, and the budget of one probe.

A time-out per read bounds nothing (a server may drip one byte each second for ever), so a probe
has one deadline and one byte count for everything it does.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from leftopen.model.errors import BudgetSpent, HostSpent


class Meter:
    """Connections per second (overall and per host) and bytes per host, for one run."""

    def __init__(self, per_second: int, per_second_per_host: int, bytes_per_host: int) -> None:
        """Limits as in the scope file's [rates]."""
        self._gap_all = 1.0 / per_second
        self._gap_host = 1.0 / per_second_per_host
        self._next_all = 0.0
        self._next_host: dict[str, float] = {}
        self._prune_at = 4096
        self._bytes_left: defaultdict[str, int] = defaultdict(lambda: bytes_per_host)

    def slot(self, host: str, at: float) -> float:
        """Book one more connection to `host`; when it may start, on the clock of `at`."""
        start = max(at, self._next_all, self._next_host.get(host, 0.0))
        self._next_all = max(at, self._next_all) + self._gap_all
        self._next_host[host] = start + self._gap_host
        if len(self._next_host) > self._prune_at:  # keep only hosts that are still held back
            self._next_host = {h: t for h, t in self._next_host.items() if t > at}
            self._prune_at = max(4096, 2 * len(self._next_host))
        return start

    def wait(self, host: str, at: float) -> float:
        """Seconds until `host` itself may be connected to again; books nothing."""
        return max(0.0, self._next_host.get(host, 0.0) - at)

    async def connection(self, host: str) -> float:
        """Wait until one more connection to `host` keeps within both rates; seconds waited."""
        at = time.monotonic()
        start = self.slot(host, at)
        if start > at:
            await asyncio.sleep(start - at)
        return start - at

    def take(self, host: str, size: int) -> None:
        """Count bytes read from `host`; raises HostSpent when the host's bytes are used up."""
        self._bytes_left[host] -= size
        if self._bytes_left[host] < 0:
            raise HostSpent(f"bytes_per_host of the scope file is used up for {host}")

    def spent(self, host: str) -> bool:
        """Whether nothing more may be read from `host` in this run."""
        return self._bytes_left[host] <= 0


class Budget:
    """What one probe may use: bytes read, connections, seconds in all.

    A part (`whole` given) counts against its whole as well, and ends with it at the latest.
    """

    def __init__(
        self, *, bytes: int, connections: int, seconds: float, whole: Budget | None = None
    ) -> None:
        """Starts counting seconds at once."""
        self.bytes_left = bytes
        self.connections_left = connections
        self.deadline = time.monotonic() + seconds
        self._whole = whole

    @property
    def seconds_left(self) -> float:
        """Until the deadline; raises BudgetSpent when it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise BudgetSpent("the time of this probe is used up")
        return min(left, self._whole.seconds_left) if self._whole else left

    @property
    def spent(self) -> bool:
        """Whether bytes, connections or time are used up."""
        over = time.monotonic() >= self.deadline
        return over or self.bytes_left <= 0 or self.connections_left < 0

    def extend(self, seconds: float) -> None:
        """Put the deadline off: our own rates made the probe wait, not the peer."""
        self.deadline += seconds

    def connect(self) -> None:
        """Count one connection; raises BudgetSpent when there is none left."""
        self.connections_left -= 1
        if self.connections_left < 0:
            raise BudgetSpent("the connections of this probe are used up")
        if self._whole:
            self._whole.connect()

    def take(self, size: int) -> None:
        """Count bytes read; raises BudgetSpent when over."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise BudgetSpent("the bytes of this probe are used up")
        if self._whole:
            self._whole.take(size)
