"""Azure virtual network flow logs (VNet flow logs, version 4, JSON).

One file per hour and network interface (PT1H.json). Traps, each of them handled here:
times are milliseconds; the protocol is a number; "sent" counts from source to destination, so of
an inbound flow it is "received" that left; a state D tuple was denied (there is no other ruling
field); a B tuple is filled with zeros, which count nothing; C and E hold deltas and are summed;
a blank count is unknown, never 0; the encryption field (X, NX, NX_reason) stands between state
and counts; tuples are grouped by rule, so their order says nothing of time. Where NSG flow logs
are on as well, the same bytes stand in both: they are told apart by `origin` and reconciled,
never added (learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import polars as pl

from leftopen.trace import azure_flows
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Trouble
from leftopen.trace.azure_flows import BATCH, HOUR
from leftopen.trace.clock import LAST
from leftopen.trace.instants import ADDRESS, utc
from leftopen.trace.json_records import BAD_JSON, records
from leftopen.trace.lines import empty

# Nothing that a CSV reader could stumble over passes it: no quote, no newline, 13 fields.
SHAPE = (
    rf"^[0-9]{{1,15}},{ADDRESS},{ADDRESS},[0-9]{{1,5}},[0-9]{{1,5}},[0-9]{{1,3}},[IO],[BCED],"
    r"[A-Z_a-z]{1,40},[0-9]{0,18},[0-9]{0,18},[0-9]{0,18},[0-9]{0,18}$"
)
_TEXT, _COUNT = pl.String(), pl.Int64()
FIELDS: dict[str, pl.DataType] = {
    "at": _COUNT,
    "source": _TEXT,
    "target": _TEXT,
    "source_port": _COUNT,
    "port": _COUNT,
    "protocol": _COUNT,
    "way": _TEXT,
    "state": _TEXT,
    "encryption": _TEXT,
    "packets_in": _COUNT,
    "bytes_in": _COUNT,
    "packets_out": _COUNT,
    "sent": _COUNT,
}
USED = ("at", "source", "port", "way", "state", "sent")


class _Group(msgspec.Struct):
    flowTuples: list[str]


class _Flow(msgspec.Struct):
    flowGroups: list[_Group]


class _Flows(msgspec.Struct):
    flows: list[_Flow]


class _Record(msgspec.Struct):
    flowRecords: _Flows
    time: str = ""
    targetResourceID: str = ""
    macAddress: str = ""


_record = msgspec.json.Decoder(_Record)


def recognise(head: bytes, name: str) -> int:
    """By the category, or by the shape around the tuples."""
    if head.lstrip()[:1] not in (b"{", b"["):
        return 0
    if b'"FlowLogFlowEvent"' in head:
        return 98
    return 90 if b'"flowRecords"' in head and b'"flowTuples"' in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Inbound flows by client and local port. One "line" is one tuple, or one broken record."""
    reader = _Reader(options.port)
    for part in records(blocks, "records"):
        for raw in part.raws:
            reader.take(raw)
            if len(reader.tuples) >= BATCH:
                yield reader.chunk()
        yield reader.chunk(part.broken, part.troubles)


class _Reader:
    """Collects tuples and makes columns of them."""

    def __init__(self, port: int | None) -> None:
        self.tuples: list[str] = []
        self._port = port
        self._number = 1
        self._claimed: set[int] = set()
        self._origin = ""
        self._failed = 0

    def take(self, raw: msgspec.Raw | bytes) -> None:
        """One record."""
        try:
            record = _record.decode(raw)
        except BAD_JSON:
            self._failed += 1
            return
        time = utc(record.time)
        if time is not None:
            self._claimed.add(time // HOUR * HOUR)
        if not self._origin and record.targetResourceID:
            self._origin = azure_flows.origin_of(record.targetResourceID, record.macAddress)
        for flow in record.flowRecords.flows:
            for group in flow.flowGroups:
                self.tuples += group.flowTuples

    def chunk(self, broken: int = 0, troubles: tuple[Trouble, ...] = ()) -> Chunk:
        """What was collected, as columns."""
        failed = self._failed + broken
        made = azure_flows.chunk(
            *_columns(self.tuples, self._number, self._port),
            lines=len(self.tuples) + failed,
            failed=failed,
            hours=self._claimed,
            origin=self._origin,
            troubles=(*troubles, *azure_flows.failures(self._failed)),
        )
        self._number += made.lines
        self.tuples, self._failed, self._claimed = [], 0, set()
        return made


def _columns(tuples: list[str], first: int, port: int | None) -> tuple[pl.DataFrame, pl.Series]:
    """Rows in SCHEMA, and the numbers of the tuples that are none."""
    text = pl.Series("text", tuples, dtype=pl.String)
    number = pl.int_range(first, first + len(tuples), dtype=pl.Int64, eager=True).alias("line")
    shaped = text.str.contains(SHAPE)
    joined = "\n".join(tuples if shaped.all() else text.filter(shaped).to_list())
    if not joined:
        return empty(), number.filter(~shaped)
    table = pl.scan_csv(joined.encode(), has_header=False, schema=FIELDS).select(USED).collect()
    fields = table.with_columns(number.filter(shaped), (pl.col("at") // 1000).alias("time"))
    right = (fields["time"] <= LAST) & (fields["port"] <= 65535)
    bad = pl.concat([number.filter(~shaped), fields["line"].filter(~right)]).sort()
    return _normal(fields.lazy().filter(right), port).collect(), bad


def _normal(good: pl.LazyFrame, port: int | None) -> pl.LazyFrame:
    return azure_flows.inbound(good, port, silent=pl.col("state").is_in(["D", "B"]))


def _example(*tuples: str) -> str:
    group = {"rule": "UserRule_any", "flowTuples": list(tuples)}
    record = {
        "time": "2023-02-08T03:00:52.5625085Z",
        "flowLogVersion": 4,
        "macAddress": "002248C31CA3",
        "category": "FlowLogFlowEvent",
        "targetResourceID": "/subscriptions/0/virtualNetworks/v",
        "operationName": "FlowLogFlowEvent",
        "flowRecords": {"flows": [{"aclID": "0", "flowGroups": [group]}]},
    }
    return json.dumps({"records": [record]})


FORMAT = LogFormat(
    name="azure_vnet_flow",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=False,
    tight=True,
    stamped="start (B), end (C, E)",
    has_zone=True,
    examples=(
        Example(
            text=_example(
                "1675825965599,203.0.113.9,10.0.0.6,23956,443,6,I,B,NX,0,0,0,0",
                "1675825966606,203.0.113.9,10.0.0.6,23956,443,6,I,E,NX,3,767,2,1580",
                "1675825967637,203.0.113.9,10.0.0.6,22730,443,6,I,C,X,3,705,4,",
                "1675825968637,198.51.100.4,10.0.0.6,22730,22,6,I,D,NX,0,0,0,0",
                "1675825969637,10.0.0.6,192.0.2.180,22730,443,6,O,E,NX_HW_NOT_SUPPORTED,3,705,4,45",
                "1675825970637,2001:DB8::9,2001:db8::4,22730,2049,17,I,E,NX,3,705,4,99",
            ),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": 0,
                    "act": Act.TOUCHED,
                },
                {"line": 2, "bytes": 1580, "act": Act.LOOKED},
                {"line": 3, "bytes": None, "act": Act.LOOKED},
                {"line": 4, "client": "198.51.100.4", "port": 22, "bytes": 0, "act": Act.TOUCHED},
                {"line": 5, "client": None},
                {"line": 6, "client": "2001:db8::9", "port": 2049, "bytes": 99},
            ),
        ),
    ),
    counterexamples=(
        _example("1675825965599,203.0.113.9,10.0.0.6,23956,443,6,I,X,NX,0,0,0,0"),
        _example("253402300799999,203.0.113.9,10.0.0.6,23956,443,6,I,E,NX,0,0,0,0"),
        _example("1675825965599,203.0.113.9,10.0.0.6,23956,70000,6,I,E,NX,0,0,0,0", "", "1,2"),
        _example("1675825965599,203.0.113.9,10.0.0.6,23956,443,6,I,E,NX,0,0,0,-5"),
        _example('1675825965599,"203.0.113.9",10.0.0.6,23956,443,6,I,E,NX,0,0,0,5'),
        '{"records": [{"flowRecords": {"flows": 5}}], "note": "flowTuples"}',
    ),
    source="learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview",
    unit="flow tuple",
)
