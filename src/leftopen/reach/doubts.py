"""Doubts about a host as a whole: one that answers on every port, or serves far too much.

A tarpit, a honeypot or a firewall that answers for others accepts every connection. Each of its
ports still needs its own proof; these rules say what to think of the host, and spare it (and us)
the thousands of looks that would all end the same. Thresholds: nuclei counts 15 services on one
host as a honeypot (its -hpt), and masscan's issue 463 is a host with all ports open.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import OPEN, Observation
from leftopen.reach import registry

MANY_PORTS: Final = 15  # more open ports than this on one address ...
LARGE_SHARE: Final = 0.3  # ... which are more than this part of the ports asked
MANY_SERVICES: Final = 15  # kinds of service that give data on one address
LOOKED_AT: Final = 32  # of its unusual ports, where a host answers on every port


def crowded(answered: Iterable[Endpoint], ports: int) -> dict[str, int]:
    """Addresses that answered on suspiciously many of the `ports` asked, with how many."""
    counts = Counter(dict.fromkeys((e.address, e.port) for e in answered)).keys()
    each = Counter(address for address, _ in counts)
    return {a: n for a, n in each.items() if n > max(MANY_PORTS, LARGE_SHARE * ports)}


def spared(
    answered: Sequence[Endpoint], crowd: Mapping[str, int], seed: int
) -> tuple[list[Endpoint], dict[str, int]]:
    """What is looked at of these endpoints, and how many are left out for each address.

    Of a crowded host: the usual ports of known services, and a seeded sample of the rest.
    """
    usual = {port for p in registry.protocols() for port in (*p.ports, *p.tls_ports)}
    kept: list[Endpoint] = []
    of_host: defaultdict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in answered:
        (of_host[endpoint.address] if endpoint.address in crowd else kept).append(endpoint)
    left: dict[str, int] = {}
    for address, found in of_host.items():
        found.sort(key=lambda e: e.key)
        known = [e for e in found if e.port in usual]
        rest = [e for e in found if e.port not in usual]
        random.Random(f"{seed} {address}").shuffle(rest)  # noqa: S311  a sample, not a secret
        chosen = known + rest[:LOOKED_AT]
        kept += sorted(chosen, key=lambda e: e.key)
        if len(found) > len(chosen):
            left[address] = len(found) - len(chosen)
    return kept, left


def doubts(observations: Iterable[Observation], crowd: Mapping[str, int]) -> dict[str, str]:
    """What is doubtful about each address, in words; addresses without doubt are left out."""
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for seen in observations:
        if seen.access in OPEN:
            kinds[seen.endpoint.address].add(seen.protocol)
    said = {
        address: f"it answers on {count} ports: a tarpit, or something that answers for it?"
        for address, count in crowd.items()
    }
    for address, found in kinds.items():
        if len(found) > MANY_SERVICES:
            said[address] = f"{len(found)} kinds of service give data on it: it may be a honeypot"
    return said
