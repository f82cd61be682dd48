"""Ties what the configuration says to what the probes saw: agreement, or a conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from leftopen.cause.networks import ANY_V4, LOOPBACK, AddressSet, parse
from leftopen.model.cause import Agreement, Cause, CauseFinding, Factor, Truth, all_of
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Exposure, Observation

# Protocols that HTTP carries: a web server's configuration can explain any of them.
CARRIED_BY_HTTP = frozenset(
    (
        *("http", "elasticsearch", "opensearch", "couchdb", "influxdb"),
        *("clickhouse", "etcd", "kibana", "s3", "azure_blob"),
        *("gcs", "webdav", "prometheus", "docker_registry", "docker"),
        *("solr", "grafana", "qdrant", "meilisearch", "webmail"),
        *("jupyter", "consul", "minio"),
    )
)
MAX_CONFLICTS = 5  # for one exposure: the rest would say the same


@dataclass(frozen=True, slots=True)
class Matched:
    """Causes by exposure (its uid), and those that are open with no exposure to go with."""

    by_exposure: Mapping[str, tuple[CauseFinding, ...]]
    others: tuple[CauseFinding, ...] = ()


def match(
    causes: Sequence[Cause], exposures: Sequence[Exposure], closed: Sequence[Observation]
) -> Matched:
    """Join causes with exposures, and open causes with what the probe found closed.

    A cause goes with an exposure of the same protocol and port on an address that it listens on.
    `closed` are observations that gave nothing.
    """
    found = {e.uid: _of_exposure(causes, e) for e in exposures}
    others = [c for c in causes if not any(_fits(c, e.endpoint, e.protocol) for e in exposures)]
    return Matched(found, tuple(f for c in others if (f := _other(c, closed))))


def _of_exposure(causes: Sequence[Cause], exposure: Exposure) -> tuple[CauseFinding, ...]:
    fitting = [c for c in causes if _fits(c, exposure.endpoint, exposure.protocol)]
    found = [_finding(c, exposure.endpoint) for c in fitting]
    # Of one configuration with many places, those that explain it count; the closed ones beside
    # them are no conflict.
    made: list[CauseFinding] = []
    explained = {f.cause.product for f in found if f.agreement is Agreement.EXPLAINS}
    for agreement in (Agreement.EXPLAINS, Agreement.UNKNOWN, Agreement.CONFLICT_CLOSED):
        same = [f for f in found if f.agreement is agreement]
        if agreement is not Agreement.EXPLAINS:
            same = [f for f in same if f.cause.product not in explained][:MAX_CONFLICTS]
        if agreement is Agreement.UNKNOWN:
            explained = explained | {f.cause.product for f in same}
        made += same
    return tuple(made)


def _finding(cause: Cause, endpoint: Endpoint) -> CauseFinding:
    """What a fitting cause says of an endpoint that gave data."""
    holds = open_at(cause, endpoint)
    if holds is Truth.YES:
        where = f"open in the configuration, and {endpoint} gave data"
        if not cause.protocol:
            where = f"the network lets strangers reach {endpoint}, if this group guards it"
        # As it is for somebody who reaches this endpoint: that is what the report explains.
        seen = replace(cause, open=holds, factors=tuple(_relative(cause, endpoint)))
        return CauseFinding(cause=seen, agreement=Agreement.EXPLAINS, detail=where)
    if not cause.protocol:
        detail = "whether this group guards the address is not in the file"
        return CauseFinding(cause=cause, agreement=Agreement.UNKNOWN, detail=detail)
    inside = _let_in(cause)
    if holds is Truth.UNKNOWN or inside:
        relative = _relative(cause, endpoint)
        unknown = next((f for f in relative if f.holds is Truth.UNKNOWN), None)
        detail = f"lets in only {inside}"
        if unknown and not inside:
            detail = f"{unknown.directive}: {unknown.value}"
        return CauseFinding(cause=cause, agreement=Agreement.UNKNOWN, detail=detail)
    factor = next(f for f in _relative(cause, endpoint) if f.holds is Truth.NO)
    detail = (
        f"closed by {factor.directive} ({factor.origin}), yet {endpoint} gave data: another file, "
        "a proxy, a port map, or a change that is not loaded"
    )
    return CauseFinding(cause=cause, agreement=Agreement.CONFLICT_CLOSED, detail=detail)


def _let_in(cause: Cause) -> str:
    """Networks that are let in although strangers are not: the probe may have come from one."""
    others = [f for f in cause.factors if f.holds is Truth.NO]
    if len(others) != 1 or others[0].name != "path":
        return ""
    networks = _networks(others[0].value)
    return others[0].value if networks - LOOPBACK else ""


def open_at(cause: Cause, endpoint: Endpoint) -> Truth:
    """Is the cause open for somebody who reaches this endpoint?

    A server on 127.0.0.9 is closed to strangers, yet for a probe of 127.0.0.9 it listens, and
    its client is on this machine.
    """
    return all_of(*(f.holds for f in _relative(cause, endpoint)))


def _relative(cause: Cause, endpoint: Endpoint) -> Iterator[Factor]:
    own = parse(endpoint.address)
    local = own is not None and not own - LOOPBACK
    for factor in cause.factors:
        if factor.name == "listen" and _listens_on(cause, endpoint) is Truth.YES:
            yield _with(factor, Truth.YES)
        elif factor.name == "path" and local and cause.protocol:
            yield _with(factor, _admits_local(factor))
        else:
            yield factor


def _with(factor: Factor, holds: Truth) -> Factor:
    return Factor(
        name=factor.name,
        holds=holds,
        directive=factor.directive,
        value=factor.value,
        origin=factor.origin,
    )


def _networks(text: str) -> AddressSet:
    """The networks in a factor's value."""
    return AddressSet.union(parse(word) or AddressSet() for word in re.split(r"[\s,;]+", text))


def _admits_local(factor: Factor) -> Truth:
    """Does a list of admitted networks let a client on this machine in?"""
    listed = _networks(factor.value)
    if factor.holds is Truth.UNKNOWN or not listed or factor.value.endswith("…"):
        return factor.holds
    local = AddressSet.of("127.0.0.0/8")
    admitted = listed & local
    if admitted == local:
        return Truth.YES
    return Truth.UNKNOWN if admitted else Truth.NO


def _listens_on(cause: Cause, endpoint: Endpoint) -> Truth:
    """Does the service listen on this address? A name in the configuration is UNKNOWN."""
    if not cause.addresses:
        return Truth.UNKNOWN
    wanted = parse(endpoint.address)
    answers = Truth.NO
    for address in cause.addresses:
        own = parse("127.0.0.1" if address == "localhost" else address)
        if own is None:
            if not address.startswith("unix:"):
                answers = Truth.UNKNOWN
        # "::" takes IPv4 as well unless told otherwise (ipv6(7), bindv6only).
        elif own == wanted or own == parse("::") or (own == parse(ANY_V4) and _is_v4(wanted)):
            return Truth.YES
    return answers


def _is_v4(address: AddressSet | None) -> bool:
    return address is not None and bool(address.v4)


def _fits(cause: Cause, endpoint: Endpoint, protocol: str) -> bool:
    """Same protocol, same port, and an address that it may listen on."""
    if not _port_fits(cause, endpoint):
        return False
    if not cause.protocol:
        return True
    carried = cause.protocol == "http" and protocol in CARRIED_BY_HTTP
    same = carried or protocol == cause.protocol
    return same and _listens_on(cause, endpoint) is not Truth.NO


def _port_fits(cause: Cause, endpoint: Endpoint) -> bool:
    ranges = next((f for f in cause.factors if f.name == "ports"), None)
    if ranges is None:
        return not cause.ports or endpoint.port in cause.ports
    transport, _, listed = ranges.value.partition(" ")
    if transport != endpoint.transport:
        return False
    spans = re.findall(r"(\d+)(?:-(\d+))?", listed)
    return any(int(low) <= endpoint.port <= int(high or low) for low, high in spans)


def _other(cause: Cause, closed: Sequence[Observation]) -> CauseFinding | None:
    """An open cause that no exposure goes with."""
    seen = [o for o in closed if _fits(cause, o.endpoint, o.protocol or cause.protocol)]
    for look in seen:
        if cause.protocol and open_at(cause, look.endpoint) is Truth.YES:
            detail = f"open in the configuration, but {look.endpoint} answered: {look.access}"
            return CauseFinding(cause=cause, agreement=Agreement.CONFLICT_OPEN, detail=detail)
    if cause.open is not Truth.YES:
        return None
    detail = "open in the configuration; the probe found no such service to try"
    return CauseFinding(cause=cause, agreement=Agreement.UNKNOWN, detail=detail)
