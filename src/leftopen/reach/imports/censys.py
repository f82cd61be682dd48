"""Censys: hosts of the Platform and of the legacy Search v2, and ranges of observation.

A HostObservationRange says when a port was first and last seen: two observations. Names of
misconfigurations are shown, but no Censys record claims contents by itself.
Source: https://docs.censys.com/, the Platform API's schemas; Search v2 as of 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec

from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Import
from leftopen.reach.imported import (
    NOTHING,
    UNDECODABLE,
    Seen,
    decoded,
    gap_of,
    given,
    keys,
    moment,
    port_of,
    reader,
)

T = TypeVar("T")
MAX_DEPTH: Final = 6  # result > hits > host_v1 > resource > services
_WRAPPERS: Final = ("result", "resource", "host", "host_v1")


class _Software(msgspec.Struct, gc=False):
    product: str | None = None
    version: str | None = None


class _Named(msgspec.Struct, gc=False):
    name: str = ""


class _Service(msgspec.Struct, gc=False):
    port: int
    transport_protocol: str = "tcp"
    protocol: str = ""
    service_name: str = ""  # legacy
    extended_service_name: str = ""  # legacy: HTTPS where service_name says HTTP
    scan_time: str | None = None
    observed_at: str | None = None  # legacy
    software: list[_Software] | None = None
    misconfigs: list[_Named] | None = None
    exposures: list[_Named] | None = None
    tls: Any = None


class _Range(msgspec.Struct, gc=False):
    ip: str
    port: int | str
    start_time: str
    end_time: str
    transport_protocol: str = "tcp"
    protocols: list[str] | None = None
    protocol: str = ""  # ServiceOnHostRange


class _Node(msgspec.Struct):
    """Any level of a document; what is not here is skipped."""

    ip: str = ""
    services: list[msgspec.Raw] | None = None
    ranges: list[msgspec.Raw] | None = None
    hits: list[msgspec.Raw] | None = None
    result: msgspec.Raw = NOTHING
    resource: msgspec.Raw = NOTHING
    host: msgspec.Raw = NOTHING
    host_v1: msgspec.Raw = NOTHING
    start_time: str = ""


_NODE: Final = msgspec.json.Decoder(_Node)
_SERVICE: Final = msgspec.json.Decoder(_Service)
_RANGE: Final = msgspec.json.Decoder(_Range)


def _recognise(head: bytes) -> bool:
    names = keys(head)
    if names & {"event_type", "items", "rec_type"}:
        return False
    ranges = "ranges" in names or {"ip", "port", "start_time", "end_time"} <= names
    return ranges or bool(names & {"result", "resource", "host_v1"}) or {"ip", "services"} <= names


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    for item in decoded(content, path, msgspec.json.Decoder(msgspec.Raw)):
        if isinstance(item, Gap):
            yield item
        else:
            yield from _node(bytes(item[1]), path, item[0], MAX_DEPTH)


def _node(raw: bytes, path: str, place: int | str, depth: int) -> Iterator[Seen | Gap]:
    node = _value(raw, _NODE, path, place)
    if isinstance(node, Gap):
        yield node
    elif not depth:
        yield gap_of(Reason.TOO_DEEP, path, place, "nested deeper than any Censys document")
    elif node.start_time:
        yield from _range(raw, path, place)
    elif node.services is not None:
        for number, service in enumerate(node.services):
            yield _service(bytes(service), path, f"{place} services[{number}]".strip(), node.ip)
    elif node.ranges is not None:
        for number, one in enumerate(node.ranges):
            yield from _range(bytes(one), path, f"{place} ranges[{number}]".strip())
    elif node.hits is not None:
        for number, hit in enumerate(node.hits):
            yield from _node(bytes(hit), path, f"{place} hits[{number}]".strip(), depth - 1)
    else:
        inner = next((i for w in _WRAPPERS if given(i := getattr(node, w))), None)
        if inner is None:
            yield gap_of(Reason.EMPTY, path, place, "neither services nor ranges")
        else:
            yield from _node(bytes(inner), path, place, depth - 1)


def _value(raw: bytes, decoder: msgspec.json.Decoder[T], path: str, place: int | str) -> T | Gap:
    try:
        return decoder.decode(raw)
    except UNDECODABLE as e:
        return gap_of(Reason.UNPARSED, path, place, str(e))


def _service(raw: bytes, path: str, place: str, address: str) -> Seen | Gap:
    service = _value(raw, _SERVICE, path, place)
    if isinstance(service, Gap):
        return service
    software = next((s for s in service.software or () if s.product), _Software())
    issues = [i.name for i in (*(service.misconfigs or ()), *(service.exposures or ())) if i.name]
    word = service.protocol or service.extended_service_name or service.service_name
    return Seen(
        place=place,
        address=address,
        port=service.port,
        time=moment(service.scan_time or service.observed_at or ""),
        transport=_transport(service.transport_protocol),
        service=word,
        detail=f"Censys names: {', '.join(issues)}" if issues else "",
        product=software.product or "",
        version=software.version or "",
        tls=service.tls is not None or word.upper() == "HTTPS",
    )


def _range(raw: bytes, path: str, place: int | str) -> Iterator[Seen | Gap]:
    one = _value(raw, _RANGE, path, place)
    if isinstance(one, Gap):
        yield one
        return
    start, end = moment(one.start_time), moment(one.end_time)
    port = str(one.port)
    if start is None or end is None or end < start:
        yield gap_of(Reason.NO_TIME, path, place, "a range without its two times")
        return
    for time, edge in ((start, "first"), (end, "last"))[: 1 if start == end else 2]:
        yield Seen(
            place=place,
            address=one.ip,
            port=port_of(port),
            time=time,
            transport=_transport(one.transport_protocol),
            service=one.protocol or next(iter(one.protocols or ()), ""),
            detail=f"{edge} seen, in a range of Censys",
        )


def _transport(word: str) -> str:
    """QUIC runs over UDP."""
    word = word.lower() or "tcp"
    return "udp" if word == "quic" else word


CENSYS = Import(
    name="censys",
    recognise=_recognise,
    read=reader("censys", _records, "outside"),
    source="https://docs.censys.com/",
)
