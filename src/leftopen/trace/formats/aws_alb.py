"""AWS load balancer access logs (Application Load Balancer, classic HTTP).

docs.aws.amazon.com, load-balancer-access-logs. UTC, stamped when the answer was made (end). Traps:
delivered on a best-effort basis and every 5 (classic: 5 or 60) minutes, so absence proves little;
sent_bytes includes headers (classic: not) and is what was handed on, so not tight; status "-" and
460 mean that the client closed before an answer; a target of "-" is an answer of the balancer
itself. The local port stands in the requested URL. Objects are paths of the URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.columnar import chunk, count, in_range, normal, numbered, status
from leftopen.trace.lines import Lines, share, split

PATTERN = (
    r"^(?:(?:https?|h2|grpcs?|wss?) )?"
    r"(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?Z "
    r"[^ ]+ (?P<client>[0-9A-Fa-f:.]{2,45}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5} [^ ]+ "
    r"-?[0-9.]+ -?[0-9.]+ -?[0-9.]+ (?P<code>[0-9]{3}|-) (?:[0-9]{3}|-) (?:-?[0-9]+) "
    r'(?P<size>-?[0-9]+) "(?P<method>[^ "]*) (?P<target>[^ "]*)(?: [^"]*)?" '
    r'"(?P<agent>[^"]*)"(?: |$)'
)
_PYTHON = re.compile(PATTERN)


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(96, share(head, _PYTHON))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each client."""
    for lines in split(blocks):
        yield _chunk(lines)


def _chunk(lines: Lines) -> Chunk:
    text = pl.col("text")
    time = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False).dt.epoch("s")
    found = (
        numbered(lines)
        .with_columns(
            text.str.extract_groups(PATTERN).alias("found"),
            (text.str.strip_chars() == "").fill_null(False).alias("blank"),
        )
        .unnest("found")
        .with_columns(time.alias("time"))
    )
    ok = pl.col("client").is_not_null() & in_range(pl.col("time"))
    wrong = found.filter(~ok & ~pl.col("blank"))["line"]
    return chunk(lines, _rows(found.filter(ok)), wrong, int(found["blank"].sum()), "")


def _rows(good: pl.DataFrame) -> pl.DataFrame:
    target = pl.col("target")
    port = target.str.extract(r"^[a-z0-9]+://[^/]*:([0-9]{1,5})(?:/|$)").cast(pl.Int64)
    made = good.with_columns(
        count("size").alias("size"),
        pl.col("code").cast(pl.Int64, strict=False).alias("code"),
        web.path_column(target).alias("path"),
        port.fill_null(0).alias("port"),
    ).with_columns(web.act_column(pl.lit(False)).cast(pl.Int8).alias("act"))
    agent = pl.col("agent").str.slice(0, web.AGENT_MAX)
    columns = {
        "client": pl.col("client").str.strip_chars("[]").str.to_lowercase(),
        "port": pl.when(pl.col("port") <= 65535).then("port").otherwise(0),
        "status": status(pl.col("code")),
        "bytes": pl.col("size"),
        "object": pl.when(pl.col("act") >= Act.PART).then("path"),
        "agent": pl.when(agent != "-").then(agent),
    }
    return normal(made, columns)


# The vendor's own samples (Example log entries), one shortened by its last fields.
EXAMPLE = (
    "https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 "
    '10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/a.pst?x HTTP/1.1" '
    '"curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:x "Root=1-58337281" '
    '"www.example.com" "arn:aws:y" 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-"\n'
    "\n"
    "http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 "
    '- 0.000 0.001 0.000 502 - 34 366 "GET http://www.example.com:80/ HTTP/1.1" "-" - -\n'
    "h2 2018-11-30T22:23:01.186641Z app/lb/50 203.0.113.9:2817 - -1 -1 -1 460 - 34 0 "
    '"- http://www.example.com:80- -" "-" - -\n'
)
CLASSIC = (
    "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 "
    '0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -\n'
)

FORMAT = LogFormat(
    name="aws_alb",
    kind="app",
    protocols=("http",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {
                    "line": 1,
                    "time": 1530570180,
                    "client": "192.168.131.39",
                    "port": 443,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 57,
                    "object": "/a.pst",
                    "agent": "curl/7.46.0",
                },
                {"line": 3, "port": 80, "act": Act.TOUCHED, "status": 5, "agent": None},
                {"line": 4, "act": Act.TOUCHED, "status": 4, "bytes": 0},
            ),
        ),
        Example(
            text=CLASSIC,
            rows=({"line": 1, "time": 1431560383, "act": Act.LISTED, "bytes": 29, "port": 80},),
        ),
    ),
    counterexamples=(
        CLASSIC.replace("2015-05-13", "2015-02-30"),
        CLASSIC.replace("192.168.131.39:2817", "-"),
        CLASSIC[:120] + "\n",
    ),
    source="docs.aws.amazon.com/elasticloadbalancing/latest/application/"
    "load-balancer-access-logs.html",
)
