"""IIS web and FTP logs (W3C extended).

Microsoft Learn, IIS site log settings. Traps: "#Fields:" may change in mid-file; date and time are
UTC and stamped at the end, and the day may stand only in "#Date:"; sc-bytes is written only where
the owner chose it (0 of 5 samples, research/trace.md 2.1): without it bytes are unknown, never 0;
spaces in fields are written as "+"; sc-win32-status 64, 121, 995 and 1236 say that the client broke
off. HTTP.sys writes its own errors to another file (httperr), which this reads as well; behind a
proxy c-ip is the proxy. IIS FTP logs name commands in cs-method: RETR is a download.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.columnar import normal, status
from leftopen.trace.lines import split
from leftopen.trace.w3c import Reader, field, sent

BROKEN_OFF = ["64", "121", "995", "1236"]  # winerror.h: the peer or the network went away
FTP_LISTING = ["LIST", "NLST", "MLSD", "STAT"]
_FIELDS = re.compile(rb"^#Fields:([^\r\n]*)", re.MULTILINE)
_OWN = {b"c-ip", b"cs-method", b"sc-status", b"cs-uri-stem", b"cs-uri", b"s-ip", b"s-sitename"}


def recognise(head: bytes, name: str) -> int:
    """By the directives at the top of every file."""
    found = _FIELDS.search(head)
    if found is None or b"\tx-edge" in head or b" x-edge-location" in head:
        return 0
    fields = set(found[1].split())
    if not fields & {b"date", b"time"} or len(fields & _OWN) < 2:
        return 0
    return 97 if b"#Software: Microsoft" in head else 90


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests and FTP commands, by the fields that each stretch of the file names."""
    reader = Reader(" ", _normal)
    for lines in split(blocks):
        yield reader.chunk(lines)


def _normal(table: pl.DataFrame) -> pl.DataFrame:
    address = field(table, "c-ip")
    fields = table.select(
        "line",
        "time",
        address.str.slice(0, web.CLIENT_MAX).str.to_lowercase().alias("client"),
        field(table, "s-port").cast(pl.Int64, strict=False).alias("port"),
        field(table, "sc-status").cast(pl.Int64, strict=False).alias("code"),
        field(table, "cs-method").str.to_uppercase().alias("method"),
        web.path_column(field(table, "cs-uri-stem", "cs-uri")).alias("path"),
        field(table, "cs(User-Agent)").str.slice(0, web.AGENT_MAX).alias("agent"),
        field(table, "cs-username").alias("login"),
        field(table, "sc-win32-status").is_in(BROKEN_OFF).fill_null(False).alias("cut"),
        sent(table).alias("size"),
    )
    valid = pl.col("client").is_null() | pl.col("client").str.contains(r"^[0-9a-f.:]{2,45}(%\w+)?$")
    acts = fields.filter(valid).with_columns(_act().cast(pl.Int8).alias("act"))
    return normal(
        acts,
        {
            "port": pl.when(pl.col("port").is_between(0, 65535)).then("port").otherwise(0),
            "status": status(pl.col("code")),
            "bytes": pl.col("size"),
            "object": pl.when(pl.col("act") >= Act.PART).then("path"),
            "agent": pl.col("agent"),
            "user": _user(),
        },
    )


def _act() -> pl.Expr:
    """As for the web; FTP commands by their own names and replies (RFC 959)."""
    method, code = pl.col("method"), pl.col("code")
    done = code.is_between(200, 299)
    return (
        pl.when((method == "RETR") & (code == 426))
        .then(Act.PART)
        .when((method == "RETR") & done)
        .then(pl.when("cut").then(Act.PART).otherwise(Act.WHOLE))
        .when(method.is_in(FTP_LISTING) & done)
        .then(Act.LISTED)
        .otherwise(web.act_column(pl.col("cut")))
    )


def _user() -> pl.Expr:
    anonymous = pl.col("login").str.to_lowercase().is_in(["anonymous", "ftp"])
    return pl.col("login").is_not_null() & ~anonymous.fill_null(True)


FULL = (
    "#Software: Microsoft Internet Information Services 10.0\r\n"
    "#Version: 1.0\r\n"
    "#Date: 2023-02-08 03:12:40\r\n"
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
    "cs(User-Agent) sc-status sc-substatus sc-win32-status sc-bytes time-taken\r\n"
    "2023-02-08 03:12:45 10.0.0.4 GET /mail/a.mbox x=1 443 - 203.0.113.9 curl/7.88 200 0 0 "
    "2097152 31\r\n"
    "2023-02-08 03:12:46 10.0.0.4 GET /mail/b.mbox - 443 CORP\\kim 2001:db8::7 Moz+(X) 200 0 64 "
    "500000 31\r\n"
    "\r\n"
    "#Fields: time c-ip cs-method cs-uri-stem sc-status\r\n"
    "03:12:47 203.0.113.9 GET /mail/c.mbox 200\r\n"
    "03:12:48 203.0.113.9 GET /no 404\r\n"
)
FTP = (
    "#Software: Microsoft Internet Information Services 10.0\n"
    "#Fields: date time c-ip cs-username s-ip s-port cs-method cs-uri-stem sc-status "
    "sc-win32-status sc-bytes\n"
    "2023-02-08 03:12:45 203.0.113.9 anonymous 10.0.0.4 21 PASS *** 230 0 21\n"
    "2023-02-08 03:12:46 203.0.113.9 anonymous 10.0.0.4 21 LIST - 226 0 900\n"
    "2023-02-08 03:12:47 203.0.113.9 anonymous 10.0.0.4 21 RETR /a.pst 226 0 70000\n"
    "2023-02-08 03:12:48 203.0.113.9 kim 10.0.0.4 21 RETR /b.pst 426 64 5000\n"
)
_SITE = "#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes\n"

FORMAT = LogFormat(
    name="iis",
    kind="app",
    protocols=("http", "ftp"),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=FULL,
            rows=(
                {
                    "line": 5,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/mail/a.mbox",
                    "agent": "curl/7.88",
                    "user": False,
                },
                {"line": 6, "client": "2001:db8::7", "act": Act.PART, "user": True},
                {"line": 9, "time": 1675825967, "act": Act.WHOLE, "bytes": None, "port": 0},
                {"line": 10, "act": Act.TOUCHED, "status": 4, "bytes": None, "object": None},
            ),
        ),
        Example(
            text=FTP,
            rows=(
                {"line": 3, "port": 21, "act": Act.LOOKED, "user": False},
                {"line": 4, "act": Act.LISTED, "object": None},
                {"line": 5, "act": Act.WHOLE, "bytes": 70000, "object": "/a.pst"},
                {"line": 6, "act": Act.PART, "bytes": 5000, "user": True},
            ),
        ),
    ),
    counterexamples=(
        "2023-02-08 03:12:45 203.0.113.9 GET /before/any/fields 200 5\n",
        _SITE + "2023-02-30 03:12:45 203.0.113.9 GET /a 200 5\n",
        _SITE + "2023-02-08 03:12:45 203.0.113.9 GET /a 200\n",
        _SITE + "2023-02-08 03:12:45 203.0.113.9 GET /a b 200 5\n",
        _SITE + "2023-02-08 03:12:45 <script> GET /a 200 5\n",
    ),
    source="learn.microsoft.com/iis/configuration/system.applicationHost/sites/site/logFile; "
    "W3C WD-logfile-960323",
)
