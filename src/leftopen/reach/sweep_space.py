"""The endpoints of a scope by number, without a list of them."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from leftopen.model.endpoint import Network
from leftopen.model.errors import OutOfScope, UsageError
from leftopen.model.scope import Scope, Target, ipaddress_collapse
from leftopen.net.gate import Gate

MAX_ENDPOINTS: Final = 1 << 28  # two bits for each are kept: 64 MB


@dataclass(frozen=True, slots=True)
class Part:
    """Numbers that are asked in the same way."""

    first: int
    size: int
    raw: bool  # IPv4 networks off this machine: raw packets can do it


class Space:
    """The (name, address, port) triples of a scope by number: first the raw part, then the rest.

    The rest is loopback, IPv6, and named hosts with one address each.
    """

    def __init__(self, scope: Scope, named: Sequence[tuple[str, str]] = ()) -> None:
        """`named` are host names with one of their addresses each.

        Raises:
            UsageError: more endpoints than can be swept.
        """
        self.scope = scope
        self.gate = Gate(scope)
        self._ports = scope.ports
        self._port_at = {port: n for n, port in enumerate(scope.ports)}
        self._named = tuple(named)
        blocks = sorted(ipaddress_collapse(scope.networks), key=lambda n: not _is_raw(n))
        raw = [_Block.of(n) for n in blocks if _is_raw(n)]
        rest = [_Block.of(n) for n in blocks if not _is_raw(n)]
        self._blocks = [*raw, *rest]
        self._starts = list(accumulate((b.count for b in self._blocks), initial=0))
        self._hosts = self._starts.pop()
        self._raw_firsts = [b.first for b in raw]
        self._raw_size = sum(b.count for b in raw) * len(self._ports)
        self.size = (self._hosts + len(self._named)) * len(self._ports)
        if self.size > MAX_ENDPOINTS:
            raise UsageError(
                f"{scope.path}: {self.size} pairs of address and port are more than can be swept "
                f"({MAX_ENDPOINTS}); name fewer networks or ports"
            )

    def parts(self) -> list[Part]:
        """What is asked in one way each; none of them is empty."""
        raw, rest = self._raw_size, self.size - self._raw_size
        return [p for p in (Part(0, raw, True), Part(raw, rest, False)) if p.size]

    def __getitem__(self, number: int) -> tuple[str, str, int]:
        """Name ("" for an address of a network), address and port."""
        host, port = divmod(number, len(self._ports))
        if host >= self._hosts:
            name, address = self._named[host - self._hosts]
            return name, address, self._ports[port]
        at = bisect_right(self._starts, host) - 1
        block = self._blocks[at]
        ip = block.first + host - self._starts[at]
        return "", _four(ip) if block.four else str(ipaddress.IPv6Address(ip)), self._ports[port]

    def admits(self, number: int) -> bool:
        """Whether no exclusion names it."""
        if number < self._raw_size:
            return self.gate.admits(*self.place4(number))
        name, address, port = self[number]
        if name:
            return self.scope.admits_named(name, address, port)
        return self.scope.covers(address, port)

    def place(self, number: int) -> tuple[str, int]:
        """See net.sweep.Places."""
        _, address, port = self[number]
        if not self.admits(number):
            raise OutOfScope(f"{address} port {port} is not in the scope file")
        return address, port

    def place4(self, number: int) -> tuple[int, int]:
        """See net.sweep.Places; for numbers of the raw part."""
        host, port = divmod(number, len(self._ports))
        at = bisect_right(self._starts, host) - 1
        return self._blocks[at].first + host - self._starts[at], self._ports[port]

    def find4(self, address: int, port: int) -> int | None:
        """See net.sweep.Places; for endpoints of the raw part."""
        at = bisect_right(self._raw_firsts, address) - 1
        which = self._port_at.get(port)
        if at < 0 or which is None:
            return None
        offset = address - self._raw_firsts[at]
        if offset >= self._blocks[at].count:
            return None
        return (self._starts[at] + offset) * len(self._ports) + which

    def target(self, number: int) -> Target:
        """The Target, made and so checked by the scope."""
        name, address, port = self[number]
        return self.scope.target(address, port, name=name)


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive addresses."""

    first: int
    count: int
    four: bool

    @classmethod
    def of(cls, net: Network) -> _Block:
        """All of a loopback, IPv6 or point-to-point network; else without its two ends."""
        whole = net.version == 6 or net.is_loopback or net.num_addresses <= 2
        edge = 0 if whole else 1
        return cls(int(net[0]) + edge, net.num_addresses - 2 * edge, net.version == 4)


def _is_raw(net: Network) -> bool:
    return net.version == 4 and not net.is_loopback


def _four(ip: int) -> str:
    return f"{ip >> 24}.{ip >> 16 & 255}.{ip >> 8 & 255}.{ip & 255}"
