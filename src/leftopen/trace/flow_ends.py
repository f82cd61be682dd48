"""Flow records that do not say who is at home: our side and the client's, by columns.

Ours is, first match: the side that the record's own direction names; the one private address of
the two; the side with the lower port, which is the service. A flow that our side began (its first
packet was a bare SYN from us; or, where no flags tell, the far port is below 1024 and ours is not)
is nobody who came in. In doubt it is a client: too many are asked about, none is lost.
"""

from __future__ import annotations

import polars as pl

from leftopen.trace.api import SCHEMA, Act
from leftopen.trace.instants import SERVICE, private

SYN, ACK = 2, 16  # RFC 9293, 3.1


def ends(flows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `home` (source is ours), `far`, `port` (ours), `far_port`.

    Needs `source`, `target`, `source_port`, `target_port` and `egress` (Boolean, null unknown).
    """
    ours, theirs = private("source"), private("target")
    lower = pl.col("source_port") < pl.col("target_port")
    home = pl.coalesce(pl.col("egress"), pl.when(ours != theirs).then(ours).otherwise(lower))
    return flows.with_columns(home.alias("home")).with_columns(
        pl.when("home").then("target").otherwise("source").str.to_lowercase().alias("far"),
        pl.when("home").then("source_port").otherwise("target_port").alias("port"),
        pl.when("home").then("target_port").otherwise("source_port").alias("far_port"),
    )


def began_here() -> pl.Expr:
    """Whether our side began; needs `ends` and `flags` (Int64, null unknown)."""
    flags = pl.col("flags").fill_null(0)
    asked = (flags & SYN > 0) & (flags & ACK == 0)
    answered = (flags & SYN > 0) & (flags & ACK > 0)
    return (
        pl.when(asked)
        .then("home")
        .when(answered)
        .then(~pl.col("home"))
        .otherwise((pl.col("far_port") < SERVICE) & (pl.col("port") >= SERVICE))
    )


def one_way(flows: pl.LazyFrame, port: int | None) -> pl.LazyFrame:
    """Rows in SCHEMA of records that count one direction each.

    Needs `line`, `time`, `ends`, `flags`, `size` (bytes, null unknown) and `denied`.
    """
    came_in = ~began_here()
    if port is not None:
        came_in &= pl.col("port") == port
    sent = pl.when(pl.col("denied") | ~pl.col("home")).then(0).otherwise("size")
    answered = pl.col("home") & ~pl.col("denied")
    return select(
        flows,
        client=pl.when(came_in).then("far"),
        act=pl.when(answered).then(Act.LOOKED).otherwise(Act.TOUCHED),
        bytes=sent,
    )


def select(flows: pl.LazyFrame, **columns: pl.Expr) -> pl.LazyFrame:
    """Rows in SCHEMA: the given columns, `line`, `time` and `port`, nothing else."""
    nothing: dict[str, pl.Expr] = {
        **{name: pl.lit(0) for name in ("status", "content", "units")},
        **{name: pl.lit(None) for name in ("object", "agent")},
        "user": pl.lit(False),
    }
    made = nothing | columns
    return flows.select(
        made.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in SCHEMA.items()
    )
