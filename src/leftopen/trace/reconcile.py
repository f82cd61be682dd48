"""One client, seen by several logs: what it got, and how much of it is certain.

The same bytes in two layers are reconciled, never added (research/trace.md 3.5): where a flow
record counts them it is the tight figure (network-layer bytes are 1.036 to 1.042 times the
content), else the application log. Two logs of one layer may be two views of the same bytes or of
different ones: the larger is certain, the sum is possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from leftopen.model.time import Interval
from leftopen.model.trace import Behaviour, Bytes, VerdictWord
from leftopen.trace.api import Act
from leftopen.trace.digest import BIN, Bin, ClientDigest, Mark, SourceDigest, merge_clients
from leftopen.trace.layers import HANDSHAKE, Compared, Layer, Whole, certain, compare
from leftopen.trace.words import amount

OVERHEAD = 1.04  # network-layer bytes per content byte, files of 200 kB and more
ABORTED = 1.5  # the log names this many times what the flow carried: cut short or filtered
OTHER = 1.15  # the flow carried this many times what the log names: something else was served
SMALLEST = 2_000  # content bytes of the smallest unit of data: a short message, a record page
FLOW_TOOK = 65_536  # in one flow record: more than any banner, handshake or refusal
BULK_OBJECTS, BULK_SHARE = 1_000, 0.01


@dataclass(frozen=True, slots=True)
class Span:
    """The window in seconds since 1970, both ends included."""

    start: int
    end: int

    @classmethod
    def of(cls, window: Interval) -> Span:
        """Of an interval, widened to whole seconds."""
        return cls(int(window.start.timestamp()), -int(-window.end.timestamp() // 1))

    def holds(self, first: int, last: int) -> bool:
        """Whether it holds all of first to last."""
        return self.start <= first and last <= self.end

    def meets(self, first: int, last: int) -> bool:
        """Whether it holds a part of first to last."""
        return first <= self.end and last >= self.start


@dataclass(frozen=True, slots=True)
class Sight:
    """One client inside the window, as one layer (app or flow) saw it."""

    requests: int
    act: int
    objects: dict[str, bool]  # keyed digest: served whole
    units: int
    overflow: int
    low: int  # content bytes, certainly
    high: int  # bytes, at most, of the records that count them
    uncounted: int  # records that do not
    peak: int
    first: int
    last: int
    marks: tuple[Mark, ...]
    agents: tuple[str, ...]
    tight: bool
    bins: tuple[Bin, ...]
    seconds: int = BIN  # width of a bin
    whole: tuple[Whole, ...] = ()  # objects served whole, as far as the log can say
    user: bool = False
    cut: bool = False  # part of it may lie just outside the window

    @property
    def count(self) -> int:
        """Objects served, at least."""
        return len(self.objects) + self.units


def sight(client: ClientDigest, source: SourceDigest, seconds: int, span: Span) -> Sight | None:
    """The part of a client that lies inside the window; None where there is none.

    A bin or an object across the window's edge counts for the upper figures only.
    """
    inside = span.holds(client.first.time, client.last.time)
    bins = [b for b in client.bins if inside or span.meets(b.at, b.at + seconds - 1)]
    if not bins:
        return None
    sure = [b for b in bins if inside or span.holds(b.at, b.at + seconds - 1)]
    objects = {k: o for k, o in client.objects.items() if inside or span.meets(o.first, o.last)}
    held = [o for o in objects.values() if o.whole and (inside or span.holds(o.first, o.last))]
    if source.source.kind == "flow":
        low = sum(map(certain, sure))
    elif source.source.tight:
        low = sum(b.content for b in sure)
    else:
        low = sum(o.size for o in held)
    marks = (m for m in (client.first, client.last) if span.holds(m.time, m.time))
    return Sight(
        requests=sum(b.requests for b in bins),
        act=max(b.act for b in bins),
        objects={key: item.whole for key, item in objects.items()},
        units=sum(b.units for b in bins),
        overflow=client.overflow,
        low=low,
        high=sum(b.bytes for b in bins),
        uncounted=sum(b.uncounted for b in bins),
        peak=max(b.peak for b in bins),
        first=max(client.first.time, bins[0].at, span.start),
        last=min(client.last.time, bins[-1].at + seconds - 1, span.end),
        marks=tuple(marks),
        agents=client.agents,
        tight=source.source.tight,
        bins=tuple(bins),
        seconds=seconds,
        whole=tuple(Whole(o.first, o.last, o.size) for o in held),
        user=client.user,
        cut=not inside,
    )


def sights(log: tuple[SourceDigest, ...], span: Span, port: int) -> dict[str, Sight]:
    """Every client of one log inside the window; of a flow log, those of this local port."""
    seconds = max(d.bin_seconds for d in log)
    found: dict[str, Sight] = {}
    for client in merge_clients(log).values():
        if client.port not in (0, port):
            continue
        seen = sight(client, log[0], seconds, span)
        if seen:
            here = found.get(client.client)
            found[client.client] = both(here, seen) if here else seen
    return found


def both(a: Sight, b: Sight) -> Sight:
    """Two logs of one layer: the larger is certain, the sum is possible."""
    objects = {k: a.objects.get(k, False) or b.objects.get(k, False) for k in a.objects | b.objects}
    return Sight(
        requests=a.requests + b.requests,
        act=max(a.act, b.act),
        objects=objects,
        units=max(a.units, b.units),
        overflow=a.overflow + b.overflow,
        low=max(a.low, b.low),
        high=a.high + b.high,
        uncounted=a.uncounted + b.uncounted,
        peak=max(a.peak, b.peak),
        first=min(a.first, b.first),
        last=max(a.last, b.last),
        marks=tuple(sorted({*a.marks, *b.marks})),
        agents=tuple(sorted({*a.agents, *b.agents})),
        tight=a.tight and b.tight,
        bins=tuple(sorted((*a.bins, *b.bins), key=lambda item: (item.at, item.bytes))),
        seconds=max(a.seconds, b.seconds),
        whole=max(a.whole, b.whole, key=lambda items: (sum(i.size for i in items), len(items))),
        user=a.user or b.user,
        cut=a.cut or b.cut,
    )


@dataclass(frozen=True, slots=True)
class Account:
    """What a client got, after its logs were compared."""

    bytes_out: Bytes
    tight: bool
    agree: bool  # two independent layers tell the same
    behaviour: Behaviour
    word: VerdictWord
    note: str


def account(
    app: Sight | None,
    flow: Sight | None,
    *,
    flow_covers: Iterable[Interval],
    app_covers: Iterable[Interval],
    stored_bytes: int | None,
) -> Account:
    """Compare the layers and grade what the client did (research/trace.md 3.6)."""
    flow_covers, app_covers = tuple(flow_covers), tuple(app_covers)
    spans = bool(app and flow and _covered(app, flow_covers) and _covered(flow, app_covers))
    bytes_out, tight, note = _bytes(app, flow, flow_covers, app_covers)
    extra = bool(flow and flow.peak >= FLOW_TOOK and not _explained(app, flow))
    took = bool(app and app.act >= Act.PART) or extra
    best = max(bytes_out.low, bytes_out.high or 0)
    count = app.count + app.overflow if app else 0
    if took:
        share = stored_bytes and best > BULK_SHARE * stored_bytes
        behaviour = Behaviour.BULK if share or count > BULK_OBJECTS else Behaviour.TOOK
    else:
        act = max(s.act for s in (app, flow) if s)
        behaviour = Behaviour.LOOKED if act >= Act.LOOKED else Behaviour.TOUCHED
    if took and tight and bytes_out.low >= SMALLEST:
        word = VerdictWord.EXFILTRATED
    elif took or (app and app.act >= Act.LISTED):
        word = VerdictWord.ACCESSED
    else:
        word = _small(app, flow, app_covers)
    agree = bool(app and flow and spans and not flow.uncounted and not note)
    return Account(bytes_out, tight, agree, behaviour, word, note)


def _small(app: Sight | None, flow: Sight | None, app_covers: Iterable[Interval]) -> VerdictWord:
    """No object and no listing was seen: is it certain that there was none?"""
    if app and app.uncounted:
        return VerdictWord.UNKNOWN
    if flow and flow.uncounted and not (app and _covered(flow, app_covers)):
        return VerdictWord.UNKNOWN
    if flow and flow.peak >= SMALLEST * OVERHEAD and not _explained(app, flow):
        return VerdictWord.UNKNOWN
    return VerdictWord.CONTACTED


_FLOW_BASIS = "flow record, network-layer bytes; of the floor, headers and packets are taken off"
_BLANK = "the flow record leaves bytes blank: unknown, not 0"


def _bytes(
    app: Sight | None,
    flow: Sight | None,
    flow_covers: tuple[Interval, ...],
    app_covers: tuple[Interval, ...],
) -> tuple[Bytes, bool, str]:
    """Floor and ceiling, whether they are tight, and a remark."""
    counts = flow is not None and not flow.uncounted
    if app is None:
        assert flow is not None
        high = flow.high if counts else None
        return Bytes(low=flow.low, high=high, basis=_FLOW_BASIS), True, "" if counts else _BLANK
    basis = (
        "the log's own count of what was sent"
        if app.tight
        else "bytes handed to the network by the log; an aborted transfer counts too high, "
        "compressed text may hold three times as much"
    )
    if flow is None or not counts:
        high = None if app.uncounted else app.high
        return Bytes(low=app.low, high=high, basis=basis), app.tight, _BLANK if flow else ""
    found = compare(
        Layer(app.bins, app.seconds, app_covers, app.whole, app.tight),
        Layer(flow.bins, flow.seconds, flow_covers),
    )
    if app.uncounted:
        return Bytes(low=flow.low, basis=_FLOW_BASIS), True, "the log leaves bytes blank"
    low = max(found.low, flow.low) if not _explained(app, flow) else found.low
    tight = app.tight or low - app.low >= SMALLEST or found.both_flow + found.flow_alone >= low
    if found.app_alone:
        basis = f"{_FLOW_BASIS}; where it does not speak, {basis}"
    else:
        basis = f"{_FLOW_BASIS}; compared with the log"
    return Bytes(low=low, high=found.high, basis=basis), tight, "; ".join(_remarks(found))


def _remarks(found: Compared) -> list[str]:
    """What the two layers say of each other."""
    said = []
    if found.both_app / ABORTED > found.both_flow:
        said.append(f"aborted or filtered: the log names {amount(found.both_app)}")
    elif found.both_flow > OTHER * OVERHEAD * found.both_app + FLOW_TOOK and found.both_app:
        said.append(f"more left on this port than the {amount(found.both_app)} that the log names")
    if found.flow_alone >= FLOW_TOOK:
        said.append(f"{amount(found.flow_alone)} stand in the flow record alone: objects not known")
    return said


def _explained(app: Sight | None, flow: Sight) -> bool:
    """Whether the application log names as much as the flow carried."""
    return app is not None and flow.high <= OTHER * OVERHEAD * app.high + HANDSHAKE * app.requests


def _covered(seen: Sight, covers: Iterable[Interval]) -> bool:
    return any(c.start.timestamp() <= seen.first and seen.last <= c.end.timestamp() for c in covers)
