"""Azure network security group flow logs (version 1 and 2, JSON).

One file per hour and network interface (PT1H.json). In version 2 a tuple is B (begin, no counts),
C (continuing) or E (end); the counts of C and E are deltas and are summed. A blank count is
unknown, never 0: Azure leaves them blank for inbound TCP that a non-default rule admits unless
FlowTimeoutInMinutes is set, which is the rule that opens a server to the internet
(MicrosoftDocs/azure-docs, network-watcher/nsg-flow-logs-overview.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace import azure_flows
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Trouble, frame
from leftopen.trace.azure_flows import BATCH

DOCUMENT_MAX = 256 << 20  # bytes of one hourly file
FIELDS = (
    *("at", "source", "target", "source_port", "target_port", "protocol", "way", "ruling"),
    *("state", "packets_in", "bytes_in", "packets_out", "bytes_out"),
)
VERSION_1 = 8  # fields of a tuple
_RECORDS = re.compile(r'"records"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")


class _Flow(msgspec.Struct):
    flowTuples: list[str]


class _Rule(msgspec.Struct):
    flows: list[_Flow]


class _Properties(msgspec.Struct):
    flows: list[_Rule]


class _Record(msgspec.Struct):
    properties: _Properties
    time: str = ""
    resourceId: str = ""
    macAddress: str = ""


class _Document(msgspec.Struct):
    records: list[msgspec.Raw]


# Broken JSON, broken UTF-8 or lone surrogates, and nesting without end.
_BAD_JSON = (msgspec.DecodeError, ValueError, RecursionError)
_document = msgspec.json.Decoder(_Document)
_record = msgspec.json.Decoder(_Record)


def recognise(head: bytes, name: str) -> int:
    """By the category and the tuples of the first records."""
    if b"NetworkSecurityGroupFlowEvent" in head:
        return 98
    return 90 if head.lstrip()[:1] == b"{" and b'"flowTuples"' in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Inbound flows by client and local port. One "line" is one tuple, or one broken record."""
    held = bytearray()
    for block in blocks:
        held += block
        if len(held) > DOCUMENT_MAX:
            detail = f"a flow log document over {DOCUMENT_MAX} bytes; split it by hour"
            yield _broken(Trouble(Reason.TOO_LARGE, detail))
            return
    if held.strip():
        yield from _Reader(options).read(bytes(held))


def _broken(trouble: Trouble) -> Chunk:
    return Chunk(rows=frame(()), lines=1, rejected=1, bad=(1,), troubles=(trouble,))


class _Reader:
    """Reads one document, record by record, in batches of tuples."""

    def __init__(self, options: ReadOptions) -> None:
        self._port = options.port
        self._number = 1
        self._tuples: list[str] = []
        self._claimed: set[int] = set()
        self._origin = ""
        self._failed = 0

    def read(self, data: bytes) -> Iterator[Chunk]:
        """All of it; whatever cannot be decoded is counted."""
        try:
            raws = _document.decode(data).records
        except _BAD_JSON:
            yield from self._salvage(data.decode("utf-8", "replace"))
        else:
            for raw in raws:
                self._take(raw)
                if len(self._tuples) >= BATCH:
                    yield self._chunk()
        yield self._chunk()

    def _salvage(self, text: str) -> Iterator[Chunk]:
        """Records of a cut document, or one document per line, up to the place that breaks."""
        start = _RECORDS.search(text)
        at = start.end() if start else 0
        decode = json.JSONDecoder().raw_decode
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
            if at >= len(text):
                return
            try:
                value, at = decode(text, at)
            except _BAD_JSON:
                left = text[at : at + 8].strip("]} \r\n\0")
                if left or not start:
                    detail = f"the document breaks off at character {at} of {len(text)}"
                    yield _broken(Trouble(Reason.CORRUPT, detail))
                return
            inner = value.get("records") if isinstance(value, dict) else None
            for record in inner if isinstance(inner, list) else [value]:
                self._take(record)
            if len(self._tuples) >= BATCH:
                yield self._chunk()

    def _take(self, raw: object) -> None:
        try:
            data = raw if isinstance(raw, msgspec.Raw) else msgspec.json.encode(raw)
            record = _record.decode(data)
        except _BAD_JSON:
            self._failed += 1
            return
        hour = _hour(record.time)
        if hour is not None:
            self._claimed.add(hour)
        if not self._origin and record.resourceId:
            self._origin = azure_flows.origin_of(record.resourceId, record.macAddress)
        for rule in record.properties.flows:
            for flow in rule.flows:
                self._tuples += flow.flowTuples

    def _chunk(self) -> Chunk:
        tuples, failed = self._tuples, self._failed
        made = azure_flows.chunk(
            *_columns(tuples, self._number, self._port),
            lines=len(tuples) + failed,
            failed=failed,
            hours=self._claimed,
            origin=self._origin,
            troubles=azure_flows.failures(failed),
        )
        self._number += len(tuples)
        self._tuples, self._failed = [], 0
        return made


def _hour(time: str) -> int | None:
    """The start of the hour of "2023-02-08T03:12:00.123Z"; None: no such time."""
    try:
        return int(datetime.strptime(time[:13], "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _columns(tuples: list[str], first: int, port: int | None) -> tuple[pl.DataFrame, pl.Series]:
    """Rows in SCHEMA, and the numbers of the tuples that are none."""
    text = pl.col("text")
    commas = text.str.count_matches(",", literal=True) + 1
    whole = commas.is_in([VERSION_1, len(FIELDS)])
    split = (
        pl.DataFrame({"text": pl.Series(tuples, dtype=pl.String)})
        .lazy()
        .with_row_index("line", first)
        .with_columns(
            text.str.split_exact(",", len(FIELDS) - 1).struct.rename_fields(FIELDS).alias("field"),
            (commas == VERSION_1).alias("old"),
            whole.alias("whole"),
        )
        .unnest("field")
        .with_columns(
            pl.col("line").cast(pl.Int64),
            pl.col("at").cast(pl.Int64, strict=False).alias("time"),
            pl.col("target_port").cast(pl.Int64, strict=False).alias("port"),
            pl.col("bytes_out").cast(pl.Int64, strict=False).alias("sent"),
        )
        .with_columns(_valid().fill_null(False).alias("ok"))
    )
    both = split.collect()
    rows = _normal(both.lazy().filter("ok"), port).collect()
    return rows, both.filter(~both["ok"])["line"]


def _valid() -> pl.Expr:
    address = r"^[0-9A-Fa-f.:]{2,45}$"
    return (
        pl.col("whole")
        & pl.col("time").is_between(0, 2**31 - 1)
        & pl.col("port").is_between(0, 65535)
        & pl.col("source").str.contains(address)
        & pl.col("target").str.contains(address)
        & pl.col("way").is_in(["I", "O"])
        & pl.col("ruling").is_in(["A", "D"])
        & (pl.col("old") | pl.col("state").is_in(["B", "C", "E"]))
        & (pl.col("old") | pl.col("bytes_out").str.contains("^[0-9]{0,18}$"))
    )


def _normal(good: pl.LazyFrame, port: int | None) -> pl.LazyFrame:
    silent = (pl.col("ruling") == "D") | (pl.col("state") == "B").fill_null(False)
    return azure_flows.inbound(good, port, silent=silent)


def _example(*tuples: str) -> str:
    flows = [{"rule": "UserRule_any", "flows": [{"mac": "0", "flowTuples": list(tuples)}]}]
    record = {
        "time": "2023-02-08T03:00:15.123Z",
        "category": "NetworkSecurityGroupFlowEvent",
        "resourceId": "/SUBSCRIPTIONS/0/NSG",
        "macAddress": "000D3A",
        "properties": {"Version": 2, "flows": flows},
    }
    return json.dumps({"records": [record]})


FORMAT = LogFormat(
    name="azure_nsg_flow",
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
                "1675825965,203.0.113.9,10.0.0.4,50123,443,T,I,A,B,,,,",
                "1675826265,203.0.113.9,10.0.0.4,50123,443,T,I,A,C,10,800,1500,2100000",
                "1675826300,203.0.113.9,10.0.0.4,50123,443,T,I,A,E,1,60,2,3000",
                "1675826300,203.0.113.9,10.0.0.4,50123,443,T,I,A,E,,,,",
                "1675826301,198.51.100.4,10.0.0.4,50123,22,T,I,D,B,,,,",
                "1675826302,10.0.0.4,198.51.100.8,50123,443,T,O,A,E,1,60,1,60",
                "1542110377,94.102.49.190,10.5.16.4,28746,443,U,I,D",
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
                {"line": 2, "bytes": 2100000, "act": Act.LOOKED},
                {"line": 3, "bytes": 3000},
                {"line": 4, "bytes": None, "act": Act.LOOKED},
                {"line": 5, "client": "198.51.100.4", "port": 22, "bytes": 0, "act": Act.TOUCHED},
                {"line": 6, "client": None},
                {"line": 7, "client": "94.102.49.190", "bytes": 0},
            ),
        ),
    ),
    counterexamples=(
        _example("1675825965,203.0.113.9,10.0.0.4,50123,443,T,I,A,X,,,,"),
        _example("x,203.0.113.9,10.0.0.4,50123,443,T,I,A,B,,,,", "", "1,2,3"),
        _example("1675825965,203.0.113.9,10.0.0.4,50123,443,T,I,A,E,1,60,1,60,9"),
        _example("1675825965,203.0.113.9,10.0.0.4,50123,443,T,I,A,E,1,60,1,-60"),
        '{"records": [{"properties": {"flows": 5}}], "note": "flowTuples"}',
    ),
    source="learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview",
    unit="flow tuple",
)
