"""ZGrab2: JSON lines, one host a line, one answer a module.

Status "success" means that the module's protocol was spoken; a protocol error means that the port
is open and something else is behind it. Old versions wrote no port: such an answer is a Gap.
The transcript itself is not read. Source: zgrab2's README.md and scanner status words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Import
from leftopen.reach.imported import NOTHING, Seen, decoded, gap_of, given, keys, moment, reader

_STATES: Final = {
    "success": Access.SPEAKS,
    "protocol-error": Access.SPEAKS,
    "application-error": Access.SPEAKS,
    "connection-refused": Access.CLOSED,
    "connection-timeout": Access.FILTERED,
}
_UDP: Final = frozenset({"ntp", "bacnet"})


class _Grab(msgspec.Struct, gc=False):
    status: str = ""
    protocol: str = ""
    port: int = 0
    timestamp: str = ""


class _Line(msgspec.Struct):
    ip: str = ""
    domain: str = ""
    data: dict[str, _Grab] = {}
    statuses: msgspec.Raw = NOTHING  # the summary that ends a run


_LINE: Final = msgspec.json.Decoder(_Line)
_OTHERS: Final = {"port", "rec_type", "event_type", "items"}


def _recognise(head: bytes) -> bool:
    names = keys(head)
    host = bool(names & {"ip", "domain"})
    return host and "data" in names and (names <= {"ip", "domain", "data", "tag"} or _pretty(names))


def _pretty(names: frozenset[str]) -> bool:
    """Names of every level, in a file that is not in lines."""
    return {"status", "protocol", "timestamp"} <= names and not names & (_OTHERS - {"port"})


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    for item in decoded(content, path, _LINE):
        if isinstance(item, Gap):
            yield item
            continue
        place, line = item
        if not line.data and not given(line.statuses):
            yield gap_of(Reason.EMPTY, path, place, "a host without an answer")
        for module, grab in line.data.items():
            if not grab.port:
                yield gap_of(Reason.UNPARSED, path, place, f"{module}: an answer without a port")
                continue
            yield _seen(place, line, module, grab)


def _seen(place: int | str, line: _Line, module: str, grab: _Grab) -> Seen:
    word = grab.protocol or module
    spoken = grab.status == "success"
    return Seen(
        place=place,
        address=line.ip,
        port=grab.port,
        time=moment(grab.timestamp),
        access=_STATES.get(grab.status, Access.UNDETERMINED),
        transport="udp" if word in _UDP else "tcp",
        service=word if spoken else "",
        detail=f"zgrab2 {module}: {grab.status}",
        name=line.domain,
        tls=spoken and word == "tls",
    )


ZGRAB2 = Import(
    name="zgrab2",
    recognise=_recognise,
    read=reader("zgrab2", _records),
    source="https://github.com/zmap/zgrab2",
)
