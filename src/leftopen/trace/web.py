"""What a web request got its client, for every log format that names requests.

The same rule as for nginx and Apache: a failed request is an attempt, a redirect or an empty
answer is a look, a path that ends in "/" is a listing, all else is an object.
"""

from __future__ import annotations

import re

import polars as pl

from leftopen.trace.api import Act

NOT_DATA = ("/robots.txt", "/favicon.ico", "/.well-known/security.txt")  # RFC 9309, RFC 9116
CLIENT_MAX, OBJECT_MAX, AGENT_MAX = 253, 4096, 200
# Bytes of a client whom the record does not name: never dropped with the name.
UNATTRIBUTED = "unattributed"
_ORIGIN = "^[A-Za-z][A-Za-z0-9+.-]*://[^/]*"
_ORIGIN_PYTHON = re.compile(_ORIGIN)
ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:%[0-9A-Za-z]{1,15})?")


def path_of(target: str) -> str:
    """The path of a request target, without scheme, host, query and fragment; undecoded."""
    bare = target.split("?", 1)[0].split("#", 1)[0]
    return _ORIGIN_PYTHON.sub("", bare[: 2 * OBJECT_MAX])[:OBJECT_MAX]


def path_column(target: pl.Expr) -> pl.Expr:
    """`path_of` for a column."""
    bare = target.str.splitn("?", 2).struct.field("field_0").str.splitn("#", 2)
    return bare.struct.field("field_0").str.replace(_ORIGIN, "").str.slice(0, OBJECT_MAX)


def act_of(method: str, path: str, code: int, size: int | None, *, cut: bool = False) -> Act:
    """The act of one request; `size` None: bytes unknown; `cut`: the log says it broke off."""
    if not 200 <= code <= 399:
        return Act.TOUCHED
    if code > 299:
        return Act.LOOKED
    if method == "PROPFIND":
        return Act.LISTED
    if method not in ("GET", "POST") or size == 0 or path in NOT_DATA:
        return Act.LOOKED
    if path.endswith("/") or not path:
        return Act.LISTED
    return Act.PART if cut or code == 206 else Act.WHOLE


def act_column(cut: pl.Expr) -> pl.Expr:
    """`act_of` for the columns method, path, code and size."""
    code, method, path = pl.col("code"), pl.col("method"), pl.col("path")
    body = method.is_in(["GET", "POST"]) & (pl.col("size") > 0).fill_null(True)
    return (
        pl.when((code < 200) | (code > 399) | code.is_null())
        .then(Act.TOUCHED)
        .when(code > 299)
        .then(Act.LOOKED)
        .when(method == "PROPFIND")
        .then(Act.LISTED)
        .when(~body.fill_null(False) | path.is_in(NOT_DATA))
        .then(Act.LOOKED)
        .when(path.str.ends_with("/") | (path == "") | path.is_null())
        .then(Act.LISTED)
        .when(cut.fill_null(False) | (code == 206))
        .then(Act.PART)
        .otherwise(Act.WHOLE)
    )


def host_and_port(text: str) -> tuple[str, int] | None:
    """The address and port of "192.0.2.1:443" or "[2001:db8::1]:443"; port 0 where there is none.

    None: no address.
    """
    text = text.strip()[:64]
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not ADDRESS.fullmatch(host) or not any(c in host for c in ".:"):
        return None
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    return host.lower(), number if number <= 65535 else 0


def count_of(text: str) -> int | None:
    """A count of bytes; None: blank, "-", negative, or more digits than 63 bits hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
