"""Traffic in at most 200 stretches of the window, for the time line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from leftopen.model.time import Interval
from leftopen.model.trace import TrafficBin
from leftopen.trace.digest import HIDDEN, Bin
from leftopen.trace.logs import Pair
from leftopen.trace.reconcile import Span

BINS_MAX = 200
CLIENTS_MAX = 10  # with a line of their own


def bins_of(
    order: Sequence[str], seen: dict[str, Pair], window: Interval, seconds: int
) -> tuple[TrafficBin, ...]:
    """Bytes by time of the first CLIENTS_MAX clients of `order`; all others as one.

    `seconds` is the width of the bins of the digests, of which the width here is a multiple.
    """
    span = Span.of(window)
    base = span.start - span.start % seconds
    width = -(-max(1, span.end - base) // (BINS_MAX * seconds)) * seconds
    own = set(order[:CLIENTS_MAX])
    sums: dict[tuple[int, str], Bin] = {}
    for client in order:
        name = client if client in own else HIDDEN
        for item in _bins(seen[client]):
            key = max(0, (item.at - base) // width), name
            sums[key] = sums[key] + item if key in sums else item
    return tuple(
        TrafficBin(
            start=_at(base + at * width),
            end=_at(base + (at + 1) * width),
            client=client,
            requests=item.requests,
            bytes_out=None if item.uncounted and not item.bytes else item.bytes,
        )
        for (at, client), item in sorted(sums.items())
    )


def _bins(pair: Pair) -> Iterable[Bin]:
    """Of the flow record where it counts, else of the application log: never of both."""
    if pair.flow and (pair.app is None or not pair.flow.uncounted):
        return pair.flow.bins
    return pair.app.bins if pair.app else ()


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
