"""Google Cloud VPC flow logs (Cloud Logging entries, JSON).

One entry a line (a sink's export) or a list (gcloud --format=json). Traps, each handled here:
counts are text; one record counts one direction, src to dest; the reporter tells which end is
ours, and where both ends are ours both report, so bytes are taken from the sender's report alone
and never twice; packets are sampled by design and the counts are estimates, so a small flow can be
missing: said as a Gap for every file, and the format is not tight; the protocol is a number and
port fields are absent for ICMP (cloud.google.com/vpc/docs/about-flow-logs-records).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Trouble
from leftopen.trace.flow_ends import ends, one_way
from leftopen.trace.instants import address, utc
from leftopen.trace.json_records import BAD_JSON, natural, records
from leftopen.trace.lines import BAD_KEPT, empty

BATCH = 200_000  # records made into columns at once
SAMPLED = "Google samples packets by design: small flows can be missing, bytes are estimates"
MARK = b"vpc_flows"


class _Connection(msgspec.Struct):
    src_ip: str
    dest_ip: str
    src_port: int | str = 0
    dest_port: int | str = 0


class _Payload(msgspec.Struct):
    connection: _Connection
    start_time: str = ""
    end_time: str = ""
    bytes_sent: int | str | float | None = None
    reporter: str = ""


class _Entry(msgspec.Struct):
    jsonPayload: _Payload
    timestamp: str = ""


_entry = msgspec.json.Decoder(_Entry)
Values = tuple[int, int, str, str, int, int, int | None, bool | None]
_COLUMNS: dict[str, pl.DataType] = {
    "line": pl.Int64(),
    "time": pl.Int64(),
    "source": pl.String(),
    "target": pl.String(),
    "source_port": pl.Int64(),
    "target_port": pl.Int64(),
    "size": pl.Int64(),
    "egress": pl.Boolean(),
}


def recognise(head: bytes, name: str) -> int:
    """By the name of the log, or by the shape of the connection."""
    if head.lstrip()[:1] not in (b"{", b"["):
        return 0
    shape = b'"jsonPayload"' in head and b'"src_ip"' in head and b'"dest_ip"' in head
    return (97 if MARK in head else 85 if b'"reporter"' in head else 0) if shape else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Each record as what it says of our side and the far one."""
    number, said = 1, False
    for part in records(blocks, "entries"):
        for at in range(0, max(1, len(part.raws)), BATCH):
            last = at + BATCH >= len(part.raws)
            batch = part.raws[at : at + BATCH]
            values = [_values(n, raw) for n, raw in enumerate(batch, number)]
            bad = [n for n, value in enumerate(values, number) if value is None]
            broken, blank = (part.broken, part.blank) if last else (0, 0)
            troubles = part.troubles if last else ()
            rows = _rows([value for value in values if value is not None], options.port)
            if not said and not rows.is_empty():
                troubles, said = (*troubles, Trouble(Reason.NOT_SAMPLED, SAMPLED)), True
            yield Chunk(
                rows=rows,
                lines=len(batch) + broken + blank,
                rejected=len(bad) + broken,
                blank=blank,
                bad=tuple(bad[:BAD_KEPT]),
                troubles=troubles,
            )
            number += len(batch) + broken + blank


def _values(number: int, raw: msgspec.Raw | bytes) -> Values | None:
    try:
        entry = _entry.decode(raw)
    except BAD_JSON:
        return None
    payload = entry.jsonPayload
    ends = payload.connection
    time = utc(payload.end_time or payload.start_time or entry.timestamp)
    source, target = address(ends.src_ip), address(ends.dest_ip)
    ports = natural(ends.src_port), natural(ends.dest_port)
    size = natural(payload.bytes_sent)
    if (
        time is None
        or source is None
        or target is None
        or (size is None) != (payload.bytes_sent in (None, ""))
    ):
        return None
    if ports[0] is None or ports[1] is None or max(ports[0], ports[1]) > 65535:
        return None
    egress = {"SRC": True, "SRC_GATEWAY": True, "DEST": False, "DEST_GATEWAY": False}
    return number, time, source, target, *ports, size, egress.get(payload.reporter)  # type: ignore[return-value]  # both ports were checked


def _rows(values: list[Values], port: int | None) -> pl.DataFrame:
    if not values:
        return empty()
    columns = dict(zip(_COLUMNS, zip(*values, strict=True), strict=True))
    flows = (
        pl.DataFrame(columns, schema=_COLUMNS)
        .lazy()
        .with_columns(flags=pl.lit(0, dtype=pl.Int64), denied=pl.lit(False))
    )
    return one_way(ends(flows), port).collect()


def _entry_of(**changes: object) -> dict[str, object]:
    values = {
        "src_ip": "10.0.0.4",
        "src_port": 443,
        "dest_ip": "203.0.113.9",
        "dest_port": 50123,
        "bytes_sent": "2097152",
        "reporter": "SRC",
        "end_time": "2023-02-08T03:12:45.123456789Z",
    } | changes
    ends = {n: values[n] for n in ("src_ip", "src_port", "dest_ip", "dest_port")}
    payload = {n: values[n] for n in ("bytes_sent", "reporter", "end_time")}
    return {
        "insertId": "1kexlvcf8a3vj9",
        "jsonPayload": payload | {"connection": ends | {"protocol": 6}, "packets_sent": "70"},
        "logName": "projects/p/logs/compute.googleapis.com%2Fvpc_flows",
        "timestamp": "2023-02-08T03:12:52Z",
    }


def _example(**changes: object) -> str:
    return json.dumps(_entry_of(**changes)) + "\n"


_ASK = {"src_ip": "203.0.113.9", "src_port": 50123, "dest_ip": "10.0.0.4", "dest_port": 443}

FORMAT = LogFormat(
    name="gcp_vpc_flow",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=False,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=_example()
            + _example(**_ASK, reporter="DEST", bytes_sent="900")
            + _example(reporter="DEST")
            + _example(bytes_sent=None)
            + _example(src_port=50000, dest_port=443),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": 2097152,
                    "act": Act.LOOKED,
                },
                {"line": 2, "client": "203.0.113.9", "port": 443, "bytes": 0, "act": Act.TOUCHED},
                {"line": 3, "client": None, "bytes": 0},
                {"line": 4, "client": "203.0.113.9", "bytes": None, "act": Act.LOOKED},
                {"line": 5, "client": None},
            ),
        ),
        Example(
            text="[" + _example().strip() + "]",
            rows=({"line": 1, "client": "203.0.113.9", "bytes": 2097152},),
        ),
    ),
    counterexamples=(
        _example(end_time="9999-12-31T23:59:59Z"),
        _example(dest_ip="nobody"),
        _example(bytes_sent="-5"),
        _example(dest_port=70000),
        '{"jsonPayload": {"connection": {"src_ip": 5}}, "logName": "vpc_flows"}\n',
    ),
    source="cloud.google.com/vpc/docs/about-flow-logs-records",
    unit="record",
)
