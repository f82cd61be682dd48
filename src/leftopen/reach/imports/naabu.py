"""naabu: JSON lines (-json), one open port a line.

Field names: naabu's pkg/runner/output.go. A line without a port is a host that answered with no
open port. The host name is what was asked for, but the port belongs to the address: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Import
from leftopen.reach.imported import Seen, Sweep, decoded, gap_of, keys, moment, reader


class _Line(msgspec.Struct, gc=False):
    port: int = 0
    ip: str = ""
    host: str = ""
    protocol: str = "tcp"
    timestamp: str = ""
    tls: bool = False
    name: str = ""
    product: str = ""
    version: str = ""
    cdn: bool = False
    cdn_name: str = msgspec.field(name="cdn-name", default="")


_LINE: Final = msgspec.json.Decoder(_Line)
_OTHERS: Final = {"rec_type", "event_type", "services", "data", "ports", "ranges", "resource"}


def _recognise(head: bytes) -> bool:
    names = keys(head)
    return bool(names & {"ip", "host"}) and {"port", "timestamp"} <= names and not names & _OTHERS


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    for item in decoded(content, path, _LINE):
        if isinstance(item, Gap):
            yield item
            continue
        place, line = item
        if not line.port:
            yield gap_of(Reason.EMPTY, path, place, "a host without an open port")
            continue
        network = f"an address of a content network: {line.cdn_name}" if line.cdn else ""
        yield Seen(
            place=place,
            address=line.ip or line.host,
            port=line.port,
            time=moment(line.timestamp),
            transport=line.protocol or "tcp",
            service=line.name,
            detail=network,
            product=line.product,
            version=line.version,
            tls=line.tls,
        )


NAABU = Import(
    name="naabu",
    recognise=_recognise,
    read=reader("naabu", _records),
    source="https://docs.projectdiscovery.io/tools/naabu/running",
)
NAABU_SWEEP = Sweep("naabu", _recognise, _records)
