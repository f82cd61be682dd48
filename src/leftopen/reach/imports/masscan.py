"""masscan: its XML, JSON, NDJSON and list files.

Status and banner of one port are two records. A killed run leaves its array open or its list
without the line "# end": what it holds is read, and a Gap says that the scan did not end.
Field names and layouts: masscan's src/out-json.c, out-ndjson.c, out-text.c, out-xml.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Final

import msgspec

from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.reach import nmaprun_xml
from leftopen.reach.api import Import
from leftopen.reach.imported import Seen, Sweep, decoded, epoch, gap_of, keys, reader

_STATES: Final = {"open": Access.SPEAKS, "closed": Access.CLOSED, "banner": Access.SPEAKS}
_FINISHED: Final = re.compile(rb"^\{\s*finished:\s*1\s*\}\s*$", re.MULTILINE)  # up to 1.0.4


class _Service(msgspec.Struct, gc=False):
    name: str = ""
    banner: str = ""


class _Port(msgspec.Struct, gc=False):
    port: int
    proto: str = "tcp"
    status: str = "open"  # a banner has no status: it came over an open port
    service: _Service | None = None


class _Data(msgspec.Struct, gc=False):
    status: str = "open"
    service_name: str = ""
    banner: str = ""


class _Record(msgspec.Struct, gc=False):
    ip: str
    timestamp: str | int
    ports: list[_Port] | None = None  # JSON
    port: int = 0  # NDJSON, flat
    proto: str = "tcp"
    data: _Data | None = None


_RECORD: Final = msgspec.json.Decoder(_Record)


def _recognise(head: bytes) -> bool:
    if head.startswith(b"#masscan") or (b"<nmaprun" in head and b'scanner="masscan"' in head):
        return True
    names = keys(head)
    return {"ip", "timestamp"} <= names and ("ports" in names or "rec_type" in names)


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    if content.startswith(b"#masscan"):
        return _list(content, path)
    if content[:1024].lstrip().startswith(b"<"):
        return nmaprun_xml.read(content, path)
    return _json(content, path)


def _json(content: bytes, path: str) -> Iterator[Seen | Gap]:
    if b"finished" in content[-64:]:
        content = _FINISHED.sub(b"", content)
    for item in decoded(content, path, _RECORD):
        if isinstance(item, Gap):
            yield item
            continue
        place, record = item
        time = epoch(record.timestamp)
        if record.ports is None:
            data = record.data or _Data()
            name, banner = data.service_name, data.banner
            yield _seen(
                place, record.ip, time, record.port, record.proto, data.status, name, banner
            )
            continue
        for port in record.ports:
            told = port.service or _Service()
            yield _seen(
                place, record.ip, time, port.port, port.proto, port.status, told.name, told.banner
            )


def _list(content: bytes, path: str) -> Iterator[Seen | Gap]:
    ended = False
    for number, line in enumerate(BytesIO(content), 1):
        words = line[:4096].decode("utf-8", "replace").split(" ", 6)
        if words[0].startswith("#") or not line.strip():
            ended = ended or line.strip() == b"# end"
            continue
        if len(words) < 5 or words[0] not in _STATES or not words[2].isdecimal():
            yield gap_of(Reason.UNPARSED, path, number, "not a line of masscan's list")
            continue
        status, transport, port, address, time = words[:5]
        name, banner = (*words[5:], "", "")[:2]
        # int() of five digits at most: a longer number is no port
        value = int(port) if len(port) < 6 else 0
        yield _seen(number, address, epoch(time), value, transport, status, name, banner)
    if not ended:
        yield gap_of(Reason.CORRUPT, path, "", "the list has no end: the scan was stopped")


def _seen(
    place: int | str, address: str, time: datetime | None, port: int, transport: str, *told: str
) -> Seen:
    status, name, banner = told
    return Seen(
        place=place,
        address=address,
        port=port,
        time=time,
        access=_STATES.get(status, Access.UNDETERMINED),
        transport=transport,
        service=name.strip(),
        detail=banner.strip() or name.strip(),
        tls=name.strip() in ("ssl", "X509"),
    )


MASSCAN = Import(
    name="masscan",
    recognise=_recognise,
    read=reader("masscan", _records),
    source="https://github.com/robertdavidgraham/masscan",
)
MASSCAN_SWEEP = Sweep("masscan", _recognise, _records)
