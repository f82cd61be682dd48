"""Which IPv4 addresses and ports a scope's networks hold, as a look-up cheap enough per packet.

A raw socket is below the guard's audit hook (PEP 578 tells of `socket` methods, not of libc), so
the raw engine asks this for each packet that it makes. It says what `Scope.covers` says.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable

from leftopen.model.scope import Scope


class Gate:
    """The networks of a scope without its exclusions and the addresses of tier 0."""

    def __init__(self, scope: Scope) -> None:
        """`scope` has been checked by `parse_scope`, so its exclusions can be read."""
        whole: list[ipaddress.IPv4Network] = []
        ports: dict[int, list[ipaddress.IPv4Network]] = {}
        for text in scope.file.targets.exclude:
            if text.startswith("[") or text.count(":") > 1:  # IPv6 goes another way
                continue
            network, _, port = text.partition(":")
            where = ports.setdefault(int(port), []) if port else whole
            where.append(ipaddress.IPv4Network(network))
        rules = scope.file.rules
        tiers = [(n, r.tier) for r in rules.tiers for n in r.networks if ":" not in n]
        whole += [ipaddress.IPv4Network(n) for n, tier in tiers if tier == 0]
        # Where nothing is asked by default, only what another tier names is.
        named = (ipaddress.IPv4Network(n) for n, _ in tiers)
        self._named = _Ranges(named) if rules.tier == 0 else None
        inside = (n for n in scope.networks if isinstance(n, ipaddress.IPv4Network))
        self._inside = _Ranges(inside)
        self._whole = _Ranges(whole)
        self._ports = {port: _Ranges(nets) for port, nets in ports.items()}

    def admits(self, address: int, port: int) -> bool:
        """Whether a packet may go to this IPv4 address (as a number) and port."""
        if address not in self._inside or address in self._whole:
            return False
        if self._named is not None and address not in self._named:
            return False
        shut = self._ports.get(port)
        return shut is None or address not in shut


class _Ranges:
    """A set of addresses as sorted ranges that do not touch."""

    def __init__(self, networks: Iterable[ipaddress.IPv4Network]) -> None:
        merged = list(ipaddress.collapse_addresses(networks))
        self._firsts = [int(n.network_address) for n in merged]
        self._lasts = [int(n.broadcast_address) for n in merged]

    def __contains__(self, address: int) -> bool:
        at = bisect_right(self._firsts, address)
        return at > 0 and address <= self._lasts[at - 1]
