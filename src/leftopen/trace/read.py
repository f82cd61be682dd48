"""Reads a log file once and gives its SourceDigest, and a Gap for all that it could not read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import BinaryIO

from leftopen.model.errors import UsageError
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import Keyring, safe
from leftopen.model.trace import Source
from leftopen.trace.aggregate import Aggregator
from leftopen.trace.api import Chunk, LogFormat, ReadOptions, Trouble
from leftopen.trace.clock import zone_named
from leftopen.trace.digest import SourceDigest
from leftopen.trace.registry import format_named, formats
from leftopen.trace.rotation import expand, series_of
from leftopen.trace.stream import Stream

HEAD = 65_536  # bytes that recognition sees
SURE = 50  # of 100: below this a format is not recognised
TROUBLES_SHOWN = 5  # of one reason and file; the rest is counted


def read_source(
    path: str,
    *,
    zone: str = "UTC",
    format: str = "",
    port: int | None = None,
    year: int | None = None,
    keyring: Keyring,
) -> Iterator[SourceDigest | Gap]:
    """Read a log file, or every file below a folder: one SourceDigest each, and Gaps.

    `zone` is for formats that have none in their lines, `year` for those without a year, `port`
    keeps the clients of that local port of a flow log. `format` names a format instead of
    recognising it from the content.

    Raises:
        UsageError: nothing at `path`, or an unknown `zone` or `format`.
    """
    zone_named(zone)
    plugin = format_named(format) if format else None
    if format and plugin is None:
        known = ", ".join(f.name for f in formats())
        raise UsageError(f"log format {format!r} is not known; one of {known}")
    if not os.path.lexists(path):
        raise UsageError(f"log {path!r} does not exist")
    return _read_all(path, plugin, ReadOptions(zone=zone, port=port, year=year), keyring)


def _read_all(
    path: str, plugin: LogFormat | None, options: ReadOptions, keyring: Keyring
) -> Iterator[SourceDigest | Gap]:
    for item in expand(path):
        if isinstance(item, Gap):
            yield item
        else:
            yield from _read_file(item, plugin, options, keyring)


def _read_file(
    path: str, plugin: LogFormat | None, options: ReadOptions, keyring: Keyring
) -> Iterator[SourceDigest | Gap]:
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            yield gap(path, Reason.UNREADABLE, "not a regular file")
            return
        with open(path, "rb", buffering=0) as file:
            told = ReadOptions(
                zone=options.zone, mtime=about.st_mtime, year=options.year, port=options.port
            )
            yield from _FileReader(path, told, keyring).read(file, plugin)
    except OSError as e:
        yield gap(path, Reason.UNREADABLE, e.strerror or "cannot be opened")


def gap(path: str, reason: Reason, detail: str, count: int = 1, size: int = 0) -> Gap:
    """A Gap of this stage; `path` is as the user gave it."""
    return Gap(stage=Stage.TRACE, reason=reason, place=path, detail=detail, count=count, size=size)


def recognise(head: bytes, name: str) -> tuple[LogFormat | None, tuple[str, ...]]:
    """The format of a file by its first bytes, and the names of others that fit as well."""
    scores = [(plugin.recognise(head, name), plugin) for plugin in formats()]
    best = max((score for score, _ in scores), default=0)
    if best < SURE:
        return None, ()
    fit = [plugin for score, plugin in scores if score == best]
    return fit[0], tuple(plugin.name for plugin in fit[1:])


class _FileReader:
    """One file: its custody entry, its aggregates, its troubles."""

    def __init__(self, path: str, options: ReadOptions, keyring: Keyring) -> None:
        self._path = path
        self._options = options
        self._keyring = keyring
        self._aggregate = Aggregator()
        self._lines = self._rejected = self._blank = 0
        self._bad: list[int] = []
        self._claimed: set[tuple[int, int]] = set()
        self._origin = self._clock = ""
        self._troubles: list[Trouble] = []

    def read(self, file: BinaryIO, plugin: LogFormat | None) -> Iterator[SourceDigest | Gap]:
        """The digest, if any line said something, and then all Gaps of the file."""
        stream = Stream(file)
        blocks = stream.blocks()
        first = next(blocks, b"")
        others: tuple[str, ...] = ()
        if plugin is None and first.strip():
            plugin, others = recognise(first[:HEAD], os.path.basename(self._path))
        if plugin is None or not first.strip():
            yield self._unread(stream, first)
            return
        crashed = self._consume(plugin, chain((first,), blocks))
        for _ in blocks:  # the digest is of the whole file, wherever the reader stopped
            pass
        yield self._digest(stream, plugin, damaged=crashed or stream.trouble is not None)
        yield from self._gaps(stream, plugin, others)

    def _consume(self, plugin: LogFormat, blocks: Iterator[bytes]) -> bool:
        try:
            for chunk in plugin.read(blocks, self._options):
                self._count(chunk)
        except Exception as e:  # noqa: BLE001 - a reader's failure must name the file, and only it
            detail = f"the {plugin.name} reader failed after line {self._lines}: {type(e).__name__}"
            self._troubles.append(Trouble(Reason.CRASHED, detail))
            return True
        return False

    def _count(self, chunk: Chunk) -> None:
        self._lines += chunk.lines
        self._rejected += chunk.rejected
        self._blank += chunk.blank
        self._bad += chunk.bad[: 3 - len(self._bad)]
        self._claimed.update(chunk.claimed)
        self._origin = self._origin or chunk.origin
        self._clock = chunk.clock or self._clock
        self._troubles += chunk.troubles
        self._aggregate.add(chunk.rows)

    def _unread(self, stream: Stream, first: bytes) -> Gap:
        if stream.trouble:
            return gap(self._path, stream.trouble.reason, stream.trouble.detail, size=stream.size)
        if not first.strip():
            return gap(self._path, Reason.EMPTY, "the log holds no line", size=stream.size)
        known = ", ".join(f.name for f in formats())
        detail = f"no log format that is known ({known}) fits its first lines"
        return gap(self._path, Reason.UNSUPPORTED, detail, size=os.path.getsize(self._path))

    def _digest(self, stream: Stream, plugin: LogFormat, *, damaged: bool) -> SourceDigest:
        clients = self._aggregate.clients(self._path, plugin, self._keyring)
        slots = self._aggregate.slots()
        series, rotation = series_of(self._path)
        return SourceDigest(
            source=Source(
                path=self._path,
                series=self._origin or series,
                format=plugin.name,
                kind=plugin.kind,
                sha256=stream.sha256,
                size=stream.size,
                lines=self._lines,
                parsed=self._lines - self._rejected - self._blank,
                rejected=self._rejected,
                blank=self._blank,
                first=_time(min((s.first for s in slots), default=None)),
                last=_time(max((s.last for s in slots), default=None)),
                zone="in every record" if plugin.has_zone else self._clock,
                byte_meaning=plugin.byte_meaning,
                names_objects=plugin.names_objects,
                tight=plugin.tight,
            ),
            content_sha256=stream.content_sha256,
            series=self._origin or series,
            rotation=None if self._origin else rotation,
            protocols=plugin.protocols,
            clients=clients,
            bin_seconds=self._aggregate.bin_seconds,
            slots=slots,
            claimed=tuple(sorted(self._claimed)),
            # Flow tuples are grouped by rule, not by time: their order says nothing of a clock.
            disorder=0 if plugin.kind == "flow" else self._aggregate.disorder,
            only_port=self._options.port if plugin.kind == "flow" else None,
            lost=sum(t.reason is Reason.CORRUPT for t in self._troubles),
            damaged=damaged,
        )

    def _gaps(self, stream: Stream, plugin: LogFormat, others: tuple[str, ...]) -> Iterator[Gap]:
        if others:
            detail = f"reads as {plugin.name} and as {', '.join(others)}; taken as {plugin.name}"
            yield gap(self._path, Reason.UNKNOWN_VALUE, detail)
        if self._rejected:
            where = ", ".join(map(str, self._bad))
            detail = f"{self._rejected} of {self._lines} {plugin.unit}s could not be read; "
            yield gap(self._path, Reason.UNPARSED, f"{detail}first: {where}", self._rejected)
        if not plugin.has_zone:
            yield gap(self._path, Reason.NO_ZONE, f"times without a zone: {self._clock}")
        if self._aggregate.uncounted:
            detail = "records that ought to count bytes and do not: unknown, not 0"
            yield gap(self._path, Reason.NO_COUNT, detail, self._aggregate.uncounted)
        yield from self._limits()
        yield from self._broken(stream)

    def _limits(self) -> Iterator[Gap]:
        limits = (
            (self._aggregate.hidden, "clients over the limit, counted together as one"),
            (self._aggregate.overflowed, "objects over the limit, counted but not told apart"),
            (self._aggregate.slots_cut, "five-minute slots over the limit: times span too long"),
        )
        for count, detail in limits:
            if count:
                yield gap(self._path, Reason.TOO_LARGE, detail, count)

    def _broken(self, stream: Stream) -> Iterator[Gap]:
        troubles = [*self._troubles, *([stream.trouble] if stream.trouble else [])]
        shown: dict[Reason, int] = {}
        for trouble in troubles:
            shown[trouble.reason] = shown.get(trouble.reason, 0) + 1
            if shown[trouble.reason] <= TROUBLES_SHOWN:
                yield gap(self._path, trouble.reason, safe(trouble.detail), trouble.count)
        for reason, count in shown.items():
            if count > TROUBLES_SHOWN:
                yield gap(self._path, reason, "more of the same", count - TROUBLES_SHOWN)


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
