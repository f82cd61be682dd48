"""nginx and Apache access logs (common and combined).

Apache mod_log_config and ngx_http_log_module. `%b` and `$body_bytes_sent` count what was handed to
the kernel: on an aborted download 6 to 21 times what the client took (research/trace.md 0.4), so
the format is not tight. A path that ends in "/" is a listing; a failed request is an attempt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from leftopen.trace.api import SCHEMA, Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.lines import BAD_KEPT, Lines, share, split

# Anchored, and no lazy groups: one of them costs 2.4 times the CPU and 3 times the memory.
_BEFORE = (
    r"^(?:[^ ]+:[0-9]+ )?(?P<client>[0-9A-Za-z:][0-9A-Za-z.:_%-]*) [^ ]+ "
    r'(?P<login>[^\["]+) \[(?P<at>[^\]]+)\] '
)
_REQUEST = r'"(?P<method>[^ "\\]*) ?(?P<target>[^ "\\?]*(?:\\.[^ "\\?]*)*)[^"\\]*(?:\\.[^"\\]*)*"'
_AFTER = r" (?P<code>[0-9]{3}) (?P<size>[0-9]+|-)(?:[ \r]|$)"
PATTERN = _BEFORE + _REQUEST + _AFTER  # for Polars, whose regular expressions are linear
TIME = "%d/%b/%Y:%H:%M:%S %z"
FIELDS = ("line", "client", "login", "at", "method", "target", "code", "size", "agent", "blank")
# Which column is cut at what, into which pieces; the last piece holds the rest.
CUTS = (
    ("text", '"', ["head", "request", "counts", "referrer", "gap", "agent", "rest"]),
    ("head", " [", ["left", "right"]),
    ("left", " ", ["client", "ident", "login"]),
    ("request", " ", ["method", "target", "version"]),
    ("counts", " ", ["before", "code", "size", "after"]),
)
CLIENT_MAX, OBJECT_MAX, AGENT_MAX = 253, 4096, 200
NOT_DATA = ("/robots.txt", "/favicon.ico", "/.well-known/security.txt")  # RFC 9309, RFC 9116

# Python's backtrack: on a request without an end, three loops over the same characters took 50 s
# for 2 KiB. The same lines fit when the request is any quoted text; possessive, so never twice.
_PYTHON = re.compile(_BEFORE + r'"(?:[^"\\]|\\.)*+"' + _AFTER)


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(95, share(head, _PYTHON))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Columns of every line that has the shape, a time and a status; the others are counted."""
    for lines in split(blocks):
        yield _chunk(lines)


def _chunk(lines: Lines) -> Chunk:
    every = _fields(lines).with_columns(
        pl.col("at").str.to_datetime(TIME, strict=False).dt.epoch("s").alias("time"),
        # Apache writes "-" for no body; more digits than fit are not a count.
        pl.when(pl.col("size") == "-").then(pl.lit("0")).otherwise("size").alias("size"),
    )
    read = pl.col("client").is_not_null().and_(pl.col("time").is_between(0, 2**31 - 1))
    every = every.with_columns(read.fill_null(False).alias("ok")).drop("at")
    good = every["ok"]
    blank = every["blank"]
    wrong = every.filter(~good & ~blank)["line"]
    return Chunk(
        rows=_columns(every.lazy().filter(good)).collect(),
        lines=lines.text.len(),
        rejected=wrong.len(),
        blank=int(blank.sum()),
        bad=tuple(wrong.head(BAD_KEPT).to_list()),
        troubles=lines.troubles,
    )


def _fields(lines: Lines) -> pl.DataFrame:
    """The fields of each line as text, nulls where it has not the shape."""
    numbers = pl.int_range(lines.first, lines.first + lines.text.len(), dtype=pl.Int64)
    text = lines.text.alias("text").to_frame().with_columns(numbers.alias("line"))
    found = cut(text)
    odd = text.filter(~found["usual"])
    if not odd.height:
        return found.select(FIELDS)
    usual = found.filter("usual").select(FIELDS)
    return pl.concat([usual, by_pattern(odd)]).sort("line")


def by_pattern(text: pl.DataFrame) -> pl.DataFrame:
    """The fields of these lines by PATTERN, which says what the shape is."""
    line = pl.col("text")
    # The agent is the second of two adjacent quoted strings; a quote inside one is escaped.
    agent = line.str.splitn('" "', 2).struct.field("field_1").str.split('"').list.first()
    return (
        text.lazy()
        .with_columns(line.str.extract_groups(PATTERN).alias("found"), agent.alias("agent"))
        .unnest("found")
        .with_columns((line.str.strip_chars() == "").fill_null(False).alias("blank"))
        .select(FIELDS)
        .collect()
    )


def cut(text: pl.DataFrame) -> pl.DataFrame:
    """The fields by cutting at quotes and spaces; `usual`: surely as PATTERN has them.

    Half the CPU of PATTERN, which is kept for every line with something unusual in it.
    """
    made = text.lazy()
    for what, at, names in CUTS:
        pieces = pl.col(what).str.splitn(at, len(names)).struct.rename_fields(names)
        made = made.with_columns(pieces.alias("pieces")).unnest("pieces")
    column = pl.col
    return made.select(
        "line",
        "client",
        "login",
        column("right").str.strip_suffix("] ").alias("at"),
        "method",
        column("target").str.splitn("?", 2).struct.field("field_0").fill_null("").alias("target"),
        "code",
        "size",
        pl.when(column("gap") == " ").then("agent").alias("agent"),
        pl.lit(False).alias("blank"),
        pl.all_horizontal(_sure()).fill_null(False).alias("usual"),
    ).collect()


def _sure() -> list[pl.Expr]:
    """What a line needs so that cutting it gives what PATTERN gives."""
    column = pl.col
    size, gap = column("size"), column("gap")
    alone = column("referrer").is_null()  # the common format has no further quotes
    return [
        ~column("text").str.contains("\\", literal=True),  # nor an escaped one
        column("client").str.contains(r"^[0-9A-Za-z:][0-9A-Za-z.:_%-]*$"),
        # What looks like a virtual host in front may be an IPv6 address.
        ~column("client").str.contains(":", literal=True) | (column("ident") == "-"),
        column("ident") != "",
        column("login") != "",
        ~column("left").str.contains("[", literal=True),
        column("right").str.ends_with("] "),
        column("right").str.find("]", literal=True) + 2 == column("right").str.len_bytes(),
        column("request") != " ",
        column("before") == "",
        column("code").str.contains(r"^[0-9]{3}$"),
        size.str.contains(r"^(?:[0-9]+|-)$") & (column("after").is_not_null() | alone),
        alone | (gap == " "),
    ]


def _columns(good: pl.LazyFrame) -> pl.LazyFrame:
    path = pl.col("target").str.replace("^[A-Za-z]+://[^/]*", "").str.slice(0, OBJECT_MAX)
    made = good.with_columns(
        path.alias("path"),
        pl.col("code").cast(pl.Int64).alias("code"),
        pl.col("size").cast(pl.Int64, strict=False).alias("size"),
    ).with_columns(_act().cast(pl.Int8).alias("act"))
    columns = {
        "client": pl.col("client").str.slice(0, CLIENT_MAX),
        "port": pl.lit(0),
        "status": pl.when(pl.col("code").is_between(100, 599)).then(pl.col("code") // 100),
        "bytes": pl.col("size"),
        "content": pl.lit(0),
        "units": pl.lit(0),
        "object": pl.when(pl.col("act") >= Act.PART).then("path"),
        "agent": pl.col("agent").str.slice(0, AGENT_MAX),
        "user": pl.col("login") != "-",
    }
    return made.select(
        columns.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in SCHEMA.items()
    ).with_columns(pl.col("status").fill_null(0))


def _act() -> pl.Expr:
    code, method, path = pl.col("code"), pl.col("method"), pl.col("path")
    body = method.is_in(["GET", "POST"]) & (pl.col("size") > 0).fill_null(True)
    return (
        pl.when((code < 200) | (code > 399))
        .then(Act.TOUCHED)
        .when(code > 299)
        .then(Act.LOOKED)
        .when(method == "PROPFIND")
        .then(Act.LISTED)
        .when(~body | path.is_in(NOT_DATA))
        .then(Act.LOOKED)
        .when(path.str.ends_with("/") | (path == ""))
        .then(Act.LISTED)
        .when(code == 206)
        .then(Act.PART)
        .otherwise(Act.WHOLE)
    )


NGINX = (
    '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET /mail/a%20b.mbox?x=1 HTTP/1.1" 200 2097152 '
    '"-" "Wget/1.21"\n'
)
APACHE = (
    '2001:db8::7 - frank [08/Feb/2023:02:12:45 +0000] "HEAD /mail/x.mbox HTTP/1.0" 200 -\n'
    "\n"
    'files.example.org:443 203.0.113.9 - - [08/Feb/2023:02:12:46 +0000] "GET /mail/ HTTP/1.1" '
    '200 512 "http://example.org/\\"x" "a \\" b"\n'
    '203.0.113.9 - - [08/Feb/2023:02:12:47 +0000] "\\x16\\x03\\x01" 400 226\n'
)

FORMAT = LogFormat(
    name="clf",
    kind="app",
    protocols=("http",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="end (nginx), start (Apache)",
    has_zone=True,
    examples=(
        Example(
            text=NGINX,
            rows=(
                {
                    "line": 1,
                    "time": 1675822365,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/mail/a%20b.mbox",
                    "agent": "Wget/1.21",
                    "user": False,
                },
            ),
        ),
        Example(
            text=APACHE,
            rows=(
                {"line": 1, "client": "2001:db8::7", "act": Act.LOOKED, "bytes": 0, "user": True},
                {"line": 3, "client": "203.0.113.9", "act": Act.LISTED, "object": None},
                {"line": 4, "act": Act.TOUCHED, "status": 4, "bytes": 226, "agent": None},
            ),
        ),
    ),
    counterexamples=(
        '203.0.113.9 - - [99/Foo/2023:03:12:45 +0100] "GET / HTTP/1.1" 200 5\n',
        '203.0.113.9 - - [08/Feb/2023:03:12:45 +0100] "GET / HTTP/1.1" 200 12203.0.113.5 - -\n',
        '- - - [08/Feb/2023:03:12:45 +0100] "GET / HTTP/1.1" 200 5\n',
        "Feb  8 03:12:45 mx postfix/smtpd[1]: connect from unknown[203.0.113.9]\n",
    ),
    source="httpd.apache.org/docs mod_log_config; nginx.org ngx_http_log_module",
)
