"""LeakIX: l9event records, one JSON value a line or an array.

An event that counts rows says that data came out: it GIVES_DATA. All else SPEAKS. The summary is
the service's own text and may be the leak itself: it is never taken over, nor any credential.
Source: https://github.com/LeakIX/l9format (l9event.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from leftopen.model.exposure import Access, Size
from leftopen.model.gap import Gap
from leftopen.reach.api import Import
from leftopen.reach.imported import Seen, decoded, keys, moment, port_of, protocol_named, reader

_PLUGIN: Final = re.compile(r"(?:Http|Open|NoAuth)*Plugin$|(?:Http|Open|NoAuth)+$")


class _Dataset(msgspec.Struct, gc=False):
    rows: int = 0
    files: int = 0
    size: int = 0
    collections: int = 0
    infected: bool = False


class _Leak(msgspec.Struct, gc=False):
    stage: str = ""
    severity: str = ""
    dataset: _Dataset | None = None


class _Software(msgspec.Struct, gc=False):
    name: str = ""
    version: str = ""


class _Credentials(msgspec.Struct, gc=False):
    noauth: bool = False


class _Service(msgspec.Struct, gc=False):
    software: _Software | None = None
    credentials: _Credentials | None = None


class _Ssl(msgspec.Struct, gc=False):
    enabled: bool = False


class _Event(msgspec.Struct, gc=False):
    ip: str
    port: str | int
    time: str
    event_type: str = ""
    event_source: str = ""
    host: str = ""
    transport: list[str] | None = None
    protocol: str = ""
    leak: _Leak | None = None
    service: _Service | None = None
    ssl: _Ssl | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)


def _recognise(head: bytes) -> bool:
    return {"event_type", "event_source"} <= keys(head)


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    for item in decoded(content, path, _EVENT):
        yield item if isinstance(item, Gap) else _seen(*item)


def _seen(place: int | str, event: _Event) -> Seen:
    dataset = (event.leak.dataset if event.leak else None) or _Dataset()
    software = (event.service.software if event.service else None) or _Software()
    layers, port = event.transport or [], str(event.port)
    # a plugin is named for what it found: ElasticSearchOpenPlugin speaks HTTP as well
    plugin = _named(event.event_source)
    return Seen(
        place=place,
        address=event.ip,
        port=port_of(port),
        time=moment(event.time),
        access=Access.GIVES_DATA if dataset.rows > 0 else Access.SPEAKS,
        transport="udp" if "udp" in layers else "tcp",
        service=plugin or event.protocol,
        detail=_words(event, dataset),
        product=software.name,
        version=software.version,
        name="" if event.host == event.ip else event.host,
        tls="tls" in layers or bool(event.ssl and event.ssl.enabled),
        size=_size(dataset) if dataset.rows > 0 else None,
    )


@lru_cache(maxsize=1024)
def _named(source: str) -> str:
    """What a plugin is named for, where that is a protocol of ours."""
    return protocol_named(_PLUGIN.sub("", source))


def _size(dataset: _Dataset) -> Size:
    held = dataset.size if dataset.size > 0 else None
    basis = "l9event leak.dataset, as LeakIX counted"
    return Size(objects=dataset.rows, bytes=held, unit="rows", basis=basis, complete=False)


def _words(event: _Event, dataset: _Dataset) -> str:
    """The counts, in words of our own."""
    counts = (
        (dataset.rows, "rows"),
        (dataset.files, "files"),
        (dataset.collections, "collections"),
        (dataset.size, "bytes"),
    )
    said = [f"LeakIX {event.event_type} by {event.event_source}"]
    if event.leak and event.leak.severity:
        said.append(f"severity {event.leak.severity}")
    said.extend(f"{number} {unit}" for number, unit in counts if number > 0)
    credentials = event.service.credentials if event.service else None
    if credentials and credentials.noauth:
        said.append("no login asked")
    if dataset.infected:
        said.append("marked as infected (ransom note)")
    return ", ".join(said)


LEAKIX = Import(
    name="leakix",
    recognise=_recognise,
    read=reader("leakix", _records, "outside"),
    source="https://github.com/LeakIX/l9format",
)
