"""Netlas: responses of its search and its downloads.

A response is seen at its `@timestamp` (`last_updated` where that is missing). One port gives one
response for each path and name; each is an observation of its own. Only the title is shown, never
a body. Source: https://docs.netlas.io/, netlas-python's README.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

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
    reader,
)


class _Http(msgspec.Struct, gc=False):
    title: str | None = None


class _Data(msgspec.Struct, gc=False):
    ip: str
    port: int
    protocol: str = ""
    prot4: str = "tcp"
    prot7: str = ""
    seen: str = msgspec.field(name="@timestamp", default="")
    last_updated: str = ""
    host: str = ""
    host_type: str = ""
    http: _Http | None = None
    certificate: msgspec.Raw = NOTHING


class _Document(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    data: msgspec.Raw = NOTHING


_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_DATA: Final = msgspec.json.Decoder(_Data)
_PROTOCOLS: Final = {"prot4", "prot7"}


def _recognise(head: bytes) -> bool:
    names = keys(head)
    return "items" in names or bool(names & _PROTOCOLS) or _wrapped(names, head)


def _wrapped(names: frozenset[str], head: bytes) -> bool:
    """Lines of {"data": {...}}: the names of a response stand one level below."""
    return "data" in names and not names & {"ip", "domain"} and b'"prot7"' in head


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    for item in decoded(content, path, _DOCUMENT):
        if isinstance(item, Gap):
            yield item
            continue
        place, document = item
        if document.items is not None:
            if not document.items:
                yield gap_of(Reason.EMPTY, path, place, "a search without a response")
            for number, raw in enumerate(document.items):
                yield _item(bytes(raw), path, f"{place} items[{number}]".strip())
        elif given(document.data):
            yield _response(bytes(document.data), path, place)
        else:
            yield gap_of(Reason.UNPARSED, path, place, "not a Netlas response")


def _item(raw: bytes, path: str, place: str) -> Seen | Gap:
    try:
        inner = _DOCUMENT.decode(raw).data
    except UNDECODABLE as e:
        return gap_of(Reason.UNPARSED, path, place, str(e))
    return _response(bytes(inner) if given(inner) else raw, path, place)


def _response(raw: bytes, path: str, place: int | str) -> Seen | Gap:
    try:
        data = _DATA.decode(raw)
    except UNDECODABLE as e:
        return gap_of(Reason.UNPARSED, path, place, str(e))
    title = data.http.title if data.http else None
    return Seen(
        place=place,
        address=data.ip,
        port=data.port,
        time=moment(data.seen or data.last_updated),
        transport=data.prot4 or "tcp",
        service=data.prot7 or data.protocol,
        detail=title or data.protocol,
        name=data.host if data.host_type == "domain" else "",
        tls=given(data.certificate) or data.protocol == f"{data.prot7}s",
    )


NETLAS = Import(
    name="netlas",
    recognise=_recognise,
    read=reader("netlas", _records, "outside"),
    source="https://docs.netlas.io/",
)
