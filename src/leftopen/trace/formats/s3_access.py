"""Amazon S3 server access logs.

One line per request. Traps, each handled here: a requester "-" is anonymous; the key is encoded
twice and "-" where there is none; Bytes Sent "-" is zero, but the copy of an object into another
bucket (REST.COPY.OBJECT_GET) sends its bytes there, so how much is unknown; Bytes Sent smaller
than Object Size is a body cut short; the user agent may hold quotes that nobody escaped; S3 itself
(S3.EXPIRE...) has no remote address; fields are added at the end from time to time. Delivery is
best effort, hours late or never, and out of order: its silence proves nothing, and a request can
be missing at any time (docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html,
ServerLogs.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from leftopen.trace.api import SCHEMA, Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.clock import LAST
from leftopen.trace.instants import ADDRESS
from leftopen.trace.lines import BAD_KEPT, Lines, share, split

PATTERN = (
    r"^[^ ]+ (?P<bucket>[^ ]+) \[(?P<at>[^\]]+)\] (?P<client>[^ ]+) (?P<login>[^ ]+) [^ ]+ "
    r"(?P<operation>[A-Z0-9]+\.[A-Z0-9_.]+) (?P<key>[^ ]+) "
    r'(?:"[^"]*"|-) (?P<code>[0-9]{3}|-) [^ ]+ (?P<size>[0-9]{1,18}|-) (?P<whole>[0-9]{1,18}|-) '
    r'(?:[0-9]+|-) (?:[0-9]+|-)(?: (?:"[^"]*"|-) (?:"(?P<agent>[^"]*)|-)|\s*$)'
)
TIME = "%d/%b/%Y:%H:%M:%S %z"
OBJECT_MAX, AGENT_MAX = 4096, 200
OBJECT = r"^(?:REST|WEBSITE|SOAP)\.GET\.OBJECT$|^REST\.COPY\.(?:OBJECT|PART)_GET$"
SELECT = r"^REST\.SELECT\.OBJECT$|_PART_GET$|\.PART_GET$"
LISTING = (
    r"^REST\.GET\.(?:BUCKET|BUCKETVERSIONS|VERSIONS|UPLOADS|SERVICE|LIST_V2|BUCKETUPLOADS)$"
    r"|^SOAP\.(?:LISTBUCKET|LISTALLMYBUCKETS)"
)
COPY = r"^REST\.COPY\."

_PYTHON = re.compile(PATTERN)


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(96, share(head, _PYTHON))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Columns of every line that has the shape and a time; the others are counted."""
    for lines in split(blocks):
        yield _chunk(lines)


def _chunk(lines: Lines) -> Chunk:
    line = pl.col("text")
    every = (
        lines.text.alias("text")
        .to_frame()
        .lazy()
        .with_columns(line.str.extract_groups(PATTERN).alias("found"))
        .unnest("found")
        .with_columns(
            pl.int_range(lines.first, lines.first + lines.text.len(), dtype=pl.Int64).alias("line"),
            pl.col("at").str.to_datetime(TIME, strict=False).dt.epoch("s").alias("time"),
            (line.str.strip_chars() == "").fill_null(False).alias("blank"),
        )
        .with_columns((_valid() & pl.col("time").is_between(0, LAST)).fill_null(False).alias("ok"))
        .drop("text", "at")
        .collect()
    )
    wrong = every.filter(~pl.col("ok") & ~pl.col("blank"))["line"]
    return Chunk(
        rows=_columns(every.lazy().filter("ok")).collect(),
        lines=lines.text.len(),
        rejected=wrong.len(),
        blank=int(every["blank"].sum()),
        bad=tuple(wrong.head(BAD_KEPT).to_list()),
        troubles=lines.troubles,
    )


def _valid() -> pl.Expr:
    return pl.col("client").str.contains(rf"^(?:{ADDRESS}|-|[a-z0-9.-]{{1,60}}\.amazonaws\.com)$")


def _columns(good: pl.LazyFrame) -> pl.LazyFrame:
    key = pl.when(pl.col("key") != "-").then("key")
    named = pl.col("client").str.contains(rf"^{ADDRESS}$")
    made = good.with_columns(
        pl.col("code").cast(pl.Int64, strict=False).fill_null(0).alias("code"),
        pl.col("size").cast(pl.Int64, strict=False).alias("sent"),
        pl.col("whole").cast(pl.Int64, strict=False).alias("length"),
        pl.col("operation").str.contains(COPY).alias("copied"),
        pl.concat_str(pl.lit("/"), "bucket", pl.lit("/"), key.fill_null("")).alias("path"),
    ).with_columns(_act().alias("act"))
    elsewhere = pl.col("copied") & (pl.col("act") >= Act.PART)
    columns = {
        "client": pl.when(named).then(pl.col("client").str.to_lowercase()),
        "port": pl.lit(0),
        "status": pl.when(pl.col("code").is_between(100, 599)).then(pl.col("code") // 100),
        "bytes": pl.when(elsewhere).then(pl.col("sent")).otherwise(pl.col("sent").fill_null(0)),
        "content": pl.lit(0),
        "units": pl.lit(0),
        "object": pl.when(pl.col("act") >= Act.PART).then(pl.col("path").str.slice(0, OBJECT_MAX)),
        "agent": pl.when(~pl.col("agent").is_in(["-", ""])).then(
            pl.col("agent").str.slice(0, AGENT_MAX)
        ),
        "user": pl.col("login") != "-",
    }
    return made.select(
        columns.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in SCHEMA.items()
    ).with_columns(pl.col("status").fill_null(0))


def _act() -> pl.Expr:
    code, operation = pl.col("code"), pl.col("operation")
    sent = pl.col("sent").fill_null(0)
    gives = operation.str.contains(OBJECT) | operation.str.contains(SELECT)
    short = (code == 206) | (sent < pl.col("length")).fill_null(False) & ~pl.col("copied")
    return (
        pl.when((code < 200) | (code > 399))
        .then(Act.TOUCHED)
        .when((code > 299) | (gives & (sent == 0) & ~pl.col("copied")))
        .then(Act.LOOKED)
        .when(gives & (short | operation.str.contains(SELECT)))
        .then(Act.PART)
        .when(gives)
        .then(Act.WHOLE)
        .when(operation.str.contains(LISTING))
        .then(Act.LISTED)
        .otherwise(Act.LOOKED)
    )


def _example(**changes: str) -> str:
    values = {
        "time": "08/Feb/2023:03:12:45 +0000",
        "client": "203.0.113.9",
        "login": "-",
        "operation": "REST.GET.OBJECT",
        "key": "box/a%2520b.pst",
        "code": "200",
        "size": "2097152",
        "whole": "2097152",
        "agent": '"S3Console/0.4"',
    } | changes
    return (
        "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be mail [{time}] {client} "
        '{login} 3E57427F3EXAMPLE {operation} {key} "GET /mail/x?versioning HTTP/1.1" {code} - '
        '{size} {whole} 7 5 "-" {agent} - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3= '
        "SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader mail.s3.us-west-1.amazonaws.com TLSV1.2 - -\n"
    ).format(**values)


FORMAT = LogFormat(
    name="s3_access",
    kind="app",
    protocols=("s3",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=_example()
            + _example(size="4096", client="2001:DB8::7")
            + _example(operation="REST.GET.BUCKET", key="-", size="113", whole="-")
            + _example(operation="REST.COPY.OBJECT_GET", size="-", whole="-", login="a7")
            + "\n"
            + _example(operation="REST.HEAD.OBJECT", size="-")
            + _example(code="403", size="243", whole="-", agent='"a "quoted" agent"')
            + _example(operation="S3.EXPIRE.OBJECT", client="-", code="-", size="-", agent='"-"'),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/mail/box/a%2520b.pst",
                    "agent": "S3Console/0.4",
                    "user": False,
                },
                {"line": 2, "client": "2001:db8::7", "act": Act.PART, "bytes": 4096},
                {"line": 3, "act": Act.LISTED, "object": None, "bytes": 113},
                {"line": 4, "act": Act.WHOLE, "bytes": None, "user": True},
                {"line": 6, "act": Act.LOOKED, "bytes": 0},
                {"line": 7, "act": Act.TOUCHED, "status": 4, "bytes": 243},
                {"line": 8, "client": None, "agent": None, "bytes": 0},
            ),
        ),
    ),
    counterexamples=(
        _example(time="31/Feb/2023:03:12:45 +0000"),
        _example(client="\x1b[2J"),
        _example(size="99999999999999999999"),
        _example(operation="GET"),
        _example(code="2000"),
    ),
    source="docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html",
)
