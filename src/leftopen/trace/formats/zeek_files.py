"""Zeek files log (files.log, TSV or JSON).

Traps, each handled here: a file went to a client only where is_orig is false, the other way it was
an upload; the receiver is rx_hosts (a set) up to Zeek 5, the connection's originator since; many
files have no name (they count as objects served without one); seen_bytes below total_bytes, any
missing_bytes or a time-out is a file in part; an unset total is not known; the same bytes stand in
http.log and conn.log, so they are reconciled, never added
(docs.zeek.org/en/master/scripts/base/frameworks/files/main.zeek.html).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from leftopen.trace import zeek
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.flow_ends import select
from leftopen.trace.instants import ADDRESS
from leftopen.trace.zeek import COUNT, FLAG, TEXT

FIELDS: zeek.Fields = {
    **zeek.ENDS,
    "tx_hosts": TEXT,
    "rx_hosts": TEXT,
    "filename": TEXT,
    "is_orig": FLAG,
    "seen_bytes": COUNT,
    "total_bytes": COUNT,
    "missing_bytes": COUNT,
    "timedout": FLAG,
}


def recognise(head: bytes, name: str) -> int:
    """By the path, or by the fields of its own."""
    return zeek.recognise(head, "files", ("ts", "fuid", "seen_bytes"), ("seen_bytes",))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Files by who received them."""
    return zeek.read(blocks, FIELDS, _rows)


def _rows(table: pl.LazyFrame) -> pl.LazyFrame:
    def host(name: str) -> pl.Expr:
        return pl.col(name).str.extract(rf"^({ADDRESS})(?:,|$)").str.to_lowercase()

    up = pl.col("is_orig").fill_null(False)
    sender, receiver = host("tx_hosts"), host("rx_hosts")
    far = pl.coalesce("id.orig_h", pl.when(up).then(sender).otherwise(receiver))
    near = pl.coalesce("id.resp_h", pl.when(up).then(receiver).otherwise(sender))
    short = pl.col("seen_bytes") < pl.col("total_bytes")
    cut = short | (pl.col("missing_bytes") > 0) | pl.col("timedout")
    made = table.with_columns(
        far.alias("far"),
        near.alias("near"),
        zeek.port(),
        pl.when(up | (pl.col("seen_bytes") == 0).fill_null(False))
        .then(Act.LOOKED)
        .when(cut.fill_null(False))
        .then(Act.PART)
        .otherwise(Act.WHOLE)
        .alias("got"),
        up.alias("up"),
    )
    went_out = zeek.outward("far", "near").fill_null(False)
    took = pl.col("got") >= Act.PART
    return select(
        made,
        client=pl.when(~went_out).then("far"),
        act=pl.col("got"),
        bytes=pl.when("up").then(0).otherwise("seen_bytes"),
        units=pl.when(took & pl.col("filename").is_null()).then(1).otherwise(0),
        object=pl.when(took).then(pl.col("filename").str.slice(0, 4096)),
    )


NEW = (
    "#path\tfiles\n#fields\tts\tfuid\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tsource\t"
    + (
        "filename\tduration\tlocal_orig\tis_orig\tseen_bytes\ttotal_bytes\tmissing_bytes\t"
        "overflow_bytes\ttimedout\n"
    )
)
OLD = (
    "#path\tfiles\n#fields\tts\tfuid\ttx_hosts\trx_hosts\tsource\tfilename\tis_orig\tseen_bytes\t"
    "total_bytes\tmissing_bytes\ttimedout\n"
)
_FROM = "1675825965.1\tF1\tC1\t203.0.113.9\t50123\t10.0.0.4\t80\tHTTP\t"
NEW_LOG = (
    NEW
    + _FROM
    + "a b.mbox\t0.1\t-\tF\t2097152\t2097152\t0\t0\tF\n"
    + _FROM
    + "-\t0.1\t-\tF\t4096\t2097152\t0\t0\tF\n"
    + _FROM
    + "up.bin\t0.1\t-\tT\t4096\t-\t0\t0\tF\n"
    + _FROM
    + "c\t0.1\t-\tF\t-\t-\t0\t0\tF\n"
)
OLD_LOG = OLD + "1675825965.1\tF1\t10.0.0.4\t203.0.113.9,203.0.113.8\tHTTP\tx\tF\t70\t-\t5\tF\n"
JSON = (
    '{"ts":1675825965.1,"fuid":"F","tx_hosts":["10.0.0.4"],"rx_hosts":["203.0.113.9"],'
    '"source":"HTTP","is_orig":false,"seen_bytes":70,"missing_bytes":0,"timedout":false}\n'
)

FORMAT = LogFormat(
    name="zeek_files",
    kind="app",
    protocols=("http", "ftp", "smb"),
    recognise=recognise,
    read=read,
    byte_meaning="content",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=NEW_LOG,
            rows=(
                {
                    "line": 3,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 80,
                    "act": Act.WHOLE,
                    "bytes": 2097152,
                    "object": "a b.mbox",
                    "units": 0,
                },
                {"line": 4, "act": Act.PART, "object": None, "units": 1, "bytes": 4096},
                {"line": 5, "act": Act.LOOKED, "bytes": 0, "object": None, "units": 0},
                {"line": 6, "act": Act.WHOLE, "bytes": None},
            ),
        ),
        Example(
            text=OLD_LOG,
            rows=({"line": 3, "client": "203.0.113.9", "act": Act.PART, "bytes": 70},),
        ),
        Example(
            text=JSON,
            rows=({"line": 1, "client": "203.0.113.9", "act": Act.WHOLE, "units": 1},),
        ),
    ),
    counterexamples=(
        NEW + _FROM.replace("1675825965", "9675825965") + "a\t0.1\t-\tF\t2\t2\t0\t0\tF\n",
        NEW + _FROM + "a\t0.1\t-\tmaybe\t2\t2\t0\t0\tF\n",
        NEW + _FROM + "a\t0.1\t-\tF\t-2\t2\t0\t0\tF\n",
        NEW + _FROM.replace("203.0.113.9", "nobody") + "a\t0.1\t-\tF\t2\t2\t0\t0\tF\n",
    ),
    source="docs.zeek.org/en/master/logs/files.html",
)
