"""Columns in, one SourceDigest's worth of aggregates out; memory bounded by its limits.

Blocks are reduced by Polars as they come, so that no line outlives its block. Where a limit is
passed, the rest is counted together and said (`hidden`, `overflow`): never dropped in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_to_bytes

import msgspec
import polars as pl

from leftopen.model.redact import Keyring, safe
from leftopen.trace.api import Act, LogFormat
from leftopen.trace.digest import BIN, HIDDEN, SLOT, Bin, ClientDigest, Mark, Served, Slot
from leftopen.trace.lines import empty

WIDER = (24, 8, 8, 8, 8)  # factors: hours, days, then ever wider bins
MARK = 1 << 32  # a mark is time * MARK + line, so that the smallest is the first
SAME_SIZE = 0.95  # of the largest body of an object: served whole; less was cut short
HUNDREDS = (1, 2, 3, 4, 5)
_ESCAPE = re.compile(rb'\\x([0-9A-Fa-f]{2})|\\(["\\])')  # nginx and Apache escape by these

_IDENTITY = ["client", "port"]
_IDENTITY_BIN = [*_IDENTITY, "bin"]
_PAIR = ["client", "object"]
_COUNTED = ["requests", "bytes", "content", "units", "uncounted", "peak", "act"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is kept of one file."""

    clients: int = 200_000
    bins: int = 400_000  # over this, days instead of hours
    slots: int = 1_000_000  # nine years
    objects_per_client: int = 200_000
    objects: int = 1_000_000
    pending: int = 100_000  # rows of block aggregates before they are merged


class Aggregator:
    """Collects the chunks of one file."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Limits are for tests; the defaults hold a file of any size in about 500 MB."""
        self._limits = limits or Limits()
        self._visits = _Merged(_IDENTITY_BIN, _visit_merge())
        self._pairs = _Merged(_PAIR, _pair_merge())
        self._slots = _Merged(["slot"], _slot_merge())
        self._latest = 0
        self._overflow: dict[str, int] = {}
        self._wider = iter(WIDER)
        self.bin_seconds = BIN
        self.disorder = 0
        self.hidden = 0  # clients counted as HIDDEN
        self.uncounted = 0
        self.slots_cut = 0
        self._reduce(empty())

    def add(self, rows: pl.DataFrame) -> None:
        """Reduce one chunk (api.SCHEMA)."""
        if rows.is_empty():
            return
        self._order(rows["time"])
        # One spelling for an IPv4 address seen through a dual-stack socket.
        self._reduce(rows.with_columns(pl.col("client").str.strip_prefix("::ffff:")))
        self._bound()

    def _order(self, time: pl.Series) -> None:
        running = time.cum_max().clip(lower_bound=self._latest)
        self.disorder += int((time < running - SLOT).sum())
        self._latest = int(running[-1])

    def _reduce(self, rows: pl.DataFrame) -> None:
        lazy, named = rows.lazy(), pl.col("client").is_not_null()
        width = self.bin_seconds
        visits = lazy.filter(named).with_columns((pl.col("time") // width * width).alias("bin"))
        pairs = lazy.filter(named & pl.col("object").is_not_null())
        slots = lazy.with_columns((pl.col("time") // SLOT).alias("slot"))
        found = pl.collect_all(
            [
                visits.group_by(_IDENTITY_BIN).agg(_visit_first()),
                pairs.group_by(_PAIR).agg(_pair_first()),
                slots.group_by("slot").agg(_slot_first()),
            ]
        )
        for into, block in zip((self._visits, self._pairs, self._slots), found, strict=True):
            into.add(block)
        self.uncounted += int(found[0]["uncounted"].sum())

    def _bound(self, final: bool = False) -> None:
        if final or self._visits.pending > self._limits.pending:
            self._bound_clients()
            self._bound_bins()
        if final or self._pairs.pending > self._limits.pending:
            self._bound_pairs()
        if final or self._slots.pending > self._limits.pending:
            rows = self._slots.merge()
            if rows.height > self._limits.slots:
                self.slots_cut += rows.height - self._limits.slots
                self._slots.replace(rows.sort("slot").tail(self._limits.slots))

    def _bound_clients(self) -> None:
        rows = self._visits.merge()
        if rows.select(_IDENTITY).n_unique() <= self._limits.clients:
            return
        top = pl.col("act").max(), pl.col("bytes").sum(), pl.col("requests").sum()
        order = rows.filter(pl.col("client") != HIDDEN).group_by(_IDENTITY).agg(*top)
        order = order.sort(
            ["act", "bytes", "requests", *_IDENTITY], descending=[True] * 3 + [False] * 2
        )
        rest = order.slice(self._limits.clients).select(_IDENTITY).with_columns(rest=True)
        self.hidden += rest.height
        name = pl.when(pl.col("rest").is_null()).then("client").otherwise(pl.lit(HIDDEN))
        marked = rows.join(rest, on=_IDENTITY, how="left").with_columns(name.alias("client"))
        self._visits.replace(marked.drop("rest"))

    def _bound_bins(self) -> None:
        rows = self._visits.merge()
        while rows.height > self._limits.bins and (factor := next(self._wider, 0)):
            self.bin_seconds = width = self.bin_seconds * factor
            rows = self._visits.replace(rows.with_columns(pl.col("bin") // width * width))

    def _bound_pairs(self) -> None:
        rows = self._pairs.merge().sort(_PAIR)
        each = self._limits.objects_per_client
        kept = rows.filter(pl.int_range(pl.len()).over("client") < each)
        kept = kept.head(self._limits.objects)
        if kept.height < rows.height:
            lost = rows.join(kept, on=_PAIR, how="anti").group_by("client").len()
            for client, count in lost.iter_rows():
                self._overflow[client] = self._overflow.get(client, 0) + count
            self._pairs.replace(kept)

    def slots(self) -> tuple[Slot, ...]:
        """Five-minute slots with at least one record, by time."""
        return tuple(
            Slot(at=slot * SLOT, events=events, first=first, last=last)
            for slot, events, first, last in self._slots.merge().sort("slot").iter_rows()
        )

    @property
    def overflowed(self) -> int:
        """Objects over the limits, at most."""
        return sum(self._overflow.values())

    def clients(self, file: str, plugin: LogFormat, keyring: Keyring) -> tuple[ClientDigest, ...]:
        """Every client of the file, by name and port. Ends the collection."""
        self._bound(final=True)
        rows = self._visits.merge().sort(_IDENTITY_BIN)
        bins: dict[tuple[str, int], list[Bin]] = {}
        keys = rows.select(_IDENTITY).iter_rows()
        # Bin is a list in JSON, so msgspec makes it out of a row at C's speed.
        made = msgspec.convert(rows.select("bin", *_COUNTED).rows(), list[Bin])
        for key, item in zip(keys, made, strict=True):
            bins.setdefault((key[0], key[1]), []).append(item)
        objects = self._objects(plugin, keyring)
        known = {client for client, _ in bins}
        for client in (objects.keys() | self._overflow.keys()) - known:
            count = len(objects.get(client, ())) + self._overflow.pop(client, 0)
            self._overflow[HIDDEN] = self._overflow.get(HIDDEN, 0) + count
        sums = [f"status_{n}" for n in HUNDREDS]
        whole = rows.drop("bin").group_by(_IDENTITY).agg(_visit_merge()).sort(_IDENTITY)
        shown = cache(lambda agent: safe(agent, 120))  # many clients, few agents
        columns = *_IDENTITY, "first", "last", "agent_low", "agent_high", "user", *sums
        return tuple(
            ClientDigest(
                client=client,
                port=port,
                first=_mark(first, file),
                last=_mark(last, file),
                bins=tuple(bins[client, port]),
                objects=objects.get(client, {}),
                overflow=self._overflow.get(client, 0),
                status_bytes={f"{n}xx": b for n, b in zip(HUNDREDS, sent, strict=True) if b},
                agents=tuple(sorted({shown(a) for a in (low, high) if a is not None})),
                user=user,
            )
            for client, port, first, last, low, high, user, *sent in whole.select(
                columns
            ).iter_rows()
        )

    def _objects(self, plugin: LogFormat, keyring: Keyring) -> dict[str, dict[str, Served]]:
        rows = self._pairs.merge()
        if not plugin.tight:
            # A body smaller than the largest of that object was cut short (or compressed).
            largest = pl.col("size").max().over("object")
            whole = pl.col("whole") & (pl.col("size") >= SAME_SIZE * largest)
            rows = rows.with_columns(whole)
        names: dict[str, str] = {}
        made: dict[str, dict[str, Served]] = {}
        for client, name, whole, size, first, last in rows.sort("client", "object").iter_rows():
            key = names.get(name)
            if key is None:
                key = names[name] = keyring.digest("object", object_name(name))
            served = Served(first=first, last=last, size=size or 0, whole=whole)
            mine = made.setdefault(client, {})
            mine[key] = mine[key] + served if key in mine else served
        return made


def object_name(path: str) -> bytes:
    """The object's own name: log escapes undone, then percent-decoding (RFC 3986, 2.1)."""
    raw = path.encode("utf-8", "surrogatepass")
    plain = _ESCAPE.sub(lambda m: m.group(2) or bytes([int(m.group(1), 16)]), raw)
    return unquote_to_bytes(plain)


def _mark(packed: int, file: str) -> Mark:
    return Mark(time=packed // MARK, file=file, line=packed % MARK)


def _visit_first() -> list[pl.Expr]:
    sent, mark = pl.col("bytes"), pl.col("time") * MARK + pl.col("line")
    return [
        pl.len().cast(pl.Int64).alias("requests"),
        *(pl.col(name).sum() for name in ("bytes", "content", "units")),
        sent.null_count().cast(pl.Int64).alias("uncounted"),
        sent.max().fill_null(0).alias("peak"),
        pl.col("act").max(),
        *(sent.filter(pl.col("status") == n).sum().alias(f"status_{n}") for n in HUNDREDS),
        mark.min().alias("first"),
        mark.max().alias("last"),
        pl.col("agent").min().alias("agent_low"),
        pl.col("agent").max().alias("agent_high"),
        pl.col("user").max(),
    ]


def _visit_merge() -> list[pl.Expr]:
    summed = ["requests", "bytes", "content", "units", "uncounted"]
    return [
        *(pl.col(name).sum() for name in (*summed, *(f"status_{n}" for n in HUNDREDS))),
        *(pl.col(name).max() for name in ("peak", "act", "last", "agent_high", "user")),
        *(pl.col(name).min() for name in ("first", "agent_low")),
    ]


def _pair_first() -> list[pl.Expr]:
    whole = pl.col("act") == Act.WHOLE
    return [
        whole.any().alias("whole"),
        pl.col("bytes").filter(whole).max().alias("size"),
        pl.col("time").min().alias("first"),
        pl.col("time").max().alias("last"),
    ]


def _pair_merge() -> list[pl.Expr]:
    return [*(pl.col(name).max() for name in ("whole", "size", "last")), pl.col("first").min()]


def _slot_first() -> list[pl.Expr]:
    return [
        pl.col("client").n_unique().cast(pl.Int64).alias("events"),
        pl.col("time").min().alias("first"),
        pl.col("time").max().alias("last"),
    ]


def _slot_merge() -> list[pl.Expr]:
    return [pl.col("events").sum(), pl.col("first").min(), pl.col("last").max()]


class _Merged:
    """Block aggregates, merged by key when there are many."""

    def __init__(self, key: list[str], merge: list[pl.Expr]) -> None:
        self._key = key
        self._merge = merge
        self._blocks: list[pl.DataFrame] = []
        self.pending = 0  # rows since the last merge

    def add(self, block: pl.DataFrame) -> None:
        """Keep a block's aggregate."""
        self._blocks.append(block)
        self.pending += block.height

    def merge(self) -> pl.DataFrame:
        """All of it, one row per key."""
        return self.replace(pl.concat(self._blocks)) if self.pending else self._blocks[0]

    def replace(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Merge `rows` and keep them instead of all that was there."""
        columns = self._blocks[0].columns
        merged = rows.group_by(self._key).agg(self._merge).select(columns)
        self._blocks, self.pending = [merged], 0
        return merged
