"""HAProxy HTTP and TCP logs (option httplog, option tcplog).

HAProxy configuration manual, 8.2. Traps: the accept date has no zone unless %T or %Tl is used, and
the syslog frame has no year; it is the start of the request, the line comes at its end; `+` before
the byte count (option logasap) says that it is not final: unknown; bytes_read includes headers; a
termination state that is not "-" or "L" first (CD--: client abort) means cut short; status -1 is no
answer; dontlognull, dontlog-normal and sample drop lines, UDP loses them, and lines are cut at
1,024 bytes, mostly in the request, so that its closing quote may be missing. The local port is not
named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.clock import zone_named
from leftopen.trace.columnar import chunk, count, in_range, normal, numbered, status
from leftopen.trace.lines import Lines, share, split
from leftopen.trace.syslog import FRAME, FRAME_PYTHON

_AT = r"(?P<at>[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2})"
_LINE = (
    r"(?P<client>[0-9A-Fa-f:.]{2,45}|unix@):[0-9]{1,5} \["
    + _AT
    + r"(?:\.[0-9]{1,6})?(?: (?P<offset>[+-][0-9]{4}))?\] [^ ]+ "
    # After the times: status and bytes, bytes alone (TCP), or an error in words.
    r"(?:[^ ]+ [+-]?[0-9]+(?:/[+-]?[0-9]+){1,4} "
    r"(?:(?P<code>-1|[0-9]{3}) )?(?P<size>\+?[0-9]+) (?:(?P<cookies>[^ ]+ [^ ]+) )?"
    r"(?P<end>[A-Za-z-]{2,4}) "
    r"[0-9]+/[0-9]+/[0-9]+/[0-9]+/\+?[0-9]+ [0-9]+/[0-9]+"
    r'(?: \{[^}]*\}){0,2}(?: "(?P<method>[^ "]*) ?(?P<target>[^ "]*)[^"]*"?)?'
    r"|(?P<failed>(?:[A-Z][a-z]+ ){1,6}[^\r]*))"
)
PATTERN = "^" + FRAME + _LINE
_PYTHON = re.compile(FRAME_PYTHON + _LINE)
# Lines of the daemon itself in the same file (start, stop, a server down).
_OTHER = re.compile(FRAME_PYTHON + r"(?:Proxy|Server|Connect from|backend|Health check|Stopping) ")
_OTHER_COLUMN = "^" + FRAME + r"(?:Proxy|Server|Connect from|backend|Health check|Stopping) "


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape, with at least one by a proxy's client."""
    mine = share(head, _PYTHON)
    return min(96, mine + share(head, _OTHER)) if mine else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests and connections of each client."""
    zone_named(options.zone)
    for lines in split(blocks):
        yield _chunk(lines, options.zone)


def _chunk(lines: Lines, zone: str) -> Chunk:
    text = pl.col("text")
    every = numbered(lines).lazy().with_columns(text.str.extract_groups(PATTERN).alias("found"))
    cut = every.unnest("found").with_columns(
        _time(zone).alias("time"),
        (text.str.strip_chars() == "").fill_null(False).alias("blank"),
        text.str.contains(_OTHER_COLUMN).fill_null(False).alias("other"),
    )
    found = cut.with_columns(
        (pl.col("client").is_not_null() & in_range(pl.col("time"))).alias("ok")
    ).collect()
    wrong = found.filter(~(pl.col("ok") | pl.col("blank") | pl.col("other")))["line"]
    clock = f"{zone} taken as declared"
    return chunk(lines, _rows(found.filter("ok")), wrong, int(found["blank"].sum()), clock)


def _time(zone: str) -> pl.Expr:
    shape = "%d/%b/%Y:%H:%M:%S"
    local = pl.col("at").str.to_datetime(shape, strict=False)
    # The first of a time that the zone has twice; none where it was left out.
    here = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    told = pl.concat_str(["at", "offset"], separator=" ")
    exact = told.str.to_datetime(shape + " %z", strict=False)
    return pl.coalesce(exact.dt.epoch("s"), here.dt.epoch("s"))


def _rows(good: pl.DataFrame) -> pl.DataFrame:
    size = pl.when(~pl.col("size").str.starts_with("+")).then(count("size"))
    failed = pl.col("failed").is_not_null()
    made = good.with_columns(
        pl.when(failed).then(0).otherwise(size).alias("size"),
        pl.col("code").cast(pl.Int64, strict=False).alias("code"),
        web.path_column(pl.col("target").fill_null("")).alias("path"),
        (~pl.col("end").str.contains("^[-L]")).alias("cut"),
        pl.col("cookies").is_null().alias("tcp"),
    ).with_columns(_act().cast(pl.Int8).alias("act"))
    columns = {
        "client": pl.when(pl.col("client") != "unix@").then(pl.col("client").str.to_lowercase()),
        "status": status(pl.col("code")),
        "bytes": pl.col("size"),
        "object": pl.when(pl.col("act") >= Act.PART).then("path"),
    }
    return normal(made, columns)


def _act() -> pl.Expr:
    answered = pl.col("size").is_null() | (pl.col("size") > 0)
    return (
        pl.when(pl.col("failed").is_not_null())
        .then(Act.TOUCHED)
        .when(pl.col("tcp"))
        .then(pl.when(answered).then(Act.LOOKED).otherwise(Act.TOUCHED))
        .otherwise(web.act_column(pl.col("cut")))
    )


HTTP = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in "
    "static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "
    '"GET /index.html HTTP/1.1"\n'
    "10.0.1.2:33318 [06/Feb/2009:12:14:15.655] http-in static/srv1 10/0/30/69/109 200 +2750 - - "
    'CD-- 1/1/1/1/0 0/0 "GET http://h/a.mbox?x HTT\n'
    "10.0.1.2:33319 [06/Feb/2009:12:14:16.655] http-in http-in/<NOSRV> -1/-1/-1/-1/5 400 187 - - "
    'PR-- 0/0/0/0/0 0/0 "<BADREQ>"\n'
    "\n"
    "2001:db8::7:50000 [06/Feb/2009:12:14:17.655] fe/1: Connection error during SSL handshake\n"
)
TCP = (
    "<134>Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt "
    "bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0\n"
    "10.0.1.2:33314 [06/Feb/2009:13:12:51.443 +0100] fnt bck/srv1 0/0/5007 0 cD 0/0/0/0/3 0/0\n"
    "Feb  6 12:12:57 localhost haproxy[14387]: Server bck/srv1 is DOWN.\n"
)

FORMAT = LogFormat(
    name="haproxy",
    kind="app",
    protocols=("http", "tcp"),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=False,
    examples=(
        Example(
            text=HTTP,
            rows=(
                {
                    "line": 1,
                    "time": 1233922454,
                    "client": "10.0.1.2",
                    "port": 0,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2750,
                    "object": "/index.html",
                },
                {"line": 2, "act": Act.PART, "bytes": None, "object": "/a.mbox"},
                {"line": 3, "act": Act.TOUCHED, "status": 4, "bytes": 187, "object": None},
                {"line": 5, "client": "2001:db8::7", "act": Act.TOUCHED, "bytes": 0},
            ),
        ),
        Example(
            text=TCP,
            rows=(
                {"line": 1, "time": 1233922371, "act": Act.LOOKED, "bytes": 212, "status": 0},
                {"line": 2, "time": 1233922371, "act": Act.TOUCHED, "bytes": 0},
            ),
        ),
    ),
    counterexamples=(
        "10.0.1.2:33314 [31/Feb/2009:13:12:51.443] fnt bck/srv1 0/0/5007 0 cD 0/0/0/0/3 0/0\n",
        "10.0.1.2:33314 [06/Feb/2009:13:12:51.443] fnt bck/srv1 0/0/5007 0 cD\n",
        "10.0.1.2 [06/Feb/2009:13:12:51.443] fnt bck/srv1 0/0/5007 0 cD 0/0/0/0/3 0/0\n",
    ),
    source="docs.haproxy.org configuration manual, 8.2 Log formats",
)
