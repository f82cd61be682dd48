"""Small pictures as SVG text: the parts that all of them share, people, coverage, severity.

Drawn with attributes and classes only (no style attribute), so that the strict content security
policy of the page holds; the colours are in `templates/timeline.css`. Hatched means uncertain,
empty with a dashed edge means nothing is there, in every picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from leftopen.brief import plain
from leftopen.model.finding import People, Severity, Tier
from leftopen.model.trace import Coverage

# Widths in parts of the size: those of DejaVu Sans, the widest of the usual system fonts.
_WIDTHS = {
    **dict.fromkeys("WM@%mw…—", 1.0),
    **dict.fromkeys(" .,:;'|!ijlIft()[]/-", 0.4),
}
_UPPER, _OTHER, _WIDE = 0.75, 0.63, 1.1
LABEL = 520.0  # widest label, in units of the picture
_SHAPES = {
    Severity.LOW: '<circle cx="8" cy="8" r="5.2" class="sev-line"/>',
    Severity.MEDIUM: '<path d="M8 2 14.5 13.5H1.5Z" class="sev-line"/>',
    Severity.HIGH: '<path d="M8 1 15 8 8 15 1 8Z" class="sev-fill"/>',
    Severity.CRITICAL: '<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5Z" class="sev-fill"/>',
}


def tag(name: str, inner: object = None, **attributes: object) -> Markup:
    """One element; `inner` and all values are escaped, `_` in a name is `-`, `class_` is class.

    Numbers are written with at most one digit after the point, so that the same record gives the
    same bytes on every machine.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    opening = " ".join(parts)
    return Markup(f"<{opening}/>" if inner is None else f"<{opening}>{escape(inner)}</{name}>")  # noqa: S704 - every part was escaped above


def joined(parts: Iterable[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("\n").join(parts)


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a system font, rather too wide than too narrow."""
    return sum(_WIDTHS.get(c) or _letter(c) for c in text) * size


def _letter(c: str) -> float:
    if unicodedata.east_asian_width(c) in "WF":
        return _WIDE
    return _UPPER if c.isupper() else _OTHER


def fit(text: object, width: float, size: float) -> str:
    """Text cut with an ellipsis so that it is no wider than `width`."""
    whole = plain.shown(text)
    if text_width(whole, size) <= width:
        return whole
    while whole and text_width(whole + "…", size) > width:
        whole = whole[:-1]
    return whole.rstrip() + "…"


def put(x: float, y: float, text: object, class_: str, anchor: str = "start") -> Markup:
    """A text at a point."""
    return tag("text", text, x=float(x), y=float(y), class_=class_, text_anchor=anchor)


@dataclass(frozen=True, slots=True)
class Label:
    """A text that wants to stand over `x` (its middle); `depth` is how far below its thing is."""

    x: float
    text: str
    depth: float = 0.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A label with the left edge and the row it got."""

    label: Label
    left: float
    row: int


def stack(
    labels: Sequence[Label], left: float, right: float, size: float, rows: int
) -> tuple[Placed, ...]:
    """Place labels so that none overlaps: first come first served, what does not fit is left out.

    Labels are moved sideways to stay between `left` and `right`, and go to the next of `rows`
    rows where the one before is taken. A text wider than `LABEL` is cut.
    """
    taken: list[list[tuple[float, float]]] = [[] for _ in range(rows)]
    placed: list[Placed] = []
    for label in (replace(wanted, text=fit(wanted.text, LABEL, size)) for wanted in labels):
        width = text_width(label.text, size)
        start = max(left, min(label.x - width / 2, right - width))
        for row, used in enumerate(taken):
            if all(start > b + 8 or start + width < a - 8 for a, b in used):
                used.append((start, start + width))
                placed.append(Placed(label, start, row))
                break
    return tuple(placed)


def hatch(uid: str, class_: str, step: int = 7) -> Markup:
    """A pattern of slanted lines, to be used as `fill="url(#uid)"`."""
    ground = tag("rect", width=step, height=step, class_=f"{class_}-ground")
    line = tag("path", d=f"M0 0V{step}", class_=f"{class_}-line")
    return tag(
        "pattern",
        ground + line,
        id=uid,
        width=step,
        height=step,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )


def severity_shape(severity: Severity) -> Markup:
    """Circle, triangle, diamond, octagon: the shape beside the word, for eyes without colour."""
    return Markup(  # noqa: S704 - constants of this module
        f'<svg class="sev-shape" viewBox="0 0 16 16" aria-hidden="true">{_SHAPES[severity]}</svg>'
    )


def people_svg(people: People, uid: str) -> Markup:
    """How many people: solid up to the lower limit, hatched up to the upper, a mark at the best.

    Below it one bar for each tier (best counts). `uid` makes the pattern's name unique.
    """
    top = max(people.upper, people.best, *people.by_tier.values(), 1)
    scale = 400 / top
    rows = [
        tag("defs", hatch(f"{uid}-h", "tl-maybe")),
        put(0, 17, "All tiers", "chart-label"),
        tag("rect", x=170, y=6, width=people.lower * scale, height=14, class_="tl-open"),
        tag(
            "rect",
            x=170 + people.lower * scale,
            y=6,
            width=max(people.upper - people.lower, 0) * scale,
            height=14,
            fill=f"url(#{uid}-h)",
            class_="tl-edge",
        ),
        tag("path", d=f"M{170 + people.best * scale:.1f} 2V24", class_="chart-mark"),
        put(580, 17, f"{people.lower:,} / {people.best:,} / {people.upper:,}", "chart-value"),
    ]
    for number, (name, members) in enumerate(_tiers(people), 1):
        y = 6 + number * 24
        rows += [
            put(0, y + 11, fit(name, 165, 12.5), "chart-label"),
            tag("rect", x=170, y=y, width=max(members * scale, 1.0), height=14, class_="tl-cover"),
            put(580, y + 11, f"{members:,}", "chart-value"),
        ]
    return _chart(rows, 700, 30 + 24 * len(_tiers(people)), _said(people))


def _tiers(people: People) -> list[tuple[str, int]]:
    order = {t.value: t.rank for t in Tier}
    known = {t.value: plain.TIERS[t] for t in Tier}
    tiers = sorted(people.by_tier.items(), key=lambda item: (order.get(item[0], 9), item[0]))
    return [(known.get(name, name), members) for name, members in tiers[:6]]


def _said(people: People) -> str:
    tiers = "; ".join(f"{plain.shown(name, 60)}: {n:,}" for name, n in _tiers(people))
    return (
        f"People affected: at least {people.lower:,}, best count {people.best:,}, "
        f"at most {people.upper:,}. {tiers}"
    )


def coverage_svg(coverage: Coverage) -> Markup:
    """Three shares of the window that logs can speak for, never merged into one number."""
    rows: list[Markup] = []
    for number, (name, value) in enumerate(shares(coverage)):
        y = 6 + number * 26
        rows += [
            put(0, y + 11, name, "chart-label"),
            tag("rect", x=250, y=y, width=320, height=14, class_="tl-empty"),
            tag("rect", x=250, y=y, width=320 * min(max(value, 0.0), 1.0), height=14),
            put(580, y + 11, plain.share(value), "chart-value"),
        ]
    said = "; ".join(f"{name}: {plain.share(value)}" for name, value in shares(coverage))
    return _chart(rows, 700, 84, f"Share of the window that logs cover. {said}")


def shares(coverage: Coverage) -> tuple[tuple[str, float], ...]:
    """The three shares with their names."""
    return (
        ("Any log speaks", coverage.any),
        ("A log names the objects read", coverage.app),
        ("A log counts the bytes", coverage.bytes),
    )


def _chart(rows: Sequence[Markup], width: int, height: int, said: str) -> Markup:
    return tag(
        "svg",
        tag("title", said) + joined(rows),
        class_="chart",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=said,
    )
