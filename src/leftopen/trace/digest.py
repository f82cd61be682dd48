"""SourceDigest: what is kept of one log file, small enough to store, mergeable in any order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from leftopen.model.record import Record
from leftopen.model.trace import Place, Source

BIN = 3600  # seconds of the finest bin
SLOT = 300  # seconds: one event per client and slot (research/trace.md 3.4)
HIDDEN = "others"  # clients over the limit of one file, counted together


class Bin(Record, frozen=True, kw_only=True, array_like=True):
    """One client in one stretch of time. Sums add up; `act` and `peak` are maxima."""

    at: int  # start, seconds since 1970
    requests: int = 0
    bytes: int = 0
    content: int = 0  # of these, bytes that certainly arrived
    units: int = 0  # objects served without being named
    uncounted: int = 0  # records whose bytes the log left blank
    peak: int = 0  # bytes of the largest record
    act: int = 0  # highest api.Act

    def __add__(self, other: Bin) -> Bin:
        """Both together."""
        return Bin(
            at=min(self.at, other.at),
            requests=self.requests + other.requests,
            bytes=self.bytes + other.bytes,
            content=self.content + other.content,
            units=self.units + other.units,
            uncounted=self.uncounted + other.uncounted,
            peak=max(self.peak, other.peak),
            act=max(self.act, other.act),
        )


class Served(Record, frozen=True, kw_only=True, array_like=True):
    """One object as one client got it."""

    first: int
    last: int  # seconds since 1970
    size: int = 0  # largest body served whole
    whole: bool = False  # as far as the log can say

    def __add__(self, other: Served) -> Served:
        """Both together."""
        return Served(
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            size=max(self.size, other.size),
            whole=self.whole or other.whole,
        )


class Mark(Record, frozen=True, kw_only=True, order=True):
    """An instant and the line that shows it."""

    time: int
    file: str
    line: int

    @property
    def place(self) -> Place:
        """The line alone."""
        return Place(file=self.file, line=self.line)


class ClientDigest(Record, frozen=True, kw_only=True):
    """All of one client (at one local port, where the log names it) in one or more files."""

    client: str
    port: int = 0
    first: Mark
    last: Mark
    bins: tuple[Bin, ...]  # by time, each start once
    objects: dict[str, Served] = {}  # by keyed digest: joins to ObjectReport.object_id
    overflow: int = 0  # objects over the limit, at most this many, not in `objects`
    status_bytes: dict[str, int] = {}  # "2xx" and so on
    agents: tuple[str, ...] = ()  # first and last of its user agents by alphabet, safe to show
    user: bool = False  # at least once with a login

    def merge(self, other: ClientDigest) -> ClientDigest:
        """Both together: associative, and the order does not matter."""
        agents = sorted({*self.agents, *other.agents})
        return ClientDigest(
            client=self.client,
            port=self.port,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            bins=_summed((*self.bins, *other.bins)),
            objects=_added(self.objects, other.objects),
            overflow=self.overflow + other.overflow,
            status_bytes=_added(self.status_bytes, other.status_bytes),
            agents=tuple(dict.fromkeys((*agents[:1], *agents[-1:]))),
            user=self.user or other.user,
        )

    def coarsen(self, seconds: int) -> ClientDigest:
        """The same with bins of `seconds`, a multiple of what they are now."""
        bins = (msgspec.structs.replace(b, at=b.at - b.at % seconds) for b in self.bins)
        return msgspec.structs.replace(self, bins=_summed(bins))


class Slot(Record, frozen=True, kw_only=True, array_like=True):
    """Five minutes in which somebody was seen, for the silence test."""

    at: int  # start, seconds since 1970
    events: int  # different clients
    first: int
    last: int  # seconds since 1970

    def __add__(self, other: Slot) -> Slot:
        """Both together."""
        return Slot(
            at=min(self.at, other.at),
            events=self.events + other.events,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
        )


class SourceDigest(Record, frozen=True, kw_only=True):
    """One file as it was read."""

    source: Source
    content_sha256: str  # after decompression: the same log twice is counted once
    series: str  # the log of which this file is one rotation
    rotation: int | None = None  # 0 is the current file; None: not numbered
    protocols: tuple[str, ...] = ()  # () for a flow log: any, by port
    clients: tuple[ClientDigest, ...] = ()
    bin_seconds: int = BIN
    slots: tuple[Slot, ...] = ()  # by time, each start once
    claimed: tuple[tuple[int, int], ...] = ()  # hours that the format itself vouches for
    disorder: int = 0  # records more than a slot earlier than one before them
    only_port: int | None = None  # clients of other local ports were left out when reading
    lost: int = 0  # places inside the file where records were destroyed
    damaged: bool = False  # cut short: its end is not known


V = TypeVar("V", Served, int)
Timed = TypeVar("Timed", Bin, Slot)


def _added(a: dict[str, V], b: dict[str, V]) -> dict[str, V]:
    both = dict(a)
    for key, value in b.items():
        both[key] = both[key] + value if key in both else value
    return both


def _summed(items: Iterable[Timed]) -> tuple[Timed, ...]:
    sums: dict[int, Timed] = {}
    for item in items:
        sums[item.at] = sums[item.at] + item if item.at in sums else item
    return tuple(sums[at] for at in sorted(sums))


def merge_slots(digests: Iterable[SourceDigest]) -> tuple[Slot, ...]:
    """The slots of all files together, by time."""
    return _summed(slot for digest in digests for slot in digest.slots)


def merge_clients(digests: Iterable[SourceDigest]) -> dict[tuple[str, int], ClientDigest]:
    """Every (client, port) of all files together, in order of their names."""
    files = tuple(digests)
    seconds = max((d.bin_seconds for d in files), default=BIN)
    merged: dict[tuple[str, int], ClientDigest] = {}
    for digest in files:
        for client in digest.clients:
            key = client.client, client.port
            coarse = client.coarsen(seconds) if digest.bin_seconds != seconds else client
            merged[key] = merged[key].merge(coarse) if key in merged else coarse
    return dict(sorted(merged.items()))
