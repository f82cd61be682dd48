"""AWS VPC flow logs (versions 2 to 5, space-separated, any order of fields).

The first line of a file names the fields, in the order the owner chose; files that were joined
carry it again; a CloudWatch Logs export has none and puts its own stamp in front of the default
(version 2) fields. Traps, each handled here: one record counts one direction, so only what our
side sent is counted; behind NAT pkt-srcaddr and pkt-dstaddr (version 3) are the true ends; "-"
is no value, never 0; NODATA rows say that nothing was there to measure, so they vouch for their
interval; SKIPDATA rows say that records were lost, so theirs is a hole and becomes a Gap;
flow-direction (version 5) or else the private address tells our side, tcp-flags who began;
REJECT counts nothing. Times are epoch seconds, up to 60 s late; records of one interface stand no
further apart than the longest aggregation interval (10 minutes), which is what is vouched for.
Never logged at all: the Amazon DNS resolver, DHCP, instance metadata, licence activation, mirrored
traffic; only the primary private address is shown (docs.aws.amazon.com/vpc/latest/userguide/
flow-logs-records-examples.html, flow-log-records.html, flow-logs-limitations).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Trouble
from leftopen.trace.clock import LAST
from leftopen.trace.flow_ends import ends, one_way
from leftopen.trace.headed import Columns, Headed, split_columns
from leftopen.trace.instants import ADDRESS
from leftopen.trace.lines import empty, share
from leftopen.trace.stretches import Stretches

AGGREGATION = 600  # seconds; the longest "maximum aggregation interval"
DEFAULT = (
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
    *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
)
USED = (
    *("interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "bytes", "start", "end"),
    *("action", "log-status", "tcp-flags", "flow-direction", "pkt-srcaddr", "pkt-dstaddr"),
)
NEEDED = {"srcaddr", "dstaddr", "start", "end"}
_HEADER = re.compile(
    r"(?=[a-z0-9 -]*\bsrcaddr\b)(?=[a-z0-9 -]*\bstart\b)[a-z][a-z0-9-]*( [a-z0-9-]+)+\s*"
)
_LINE = re.compile(
    r"(?:\d{4}-\d\d-\d\dT[0-9:.]+Z )?[2-9] (?:\d{12}|unknown|amazon-[a-z]+) eni-[0-9a-f]{8,17} "
    rf"(?:-|{ADDRESS}) (?:-|{ADDRESS}) (?:-|\d+) (?:-|\d+) .* (?:OK|NODATA|SKIPDATA)\s*"
)


def recognise(head: bytes, name: str) -> int:
    """By the header, or by the shape of the default lines."""
    first = head[:4096].split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
    if _HEADER.fullmatch(first):
        return 97
    return min(94, share(head, _LINE))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Each record as what it says of our side and the far one."""
    reader = _Reader(options.port)
    headed = Headed(mark="srcaddr", header=_header, table=reader.table, columns=DEFAULT)
    for chunk in headed.read(blocks):
        yield replace(chunk, troubles=(*chunk.troubles, *reader.troubles()))
    claimed = reader.stretches.result()
    yield Chunk(rows=empty(), lines=0, rejected=0, claimed=claimed, origin=reader.origin)


def _header(text: str, before: Columns) -> Columns | None:
    return tuple(text.split()) if _HEADER.fullmatch(text) else None


class _Reader:
    """Reads tables, and remembers what the records vouch for."""

    def __init__(self, port: int | None) -> None:
        self.stretches = Stretches(bridge=AGGREGATION)
        self._port = port
        self._interfaces: set[str] = set()
        self._skipped = 0

    @property
    def origin(self) -> str:
        """The interface, where the file is of one."""
        return next(iter(self._interfaces)) if len(self._interfaces) == 1 else ""

    def troubles(self) -> tuple[Trouble, ...]:
        """What the service itself says it lost since the last call."""
        skipped, self._skipped = self._skipped, 0
        detail = "SKIPDATA: AWS lost records of these intervals"
        return (Trouble(Reason.NO_LOG, detail, skipped),) if skipped else ()

    def table(self, columns: Columns, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """Rows, and the numbers of lines that are none."""
        stamp = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z "
        text = lines.with_columns(pl.col("text").str.replace(stamp, ""))
        fields = _typed(split_columns(text, columns, " ", USED)).collect()
        good = fields.filter("ok")
        kind = pl.col("log-status")
        self._remember(good)
        counted = good.lazy().filter((kind == "OK").fill_null(True))
        quiet = good.lazy().filter(kind == "NODATA")
        rows = pl.concat([one_way(ends(counted), self._port), _heartbeat(quiet)]).collect()
        return rows, fields.filter(~pl.col("ok"))["line"]

    def _remember(self, good: pl.DataFrame) -> None:
        kind = pl.col("log-status").fill_null("OK")
        lost = good.filter(kind == "SKIPDATA").select("time", "until").unique()
        self._skipped += good.filter(kind == "SKIPDATA").height
        self.stretches.lose(lost.iter_rows())
        told = good.filter(kind != "SKIPDATA").select("time", "until")
        self.stretches.add(told.unique().sort("time").iter_rows())
        if len(self._interfaces) < 2:
            self._interfaces.update(good["interface-id"].drop_nulls().unique().head(2))


def _typed(fields: pl.LazyFrame) -> pl.LazyFrame:
    def value(name: str) -> pl.Expr:
        return pl.when(pl.col(name) != "-").then(name)

    def number(name: str) -> pl.Expr:
        return value(name).cast(pl.Int64, strict=False)

    made = fields.with_columns(
        number("start").alias("time"),
        number("end").alias("until"),
        pl.coalesce(value("pkt-srcaddr"), value("srcaddr")).alias("source"),
        pl.coalesce(value("pkt-dstaddr"), value("dstaddr")).alias("target"),
        number("srcport").fill_null(0).alias("source_port"),
        number("dstport").fill_null(0).alias("target_port"),
        number("bytes").alias("size"),
        number("tcp-flags").alias("flags"),
        (value("flow-direction") == "egress").alias("egress"),
        (pl.col("action") == "REJECT").fill_null(False).alias("denied"),
    )
    return made.with_columns((pl.col("fits") & _valid()).fill_null(False).alias("ok"))


def _valid() -> pl.Expr:
    times = pl.col("time").is_between(0, LAST) & pl.col("until").is_between(pl.col("time"), LAST)
    status = pl.col("log-status")
    silent = status.is_in(["NODATA", "SKIPDATA"]).fill_null(False)
    shape = rf"^{ADDRESS}$"
    counted = (
        pl.col("source").str.contains(shape)
        & pl.col("target").str.contains(shape)
        & pl.col("source_port").is_between(0, 65535)
        & pl.col("target_port").is_between(0, 65535)
        & pl.col("action").is_in(["ACCEPT", "REJECT", "-"]).fill_null(True)
        & (pl.col("bytes").is_null() | pl.col("bytes").str.contains("^(?:[0-9]{1,18}|-)$"))
        & (status == "OK").fill_null(True)
    )
    return times & (silent | counted.fill_null(False))


def _heartbeat(quiet: pl.LazyFrame) -> pl.LazyFrame:
    """NODATA: about no client, and the log was recording."""
    none = pl.lit(None, dtype=pl.String)
    nobody = quiet.with_columns(source=none, target=none)
    return one_way(ends(nobody), None)


V2 = (
    "2 123456789010 eni-1235b8ca123456789 10.0.0.4 203.0.113.9 443 49761 6 20 4249 1675825965 "
    "1675826020 ACCEPT OK\n"
    "2 123456789010 eni-1235b8ca123456789 203.0.113.9 10.0.0.4 49761 443 6 9 700 1675825965 "
    "1675826020 ACCEPT OK\n"
    "2 123456789010 eni-1235b8ca123456789 198.51.100.4 10.0.0.4 49761 3389 6 20 4249 1675825966 "
    "1675826020 REJECT OK\n"
    "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1675826100 1675826160 - NODATA\n"
    "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1675826200 1675826260 - SKIPDATA\n"
    "2 123456789010 eni-1235b8ca123456789 10.0.0.4 192.0.2.7 50000 443 6 20 99 1675826300 "
    "1675826360 ACCEPT OK\n"
)
V5 = (
    "flow-direction start end bytes pkt-dstaddr pkt-srcaddr srcaddr dstaddr srcport dstport "
    "tcp-flags log-status interface-id version\n"
    "egress 1675825965 1675826020 812 2001:db8::7 10.40.2.236 10.40.2.236 10.20.33.164 80 39812 "
    "19 OK eni-1 5\n"
    "\n"
    "egress 1675825966 1675826020 - 203.0.113.9 10.40.2.236 10.40.2.236 203.0.113.9 80 39812 "
    "0 OK eni-1 5\n"
    "egress 1675825967 1675826020 40 203.0.113.9 10.40.2.236 10.40.2.236 203.0.113.9 39812 8080 "
    "3 OK eni-1 5\n"
)

FORMAT = LogFormat(
    name="aws_vpc_flow",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=False,
    tight=True,
    stamped="start of the aggregation interval's first packet",
    has_zone=True,
    examples=(
        Example(
            text=V2,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": 4249,
                    "act": Act.LOOKED,
                },
                {"line": 2, "client": "203.0.113.9", "port": 443, "bytes": 0, "act": Act.TOUCHED},
                {"line": 3, "client": "198.51.100.4", "port": 3389, "bytes": 0, "act": 0},
                {"line": 4, "client": None, "bytes": 0},
                {"line": 6, "client": None},
            ),
        ),
        Example(
            text=V5,
            rows=(
                {"line": 2, "client": "2001:db8::7", "port": 80, "bytes": 812},
                {"line": 4, "client": "203.0.113.9", "port": 80, "bytes": None, "act": Act.LOOKED},
                {"line": 5, "client": None},
            ),
        ),
    ),
    counterexamples=(
        V2.split("\n")[0].replace("OK", "MAYBE") + "\n",
        V2.split("\n")[0].replace("1675826020", "253402300799") + "\n",
        V2.split("\n")[0].replace("4249", "-4249") + "\n",
        V2.split("\n")[0].replace("443", "70443") + "\n",
        V2.split("\n")[0] + " 7\n",
        "version srcaddr\n2 203.0.113.9\n",
    ),
    source="docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html",
)
