"""Tuples of Azure flow logs, of networks and of security groups, made into rows and counted."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, Trouble
from leftopen.trace.flow_ends import select
from leftopen.trace.lines import BAD_KEPT

BATCH = 400_000  # tuples made into columns at once
HOUR = 3600
_ODD = "records that do not have the shape of a flow log record"


def inbound(good: pl.LazyFrame, port: int | None, *, silent: pl.Expr) -> pl.LazyFrame:
    """Rows in SCHEMA of tuples; `silent` ones sent nothing: they were denied, or only begin.

    Needs `line`, `time`, `source`, `port`, `way` and `sent` (bytes, null unknown).
    """
    # Outbound flows are not somebody who came in; they still show that the log was running.
    about = pl.col("way") == "I"
    if port is not None:
        about &= pl.col("port") == port
    sent = pl.when(silent).then(0).otherwise("sent")
    answered = (sent > 0) | sent.is_null()
    return select(
        good,
        client=pl.when(about).then(pl.col("source").str.to_lowercase()),
        act=pl.when(answered).then(Act.LOOKED).otherwise(Act.TOUCHED),
        bytes=sent,
    )


def origin_of(resource: str, interface: str) -> str:
    """The name of the place that wrote a log."""
    return f"{resource[:512]}/{interface[:32]}".lower()


def failures(failed: int) -> tuple[Trouble, ...]:
    """What is said of records that could not be read."""
    return (Trouble(Reason.CORRUPT, _ODD, failed),) if failed else ()


def chunk(
    rows: pl.DataFrame,
    bad: pl.Series,
    *,
    lines: int,
    failed: int,
    hours: Iterable[int],
    origin: str,
    troubles: tuple[Trouble, ...],
) -> Chunk:
    """A Chunk of tuples: `bad` are the numbers of those that are none, `failed` broken records.

    `lines` counts both. `hours` are the starts of the hours that the records vouch for.
    """
    return Chunk(
        rows=rows,
        lines=lines,
        rejected=bad.len() + failed,
        bad=tuple(bad.head(BAD_KEPT).to_list()),
        claimed=tuple((hour, hour + HOUR) for hour in sorted(hours)),
        origin=origin,
        troubles=troubles,
    )
