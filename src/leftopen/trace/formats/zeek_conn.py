r"""Zeek connection log (conn.log, TSV or JSON).

Traps, each handled here: a connection is logged when it ends, so one that still runs shows
nothing; resp_bytes comes from TCP sequence numbers and can be wildly too large where Zeek came in
late (OTH, S1), so the measured resp_ip_bytes is taken where it is there; an unset count is
unknown, never 0; missed_bytes says that the sensor itself lost packets: said as a Gap, with
capture_loss.log (see zeek_capture_loss); local_orig and local_resp, or else the private address,
tell who came in from who went out; a header may come again; ts may be ISO 8601 in JSON
(docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace import zeek
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Trouble
from leftopen.trace.flow_ends import select
from leftopen.trace.zeek import COUNT, FLAG

FIELDS: zeek.Fields = {
    **zeek.ENDS,
    "resp_bytes": COUNT,
    "local_orig": FLAG,
    "local_resp": FLAG,
    "missed_bytes": COUNT,
    "resp_pkts": COUNT,
    "resp_ip_bytes": COUNT,
}


def recognise(head: bytes, name: str) -> int:
    """By the path, or by the fields of its own."""
    return zeek.recognise(head, "conn", ("ts", "id.orig_h", "conn_state"), ("conn_state",))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Connections by the side that began them."""
    missed: list[tuple[int, int]] = []

    def look(table: pl.DataFrame) -> None:
        lost = table.filter(pl.col("missed_bytes") > 0)["missed_bytes"]
        if lost.len():
            missed.append((lost.len(), int(lost.clip(upper_bound=10**12).sum())))

    for chunk in zeek.read(blocks, FIELDS, lambda table: _rows(table, options.port), look):
        troubles = tuple(
            Trouble(Reason.LOST, f"the sensor missed {size} bytes of connections it logged", count)
            for count, size in missed
        )
        missed.clear()
        yield replace(chunk, troubles=(*chunk.troubles, *troubles))


def _rows(table: pl.LazyFrame, port: int | None) -> pl.LazyFrame:
    sent = pl.coalesce("resp_ip_bytes", "resp_bytes")
    by_range = zeek.outward("id.orig_h", "id.resp_h")
    went_out = pl.coalesce(pl.col("local_orig") & ~pl.col("local_resp"), by_range)
    came_in = ~went_out.fill_null(False)
    if port is not None:
        came_in &= pl.col("id.resp_p") == port
    none = (pl.col("resp_bytes").fill_null(0) == 0) & (pl.col("resp_pkts").fill_null(1) == 0)
    answered = ~none & (pl.coalesce("resp_bytes", sent) > 0).fill_null(True)
    return select(
        table.filter(pl.col("id.orig_h").is_not_null()).with_columns(zeek.port()),
        client=pl.when(came_in).then("id.orig_h"),
        act=pl.when(answered).then(Act.LOOKED).otherwise(Act.TOUCHED),
        bytes=sent,
    )


NAMES = (
    "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\t"
    "resp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\t"
    "orig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents"
)
HEADER = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    f"#open\t2023-02-08-03-00-00\n#fields\t{NAMES}\n#types\ttime\tstring\n"
)
TSV = (
    HEADER
    + "1675825965.123456\tCa1\t203.0.113.9\t50123\t10.0.0.4\t443\ttcp\tssl\t5.0\t900\t2097152\tSF\t"
    "F\tT\t0\tShADadFf\t9\t1300\t1500\t2157152\t-\n"
    "1675825966.000000\tCa2\t198.51.100.4\t50123\t10.0.0.4\t22\ttcp\t-\t-\t-\t-\tS0\t-\t-\t0\tS\t1\t"
    "60\t0\t0\t-\n"
    "1675825967.000000\tCa3\t10.0.0.4\t50123\t192.0.2.7\t443\ttcp\tssl\t1.0\t9\t9\tSF\tT\tF\t0\tS\t1\t"
    "60\t1\t60\t-\n"
    "1675825968.000000\tCa4\t203.0.113.9\t50123\t10.0.0.4\t443\ttcp\t-\t1.0\t9\t4294967295\tOTH\t-\t"
    "-\t700\t^d\t1\t60\t8\t9000\t-\n"
    "#close\t2023-02-08-04-00-00\n"
)
JSON = (
    '{"ts":1675825965.123456,"uid":"Cb1","id.orig_h":"2001:DB8::9","id.orig_p":50123,"id.resp_h":'
    '"2001:db8::4","id.resp_p":80,"proto":"tcp","resp_bytes":70000,"conn_state":"SF",'
    '"local_orig":false,"local_resp":true,"missed_bytes":0,"resp_pkts":60,"resp_ip_bytes":72400}\n'
    "\n"
    '{"ts":"2023-02-08T03:12:46.000000Z","uid":"Cb2","id.orig_h":"203.0.113.9","id.orig_p":1,'
    '"id.resp_h":"10.0.0.4","id.resp_p":80,"proto":"tcp","conn_state":"OTH"}\n'
)

FORMAT = LogFormat(
    name="zeek_conn",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=False,
    tight=True,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=TSV,
            rows=(
                {
                    "line": 9,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": 2157152,
                    "act": Act.LOOKED,
                },
                {"line": 10, "client": "198.51.100.4", "port": 22, "bytes": 0, "act": Act.TOUCHED},
                {"line": 11, "client": None},
                {"line": 12, "bytes": 9000, "act": Act.LOOKED},
            ),
        ),
        Example(
            text=JSON,
            rows=(
                {"line": 1, "time": 1675825965, "client": "2001:db8::9", "bytes": 72400},
                {"line": 3, "time": 1675825966, "bytes": None, "act": Act.LOOKED},
            ),
        ),
    ),
    counterexamples=(
        HEADER + "9999999999.0\tC\t203.0.113.9\t1\t10.0.0.4\t443" + "\t-" * 15 + "\n",
        HEADER + "1675825965.0\tC\tnobody\t1\t10.0.0.4\t443" + "\t-" * 15 + "\n",
        HEADER + "1675825965.0\tC\t203.0.113.9\t1\t10.0.0.4\t443" + "\t-" * 14 + "\n",
        HEADER + "1675825965.0\tC\t203.0.113.9\t1\t10.0.0.4\tx" + "\t-" * 15 + "\n",
        '{"ts":1675825965,"id.orig_h":5,"conn_state":"SF"}\n',
    ),
    source="docs.zeek.org/en/master/logs/conn.html",
)
