"""Planted truth and Leftopen's conclusion, side by side.

A row agrees when what Leftopen says does not exclude the truth: a range that holds it, a word that
is the right one, an "unknown" where nobody can know. Anything else is a contradiction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from leftopen.demo import incident
from leftopen.demo.mailstore import Truth
from leftopen.demo.visitors import Made
from leftopen.model.case import Case, Investigation
from leftopen.model.exposure import Access
from leftopen.model.finding import Estimate, Finding
from leftopen.model.time import Interval
from leftopen.model.trace import TraceResult, VerdictWord, Visit


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    question: str
    truth: str
    concluded: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class Planted:
    """All that is known beforehand."""

    truth: Truth
    made: Sequence[Made]
    port: int


def rows(planted: Planted, investigation: Investigation) -> list[Row]:
    """The whole table."""
    cases = [c for c in investigation.cases if c.exposure.endpoint.port == planted.port]
    if len(cases) != 1 or len(investigation.cases) != 1:
        said = f"{len(investigation.cases)} open"
        return [Row("which servers are open", "1, the mail archive", said, False)]
    case = cases[0]
    parts: tuple[Callable[[Planted, Case], Iterator[Row]], ...] = (
        _reach,
        _contents,
        _cause,
        _trace,
    )
    return [row for part in parts for row in part(planted, case)]


def _reach(planted: Planted, case: Case) -> Iterator[Row]:
    exposure = case.exposure
    access = exposure.access
    yield Row(
        "open to a stranger",
        "the mail archive, without a password",
        f"{exposure.endpoint}: {access.value.replace('_', ' ')}",
        access is Access.GIVES_DATA,
    )
    size = exposure.size
    files = len(planted.truth.sizes)
    said = "not known" if size is None or size.objects is None else f"{size.objects:,} {size.unit}"
    right = size is not None and (size.objects == files or not size.complete)
    yield Row("how much is in it", f"{files:,} files", said, right)
    after, before = exposure.opened.after, exposure.opened.before
    low = after.time if after else None
    high = before.time if before else None
    right = (low is None or low <= incident.OPENED) and (high is None or high >= incident.OPENED)
    yield Row("opened", _day(incident.OPENED), f"between {_day(low)} and {_day(high)}", right)


def _contents(planted: Planted, case: Case) -> Iterator[Row]:
    truth, contents = planted.truth, case.contents
    if contents is None:
        yield Row("what is in it", "mail", "nothing was read", False)
        return
    found = {f.kind: f for f in contents.findings}
    for title, kind, paths in (
        ("messages with a completed SF-86", "sf86_completed", truth.sf86_completed),
        ("messages with a blank SF-86", "sf86_blank", truth.sf86_blank),
        ("messages with a social security number", "us_ssn", truth.with_ssn),
        ("messages marked CUI", "cui", truth.cui),
    ):
        said, right = _estimated(found.get(kind), len(paths))
        yield Row(title, str(len(paths)), said, right)
    people, total = contents.people, len(truth.people)
    said = f"at least {people.lower} in the sample"
    if people.projected:
        said += f", about {people.projected.value:,.0f} in all"
    right = 0 < people.lower <= total and _may_be(people.projected, total)
    yield Row("people with an SSN", str(total), said, right)
    unread = [g for g in case.gaps if g.reason.value == "encrypted"]
    said = f"{sum(g.count for g in unread)} in the sample, named as not read"
    planted_locked = len(truth.unreadable)
    right = 0 < sum(g.count for g in unread) <= planted_locked
    yield Row("files that nobody can read", f"{planted_locked} encrypted", said, right)


def _may_be(projected: Estimate | None, truth: int) -> bool:
    """Whether a projection leaves room for the truth; it claims to be a floor, not more."""
    return projected is None or projected.low <= truth


def _estimated(finding: Finding | None, truth: int) -> tuple[str, bool]:
    if finding is None:
        return "none seen", truth == 0
    estimate = finding.estimate
    if estimate is None:
        return f"at least {finding.objects}", finding.objects <= truth
    if estimate.exact:
        return f"{estimate.value:.0f}", round(estimate.value) == truth
    said = f"about {estimate.value:.0f}, 95% {estimate.low:.0f} to {estimate.high:.0f}"
    return said, estimate.low <= truth <= estimate.high


def _cause(planted: Planted, case: Case) -> Iterator[Row]:
    explained = [c.cause for c in case.causes if c.agreement.value == "explains"]
    products = {c.product for c in explained}
    places = [str(f.origin) for c in explained for f in c.factors if f.directive == "autoindex"]
    said = ", ".join(sorted(products)) or "not found"
    if places:
        said += f" (autoindex on, {places[0].rsplit('/', 1)[-1]})"
    yield Row(
        "what opened it",
        "nginx: autoindex on without a login; NSG: source *",
        said,
        {"nginx", "azure_nsg"} <= products,
    )


def _trace(planted: Planted, case: Case) -> Iterator[Row]:
    trace = case.trace
    if trace is None:
        yield Row("who came in", "eight visitors", "no log was read", False)
        return
    visits = {v.client: v for v in trace.visits}
    for visitor in incident.VISITORS:
        visit = visits.pop(visitor.mapped, None)
        made = [m for m in planted.made if m.visit.client == visitor.loopback]
        yield _visitor(visitor, visit, made)
    if visits:
        yield Row("anybody else", "nobody", ", ".join(sorted(visits)), False)
    yield from _unseen(planted, trace)


def _visitor(visitor: incident.Visitor, visit: Visit | None, made: Sequence[Made]) -> Row:
    objects = {p for m in made for p in m.bodies if not p.endswith("/") and p != "/robots.txt"}
    content = sum(m.bodies[p] for m in made for p in m.bodies)
    truth = f"{len(objects)} objects, {_mb(content)}"
    if visit is None:
        return Row(visitor.what, truth, "not seen", False)
    low, high = visit.bytes_out.low, visit.bytes_out.high
    named = "objects not known" if visit.objects is None else f"{visit.objects} objects named"
    party = visit.party.kind.value
    said = f"{party.replace('_', ' ')}: {named}, {_mb(low)} to {_mb(high)}"
    visible = sum(m.bodies[p] for m in made for p in m.bodies if _seen(m))
    right = (
        party == visitor.party
        and low <= content
        and (high is None or visible <= high * 1.01 + 1)
        and (visit.objects is None or visit.objects <= len(objects))
    )
    return Row(visitor.what, truth, said, right)


def _seen(made: Made) -> bool:
    """Whether any log can know of this visit."""
    in_log = not incident.in_hole(made.visit.start, incident.LOG_HOLE)
    in_flow = made.visit.start >= incident.FLOWS_FROM and not incident.in_hole(
        made.visit.start, incident.FLOW_OUTAGE
    )
    return in_log or in_flow


def _unseen(planted: Planted, trace: TraceResult) -> Iterator[Row]:
    start, end = incident.FLOW_OUTAGE
    hidden = sum(sum(m.bodies.values()) for m in planted.made if not _seen(m))
    holes = [h for h in trace.coverage.holes if _meets(h, Interval(start=start, end=end))]
    hours = sum(h.duration.total_seconds() for h in holes) / 3600
    said = f"a hole of {hours:.1f} hours; what left in it is not known" if holes else "no hole"
    truth = f"{(end - start).total_seconds() / 3600:.0f} hours, in which {_mb(hidden)} left"
    yield Row("what no log can speak for", truth, said, bool(holes))
    word = trace.verdict.word
    yield Row(
        "verdict",
        "data was taken",
        f"{word.value.replace('_', ' ')}, at least {_mb(trace.verdict.bytes_out.low)}",
        word is VerdictWord.EXFILTRATED,
    )


def _meets(hole: Interval, planted: Interval) -> bool:
    common = hole.intersect(planted)
    return common is not None and common.duration >= planted.duration * 0.8


def _day(moment: object) -> str:
    return f"{moment:%d %b %H:%M}" if moment else "not known"


def _mb(size: int | None) -> str:
    return "not known" if size is None else f"{size / 1e6:.2f} MB"
