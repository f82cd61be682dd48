"""Zeek HTTP log (http.log, TSV or JSON).

Traps, each handled here: only plain HTTP is seen, what is inside TLS is not; response_body_len is
the content after the decoding of transfers, so of a compressed answer it is more than the wire
carried; an unset status means that no answer was seen; uri may hold a whole URL where a proxy was
asked; several requests share one connection and its time is that of the request; unset is unknown,
never 0 (docs.zeek.org/en/master/scripts/base/protocols/http/main.zeek.html).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from leftopen.trace import web, zeek
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.flow_ends import select
from leftopen.trace.zeek import COUNT, TEXT

FIELDS: zeek.Fields = {
    **zeek.ENDS,
    "method": TEXT,
    "uri": TEXT,
    "user_agent": TEXT,
    "response_body_len": COUNT,
    "status_code": COUNT,
    "username": TEXT,
}


def recognise(head: bytes, name: str) -> int:
    """By the path, or by the fields of its own."""
    rare = ("trans_depth", "response_body_len", "status_code")
    return zeek.recognise(head, "http", ("ts", "id.orig_h"), rare)


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests by client and path."""
    return zeek.read(blocks, FIELDS, _rows)


def _rows(table: pl.LazyFrame) -> pl.LazyFrame:
    status = pl.col("status_code")
    size = pl.when(status.is_null()).then(0).otherwise("response_body_len")
    came_in = ~zeek.outward("id.orig_h", "id.resp_h").fill_null(False)
    made = table.filter(pl.col("id.orig_h").is_not_null()).with_columns(
        zeek.port(),
        _path().alias("path"),
        size.alias("size"),
        status.alias("code"),
        pl.col("method").fill_null("GET"),  # unknown: it may have got the object
    )
    made = made.with_columns(web.act_column(pl.lit(False)).alias("got"))
    return select(
        made,
        client=pl.when(came_in).then("id.orig_h"),
        act=pl.col("got"),
        status=pl.when(status.is_between(100, 599)).then(status // 100).otherwise(0),
        bytes=pl.col("size"),
        object=pl.when(pl.col("got") >= Act.PART).then("path"),
        agent=pl.col("user_agent").str.slice(0, web.AGENT_MAX),
        user=pl.col("username").is_not_null(),
    )


def _path() -> pl.Expr:
    """The path of `uri`: without a scheme and host (proxies), without its query."""
    bare = pl.col("uri").str.replace("^[A-Za-z]+://[^/?]*", "").str.replace(r"\?.*$", "")
    return bare.str.slice(0, web.OBJECT_MAX)


NAMES = (
    "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_depth\tmethod\thost\turi\treferrer\t"
    "version\tuser_agent\torigin\trequest_body_len\tresponse_body_len\tstatus_code\tstatus_msg\t"
    "username\tpassword"
)
HEADER = f"#separator \\x09\n#path\thttp\n#fields\t{NAMES}\n"


def _line(**changes: str) -> str:
    values = {
        "ts": "1675825965.123456",
        "client": "203.0.113.9",
        "port": "80",
        "method": "GET",
        "uri": "/mail/a%20b.mbox?x=1",
        "agent": "Wget/1.21",
        "size": "2097152",
        "code": "200",
        "user": "-",
    } | changes
    return (
        "{ts}\tC1\t{client}\t50123\t10.0.0.4\t{port}\t1\t{method}\tmail.example\t{uri}\t-\t1.1\t"
        "{agent}\t-\t0\t{size}\t{code}\tOK\t{user}\t-\n"
    ).format(**values)


JSON = (
    '{"ts":1675825965.1,"uid":"C1","id.orig_h":"203.0.113.9","id.orig_p":50123,"id.resp_h":'
    '"10.0.0.4","id.resp_p":80,"trans_depth":1,"method":"GET","uri":"http://mail.example/a.mbox",'
    '"response_body_len":2097152,"status_code":206,"user_agent":"curl/8"}\n'
)

FORMAT = LogFormat(
    name="zeek_http",
    kind="app",
    protocols=("http",),
    recognise=recognise,
    read=read,
    byte_meaning="content",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=HEADER
            + _line()
            + _line(uri="/mail/", user="kim")
            + _line(code="-", size="0")
            + _line(code="404", size="9")
            + _line(method="HEAD", size="0")
            + _line(size="-"),
            rows=(
                {
                    "line": 4,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 80,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/mail/a%20b.mbox",
                    "agent": "Wget/1.21",
                    "user": False,
                },
                {"line": 5, "act": Act.LISTED, "object": None, "user": True},
                {"line": 6, "act": Act.TOUCHED, "status": 0, "bytes": 0},
                {"line": 7, "act": Act.TOUCHED, "status": 4, "bytes": 9},
                {"line": 8, "act": Act.LOOKED, "bytes": 0},
                {"line": 9, "act": Act.WHOLE, "bytes": None},
            ),
        ),
        Example(
            text=JSON,
            rows=({"line": 1, "act": Act.PART, "object": "/a.mbox", "agent": "curl/8"},),
        ),
    ),
    counterexamples=(
        HEADER + _line(ts="253402300799.0"),
        HEADER + _line(client="\x1b[2J"),
        HEADER + _line(size="-5"),
        HEADER + _line(size="9" * 30),
        HEADER + _line(uri="/a\tb"),
    ),
    source="docs.zeek.org/en/master/logs/http.html",
)
