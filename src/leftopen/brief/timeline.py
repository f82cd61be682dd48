"""The time line: one picture of when it was open, what the logs saw, and who came.

From top to bottom: sightings, the exposure with its uncertain ends (hatched), one lane a log with
its holes left empty, one lane a kind of visitor with circles whose area is the bytes that left.
Time that no log speaks for is shaded through all lanes. All times are UTC.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files

from markupsafe import Markup

from leftopen.brief import plain
from leftopen.brief.answers import by_bytes, took
from leftopen.brief.charts import (
    Label,
    Placed,
    fit,
    hatch,
    joined,
    put,
    stack,
    tag,
    text_width,
)
from leftopen.brief.lanes import BODY, NAME, SMALL, base, by_log, crowd, nature, who
from leftopen.brief.scale import LEFT, RIGHT, Scale
from leftopen.model.case import Case
from leftopen.model.time import Bound, Interval, subtract
from leftopen.model.trace import Source, TraceResult, TrafficBin, Visit

WIDTH = 1100
TOP_SOURCES, TOP_VISITS, TOP_LABELS, TOP_SIGHTINGS, TOP_BANDS = 8, 40, 4, 40, 60
BIGGEST = 19.0  # radius of the largest circle
_ORDER = tuple(plain.PARTIES)  # outsiders that nobody can name first, our own last


def timeline_svg(case: Case, *, standalone: bool = False) -> str:
    """The picture of one case as SVG text.

    Inside a page it takes its colours from the page's style sheet; `standalone` adds the XML
    name space and its own style, so that the text is an SVG file.
    """
    picture = _Picture(case)
    body = joined(
        [
            tag("title", f"Time line of {plain.shown(case.title, 200)}", id=picture.uid + "-t"),
            tag("desc", description(case), id=picture.uid + "-d"),
            *([_style()] if standalone else ()),
            picture.patterns(),
            *picture.draw(),
        ]
    )
    return str(
        tag(
            "svg",
            body,
            xmlns="http://www.w3.org/2000/svg" if standalone else None,
            class_="timeline",
            viewBox=f"0 0 {WIDTH} {math.ceil(picture.y)}",
            role="img",
            aria_labelledby=f"{picture.uid}-t {picture.uid}-d",
        )
    )


def description(case: Case) -> str:
    """The same picture in words, for a screen reader."""
    said = [
        f"Window {plain.clock(case.window.start)} to {plain.clock(case.window.end)}.",
        *(f"{text}." for _, text in _bounds(case)),
    ]
    if case.trace is None:
        return " ".join([*said, "No log was handed over; nothing can be said about visitors."])
    for hole in case.trace.coverage.holes[:10]:
        said.append(
            f"No log speaks from {plain.clock(hole.start)} to {plain.clock(hole.end)} "
            f"({plain.span(hole.duration)})."
        )
    for visit in by_bytes(case.trace.visits)[:10]:
        said.append(
            f"{plain.PARTIES[visit.party.kind]} {plain.shown(visit.client, 60)}: "
            f"{plain.BEHAVIOURS[visit.behaviour]}, {plain.amount(visit.bytes_out)}."
        )
    return " ".join(said)


def _style() -> Markup:
    css = files("leftopen.brief").joinpath("templates/timeline.css").read_text("utf-8")
    return Markup(f"<style>{css}</style>")  # noqa: S704 - our own file


def _bounds(case: Case) -> list[tuple[datetime, str]]:
    """The instants that limit the exposure, in words, with what says so."""
    opened, closed = case.exposure.opened, case.exposure.closed

    def said(bound: Bound | None, words: str) -> Iterator[tuple[datetime, str]]:
        if bound:
            basis = f" ({plain.shown(bound.basis, 60)})" if bound.basis else ""
            yield bound.time, f"{words} {plain.short(bound.time)}{basis}"

    return [
        *said(opened.after, "not open before"),
        *said(opened.before, "known open from"),
        *said(closed.after, "last known open"),
        *said(closed.before, "known closed from"),
    ]


@dataclass(slots=True)
class _Picture:
    """Draws lane after lane downwards; `y` is where the next one begins."""

    case: Case
    y: float = 0.0
    uid: str = ""
    scale: Scale = field(init=False)

    def __post_init__(self) -> None:
        self.uid = "tl" + hashlib.sha256(self.case.uid.encode("utf-8", "replace")).hexdigest()[:10]
        self.scale = Scale.of(self.case)

    def patterns(self) -> Markup:
        """The two hatchings: an uncertain time, and a time without any log."""
        return tag(
            "defs",
            hatch(f"{self.uid}-maybe", "tl-maybe", 7) + hatch(f"{self.uid}-blind", "tl-blind", 9),
        )

    def draw(self) -> list[Markup]:
        """All of it, back to front."""
        self.y = 46
        lanes = [*self.sightings(), *self.exposure()]
        band_top = self.y + 17
        lanes += self.blind_row()
        lanes += self.sources() + self.parties()
        bottom = self.y
        back = [*self.axis(bottom), *self.bands(band_top, bottom)]
        return [*back, *lanes, *self.legend()]

    def axis(self, bottom: float) -> list[Markup]:
        """Days on top and lines through all lanes."""
        parts = [put(0, 32, "All times in UTC", "tl-note")]
        ticks = self.scale.ticks()
        headings: dict[str, float] = {}
        for x, label, heading in ticks:
            headings.setdefault(heading, x)
            parts.append(tag("path", d=f"M{x:.1f} 38V{bottom:.1f}", class_="tl-grid"))
            parts.append(put(x, 32, label, "tl-tick", "middle"))
        heads = [Label(x, text) for text, x in headings.items()]
        for placed in stack(heads, LEFT - 10, RIGHT + 10, SMALL, 1):
            parts.append(put(placed.left, 14, placed.label.text, "tl-month"))
        return parts

    def name(self, title: object, note: object = "", y: float | None = None) -> Markup:
        """The name of a lane, left of the plot, with a second line."""
        at = self.y + 13 if y is None else y
        first = put(0, at, fit(title, NAME, BODY), "tl-name")
        return first + (put(0, at + 15, fit(note, NAME, SMALL), "tl-note") if note else "")

    def labels(self, labels: Sequence[Label], rows: int, class_: str = "tl-label") -> list[Markup]:
        """Labels above a lane; moves `y` down by the rows that were used.

        A thin line leads from a label to what it names, `depth` below the last row of labels.
        """
        line = "tl-leader"
        placed = stack(labels, LEFT, RIGHT + 12, SMALL, rows)
        used = max((p.row for p in placed), default=-1) + 1
        base = self.y + 11 + (used - 1) * 14
        self.y += used * 14
        drawn = [
            tag("path", d=f"M{p.label.x:.1f} {base - p.row * 14 + 2:.1f}V{foot:.1f}", class_=line)
            for p in placed
            if (foot := self.y + p.label.depth) > base - p.row * 14 + 10
        ]
        return drawn + [_centred(p, base - p.row * 14, class_) for p in placed]

    def rule(self, title: str) -> Markup:
        """A heading between groups of lanes."""
        line = tag("path", d=f"M0 {self.y + 8:.1f}H{WIDTH}", class_="tl-rule")
        self.y += 36
        return line + put(0, self.y - 10, title, "tl-head")

    def sightings(self) -> list[Markup]:
        """Looks from outside: diamonds for other sensors, squares for Leftopen."""
        seen = sorted(self.case.exposure.observations, key=lambda o: (o.time, o.sensor))
        marks: list[Markup] = []
        first: dict[str, Label] = {}
        others = {o.sensor for o in seen if o.sensor != "leftopen"}
        top = self.y
        for o in seen[:TOP_SIGHTINGS]:
            x = self.scale.x(o.time)
            said = f"{plain.shown(o.sensor, 40)}: {plain.ACCESS[o.access]}, {plain.clock(o.time)}"
            if o.sensor in others:
                name = plain.shown(o.sensor, 30)
                words = f"{name[:1].upper()}{name[1:]} first saw it {plain.short(o.time)}"
                first.setdefault(o.sensor, Label(x, words))
            marks.append(_mark(x, said, outside=o.sensor in others))
        drawn = self.labels(list(first.values())[:TOP_LABELS], 3)
        note = f"{plain.plural(len(others), 'outside sensor')}" if others else "only Leftopen"
        drawn.append(self.name("Seen by", note, top + 11))
        drawn.append(tag("g", joined(marks), transform=f"translate(0 {self.y + 12:.1f})"))
        self.y = max(self.y + 26, top + 36)
        return drawn

    def exposure(self) -> list[Markup]:
        """Solid while known open, hatched while it may have been open."""
        self.y += 6
        opened, closed = self.case.exposure.opened, self.case.exposure.closed
        first = opened.before.time if opened.before else None
        last = closed.after.time if closed.after else first
        x0 = self.scale.x(opened.after.time) if opened.after else LEFT
        x1 = self.scale.x(first) if first else self.scale.x(self.case.window.start)
        x2 = max(self.scale.x(last), x1) if last else x1
        x3 = self.scale.x(closed.before.time) if closed.before else RIGHT
        y = self.y
        perhaps = f"url(#{self.uid}-maybe)"
        drawn = [
            self.name("Open to anybody", self._length(), y + 12),
            _bar(x0, y, x1 - x0, 22, "tl-edge", perhaps),
            _bar(x2, y, x3 - x2, 22, "tl-edge", perhaps),
            _bar(x1, y, max(x2 - x1, 2.0), 22, "tl-open"),
            *_inside(x0, x1, y + 15, _perhaps(bool(opened.after)), "tl-halo"),
            *_inside(x1, x2, y + 15, ("known open",), "tl-on"),
            *_inside(x2, x3, y + 15, _until(bool(closed.before)), "tl-halo"),
        ]
        self.y += 24
        bounds = [Label(self.scale.x(at), text) for at, text in _bounds(self.case)]
        labels = self._below(bounds)
        for label in bounds:
            drawn.append(tag("path", d=f"M{label.x:.1f} {y:.1f}v28", class_="tl-tickline"))
        return drawn + labels

    def _below(self, labels: Sequence[Label]) -> list[Markup]:
        """Labels below a bar."""
        placed = stack(labels, LEFT, RIGHT + 12, SMALL, 4)
        drawn = [_centred(p, self.y + 14 + p.row * 14, "tl-label") for p in placed]
        self.y += 14 * (max((p.row for p in placed), default=0) + 1) + 10
        return drawn

    def _length(self) -> str:
        opened, closed = self.case.exposure.opened, self.case.exposure.closed
        if not (opened.before and closed.after):
            return "how long: not known"
        known = max(closed.after.time - opened.before.time, timedelta())
        if not known and not (opened.after and closed.before):
            return "seen open once"
        if not (opened.after and closed.before):
            return f"at least {plain.span(known, 'down')}"
        most = max(closed.before.time - opened.after.time, known)
        return f"{plain.span(known, 'down')} to {plain.span(most, 'up')}"

    def blind(self) -> tuple[Interval, ...]:
        """The time that no log speaks for; all of the window where no log was handed over."""
        trace = self.case.trace
        return (self.case.window,) if trace is None else trace.coverage.holes

    def bands(self, top: float, bottom: float) -> list[Markup]:
        """Shading through all lanes below."""
        drawn = []
        for hole in self.blind()[:TOP_BANDS]:
            x, width = self.scale.span(hole) if self.case.trace else (LEFT, RIGHT - LEFT)
            said = tag("title", f"no log: {plain.clock(hole.start)} to {plain.clock(hole.end)}")
            drawn.append(
                tag(
                    "rect",
                    said,
                    x=x,
                    y=top,
                    width=width,
                    height=bottom - top,
                    fill=f"url(#{self.uid}-blind)",
                    class_="tl-band",
                )
            )
        return drawn

    def blind_row(self) -> list[Markup]:
        """The row that names the shading."""
        holes, top = self.blind(), self.y
        if self.case.trace is None:
            note = "no log was handed over"
        elif not holes:
            sure = self.case.trace.coverage.any >= 1
            note = "no hour, some log always speaks" if sure else plain.NOT_KNOWN
        else:
            total = sum((h.duration for h in holes), start=timedelta())
            note = f"{plain.span(total)} in all"
        longest = sorted(holes, key=lambda h: (-h.duration, h.start))
        labels = [Label(self._middle(h), _no_log(h)) for h in longest[:TOP_LABELS]]
        if self.case.trace is None:
            labels = [Label((LEFT + RIGHT) / 2, "no log was handed over: nothing can be said")]
        drawn = self.labels(labels, 1, "tl-blind-label")
        drawn.append(self.name("No log can speak", note, top + 11))
        self.y = max(self.y, top + 32)
        return drawn

    def _middle(self, stretch: Interval) -> float:
        x, width = self.scale.span(stretch)
        return x + width / 2

    def sources(self) -> list[Markup]:
        """One lane a log: bars where it speaks, dashed and empty where it does not."""
        trace = self.case.trace
        drawn = [self.rule("What each log covers")]
        if trace is None or not trace.sources:
            drawn.append(self.name("No log", "not handed over"))
            self.y += 34
            return drawn
        logs = by_log(trace.sources)
        for source, count in logs[:TOP_SOURCES]:
            drawn += self._source(source, count, trace)
        return drawn + self._more(len(logs) - TOP_SOURCES, "log")

    def _source(self, source: Source, count: int, trace: TraceResult) -> list[Markup]:
        top = self.y
        holes = subtract(trace.window, source.covers)
        longest = sorted(holes, key=lambda h: (-h.duration, h.start))
        labels = []
        for hole in longest[:6]:
            words = f"empty for {plain.span(hole.duration)}"
            labels.append(Label(self._middle(hole), words))
        drawn = self.labels(labels, 1)
        drawn.append(self.name(base(source.path), nature(source, count), top + 11))
        self.y = max(self.y + 3, top + 5)
        for hole in holes[:TOP_BANDS]:
            x, width = self.scale.span(hole)
            drawn.append(_bar(x, self.y, width, 13, "tl-empty"))
        for stretch in source.covers[:TOP_BANDS]:
            if seen := trace.window.intersect(stretch):
                x, width = self.scale.span(seen)
                drawn.append(_bar(x, self.y, width, 13, "tl-cover"))
        self.y = max(self.y + 22, top + 38)
        return drawn

    def parties(self) -> list[Markup]:
        """One lane a kind of visitor."""
        trace = self.case.trace
        drawn = [self.rule("Who came in")]
        if trace is None or not trace.visits:
            note = "no log was handed over" if trace is None else "nobody in the logs"
            drawn.append(self.name(plain.NOT_KNOWN if trace is None else "No visit", note))
            self.y += 34
            return drawn
        bins: dict[str, list[TrafficBin]] = {}
        for b in trace.bins:
            bins.setdefault(b.client, []).append(b)
        top = self._largest(trace)
        for kind in _ORDER:
            visits = by_bytes(v for v in trace.visits if v.party.kind is kind)
            if visits:
                drawn += self._party(visits, bins, top)
        return drawn

    def _largest(self, trace: TraceResult) -> int:
        """Bytes of the largest circle of the picture."""
        return max((v.bytes_out.low for v in trace.visits), default=0)

    def _party(
        self, visits: Sequence[Visit], bins: dict[str, list[TrafficBin]], top: int
    ) -> list[Markup]:
        start = self.y
        circles: list[Markup] = []
        labels: list[tuple[_Circle, str]] = []
        tallest = 5.0
        for visit in visits[:TOP_VISITS]:
            shapes = _circles(visit, bins.get(visit.client, []), top, self.scale)
            tallest = max(tallest, *(s.radius for s in shapes))
            circles.append(_thread(visit, self.scale))
            circles += [s.draw(visit) for s in shapes]
            largest = max(shapes, key=lambda s: s.radius)
            labels.append((largest, who(visit)))
        depth = [Label(c.x, text, tallest + 3 - c.radius) for c, text in labels[:TOP_LABELS]]
        drawn = self.labels(depth, 2)
        drawn.append(
            self.name(plain.PARTIES[visits[0].party.kind], crowd(visits), start + 11),
        )
        middle_y = self.y + tallest + 4
        drawn.append(tag("g", joined(circles), transform=f"translate(0 {middle_y:.1f})"))
        self.y = max(middle_y + tallest + 8, start + 38)
        if len(visits) > TOP_VISITS:
            drawn.append(
                put(0, start + 41, f"the {TOP_VISITS} with most bytes are drawn", "tl-note")
            )
            self.y = max(self.y, start + 52)
        drawn.append(tag("path", d=f"M{LEFT} {self.y - 2:.1f}H{RIGHT}", class_="tl-grid"))
        self.y += 4
        return drawn

    def _more(self, number: int, noun: str) -> list[Markup]:
        if number <= 0:
            return []
        drawn = [put(0, self.y + 11, f"and {plain.plural(number, noun)} more", "tl-note")]
        self.y += 20
        return drawn

    def legend(self) -> list[Markup]:
        """What each shape means, in columns."""
        self.y += 16
        items = _legend(self.uid)
        drawn: list[Markup] = []
        for number, (shape, words) in enumerate(items):
            column, row = divmod(number, 3)
            x, y = column * 278, self.y + row * 22
            drawn.append(tag("g", shape, transform=f"translate({x} {y:.1f})"))
            drawn.append(put(x + 36, y + 11, words, "tl-label"))
        self.y += 3 * 22 + 4
        return drawn


@dataclass(frozen=True, slots=True)
class _Circle:
    """Bytes at one time; `bytes_out` None means not known."""

    x: float
    radius: float
    bytes_out: int | None

    def draw(self, visit: Visit) -> Markup:
        """Filled where data were taken, hollow where not, dashed with ? where not known."""
        said = tag("title", f"{who(visit)}, {plain.BEHAVIOURS[visit.behaviour]}")
        if self.bytes_out is None:
            ring = tag("circle", said, cx=self.x, cy=0, r=self.radius, class_="tl-unknown")
            return ring + put(self.x, 4, "?", "tl-question", "middle")
        look = "tl-took" if took(visit) else "tl-looked"
        if visit.party.kind.ours:
            look += " tl-ours"
        return tag("circle", said, cx=self.x, cy=0, r=self.radius, class_=look)


def _circles(
    visit: Visit, bins: Sequence[TrafficBin], top: int, scale: Scale
) -> tuple[_Circle, ...]:
    """One circle a stretch of traffic, or one for the visit where there is no finer figure."""

    def radius(size: int) -> float:
        return max(3.0, BIGGEST * math.sqrt(size / top)) if top else 3.0

    parts = sorted(bins, key=lambda b: (-(b.bytes_out or 0), b.start))[:TOP_VISITS]
    if parts:
        return tuple(
            _Circle(
                scale.x(b.start + (b.end - b.start) / 2),
                6.5 if b.bytes_out is None else radius(min(b.bytes_out, top)),
                b.bytes_out,
            )
            for b in sorted(parts, key=lambda b: b.start)
        )
    middle = visit.first + (visit.last - visit.first) / 2
    low, high = visit.bytes_out.low, visit.bytes_out.high
    if low == 0 and high is None:
        return (_Circle(scale.x(middle), 6.5, None),)
    return (_Circle(scale.x(middle), radius(low), low),)


def _thread(visit: Visit, scale: Scale) -> Markup:
    """A thin line from the first to the last request."""
    x0, x1 = scale.x(visit.first), scale.x(visit.last)
    return tag("path", d=f"M{x0:.1f} 0H{max(x1, x0 + 1):.1f}", class_="tl-thread")


def _centred(placed: Placed, y: float, class_: str) -> Markup:
    """The text over the middle of its place: an estimate of its width that is off moves nothing."""
    middle = placed.left + text_width(placed.label.text, SMALL) / 2
    return put(middle, y, placed.label.text, class_, "middle")


def _mark(x: float, said: str, *, outside: bool) -> Markup:
    title = tag("title", said)
    if outside:
        return tag("path", title, d=f"M{x:.1f} -7l7 7-7 7-7-7Z", class_="tl-outside")
    return tag("rect", title, x=x - 4.5, y=-4.5, width=9, height=9, class_="tl-own")


def _bar(
    x: float, y: float, width: float, height: float, class_: str, fill: str | None = None
) -> Markup:
    if width <= 0:
        return Markup("")
    return tag("rect", x=x, y=y, width=width, height=height, fill=fill, class_=class_)


def _inside(
    left: float, right: float, y: float, choices: Iterable[str], class_: str
) -> Iterator[Markup]:
    """The first of the texts that fits between two edges."""
    for text in choices:
        if text_width(text, SMALL) + 10 <= right - left:
            yield put((left + right) / 2, y, text, class_, "middle")
            return


def _perhaps(known: bool) -> tuple[str, ...]:
    return ("perhaps open",) if known else ("start not known", "start ?", "?")


def _until(known: bool) -> tuple[str, ...]:
    return ("perhaps open",) if known else ("end not known", "end ?", "?")


def _no_log(hole: Interval) -> str:
    return (
        f"no log for {plain.span(hole.duration)}: "
        f"{plain.short(hole.start)} to {plain.short(hole.end)}"
    )


def _legend(uid: str) -> list[tuple[Markup, str]]:
    def box(class_: str, fill: str | None = None) -> Markup:
        return tag("rect", x=0, y=1, width=26, height=12, class_=class_, fill=fill)

    def dot(class_: str) -> Markup:
        return tag("circle", cx=13, cy=7, r=6.0, class_=class_)

    unknown = dot("tl-unknown") + put(13, 11, "?", "tl-question", "middle")
    diamond = tag("path", d="M13 0l7 7-7 7-7-7Z", class_="tl-outside")
    square = tag("rect", x=8.5, y=2.5, width=9, height=9, class_="tl-own")
    return [
        (box("tl-open"), "known open"),
        (box("tl-edge", f"url(#{uid}-maybe)"), "may have been open"),
        (box("tl-band", f"url(#{uid}-blind)"), "no log at all can speak"),
        (box("tl-cover"), "this log speaks"),
        (box("tl-empty"), "this log is empty"),
        (unknown, "how many bytes is not known"),
        (dot("tl-took"), "outsider, took data (area: bytes)"),
        (dot("tl-looked"), "outsider, took no object"),
        (dot("tl-took tl-ours"), "our own people and probes"),
        (diamond, "seen by an outside sensor"),
        (square, "seen by Leftopen"),
    ]
