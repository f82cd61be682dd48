"""Who came in, how much left, and what no log can say: the verdict on one exposure window.

The grades and what each needs are those of research/trace.md 3.6. "No evidence" is a claim about
the logs as much as about the visitors: it is refused while any stretch that is long enough for one
item is unseen. The order of the inputs does not change the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import msgspec

from leftopen.model.endpoint import Endpoint
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.scope_file import Parties
from leftopen.model.time import Interval, share, union
from leftopen.model.trace import Coverage, TraceResult, Visit
from leftopen.trace.digest import BIN, HIDDEN, SourceDigest
from leftopen.trace.logs import Log, by_client, coverage_of, speaking
from leftopen.trace.picture import bins_of
from leftopen.trace.verdict import ENOUGH, Ground, client_verdict, overall
from leftopen.trace.visits import visits_of
from leftopen.trace.words import duration, span

VISITS_MAX = 1_000  # listed one by one; all of them count in the verdict
IDS_MAX = 100_000  # object ids of one visit that is listed
HOLES_MAX = 20  # told one by one
USUAL_ITEM = 50_000  # bytes of one mail or page, where the store does not say


def judge(
    digests: Sequence[SourceDigest],
    *,
    window: Interval,
    window_note: str = "",
    endpoint: Endpoint,
    protocol: str,
    parties: Parties,
    stored_objects: int | None = None,
    stored_bytes: int | None = None,
    known_objects: frozenset[str] = frozenset(),
    self_addresses: Collection[str] = (),
    self_since: datetime | None = None,
    as_of: datetime,
) -> tuple[TraceResult, tuple[Gap, ...]]:
    """The answer for one exposure, from the digests of all logs of the run.

    `known_objects` are names seen in the store, as `keyring.digest("object", name)`.
    `self_addresses` are those that Leftopen itself probes from, since `self_since`.
    `window_note` is a sentence on how sure the window is; shares are taken of the whole of it.
    """
    logs, gaps = speaking(digests, endpoint, protocol, as_of)
    seen = by_client(logs, window, endpoint.port)
    coverage = coverage_of(logs, seen, window)
    made = visits_of(
        seen,
        logs,
        window=window,
        parties=parties,
        self_addresses=self_addresses,
        self_since=self_since,
        stored_bytes=stored_bytes,
    )
    outside = [(visit, got) for visit, got in made if not visit.party.kind.ours]
    doubt = any(log.doubt for log in logs)
    verdicts = [client_verdict(visit, got, known_objects, doubt) for visit, got in outside]
    item = stored_bytes // stored_objects if stored_objects and stored_bytes else USUAL_ITEM
    ground = _ground(logs, coverage, window_note, max(1, item))
    visits = [visit for visit, _ in made]
    gaps += _gaps(logs, coverage, endpoint, protocol, len(visits))
    seconds = max((d.bin_seconds for log in logs for d in log.files), default=BIN)
    return TraceResult(
        window=window,
        sources=tuple(source for log in logs for source in log.sources()),
        coverage=coverage,
        visits=tuple(_trim(visit, known_objects) for visit in visits[:VISITS_MAX]),
        verdict=overall(ground, [visit for visit, _ in outside], verdicts),
        client_verdicts=tuple(verdicts[:VISITS_MAX]),
        bins=bins_of([visit.client for visit in visits], seen, window, seconds),
    ), tuple(gaps)


def _ground(logs: Sequence[Log], coverage: Coverage, note: str, item: int) -> Ground:
    window = coverage.window
    proved = [i for log in logs if log.proves for i in log.coverage.covers]
    quiet = [log.coverage.silence for log in logs if not log.proves]
    files = [d for log in logs for d in log.files]
    layers = {
        flow: union(i for log in logs if log.flow is flow for i in log.coverage.covers)
        for flow in (True, False)
    }
    return Ground(
        window=window,
        window_note=note,
        coverage=coverage,
        provable=share(window, proved),
        silence=None if None in quiet else max((s for s in quiet if s), default=None),
        rejected=sum(d.source.rejected for d in files if _near(d, window)),
        lost=sum(d.lost for d in files if _near(d, window)),
        hidden=sum(client.client == HIDDEN for d in files for client in d.clients),
        doubts=tuple(sorted({log.doubt for log in logs if log.doubt})),
        layers=sum(share(window, covers) >= ENOUGH for covers in layers.values()),
        files=len(files),
        item_bytes=item,
    )


def _near(digest: SourceDigest, window: Interval) -> bool:
    """Whether an unreadable record of this file may be of the window."""
    first, last = digest.source.first, digest.source.last
    return first is None or last is None or (first <= window.end and last >= window.start)


def _trim(visit: Visit, known: frozenset[str]) -> Visit:
    """Object ids that join to the store; without a listing of it, the first IDS_MAX."""
    ids = tuple(i for i in visit.object_ids if i in known) if known else visit.object_ids
    return msgspec.structs.replace(visit, object_ids=ids[:IDS_MAX])


def _gaps(
    logs: Sequence[Log], coverage: Coverage, endpoint: Endpoint, protocol: str, visits: int
) -> Iterator[Gap]:
    place = str(endpoint)
    if not logs:
        detail = f"no log that speaks for {protocol or 'this port'} was handed over"
        yield _gap(Reason.NOT_GIVEN, place, detail)
    for hole in coverage.holes[:HOLES_MAX]:
        detail = f"no log speaks for {span(hole)} ({duration(hole.duration)})"
        yield _gap(Reason.NO_LOG, place, detail)
    if len(coverage.holes) > HOLES_MAX:
        more = len(coverage.holes) - HOLES_MAX
        yield _gap(Reason.NO_LOG, place, "more stretches that no log speaks for", more)
    for doubt in sorted({log.doubt for log in logs if log.doubt}):
        yield _gap(Reason.NO_TIME, place, doubt)
    if visits > VISITS_MAX:
        detail = "clients with the least traffic: counted in the verdict, not listed one by one"
        yield _gap(Reason.TOO_LARGE, place, detail, visits - VISITS_MAX)


def _gap(reason: Reason, place: str, detail: str, count: int = 1) -> Gap:
    return Gap(stage=Stage.TRACE, reason=reason, place=place, detail=detail, count=count)
