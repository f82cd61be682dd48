"""NetFlow and IPFIX as nfdump prints it (-o csv).

Columns are named by the first line: nfdump 1.6 and 1.7 (ts,te,td,sa,da,...) and the short list of
later ones (firstSeen,duration,proto,srcAddr,...). Traps, each handled here: times are local
without a zone; one record counts one direction, except where obyt (the way back) is not 0; a flow
longer than the exporter's active timeout is cut into several records, which are summed; ICMP writes
type.code in place of the port; flags are the sum over the flow, so they do not tell who began; the
Summary at the end is no flow. What the exporter sampled or dropped does not stand in this output:
counts of a sampled exporter are 1:N and prove no absence (nfdump(1), RFC 7011).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.clock import LAST, Clock
from leftopen.trace.flow_ends import began_here, ends, select
from leftopen.trace.headed import Columns, Headed, split_columns
from leftopen.trace.instants import ADDRESS
from leftopen.trace.lines import empty

OLD = ("ts", "sa", "da", "sp", "dp", "ibyt", "obyt")
NEW = ("firstSeen", "srcAddr", "dstAddr", "srcPort", "dstPort", "bytes", "out bytes")
SUMMARY = ("summary",)
_HEADER = re.compile(r"(?:ts,te,td,sa,da,|firstSeen,duration,proto,srcAddr,)[A-Za-z0-9 _,.-]*\s*")


def recognise(head: bytes, name: str) -> int:
    """By the header."""
    first = head[:4096].split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
    return 97 if _HEADER.fullmatch(first) else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Each record as what it says of our side and the far one."""
    clock = Clock(options.zone, options.mtime)

    def table(columns: Columns, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        if columns == SUMMARY:
            figures = pl.col("text").str.contains(r"^[0-9][0-9,. a-zA-Z:-]*\r?$")
            return empty(), lines.filter(~figures)["line"]
        fields = _typed(lines, columns, options.zone).collect()
        rows = _rows(fields.lazy().filter("ok"), options.port).collect()
        return rows, fields.filter(~pl.col("ok"))["line"]

    headed = Headed(mark="^(?:ts,te|firstSeen,|Summary|flows,bytes)", header=_header, table=table)
    for chunk in headed.read(blocks):
        yield replace(chunk, clock=clock.said)


def _header(text: str, before: Columns) -> Columns | None:
    if text.startswith(("Summary", "flows,bytes")):
        return SUMMARY
    return tuple(name.strip() for name in text.split(",")) if _HEADER.fullmatch(text) else None


def _typed(lines: pl.DataFrame, columns: Columns, zone: str) -> pl.LazyFrame:
    names = OLD if "sa" in columns else NEW
    at, source, target, source_port, target_port, sent, back = names
    moment = (
        pl.col(at)
        .str.strip_chars()
        .str.slice(0, 19)
        .str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    )
    local = moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")

    def port(name: str) -> pl.Expr:
        kind = pl.col(name).str.strip_chars()
        number = kind.cast(pl.Int64, strict=False)
        return pl.when(kind.str.contains(r"^[0-9]{1,3}\.[0-9]{1,3}$")).then(0).otherwise(number)

    def count(name: str) -> pl.Expr:
        digits = pl.col(name).str.strip_chars()
        return pl.when(digits.str.contains("^[0-9]{1,18}$")).then(digits).cast(pl.Int64)

    return (
        split_columns(lines, columns, ",", names)
        .with_columns(
            local.dt.epoch("s").alias("time"),
            pl.col(source).str.strip_chars().alias("source"),
            pl.col(target).str.strip_chars().alias("target"),
            port(source_port).alias("source_port"),
            port(target_port).alias("target_port"),
            count(sent).alias("size"),
            count(back).alias("back"),
            (pl.col(back).is_null() | pl.col(back).str.contains("^ *[0-9]{0,18} *$")).alias("fine"),
            pl.lit(None, dtype=pl.Boolean).alias("egress"),
            pl.lit(0, dtype=pl.Int64).alias("flags"),
        )
        .with_columns((pl.col("fits") & pl.col("fine") & _valid()).fill_null(False).alias("ok"))
    )


def _valid() -> pl.Expr:
    shape = rf"^{ADDRESS}$"
    return (
        pl.col("time").is_between(0, LAST)
        & pl.col("source").str.contains(shape)
        & pl.col("target").str.contains(shape)
        & pl.col("source_port").is_between(0, 65535)
        & pl.col("target_port").is_between(0, 65535)
        & pl.col("size").is_not_null()
    )


def _rows(good: pl.LazyFrame, port: int | None) -> pl.LazyFrame:
    came_in = ~began_here()
    if port is not None:
        came_in &= pl.col("port") == port
    sent = pl.when("home").then("size").otherwise(pl.col("back").fill_null(0))
    return select(
        ends(good),
        client=pl.when(came_in).then("far"),
        act=pl.when(sent > 0).then(Act.LOOKED).otherwise(Act.TOUCHED),
        bytes=sent,
    )


HEADER = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out\n"
V16 = (
    HEADER + "2023-02-08 03:12:45,2023-02-08 03:12:50,5.000,10.0.0.4,203.0.113.9,443,50123,TCP,"
    "...AP.SF,0,0,1500,2097152,0,0,1,2\n"
    "2023-02-08 03:12:45,2023-02-08 03:12:50,5.000,203.0.113.9,10.0.0.4,50123,443,TCP,...AP.SF,"
    "0,0,9,900,0,0,2,1\n"
    "2023-02-08 03:12:46,2023-02-08 03:12:50,4.000,2001:db8::9,2001:db8::4,50124,80,TCP,...AP.SF,"
    "0,0,9,900,8,7000,2,1\n"
    "2023-02-08 03:12:47,2023-02-08 03:12:47,0.000,198.51.100.4,10.0.0.4,0,8.0,ICMP,........,0,0,"
    "1,84,0,0,2,1\n"
    "2023-02-08 03:12:48,2023-02-08 03:12:49,1.000,10.0.0.4,192.0.2.7,50000,443,TCP,...AP.SF,0,0,"
    "9,900,0,0,1,2\n"
    "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n5,2106836,1529,3300000,305,1377\n"
)
V17 = (
    "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n"
    "2023-02-08 03:12:45.123,5.000,6,10.0.0.4,443,203.0.113.9,50123,1500,2097152,1\n"
)

FORMAT = LogFormat(
    name="nfdump",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=False,
    tight=True,
    stamped="start",
    has_zone=False,
    examples=(
        Example(
            text=V16,
            rows=(
                {
                    "line": 2,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": 2097152,
                    "act": Act.LOOKED,
                },
                {"line": 3, "client": "203.0.113.9", "port": 443, "bytes": 0, "act": Act.TOUCHED},
                {"line": 4, "client": "2001:db8::9", "port": 80, "bytes": 7000, "act": Act.LOOKED},
                {"line": 5, "client": "198.51.100.4", "port": 0},
                {"line": 6, "client": None},
            ),
        ),
        Example(
            text=V17,
            options=ReadOptions(zone="Europe/Berlin"),
            rows=({"line": 2, "time": 1675822365, "client": "203.0.113.9", "bytes": 2097152},),
        ),
    ),
    counterexamples=(
        HEADER + "2023-02-31 03:12:45,x,5,10.0.0.4,203.0.113.9,443,50123,TCP,.,0,0,1,2,0,0,1,2\n",
        HEADER + "2023-02-08 03:12:45,x,5,10.0.0.4,203.0.113.9,443,70123,TCP,.,0,0,1,2,0,0,1,2\n",
        HEADER + "2023-02-08 03:12:45,x,5,10.0.0.4,203.0.113.9,443,50123,TCP,.,0,0,1,-2,0,0,1,2\n",
        HEADER + "2023-02-08 03:12:45,x,5,10.0.0.4,203.0.113.9,443,50123,TCP,.,0,0,1,2,0,0,1\n",
        "2023-02-08 03:12:45,x,5,10.0.0.4,203.0.113.9,443,50123,TCP,.,0,0,1,2,0,0,1,2\n",
    ),
    source="nfdump(1), github.com/phaag/nfdump src/output/output_csv.c",
)
