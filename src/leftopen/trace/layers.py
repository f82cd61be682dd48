"""Two layers over time: where which of them speaks, and what follows for the bytes.

An application log and a flow record seldom cover the same hours. Where both speak, the same bytes
are compared, never added; where one speaks, it stands alone; the stretches add up. The floor is
content that certainly left: headers, handshakes and packet overhead are taken off, with the
largest ratios measured (research/trace.md 3.5), so it never says too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from leftopen.model.time import Interval
from leftopen.trace.digest import Bin

SMALL_OVERHEAD = 1.10  # network-layer bytes per content byte, at most, for small objects (1.092)
LARGE_OVERHEAD, LARGE = 1.04, 200_000  # and for objects of so many bytes and more (1.042)
LEAST_OVERHEAD = 1.036  # at least: a flow that carried so much more than the log names lost nothing
HEAD = 1_000  # bytes of an HTTP response's head
HANDSHAKE = 8_000  # bytes of a TLS handshake with its certificates and headers, per record


@dataclass(frozen=True, slots=True)
class Whole:
    """One object that the log says was served whole."""

    first: int
    last: int  # seconds since 1970
    size: int


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer has of one client."""

    bins: Sequence[Bin]
    seconds: int  # width of a bin
    covers: Sequence[Interval]  # when its source was recording
    whole: Sequence[Whole] = ()  # application logs that are not tight: what is certain
    tight: bool = False

    def speaks(self, start: int, seconds: int) -> bool:
        """Whether its source was recording during all of this bin."""
        a, b = _at(start), _at(start + seconds)
        return any(c.start <= a and b <= c.end for c in self.covers)


@dataclass(frozen=True, slots=True)
class Compared:
    """Bytes of one client over both layers."""

    low: int
    high: int
    both_app: int  # bytes where both speak, as the application log has them
    both_flow: int  # and as the flow record has them
    flow_alone: int  # bytes that only the flow record saw: their objects are not known
    app_alone: int


def certain(item: Bin) -> int:
    """Content in flow records of one bin that can be neither header nor handshake."""
    return max(0, int(item.bytes / SMALL_OVERHEAD) - HANDSHAKE * item.requests)


def compare(app: Layer, flow: Layer) -> Compared:
    """Add up the stretches; within a stretch that both cover, compare."""
    seconds = max(app.seconds, flow.seconds)
    a, f = _binned(app.bins, seconds), _binned(flow.bins, seconds)
    both_app = both_flow = alone_app = alone_flow = sure_flow = content = requests = 0
    for start in sorted({*a, *f}):
        named, carried = a.get(start), f.get(start)
        if named and (carried or flow.speaks(start, seconds)):
            both_app += named.bytes
            requests += named.requests
            both_flow += carried.bytes if carried else 0
        elif named:
            alone_app += named.bytes
            content += named.content
        elif carried and app.speaks(start, seconds):
            both_flow += carried.bytes
        elif carried:
            alone_flow += carried.bytes
            sure_flow += certain(carried)
    sure_app = content if app.tight else _outside(app.whole, flow, seconds, f)
    low = _floor(both_app, both_flow, requests) + sure_flow + sure_app
    high = (both_flow or both_app) + alone_flow + alone_app
    return Compared(low, high, both_app, both_flow, alone_flow, alone_app)


def _floor(app: int, flow: int, requests: int) -> int:
    """Content that both layers vouch for: all that the log names, or what the flow had room for."""
    if flow >= app * LEAST_OVERHEAD:
        return app
    overhead = LARGE_OVERHEAD if app >= LARGE * requests else SMALL_OVERHEAD
    return max(0, min(app, int(flow / overhead) - HEAD * requests))


def _outside(whole: Iterable[Whole], flow: Layer, seconds: int, carried: dict[int, Bin]) -> int:
    """Sizes of whole objects served where the flow record says nothing of the client."""
    total = 0
    for item in whole:
        starts = range(item.first - item.first % seconds, item.last + 1, seconds)
        if not any(s in carried or flow.speaks(s, seconds) for s in starts):
            total += item.size
    return total


def _binned(bins: Iterable[Bin], seconds: int) -> dict[int, Bin]:
    found: dict[int, Bin] = {}
    for item in bins:
        start = item.at - item.at % seconds
        found[start] = found[start] + item if start in found else item
    return found


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
