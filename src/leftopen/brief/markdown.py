"""Markdown: one page per case in the form of an analyst's brief, with its signals.

Every page has the sections Summary, Keywords, Themes, Signals and Closest, and can be read back
into the library of earlier cases. With several cases (or none) a page about the whole run comes
first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from leftopen.brief import answers, plain
from leftopen.brief.api import OutputFormat
from leftopen.case.library import page_of
from leftopen.model.case import Case, EarlierCase, Investigation, Signal, Similar
from leftopen.model.cause import Truth
from leftopen.model.gap import Gap
from leftopen.model.redact import escape_controls
from leftopen.model.time import Between, Bound

_JSON = "case.json"  # the same investigation in full, in the same folder
_CELL = 400
_TITLE = 300
_KEYWORDS = 20
_PLACES = 3
_ESCAPE = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        **{c: f"\\{c}" for c in "\\`*_[]|~@"},
    }
)
_BLOCK = re.compile(r"^([-+=#]|\d{1,9}(?=[.)]))")
_AUTOLINK = re.compile(r"(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)


def escape(text: object, limit: int = plain.LONGEST) -> str:
    """Any text as one line of Markdown that shows it and does nothing else.

    HTML, links, tables and emphasis are taken apart in a way that CommonMark, GitHub and older
    readers all understand: entities for `<`, `>` and `&`, backslashes for the rest.
    """
    flat = escape_controls(" ".join(str(text).split()))
    cut = flat if len(flat) <= limit else flat[: limit - 1] + "…"
    return _AUTOLINK.sub(r"\\\g<0>", cut.translate(_ESCAPE))


def block(text: object, limit: int = plain.LONGEST) -> str:
    """`escape` for the beginning of a line, where a heading, list or rule could start."""
    inert = escape(text, limit)
    return _BLOCK.sub(lambda m: f"{m[0]}\\" if m[0].isdigit() else f"\\{m[0]}", inert)


def render(investigation: Investigation) -> str:
    """The pages of an investigation, separated by rules."""
    of_run = list(_run_sentences(investigation))
    if len(investigation.cases) == 1:
        pages = [_case_page(investigation, investigation.cases[0], of_run)]
    else:
        pages = [_run_page(investigation, of_run)]
        pages += [_case_page(investigation, case, []) for case in investigation.cases]
    return "\n---\n\n".join(pages)


def _case_page(investigation: Investigation, case: Case, of_run: list[str]) -> str:
    page = page_of(case)
    said = [block(answers.verdict(case), 5000), *_case_sentences(case), *of_run]
    link = f"{_JSON}#{quote(case.uid, safe='')}"
    return _page(investigation, page, link, said, [], case.similar)


def _run_page(investigation: Investigation, of_run: list[str]) -> str:
    cases = investigation.cases
    worst = max((c.severity for c in cases), key=lambda s: s.rank, default=None)
    found = f"{plain.plural(len(cases), 'case')}, the worst {worst.value}" if worst else "no case"
    pages = [page_of(case) for case in cases]
    page = EarlierCase(
        uid="",
        title=f"Look at {investigation.organisation or 'one address space'}: {found}",
        keywords=_once(k for p in pages for k in p.keywords),
        themes=_once(t for p in pages for t in p.themes) or ("data exposure",),
        signals=tuple({s.signal: s for p in pages for s in p.signals}.values()),
    )
    similar = {s.uid: s for s in sorted((s for c in cases for s in c.similar), key=_score)}
    best = sorted(similar.values(), key=lambda s: (-s.score, s.uid))[:10]
    index = [f"* [{escape(c.title, _TITLE)}]({_JSON}#{quote(c.uid, safe='')})" for c in cases]
    return _page(investigation, page, _JSON, of_run, index, best)


def _score(similar: Similar) -> float:
    return similar.score


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _page(
    investigation: Investigation,
    page: EarlierCase,
    link: str,
    said: Sequence[str],
    index: Sequence[str],
    similar: Sequence[Similar],
) -> str:
    label = f"{plain.utc(investigation.as_of):%Y%m%d}"
    title = escape(page.title, _TITLE) or "Untitled"
    parts = [
        f"# __{title}__, from ([{label}]({link}).)",
        f"__[The case in full]({link})__",
        *(["\n".join(index)] if index else []),
        *("## Summary", "\n\n".join(said)),
        *("## Keywords", _bullets(page.keywords[:_KEYWORDS])),
        *("## Themes", _bullets(page.themes)),
        *("## Signals", _table(page.signals)),
        *("## Closest", _closest(similar)),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(items: Sequence[str]) -> str:
    shown = [block(item, _CELL) for item in items]
    return "\n".join(f"* {item}" for item in shown if item) or "None."


def _table(signals: Sequence[Signal]) -> str:
    head = ("| Signal | Change | 10y horizon | Driving force |", "|:--|:--|:--|:--|")
    rows = (
        " | ".join(escape(c, _CELL) for c in (s.signal, s.change, s.horizon, s.driving_force))
        for s in signals
    )
    return "\n".join((*head, *(f"| {row} |" for row in rows)))


def _closest(similar: Sequence[Similar]) -> str:
    lines = []
    for case in similar:
        why = f": {escape('; '.join(case.why))}" if case.why else ""
        lines.append(f"* [{escape(case.title, _TITLE)}]({quote(case.uid, safe='')}){why}")
    return "\n".join(lines) or "No earlier case of the library is like it."


def _case_sentences(case: Case) -> Iterator[str]:
    reasons = escape("; ".join(case.severity_reasons), 2000)
    yield f"State: {escape(case.state)}. Severity: {case.severity.value} ({reasons})."
    yield f"Opened {_between(case.exposure.opened)}. Closed {_between(case.exposure.closed)}."
    if doubt := next((o.doubt for o in reversed(case.exposure.observations) if o.doubt), ""):
        yield f"Doubt: {escape(doubt)}."
    if case.contents and case.contents.summary:
        yield f"Contents: {escape(case.contents.summary, 3000)}"
    if case.trace:
        shares = case.trace.coverage
        yield (
            f"Of the time in which it can have been open, {plain.share(shares.any)} is covered by "
            f"at least one log, {plain.share(shares.app)} by a log that names objects and "
            f"{plain.share(shares.bytes)} by one that counts bytes. Verdict: "
            f"{plain.VERDICTS[case.trace.verdict.word].lower()}, confidence "
            f"{escape(case.trace.verdict.confidence)} "
            f"({escape('; '.join(case.trace.verdict.reasons), 3000)})."
        )
        unseen = escape(case.trace.verdict.unseen, 1000)
        holes = [f"{plain.clock(h.start)} to {plain.clock(h.end)}" for h in shares.holes[:10]]
        if holes:
            more = f" and {len(shares.holes) - 10:,} more" if len(shares.holes) > 10 else ""
            said = f" ({unseen})" if unseen else ""
            yield f"No log speaks for: {'; '.join(holes)}{more}{said}."
    yield from _not_examined(case.gaps, "of this case")


def _between(event: Between) -> str:
    def bound(at: Bound | None, word: str) -> str:
        return f"{word} {plain.clock(at.time)} ({escape(at.basis)})" if at else ""

    known = [b for b in (bound(event.after, "after"), bound(event.before, "before")) if b]
    missing = "" if event.before else "; by when is not known"
    missing += "" if event.after else "; since when at the earliest is not known"
    return " and ".join(known) + missing if known else "at a time that is not known"


def _not_examined(gaps: Sequence[Gap], whose: str) -> Iterator[str]:
    """Every gap, by stage and reason, with how much it stands for and the first places."""
    if not gaps:
        yield f"Not examined: no gap {whose} was recorded."
        return
    groups: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps:
        key = (plain.STAGES[gap.stage].lower(), plain.REASONS[gap.reason])
        groups.setdefault(key, []).append(gap)
    lines = []
    for (stage, reason), group in groups.items():
        number = answers.gap_items(group)
        named = "; ".join(escape(_gap_place(gap), 300) for gap in group[:_PLACES])
        more = f"; and {len(group) - _PLACES:,} more places" if len(group) > _PLACES else ""
        lines.append(f"{stage}, {reason}: items {number} ({named}{more})")
    yield f"Not examined, {whose}: {'. '.join(lines)}."


def _gap_place(gap: Gap) -> str:
    return f"{gap.place}, {gap.detail}" if gap.detail else gap.place


def _run_sentences(investigation: Investigation) -> Iterator[str]:
    who = escape(investigation.organisation, _CELL) or "an organisation that is not named"
    others = len(investigation.closed)
    yield (
        f"The look at {who} was made from {escape(investigation.vantage) or 'an unnamed place'} "
        f"as of {plain.clock(investigation.as_of)}: "
        f"{plain.plural(investigation.targets, 'endpoint')} tried, "
        f"{plain.plural(len(investigation.cases), 'case')}, "
        f"{plain.plural(others, 'other service')} that answered without giving data, "
        f"{plain.plural(len(investigation.sightings), 'sighting')} by outside sensors."
    )
    unproved = [c for c in investigation.other_causes if c.cause.open is not Truth.NO]
    for found in unproved[:10]:
        how = "open" if found.cause.open is Truth.YES else "perhaps open"
        places = ", ".join(dict.fromkeys(str(f.origin) for f in found.cause.factors))
        yield (
            f"By its configuration {how}, though no probe was served: "
            f"{escape(found.cause.title, _CELL)} ({escape(places, _CELL)})."
        )
    if len(unproved) > 10:
        yield f"And {len(unproved) - 10:,} more that are open by their configuration."
    yield from _not_examined(investigation.gaps, "of the run as a whole")


MARKDOWN = OutputFormat(name="markdown", file_name="brief.md", render=render)
