"""Shadowserver: the daily scan_* reports as CSV, by the names in their header.

The order of columns changes over the years, so the header alone says what a field is. The type
of a report is in its file name (`YYYY-MM-DD-<type>-...csv`), else in the column `tag`. Times are
UTC. `hostname` is reverse DNS, not a name that was asked for, and left out. Reports of other
families (honeypots, sinkholes) tell about clients, not about services.
Source: https://www.shadowserver.org/what-we-do/network-reporting/ and its report_schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePath
from typing import Final

from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Import
from leftopen.reach.imported import (
    Seen,
    csv_records,
    gap_of,
    header_of,
    moment,
    port_of,
    protocol_named,
    reader,
)

_NEEDED: Final = frozenset({"timestamp", "ip", "port"})
_NAME: Final = re.compile(r"^\d{4}-\d\d-\d\d-([a-z0-9_]+)")
_SCAN: Final = re.compile(r"^(?:scan6?|compromised|device_id6?)_")
_COMPANION: Final = frozenset({"tag", "asn", "geo", "severity", "protocol"})


def _header(head: bytes) -> list[str]:
    return [name.strip().strip('"').lower() for name in header_of(head).split(",")]


def _recognise(head: bytes) -> bool:
    names = set(_header(head))
    return names >= _NEEDED and len(names & _COMPANION) > 2


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    found = _NAME.match(PurePath(path).name)
    kind = found[1] if found else ""
    if kind and not kind.startswith(("scan_", "scan6_")):
        count = max(0, content.count(b"\n") - 1)
        yield gap_of(Reason.UNSUPPORTED, path, "", f"not a scan report: {kind}", count=count)
        return
    names = _header(content[:65_536])
    for item in csv_records(content, path, names):
        yield item if isinstance(item, Gap) else _seen(*item, kind)


def _seen(number: int, row: dict[str, str], kind: str) -> Seen:
    port, tag = row["port"], row.get("tag", "")
    service, tls = _service(kind, tag)
    severity = row.get("severity", "")
    said = f"Shadowserver {kind or tag}" + (f", severity {severity}" if severity else "")
    return Seen(
        place=number,
        address=row["ip"],
        port=port_of(port),
        time=moment(row["timestamp"]),
        transport=row.get("protocol", "").lower() or "tcp",
        service=service,
        detail=said,
        product=row.get("product", ""),
        version=row.get("version", ""),
        tls=tls,
    )


@lru_cache(maxsize=1024)
def _service(kind: str, tag: str) -> tuple[str, bool]:
    """The service that a type and a tag name, ours where one of the words is, and TLS."""
    words = (_SCAN.sub("", kind), *re.split(r"[;,]", tag))
    named = next((word for word in words if protocol_named(word)), words[0] or words[1])
    return named, "ssl" in words or "tls" in words


SHADOWSERVER = Import(
    name="shadowserver",
    recognise=_recognise,
    read=reader("shadowserver", _records, "outside"),
    source="https://www.shadowserver.org/what-we-do/network-reporting/",
)
