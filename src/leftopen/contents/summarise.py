"""All reports of one store as one answer: what is in there, how bad it is, how many people.

Works on sets and sorted lists: the order of the reports, and the number of workers that made
them, cannot change a byte of it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import msgspec

from leftopen.contents import registry, sampling
from leftopen.contents.people import count, counts
from leftopen.contents.wording import paragraph
from leftopen.model.finding import (
    Confidence,
    Contents,
    Estimate,
    Finding,
    Match,
    ObjectReport,
    People,
    Severity,
    Subject,
)
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import Keyring, safe

_EXAMPLES, _PLACES = 3, 5
_RANK = {Confidence.CERTAIN: 0, Confidence.LIKELY: 1, Confidence.POSSIBLE: 2}
# Gaps of a whole object that was chosen, and Gaps of anything that could not be read.
_FAILED = frozenset({Reason.UNREADABLE, Reason.REFUSED, Reason.MISBEHAVED})
_UNREAD = _FAILED | {
    Reason.ENCRYPTED,
    Reason.CORRUPT,
    Reason.UNSUPPORTED,
    Reason.IMAGE_ONLY,
    Reason.TOO_LARGE,
    Reason.TOO_DEEP,
    Reason.TIMEOUT,
    Reason.CRASHED,
}
_LEVELS = {
    "UNCLASSIFIED": Severity.LOW,
    "CUI": Severity.HIGH,
    "CONFIDENTIAL": Severity.CRITICAL,
    "SECRET": Severity.CRITICAL,
    "TOP SECRET": Severity.CRITICAL,
}


@dataclass(slots=True)
class _Group:
    """What becomes one Finding."""

    title: str
    severity: Severity
    confidence: Confidence
    matches: int = 0
    values: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    holders: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # by stratum
    examples: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Item:
    """One match, form or marking, made alike."""

    kind: str
    title: str
    severity: Severity
    confidence: Confidence
    value: str  # keyed digest, or what tells two of them apart
    example: str
    place: str


def summarise(
    reports: Iterable[ObjectReport],
    *,
    objects_total: int | None,
    bytes_total: int | None,
    population: Mapping[str, int] | None,
    gaps: Sequence[Gap],
    keyring: Keyring,
) -> Contents:
    """Sum up one store.

    Args:
        reports: one for each object read, in any order.
        objects_total: how many objects the store says it holds; None where it cannot say.
        bytes_total: how many bytes it says it holds.
        population: objects by stratum where a sample was drawn; None where all were read.
        gaps: everything of this store that was not examined.
        keyring: makes the uids of subjects.

    Returns:
        The answer, with estimates only where `population` says what was sampled from.
    """
    every = sorted(reports, key=lambda r: (r.digest, r.object_id, r.place))
    distinct = {r.digest or f"{r.object_id} {r.place}" for r in every}
    unread = sum(gap.count for gap in gaps if gap.reason in _UNREAD)
    people, subjects = count(every, unread)
    if population and sum(population.values()) > len(every):
        people = _sampled(people, subjects, len(every), sum(population.values()))
    findings = _findings(every, population)
    times = sorted(r.time for r in every if r.time is not None)
    contents = Contents(
        objects_total=objects_total,
        objects_read=len(every),
        objects_failed=sum(gap.count for gap in gaps if gap.reason in _FAILED),
        duplicates=len(every) - len(distinct),
        bytes_read=sum(r.bytes for r in every),
        bytes_total=bytes_total,
        kinds=_sorted_counts(r.kind for r in every if r.kind),
        groups=_sorted_counts(r.group for r in every if r.group),
        first=times[0] if times else None,
        last=times[-1] if times else None,
        findings=findings,
        people=people,
        subjects=tuple(
            msgspec.structs.replace(s, uid=keyring.digest("subject", s.uid)) for s in subjects
        ),
        severity=max((f.severity for f in findings), key=lambda s: s.rank, default=None),
    )
    return msgspec.structs.replace(contents, summary=paragraph(contents))


def _sorted_counts(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _findings(
    every: Sequence[ObjectReport], population: Mapping[str, int] | None
) -> tuple[Finding, ...]:
    """Findings, worst first. A copy adds no match, but counts where a share is estimated."""
    groups: dict[tuple[str, bool], _Group] = {}
    seen: set[str] = set()
    for report in every:
        fresh = not report.digest or report.digest not in seen
        seen.add(report.digest)
        for item in _items(report):
            _add(groups, item, report, fresh=fresh)
    sampled = Counter(r.stratum for r in every)
    made = [(_finding(key[0], g, population, sampled), key[1]) for key, g in groups.items()]
    made.sort(key=lambda m: (-m[0].severity.rank, not m[1], -m[0].objects, m[0].kind))
    return tuple(finding for finding, _ in made)


def _add(
    groups: dict[tuple[str, bool], _Group], item: _Item, report: ObjectReport, *, fresh: bool
) -> None:
    key = (item.kind, item.confidence is not Confidence.POSSIBLE)
    group = groups.setdefault(key, _Group(item.title, item.severity, item.confidence))
    group.holders[report.stratum].add(report.object_id)
    group.confidence = min(group.confidence, item.confidence, key=_RANK.__getitem__)
    group.severity = max(group.severity, item.severity, key=lambda s: s.rank)
    if fresh:
        group.matches += 1
        group.values.add(item.value)
        group.objects.add(report.object_id)
        group.examples.add(item.example)
        group.places.add(" > ".join(filter(None, (report.place, item.place))))


def _finding(
    kind: str, group: _Group, population: Mapping[str, int] | None, sampled: Mapping[str, int]
) -> Finding:
    estimate = None
    if population:
        hits = {stratum: len(ids) for stratum, ids in sorted(group.holders.items())}
        estimate = sampling.estimate(hits, dict(sorted(sampled.items())), population)
    return Finding(
        kind=kind,
        title=group.title,
        severity=group.severity,
        confidence=group.confidence,
        matches=group.matches,
        distinct=len(group.values),
        objects=len(group.objects),
        estimate=estimate,
        examples=tuple(sorted(group.examples - {""})[:_EXAMPLES]),
        places=tuple(sorted(group.places - {""})[:_PLACES]),
    )


def _items(report: ObjectReport) -> Iterator[_Item]:
    for match in report.matches:
        yield _of_match(match)
    for form in report.forms:
        title, severities = _form_facts(form.form)
        yield _Item(
            kind=f"{form.form}_{form.state.value}",
            title=f"{title}: {form.state.value}",
            severity=severities.get(form.state.value, Severity.MEDIUM),
            confidence=Confidence.CERTAIN,
            value=form.subject or f"{report.object_id} {form.place}",
            example=" ".join(filter(None, (form.carrier, form.edition))),
            place=form.place,
        )
    for marking in report.markings:
        yield _Item(
            kind=marking.system,
            title=_marking_title(marking.system),
            severity=_LEVELS.get(marking.level, Severity.HIGH),
            confidence=marking.confidence,
            value=marking.banner,
            example=safe(marking.banner, 80),
            place=marking.place,
        )


def _of_match(match: Match) -> _Item:
    title, severity = _detector_facts(match.detector)
    if match.confidence is Confidence.POSSIBLE:  # not proved: one step less harm
        severity = list(Severity)[max(0, severity.rank - 1)]
    return _Item(
        kind=match.detector,
        title=title,
        severity=severity,
        confidence=match.confidence,
        value=match.digest,
        example=match.redacted,
        place=match.place,
    )


@cache
def _detector_facts(name: str) -> tuple[str, Severity]:
    for detector in registry.detectors():
        if detector.name == name:
            return registry.title_of(detector), detector.severity
    return name, Severity.MEDIUM  # a report of a plugin that is not installed here


@cache
def _form_facts(name: str) -> tuple[str, dict[str, Severity]]:
    for rule in registry.forms():
        if rule.name == name:
            return registry.title_of(rule), rule.severity
    return name, {}


@cache
def _marking_title(name: str) -> str:
    for rule in registry.markings():
        if rule.name == name:
            return registry.title_of(rule)
    return name


def _sampled(people: People, subjects: Sequence[Subject], read: int, population: int) -> People:
    """The people of the whole store, as a floor: most were seen in the objects that were read.

    Chao and Lin (2012), Biometrics 68:912: the lower bound of the number of kinds when sampling
    without replacement, from how many persons were seen in exactly one and exactly two objects.
    The interval is log-normal over the persons not seen (Chao 1987).
    """
    counted = [s for s in subjects if counts(s)]
    once = sum(len(s.objects) == 1 for s in counted)
    twice = sum(len(s.objects) == 2 for s in counted)
    share = read / population
    weight, rest = 2 * read / max(read - 1, 1), share / (1 - share)
    divisor = weight * twice + rest * once
    unseen = once * once / divisor if divisor else 0.0
    spread = 1.0
    if unseen:
        by_once = (2 * once * divisor - once * once * rest) / divisor**2
        by_twice = weight * once * once / divisor**2
        variance = once * by_once**2 + twice * by_twice**2
        spread = math.exp(1.96 * math.sqrt(math.log1p(variance / unseen**2)))
    projected = Estimate(
        value=round(people.best + unseen, 1),
        low=round(people.best + unseen / spread, 1),
        high=round(people.best + unseen * spread, 1),
        population=population,
        sampled=read,
    )
    return msgspec.structs.replace(people, sampled=True, projected=projected)
