"""Every address and port of the scope, in a random order, each asked once or twice."""

from __future__ import annotations

import ipaddress
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from leftopen.model.errors import OutOfScope, UsageError
from leftopen.model.exposure import Access
from leftopen.model.scope import Scope, Target, ipaddress_collapse
from leftopen.net.budget import Meter
from leftopen.net.sweep import ConnectSweep, Knock, State

Progress = Callable[[int], object]  # so many more are done
MAX_ENDPOINTS: Final = 1 << 28  # a bit for each is kept: 32 MB
OPEN: Final = Access.UNDETERMINED  # the port answered; what is behind it is for a probe to say
_STATES: Final = {
    State.OPEN: OPEN,
    State.CLOSED: Access.CLOSED,
    State.SILENT: Access.FILTERED,
    State.FAILED: OPEN,  # not asked: the probe will say why
}


class Space:
    """The (name, address, port) triples of a scope by number, without a list of them."""

    def __init__(self, scope: Scope, named: Sequence[tuple[str, str]] = ()) -> None:
        """`named` are host names with one of their addresses each.

        Raises:
            UsageError: more endpoints than can be swept.
        """
        self._ports = scope.ports
        self._named = tuple(named)
        self._firsts: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
        counts: list[int] = []
        for net in ipaddress_collapse(scope.networks):
            whole = net.version == 6 or net.is_loopback or net.num_addresses <= 2
            self._firsts.append(net[0] if whole else net[1])
            counts.append(net.num_addresses if whole else net.num_addresses - 2)
        self._starts = list(accumulate(counts, initial=0))
        self._addresses = self._starts.pop()
        self.size = (self._addresses + len(self._named)) * len(self._ports)
        if self.size > MAX_ENDPOINTS:
            raise UsageError(
                f"{scope.path}: {self.size} pairs of address and port are more than can be swept "
                f"({MAX_ENDPOINTS}); name fewer networks or ports"
            )

    def __getitem__(self, number: int) -> tuple[str, str, int]:
        """Name ("" for an address of a network), address and port."""
        host, port = divmod(number, len(self._ports))
        if host >= self._addresses:
            name, address = self._named[host - self._addresses]
            return name, address, self._ports[port]
        block = bisect_right(self._starts, host) - 1
        address = str(self._firsts[block] + (host - self._starts[block]))
        return "", address, self._ports[port]


def order(size: int, seed: int) -> Iterator[int]:
    """Every number below `size` once, in an order that a seed gives.

    Steps of about 0.38 or 0.62 of the whole, coprime with it, visit hosts far from each other in
    turn, so that no host gets many connections at once; nothing has to be kept in memory.
    """
    if size < 1:
        return
    rng = random.Random(seed)  # noqa: S311  an order, not a secret
    at = rng.randrange(size)
    step = max(1, int(size * rng.choice((0.381966, 0.618034))) + rng.randrange(max(1, size // 50)))
    while math.gcd(step, size) != 1:
        step += 1
    for _ in range(size):
        yield at
        at = (at + step) % size


def sweep(
    scope: Scope,
    named: Sequence[tuple[str, str]],
    meter: Meter,
    progress: Progress | None = None,
) -> Iterator[tuple[Target, Access]]:
    """Each endpoint with CLOSED (RST), FILTERED (silent twice) or OPEN (to be proved).

    Excluded endpoints are left out. The order depends on the scope's sample seed and the answers.

    Raises:
        UsageError: more endpoints than can be swept.
    """
    space = Space(scope, named)
    silent = bytearray((space.size + 7) // 8)
    for second in (False, True):
        numbers = order(space.size, scope.file.sample.seed)
        chosen = (n for n in numbers if not second or _on(silent, n))
        pass_ = ConnectSweep(meter, seconds=scope.file.rates.timeout_seconds)
        for knock, state in pass_.run(_knocks(scope, space, chosen)):
            if state is State.SILENT and not second:
                silent[knock.number >> 3] |= 1 << (knock.number & 7)
                continue
            if progress:
                progress(1)
            yield knock.target, _STATES[state]


def _on(bits: bytearray, number: int) -> bool:
    return bool(bits[number >> 3] >> (number & 7) & 1)


def _knocks(scope: Scope, space: Space, numbers: Iterator[int]) -> Iterator[Knock]:
    for number in numbers:
        name, address, port = space[number]
        try:
            yield Knock(number, scope.target(address, port, name=name))
        except OutOfScope:  # excluded
            continue
