"""HTML: the report for people, one file that loads nothing.

The page is complete without scripts, carries a content security policy that allows its own style
sheet (by hash) and nothing else, and passes every text through one place (`plain.shown`, then
Jinja's escaping). Long lists are cut; the whole is in `case.json`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from leftopen.brief import answers, charts, plain
from leftopen.brief.api import OutputFormat
from leftopen.brief.timeline import timeline_svg
from leftopen.model.case import Case, Investigation
from leftopen.model.exposure import Certificate, Observation
from leftopen.model.gap import Gap, Stage
from leftopen.model.trace import Place, Verdict, Visit

T = TypeVar("T")

TOP = {
    "cases": 200,
    "observations": 12,
    "evidence": 12,
    "findings": 40,
    "names": 12,
    "causes": 8,
    "factors": 12,
    "visits": 25,
    "own": 10,
    "reasons": 12,
    "sources": 20,
    "holes": 20,
    "gaps": 60,
    "places": 5,
    "subjects": 12,
    "signals": 12,
    "similar": 6,
    "closed": 40,
}
"""How many rows of each list a page shows before it says "and M more in case.json"."""

DETAIL_BUDGET = 1_400_000
"""Characters that details of cases may take; worst cases first, the rest stand in the index."""

_TEXT, _DIFF = 4_000, 20_000
"""Characters of a request, an answer or a command; and of a diff."""


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case as the template needs it."""

    number: int
    case: Case
    verdict: str
    answers: tuple[answers.Answer, ...]
    timeline: Markup
    outside: list[Visit]
    own: list[Visit]
    client_verdicts: dict[str, Verdict]


@dataclass(frozen=True, slots=True)
class GapGroup:
    """Gaps of one stage and one reason, added up without turning unknown into nothing."""

    stage: str
    reason: str
    items: str
    size: str
    gaps: tuple[Gap, ...]


def render(investigation: Investigation) -> str:
    """The whole report as one HTML page. Same investigation, same text."""
    environment = _environment()
    css = _css()
    cases = sorted(investigation.cases, key=_worst_first)
    sections = _sections(environment, cases)
    return environment.get_template("report.html.j2").render(
        run=investigation,
        css=Markup(css),  # noqa: S704 - our own file
        policy=policy(css),
        cases=cases,
        sections=sections,
        gap_total=sum(len(c.gaps) for c in cases) + len(investigation.gaps),
        every_gap=(*investigation.gaps, *(g for c in cases for g in c.gaps)),
    )


def policy(css: str) -> str:
    """The content security policy: nothing at all but this one style sheet."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _worst_first(case: Case) -> tuple[int, int, str, str]:
    people = case.contents.people.best if case.contents else 0
    return (-case.severity.rank, -people, case.title, case.uid)


def _sections(environment: Environment, cases: Sequence[Case]) -> list[Markup]:
    """Details of as many cases as the budget allows; always of the first."""
    template = environment.get_template("case.html.j2")
    sections: list[Markup] = []
    spent = 0
    for number, case in enumerate(cases[: TOP["cases"]], 1):
        text = template.render(view=_view(number, case))
        spent += len(text)
        if sections and spent > DETAIL_BUDGET:
            break
        sections.append(Markup(text))  # noqa: S704 - rendered with escaping on
    return sections


def _view(number: int, case: Case) -> CaseView:
    visits = answers.by_bytes(case.trace.visits) if case.trace else []
    verdicts = case.trace.client_verdicts if case.trace else ()
    return CaseView(
        number=number,
        case=case,
        verdict=answers.verdict(case),
        answers=answers.answers(case),
        timeline=Markup(timeline_svg(case)),  # noqa: S704 - built from escaped parts
        outside=[v for v in visits if not v.party.kind.ours],
        own=[v for v in visits if v.party.kind.ours],
        client_verdicts={v.client: v for v in verdicts},
    )


def gap_groups(gaps: Iterable[Gap]) -> list[GapGroup]:
    """Gaps by stage and reason, in the order of the five questions, most first."""
    found: dict[tuple[Stage, str], list[Gap]] = {}
    for gap in gaps:
        found.setdefault((gap.stage, gap.reason.value), []).append(gap)
    order = list(Stage)
    ranked = sorted(
        found.values(),
        key=lambda g: (order.index(g[0].stage), -sum(x.count for x in g), g[0].reason.value),
    )
    return [
        GapGroup(
            stage=plain.STAGES[group[0].stage],
            reason=plain.REASONS[group[0].reason],
            items=answers.gap_items(group),
            size=_gap_size(group),
            gaps=tuple(group),
        )
        for group in ranked
    ]


def _gap_size(gaps: Sequence[Gap]) -> str:
    sizes = [gap.size for gap in gaps]
    if not any(sizes):
        return plain.NOT_KNOWN
    return f"{'' if all(sizes) else 'at least '}{plain.size(sum(sizes))}"


def where(places: Sequence[Place]) -> list[str]:
    """`file:line` for the first of each file, the further lines of it behind."""
    by_file: dict[str, list[str]] = {}
    for place in places[: TOP["places"]]:
        by_file.setdefault(place.file, []).append(str(place.line))
    return [f"{file}:{', '.join(dict.fromkeys(lines))}" for file, lines in by_file.items()]


def diff_lines(diff: str) -> list[tuple[str, str]]:
    """(class, text) for each line of a unified diff; the signs stay, colour only adds."""
    found: list[tuple[str, str]] = []
    for line in text_lines(diff, _DIFF):
        kind = "context"
        if line.startswith(("+++", "---")):
            kind = "file"
        elif line[:1] in "+-@" and line:
            kind = {"+": "add", "-": "del", "@": "hunk"}[line[0]]
        found.append((kind, line))
    return found


def text_lines(text: str, limit: int = _TEXT) -> list[str]:
    """A text of several lines, ready to stand in a `pre`: tabs spread, line ends gone."""
    lines = text[:limit].replace("\r\n", "\n").expandtabs(4).rstrip("\n").split("\n")
    if len(text) > limit:
        lines.append(f"… {len(text) - limit:,} characters more in case.json")
    return lines


def whole(text: str) -> Markup:
    """A text of our own making, or one that is quoted in full: longer than a name may be."""
    return escape(plain.shown(text, _TEXT))


def _finalize(value: object) -> object:
    """The one door for what a template prints: our own markup as it is, all else made safe."""
    return value if isinstance(value, Markup) else plain.shown(value)


def _first(values: Sequence[T], name: str) -> Sequence[T]:
    return values[: TOP[name]]


def _last_certificate(observations: Sequence[Observation]) -> Certificate | None:
    return next((o.certificate for o in reversed(observations) if o.certificate), None)


def _last_doubt(observations: Sequence[Observation]) -> str:
    return next((o.doubt for o in reversed(observations) if o.doubt), "")


def _more(values: Sequence[object], name: str) -> str:
    """What the cut left out, or nothing."""
    left = len(values) - TOP[name]
    return f"and {left:,} more in case.json" if left > 0 else ""


def _css() -> str:
    folder = files("leftopen.brief").joinpath("templates")
    return "".join(folder.joinpath(n).read_text("utf-8") for n in ("report.css", "timeline.css"))


_FILTERS: dict[str, Callable[..., object]] = {
    "amount": plain.amount,
    "clock": plain.clock,
    "count": plain.count,
    "day": plain.day,
    "diff_lines": diff_lines,
    "estimate": plain.estimate,
    "first_of": _first,
    "last_certificate": _last_certificate,
    "last_doubt": _last_doubt,
    "minute": plain.minute,
    "sentence": answers.sentence,
    "silence": plain.silence,
    "unit": plain.unit,
    "where": where,
    "whole": whole,
    "gap_groups": gap_groups,
    "gap_phrase": answers.gap_phrase,
    "more_of": _more,
    "share": plain.share,
    "size": plain.size,
    "span": plain.span,
    "text_lines": text_lines,
}
_WORDS: dict[str, object] = {
    "access": plain.ACCESS,
    "agreements": plain.AGREEMENTS,
    "behaviours": plain.BEHAVIOURS,
    "client_verdicts": plain.CLIENT_VERDICTS,
    "confidences": plain.CONFIDENCES,
    "coverage_svg": charts.coverage_svg,
    "not_known": plain.NOT_KNOWN,
    "parties": plain.PARTIES,
    "people": plain.people,
    "people_svg": charts.people_svg,
    "plural": plain.plural,
    "service": plain.service,
    "severity_shape": charts.severity_shape,
    "tiers": plain.TIERS,
    "truths": plain.TRUTHS,
    "verdicts": plain.VERDICTS,
}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("leftopen.brief"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_FILTERS)
    made.globals.update(_WORDS)
    return made


HTML = OutputFormat(name="html", file_name="report.html", render=render)
