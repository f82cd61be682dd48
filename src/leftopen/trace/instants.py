"""Stamps that carry their own zone, made into instants; and who stands at which end of a flow."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl

from leftopen.trace.clock import LAST

STAMP_MAX = 40  # characters: 2023-02-08T03:12:45.123456789+01:00
# RFC 1918, 3927, 5735, 6598 (carrier NAT, used inside clouds), 4193 and 4291.
PRIVATE = (
    r"^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|0\.0\.0\.0$"
    r"|100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|[fF][cdCD][0-9a-fA-F]{2}:|[fF][eE]80:|::1?$)"
)
ADDRESS = r"[0-9A-Fa-f.:]{2,45}"
SERVICE = 1024  # RFC 6335: below it, ports that a connecting side does not take by itself
_private = re.compile(PRIVATE)
_address = re.compile(ADDRESS)


def utc(text: str) -> int | None:
    """Seconds since 1970 of an ISO 8601 stamp; without an offset it is UTC; None: no such time."""
    if not 19 <= len(text) <= STAMP_MAX:
        return None
    try:
        made = datetime.fromisoformat(text)
        seconds = int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds <= LAST else None


def epoch(value: float) -> int | None:
    """Whole seconds of an epoch figure; None where it is not a time that trace can hold."""
    return int(value) if 0 <= value <= LAST else None  # NaN and the infinities compare false


def address(text: str) -> str | None:
    """An IP address in lower case, without its port; None where the text is none.

    Azure writes "203.0.113.9:49158" and "[2001:db8::1]:49158".
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text.lower() if _address.fullmatch(text) else None


def is_private(text: str) -> bool:
    """Whether an address is of a private, local or link-local range."""
    return _private.match(text) is not None


def outgoing(source: str, target: str) -> bool:
    """Whether a connection went out from the inside: its far end came in to nobody."""
    return is_private(source) and not is_private(target)


def private(column: str) -> pl.Expr:
    """The same as `is_private` for a column."""
    return pl.col(column).str.contains(PRIVATE)
