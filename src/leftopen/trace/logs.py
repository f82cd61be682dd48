"""The logs that speak for one exposure: files grouped by log, each with its coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from leftopen.model.endpoint import Endpoint
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.time import Interval, subtract, union
from leftopen.model.trace import Coverage, Source
from leftopen.trace.coverage import LogCoverage, combine, log_coverage
from leftopen.trace.digest import SourceDigest
from leftopen.trace.reconcile import Sight, Span, both, sights

AHEAD = timedelta(days=1)  # a record later than this after the run: its clock is wrong
QUIET = 3600.0  # seconds: a log that can be silent for longer cannot prove that it was running


@dataclass(frozen=True, slots=True)
class Log:
    """All files of one log, in order of time, and what it can speak for."""

    files: tuple[SourceDigest, ...]
    coverage: LogCoverage
    doubt: str = ""  # why its clock is not trusted

    @property
    def flow(self) -> bool:
        """A record of the network, not of an application."""
        return self.files[0].source.kind == "flow"

    @property
    def proves(self) -> bool:
        """Busy enough, or vouched for by its format, to show that it was running."""
        silence = self.coverage.silence
        return silence is not None and silence <= QUIET and not self.doubt

    def sources(self) -> Iterator[Source]:
        """The custody entries, each with its part of the log's coverage."""
        spans = [_span(d) for d in self.files]
        for digest, span, after in zip(self.files, spans, [*spans[1:], None], strict=True):
            end = max(span.end, after.start) if after else span.end
            whole = Interval(start=span.start, end=end)
            yield msgspec.structs.replace(
                digest.source,
                covers=_clip(self.coverage.covers, whole),
                holes=_clip(self.coverage.holes, whole),
                detectable_silence_seconds=self.coverage.silence,
            )


@dataclass(frozen=True, slots=True)
class Pair:
    """One client as the two layers saw it; at least one of them did."""

    app: Sight | None = None
    flow: Sight | None = None

    @property
    def sides(self) -> tuple[Sight, ...]:
        """Those that there are."""
        return tuple(s for s in (self.app, self.flow) if s)


def speaking(
    digests: Iterable[SourceDigest], endpoint: Endpoint, protocol: str, as_of: datetime
) -> tuple[list[Log], list[Gap]]:
    """The logs that speak for this exposure. Files with the same content are counted once.

    An application log speaks for its protocol, a flow log for a port that it shows traffic of: a
    log of another network interface must not count as coverage of this one.
    """
    series: dict[tuple[str, str], list[SourceDigest]] = {}
    counted: set[str] = set()
    for digest in sorted(digests, key=lambda d: (d.source.path, d.source.sha256)):
        fits = protocol in digest.protocols if digest.protocols else True
        if fits and digest.only_port in (None, endpoint.port):
            if digest.content_sha256 not in counted:
                series.setdefault((digest.source.format, digest.series), []).append(digest)
            counted.add(digest.content_sha256)
    logs: list[Log] = []
    gaps: list[Gap] = []
    for (_, name), files in sorted(series.items()):
        log = _log(tuple(sorted(files, key=_order)), as_of)
        if log.flow and not any(c.port == endpoint.port for d in files for c in d.clients):
            detail = f"it shows no flow to port {endpoint.port}, so it may not see this server"
            gaps.append(Gap(stage=Stage.TRACE, reason=Reason.NOT_GIVEN, place=name, detail=detail))
        else:
            logs.append(log)
    return logs, gaps


def by_client(logs: Sequence[Log], window: Interval, port: int) -> dict[str, Pair]:
    """Every client inside the window, by name, as each layer saw it."""
    layers: dict[bool, dict[str, Sight]] = {True: {}, False: {}}
    for log in logs:
        layer = layers[log.flow]
        for client, item in sights(log.files, Span.of(window), port).items():
            layer[client] = both(layer[client], item) if client in layer else item
    names = sorted(layers[True].keys() | layers[False].keys())
    return {name: Pair(layers[False].get(name), layers[True].get(name)) for name in names}


def coverage_of(logs: Sequence[Log], seen: dict[str, Pair], window: Interval) -> Coverage:
    """What all logs together can speak for."""
    every: list[Interval] = []
    app: list[Interval] = []
    counting: list[Interval] = []
    for log in logs:
        source = log.files[0].source
        every += log.coverage.covers
        if source.names_objects:
            app += log.coverage.covers
        if source.byte_meaning not in ("", "none"):
            blank = _blank(seen.values(), log)
            counting += (part for i in log.coverage.covers for part in subtract(i, blank))
    return combine(window, every, app, counting)


def _blank(seen: Iterable[Pair], log: Log) -> list[Interval]:
    """Bins in which the layer of this log left bytes blank."""
    seconds = max(d.bin_seconds for d in log.files)
    sides = (pair.flow if log.flow else pair.app for pair in seen)
    starts = {b.at for side in sides if side for b in side.bins if b.uncounted}
    return [Interval(start=_at(s), end=_at(s + seconds)) for s in sorted(starts)]


def _log(files: tuple[SourceDigest, ...], as_of: datetime) -> Log:
    coverage, path, doubt = log_coverage(files), files[0].source.path, ""
    if not coverage.clock_trusted:
        doubt = f"The clock of {path} is not trustworthy: its records are out of order."
    elif any(d.source.last and d.source.last > as_of + AHEAD for d in files):
        doubt = f"The clock of {path} is not trustworthy: it has times after this run."
    return Log(files, coverage, doubt)


def _order(digest: SourceDigest) -> tuple[int, str, str]:
    first = digest.slots[0].first if digest.slots else 0
    return first, digest.source.path, digest.source.sha256


def _span(digest: SourceDigest) -> Interval:
    claimed = union(Interval(start=_at(a), end=_at(b)) for a, b in digest.claimed)
    if claimed:
        return Interval(start=claimed[0].start, end=claimed[-1].end)
    first = digest.slots[0].first if digest.slots else 0
    last = max((s.last for s in digest.slots), default=first)
    return Interval(start=_at(first), end=_at(last))


def _clip(parts: Iterable[Interval], whole: Interval) -> tuple[Interval, ...]:
    return tuple(c for part in parts if (c := part.intersect(whole)))


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
