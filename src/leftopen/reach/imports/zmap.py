"""ZMap: the CSV of its output module, by the names in its header.

Only rows of success are open (classification synack for TCP, anything but a reset or an ICMP
error elsewhere). Without a column of times a row is a target and no observation; without a
column of ports it is neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Import
from leftopen.reach.imported import (
    Seen,
    Sweep,
    canonical,
    csv_records,
    epoch,
    gap_of,
    header_of,
    moment,
    port_of,
    reader,
)

_FIELD: Final = re.compile(r"[a-z0-9_-]{1,40}")
_OPEN: Final = frozenset({"synack", "udp", "dns", "ntp", "upnp", ""})
_ZONE: Final = re.compile(r"([+-]\d\d)(\d\d)$")


def _columns(head: bytes) -> list[str]:
    """The header's names; a file of one column of addresses has none."""
    line = header_of(head)
    names = line.split(",")
    if "saddr" in names and all(_FIELD.fullmatch(name) for name in names):
        return names
    return ["saddr"] if canonical(line) else []


def _recognise(head: bytes) -> bool:
    return bool(_columns(head))


def _records(content: bytes, path: str) -> Iterator[Seen | Gap]:
    names = _columns(content[:4096])
    if "sport" not in names:
        count = content.count(b"\n")
        yield gap_of(Reason.UNSUPPORTED, path, "", "no column sport: ports unknown", count=count)
        return
    for item in csv_records(content, path, names):
        yield item if isinstance(item, Gap) else _seen(*item)


def _seen(number: int, row: dict[str, str]) -> Seen:
    port, kind = row["sport"], row.get("classification", "")
    seen = _ZONE.sub(r"\1:\2", row.get("timestamp_str", ""))
    stamp = row.get("timestamp_ts") or row.get("timestamp-ts") or ""
    success = row.get("success", "1") in ("1", "true") and kind in _OPEN
    return Seen(
        place=number,
        address=row["saddr"],
        port=port_of(port),
        time=moment(seen) if seen else epoch(stamp),
        access=_access(success, kind),
        transport="tcp" if kind in ("synack", "rst", "") else "udp",
        detail=f"ZMap classification {kind}" if kind else "",
    )


def _access(success: bool, kind: str) -> Access:
    if success:
        return Access.SPEAKS
    return Access.CLOSED if kind == "rst" else Access.UNDETERMINED


ZMAP = Import(
    name="zmap",
    recognise=_recognise,
    read=reader("zmap", _records),
    source="https://github.com/zmap/zmap/wiki",
)
ZMAP_SWEEP = Sweep("zmap", _recognise, _records)
