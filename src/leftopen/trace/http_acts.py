"""What an HTTP request got, by its method, path, status and size, for sources that say these."""

from __future__ import annotations

import polars as pl

from leftopen.trace.api import Act

NOT_DATA = ("/robots.txt", "/favicon.ico", "/.well-known/security.txt")  # RFC 9309, RFC 9116


def path_of(target: pl.Expr) -> pl.Expr:
    """The path of a request target: without a scheme and host (proxies), without its query."""
    return (
        target.str.replace("^[A-Za-z]+://[^/?]*", "").str.replace(r"\?.*$", "").str.slice(0, 4096)
    )


def act(method: str, path: str, status: str, size: str) -> pl.Expr:
    """The Act by names of columns: status 0 for none, size null for unknown."""
    code = pl.col(status).fill_null(0)
    body = pl.col(method).is_in(["GET", "POST"]).fill_null(True) & (pl.col(size) > 0).fill_null(
        True
    )
    return (
        pl.when((code < 200) | (code > 399))
        .then(Act.TOUCHED)
        .when(code > 299)
        .then(Act.LOOKED)
        .when(pl.col(method) == "PROPFIND")
        .then(Act.LISTED)
        .when(~body | pl.col(path).is_in(NOT_DATA).fill_null(False))
        .then(Act.LOOKED)
        .when((pl.col(path).str.ends_with("/") | (pl.col(path) == "")).fill_null(True))
        .then(Act.LISTED)
        .when(code == 206)
        .then(Act.PART)
        .otherwise(Act.WHOLE)
    )


def act_of(method: str, path: str, status: int, size: int | None) -> Act:
    """The same for one request."""
    if not 200 <= status <= 399:
        return Act.TOUCHED
    if status > 299:
        return Act.LOOKED
    if method == "PROPFIND":
        return Act.LISTED
    if method not in ("GET", "POST", "") or size == 0 or path in NOT_DATA:
        return Act.LOOKED
    if not path or path.endswith("/"):
        return Act.LISTED
    return Act.PART if status == 206 else Act.WHOLE
