"""Sets of addresses, and whether such a set lets a stranger in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from leftopen.model.cause import Truth, any_of, negate

Ranges = tuple[tuple[int, int], ...]  # sorted, neither touching nor overlapping, ends included

# Sizes at which a set of public addresses stops being one organisation's. Between the two nobody
# can say from a file whose they are. IPv4: more than a /8, at most a /16. IPv6: registries give
# an organisation /32 or so (RIPE-738, section 5.1.2), never more than a /16.
_WIDE = {4: 1 << 24, 6: 1 << 112}
_NARROW = {4: 1 << 16, 6: 1 << 96}


@dataclass(frozen=True, slots=True)
class AddressSet:
    """IPv4 and IPv6 addresses as ranges."""

    v4: Ranges = ()
    v6: Ranges = ()

    @classmethod
    def of(cls, *networks: str) -> AddressSet:
        """The union of networks in any form that `parse` reads; raises ValueError otherwise."""
        made = cls()
        for text in networks:
            part = parse(text)
            if part is None:
                raise ValueError(f"{text!r} is not a network")
            made |= part
        return made

    @classmethod
    def union(cls, parts: Iterable[AddressSet]) -> AddressSet:
        """The union of many sets at once."""
        found = list(parts)
        return cls(
            _union(tuple(r for part in found for r in part.v4)),
            _union(tuple(r for part in found for r in part.v6)),
        )

    def __or__(self, other: AddressSet) -> AddressSet:
        if not other.v4 and not other.v6:
            return self
        return AddressSet(_union(self.v4 + other.v4), _union(self.v6 + other.v6))

    def __and__(self, other: AddressSet) -> AddressSet:
        if self is EVERYONE or other is EVERYONE:
            return other if self is EVERYONE else self
        return AddressSet(_common(self.v4, other.v4), _common(self.v6, other.v6))

    def __sub__(self, other: AddressSet) -> AddressSet:
        if other is EVERYONE:
            return NOBODY
        return AddressSet(_without(self.v4, other.v4), _without(self.v6, other.v6))

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)

    def size(self, version: int) -> int:
        """How many addresses of this IP version."""
        return sum(high - low + 1 for low, high in (self.v4 if version == 4 else self.v6))

    def networks(self) -> Iterable[str]:
        """The same set as networks in CIDR notation, smallest address first."""
        for ranges, kind in ((self.v4, ipaddress.IPv4Address), (self.v6, ipaddress.IPv6Address)):
            for low, high in ranges:
                for network in ipaddress.summarize_address_range(kind(low), kind(high)):
                    yield str(network)

    def __str__(self) -> str:
        if self == EVERYONE:
            return "0.0.0.0/0, ::/0"
        shown = list(islice(self.networks(), 9))
        return ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "") or "nobody"


def _union(ranges: Ranges) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _common(one: Ranges, two: Ranges) -> Ranges:
    made: list[tuple[int, int]] = []
    i = j = 0
    while i < len(one) and j < len(two):
        low, high = max(one[i][0], two[j][0]), min(one[i][1], two[j][1])
        if low <= high:
            made.append((low, high))
        if one[i][1] < two[j][1]:
            i += 1
        else:
            j += 1
    return tuple(made)


def _without(one: Ranges, two: Ranges) -> Ranges:
    made: list[tuple[int, int]] = []
    j = 0
    for low, high in one:
        while j < len(two) and two[j][1] < low:
            j += 1
        k = j
        while k < len(two) and two[k][0] <= high:
            if two[k][0] > low:
                made.append((low, two[k][0] - 1))
            low = two[k][1] + 1
            k += 1
        if low <= high:
            made.append((low, high))
    return tuple(made)


@lru_cache(maxsize=4096)  # the same few networks stand in thousands of rules
def parse(text: str) -> AddressSet | None:
    """An address, `network/prefix`, `network/mask` or `first-last`; None for anything else.

    Host bits are ignored, as servers do.
    """
    text = text.strip()
    if len(text) > 120:
        return None
    try:
        if "-" in text:
            low, high = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
            if low.version != high.version or int(low) > int(high):
                return None
            version, ends = low.version, (int(low), int(high))
        else:
            network = ipaddress.ip_network(text.strip("[]"), strict=False)
            version = network.version
            ends = (int(network.network_address), int(network.broadcast_address))
    except ValueError:
        return None
    return AddressSet(v4=(ends,)) if version == 4 else AddressSet(v6=(ends,))


ANY_V4 = "0.0.0.0"  # noqa: S104 - read from configurations, never bound
NOBODY = AddressSet()
EVERYONE = AddressSet.of("0.0.0.0/0", "::/0")
LOOPBACK = AddressSet.of("127.0.0.0/8", "::1")
# IANA special-purpose address registries: never a stranger on the Internet.
PRIVATE = LOOPBACK | AddressSet.of(
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.168.0.0/16", "224.0.0.0/3", "::", "fc00::/7", "fe80::/10", "ff00::/8"),
)
PUBLIC = EVERYONE - PRIVATE


def strangers(admitted: AddressSet) -> Truth:
    """Does the set let in people that the owner does not know?

    YES beyond the size of any one organisation's public space, NO for private space and for
    public networks of ordinary size, UNKNOWN between: the file does not say whose they are.
    """
    public = admitted & PUBLIC
    return any_of(_anybody(public, 4), _anybody(public, 6))


def _anybody(public: AddressSet, version: int) -> Truth:
    size = public.size(version)
    if size > _WIDE[version]:
        return Truth.YES
    return Truth.NO if size <= _NARROW[version] else Truth.UNKNOWN


def listens(addresses: Iterable[str]) -> Truth:
    """Is one of the addresses beyond loopback? A name that is not an address is UNKNOWN."""
    return any_of(Truth.NO, *(negate(_loopback(a)) for a in addresses))


def _loopback(address: str) -> Truth:
    if address in ("*", ""):
        return Truth.NO
    if address == "localhost" or address.startswith("unix:"):
        return Truth.YES
    try:
        return Truth.YES if ipaddress.ip_address(address).is_loopback else Truth.NO
    except ValueError:
        return Truth.UNKNOWN
