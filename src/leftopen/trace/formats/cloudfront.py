"""CloudFront standard logs (W3C extended, tab separated).

docs.aws.amazon.com, CloudFront standard logs. UTC, stamped when the answer was finished. Traps:
best effort, delivered within an hour and sometimes up to 24 hours late, so absence proves little;
sc-bytes includes headers; sc-status 000 is a client that left before an answer; ClientCommError in
x-edge-detailed-result-type is a client that left in the middle (cut short); fields are
percent-encoded; what came from the cache never reached the origin's log. c-ip may be a proxy's:
x-forwarded-for is the client's own claim and is not used.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.columnar import normal, status
from leftopen.trace.lines import split
from leftopen.trace.w3c import Reader, field, sent

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def recognise(head: bytes, name: str) -> int:
    """By the "#Fields:" directive at the top of every file."""
    return 97 if b"#Fields:" in head and b"x-edge-location" in head and b"sc-bytes" in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each viewer."""
    reader = Reader("\t", _normal)
    for lines in split(blocks):
        yield reader.chunk(lines)


def _normal(table: pl.DataFrame) -> pl.DataFrame:
    broken = pl.any_horizontal(
        field(table, name).str.contains("ClientCommError").fill_null(False)
        for name in ("x-edge-detailed-result-type", "x-edge-result-type")
    )
    fields = table.select(
        "line",
        "time",
        field(table, "c-ip").str.to_lowercase().alias("client"),
        field(table, "cs-protocol").replace_strict(_PORTS, default=0).alias("port"),
        field(table, "sc-status").cast(pl.Int64, strict=False).alias("code"),
        field(table, "cs-method").alias("method"),
        web.path_column(field(table, "cs-uri-stem")).alias("path"),
        field(table, "cs(User-Agent)").str.slice(0, web.AGENT_MAX).alias("agent"),
        broken.alias("cut"),
        sent(table).alias("size"),
    )
    valid = pl.col("client").str.contains(r"^[0-9a-f.:]{2,45}$").fill_null(False)
    acts = fields.filter(valid).with_columns(
        web.act_column(pl.col("cut")).cast(pl.Int8).alias("act")
    )
    return normal(
        acts,
        {
            "port": pl.col("port").fill_null(0),
            "status": status(pl.col("code")),
            "bytes": pl.col("size"),
            "object": pl.when(pl.col("act") >= Act.PART).then("path"),
            "agent": pl.col("agent"),
        },
    )


# The head is the vendor's; so is the first record (Example standard log, cut at 13 fields).
HEAD = (
    "#Version: 1.0\n"
    "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    "cs(Referer) cs(User-Agent) cs-protocol x-edge-detailed-result-type\n"
)
EXAMPLE = HEAD + (
    "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t"
    "/index.html\t200\t-\tMozilla/5.0%20(Windows)\thttps\tHit\n"
    "2019-12-04\t21:02:32\tLAX1\t5000\t2001:DB8::7\tGET\td.cloudfront.net\t/a%20b.pst\t200\t-\t-\t"
    "http\tClientCommError\n"
    "2019-12-04\t21:02:33\tLAX1\t0\t192.0.2.100\tGET\td.cloudfront.net\t/a\t000\t-\t-\thttps\t"
    "ClientCommError\n"
)

FORMAT = LogFormat(
    name="cloudfront",
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
                    "line": 3,
                    "time": 1575493351,
                    "client": "192.0.2.100",
                    "port": 443,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 392,
                    "object": "/index.html",
                },
                {
                    "line": 4,
                    "client": "2001:db8::7",
                    "port": 80,
                    "act": Act.PART,
                    "object": "/a%20b.pst",
                    "agent": None,
                },
                {"line": 5, "act": Act.TOUCHED, "status": 0, "bytes": 0},
            ),
        ),
    ),
    counterexamples=(
        EXAMPLE.splitlines()[2] + "\n",
        HEAD + EXAMPLE.splitlines()[2].replace("2019-12-04", "2019-02-30") + "\n",
        HEAD + EXAMPLE.splitlines()[2].replace("192.0.2.100", "<b>") + "\n",
        HEAD + EXAMPLE.splitlines()[2].replace("\t", " ") + "\n",
    ),
    source="docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html",
)
