"""Who a client is: first match wins, and every answer names its source (research/trace.md 3.2).

Published ranges are lists with a date: a match today says little about an address years ago, so
list and version stand in the basis. A known scanner that took data has still taken data.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from leftopen.model.endpoint import Address, Network
from leftopen.model.record import Record, from_json
from leftopen.model.scope_file import Parties
from leftopen.model.trace import Party, PartyKind

OUR_AGENT = "Leftopen/"

# Health probes and platform addresses, as the providers document them.
CLOUD = (
    ("168.63.129.16/32", "Azure platform", "learn.microsoft.com, what is 168.63.129.16"),
    ("169.254.169.254/32", "instance metadata", "RFC 3927 link-local, all providers"),
    ("35.191.0.0/16", "Google Cloud health checks", "cloud.google.com, health check ranges"),
    ("130.211.0.0/22", "Google Cloud health checks", "cloud.google.com, health check ranges"),
)
# Words that crawlers use of themselves; only some have a published range in the data file.
CRAWLER_WORDS = (
    *("Googlebot", "GPTBot", "bingbot", "Applebot", "YandexBot", "Baiduspider", "DuckDuckBot"),
    *("facebookexternalhit", "AhrefsBot", "SemrushBot", "PetalBot", "Bytespider", "CCBot"),
    *("Amazonbot", "ClaudeBot", "archive.org_bot"),
)


class RangeList(Record, frozen=True, kw_only=True):
    """One published list of address ranges."""

    list: str
    name: str
    version: str  # as the list states it; mostly a date
    kind: str  # scanner or crawler
    agent: str = ""  # the crawler's word for itself
    ranges: tuple[str, ...]


class PublishedRanges(Record, frozen=True, kw_only=True):
    """The data file, made by tools/condense_warninglists.py."""

    source: str
    licence: str
    lists: tuple[RangeList, ...]


@cache
def published() -> PublishedRanges:
    """The lists that come with Leftopen."""
    data = files("leftopen.trace").joinpath("data/published_ranges.json").read_bytes()
    return from_json(data, PublishedRanges)


@dataclass(frozen=True, slots=True)
class _Index:
    """Ranges by length of prefix, so that a look-up costs one step per length in use."""

    by_prefix: dict[tuple[int, int], dict[int, tuple[RangeList, ...]]]
    lengths: dict[int, tuple[int, ...]]

    def lists_of(self, address: Address) -> tuple[RangeList, ...]:
        """Lists with a range that holds the address, the narrowest range first."""
        found: list[RangeList] = []
        for length in self.lengths.get(address.version, ()):
            key = int(address) >> (address.max_prefixlen - length)
            found += self.by_prefix[address.version, length].get(key, ())
        return tuple(found)


@cache
def _index() -> _Index:
    by_prefix: dict[tuple[int, int], dict[int, tuple[RangeList, ...]]] = {}
    for item in published().lists:
        for network in _networks(item.ranges):
            shift = network.max_prefixlen - network.prefixlen
            table = by_prefix.setdefault((network.version, network.prefixlen), {})
            key = int(network.network_address) >> shift
            table[key] = (*table.get(key, ()), item)
    lengths = {
        version: tuple(sorted((n for v, n in by_prefix if v == version), reverse=True))
        for version in (4, 6)
    }
    return _Index(by_prefix, lengths)


@lru_cache(maxsize=512)
def _networks(values: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(value, strict=False) for value in values)


def attribute(
    client: str, agent: str, parties: Parties, self_addresses: Collection[str] = ()
) -> Party:
    """Who `client` (as the log names it) is, by its address first and its user agent last.

    `self_addresses` are those that this run probes from: with our own agent, or in a log that
    has no agents, they are Leftopen itself.
    """
    if client in self_addresses and (not agent or agent.startswith(OUR_AGENT)):
        return Party(kind=PartyKind.SELF, name="Leftopen", basis="address and agent of this run")
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return _by_agent(agent, ()) or Party(kind=PartyKind.UNKNOWN)
    declared = _declared(address, parties)
    if declared:
        return declared
    lists = _index().lists_of(address)
    scanner = next((item for item in lists if item.kind == "scanner"), None)
    if scanner:
        return Party(kind=PartyKind.SCANNER, name=scanner.name, basis=_basis(scanner))
    return _by_agent(agent, lists) or Party(kind=PartyKind.UNKNOWN)


def _declared(address: Address, parties: Parties) -> Party | None:
    if _holds(parties.owner, address):
        return Party(kind=PartyKind.OWNER, name="owner", basis="scope file, [parties] owner")
    groups = (
        (PartyKind.MONITORING, parties.monitoring, "monitoring"),
        (PartyKind.RESEARCHER, parties.researchers, "researchers"),
    )
    for kind, named, word in groups:
        for group in named:
            if _holds(group.networks, address):
                return Party(kind=kind, name=group.name, basis=f"scope file, [parties] {word}")
    for network, name, source in CLOUD:
        if _holds((network,), address):
            return Party(kind=PartyKind.CLOUD, name=name, basis=source)
    return None


def _by_agent(agent: str, lists: tuple[RangeList, ...]) -> Party | None:
    lowered = agent.lower()
    word = next((w for w in CRAWLER_WORDS if w.lower() in lowered), None)
    if word is None:
        return None
    confirmed = next((item for item in lists if item.agent == word), None)
    if confirmed:
        return Party(kind=PartyKind.CRAWLER, name=word, basis=_basis(confirmed))
    known = next((item for item in published().lists if item.agent == word), None)
    basis = f"not in {_basis(known)}" if known else "no published range at hand to confirm it"
    return Party(kind=PartyKind.CLAIMED_CRAWLER, name=word, basis=basis)


def _holds(networks: tuple[str, ...], address: Address) -> bool:
    return any(n.version == address.version and address in n for n in _networks(networks))


def _basis(item: RangeList) -> str:
    return f'list "{item.list}", version {item.version} ({published().source})'


def combine(found: Collection[Party]) -> Party:
    """One party for a client seen with several agents: ours only if all of them say so."""
    first = {PartyKind.CLAIMED_CRAWLER: 0, PartyKind.SELF: 2}
    return min(
        found,
        key=lambda party: (first.get(party.kind, 1), msgspec.json.encode(party, order="sorted")),
    )
