"""How many people: mentions of all objects merged into persons, with honest bounds.

Rules of research/contents.md 4.1. A strong key (SSN, DoD ID, passport) merges by itself, two
agreeing facts (name and date of birth, name and phone) merge where no strong key contradicts, a
name never does. Works on sets, so the order of reports cannot matter.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from leftopen.contents import registry
from leftopen.contents.mentions import mentions_of
from leftopen.model.finding import Mention, ObjectReport, People, Subject, Tier

__all__ = ["count", "counts", "mentions_of"]

_EXCLUSIVE = ("us_ssn", "us_dod_id")  # a person has one
# Kinds of medium keys in the order in which they merge; only the first counts towards `best`.
_MEDIUM = ("name_dob", "name_phone", "name_email_mil_gov", "payment_card", "email")
_TITLES = {
    "us_ssn": "Social Security number",
    "us_dod_id": "DoD ID number",
    "us_passport": "passport number",
    "name_dob": "name and date of birth",
    "name_phone": "name and phone number",
    "name_email_mil_gov": "name and e-mail address",
    "payment_card": "card number",
    "email": "e-mail address",
}


@dataclass(slots=True)
class _Cluster:
    """One person so far."""

    strong: set[str] = field(default_factory=set)
    medium: set[str] = field(default_factory=set)
    weak: set[str] = field(default_factory=set)
    elements: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    loose: bool = False  # fits two persons that cannot be one
    conflicts: set[str] = field(default_factory=set)

    def absorb(self, other: _Cluster) -> None:
        """Become both."""
        self.strong |= other.strong
        self.medium |= other.medium
        self.weak |= other.weak
        self.elements |= other.elements
        self.objects |= other.objects
        self.conflicts |= other.conflicts

    def values(self, kind: str) -> set[str]:
        """Its strong keys of one kind."""
        return {key for key in self.strong if key.startswith(f"{kind}:")}

    @property
    def born(self) -> bool:
        """Known by name and date of birth."""
        return any(key.startswith("name_dob:") for key in self.medium)

    @property
    def identity(self) -> str:
        """What tells it from other unmerged mentions: its name, else a value of its own."""
        keys = sorted(self.weak) + sorted(self.medium)
        named = [key for key in keys if key.startswith("name:")]
        return (named or keys or [""])[0]

    @property
    def tier(self) -> Tier:
        """The worst tier of anything known of it."""
        return min((_tier_of(e) for e in self.elements), key=lambda t: t.rank, default=Tier.CONTACT)


def count(reports: Iterable[ObjectReport], unread: int) -> tuple[People, tuple[Subject, ...]]:
    """Merge the mentions of all objects and count persons.

    Args:
        reports: all objects, duplicates included: they change no count, but a person's objects.
        unread: units that could not be read; stated apart, never added.

    Returns:
        The bounds, and every person that `best` or `upper` counts; parties of messages that are
        known by an address only are counted in `by_tier`, not listed.
    """
    clusters = _by_strong(_clusters(reports))
    for kind in _MEDIUM:
        clusters = _by_medium(clusters, kind)
    sure = [c for c in clusters if c.strong or (c.born and not c.loose)]
    rest = [c for c in clusters if not c.strong and (c.loose or not c.born) and c.identity]
    harmed = [c for c in rest if c.tier is not Tier.CONTACT]
    unmerged = _same_identity(harmed)
    contacts = _same_identity([c for c in rest if c.tier is Tier.CONTACT])
    tiers = {tier: sum(c.tier is tier for c in sure) for tier in Tier}
    people = People(
        lower=sum(bool(c.strong) for c in sure),
        best=len(sure),
        upper=len(sure) + len(unmerged),
        by_tier={
            tier.value: number + (len(contacts) if tier is Tier.CONTACT else 0)
            for tier, number in tiers.items()
        },
        notifiable=tiers[Tier.IDENTITY_THEFT] + tiers[Tier.SENSITIVE],
        unread=unread,
    )
    subjects = [*map(_subject, sure), *map(_subject, unmerged)]
    return people, tuple(sorted(subjects, key=lambda s: (s.tier.rank, s.uid)))


def _clusters(reports: Iterable[ObjectReport]) -> Iterator[_Cluster]:
    """One cluster for each distinct mention; identical ones of many objects are one."""
    seen: dict[Mention, _Cluster] = {}
    for report in reports:
        for mention in report.mentions:
            bare = Mention(
                strong=mention.strong,
                medium=mention.medium,
                weak=mention.weak,
                elements=mention.elements,
            )
            cluster = seen.get(bare)
            if cluster is None:
                cluster = seen[bare] = _Cluster(
                    set(mention.strong),
                    set(mention.medium),
                    set(mention.weak),
                    set(mention.elements),
                )
            cluster.objects.add(report.object_id)
    yield from seen.values()


def _by_strong(clusters: Iterable[_Cluster]) -> list[_Cluster]:
    everyone = list(clusters)
    linked = _linked(everyone, lambda cluster: cluster.strong)
    merged = [_merged(group) for group in linked]
    for cluster in merged:
        _flag(cluster)
    return merged


def _flag(cluster: _Cluster) -> None:
    for kind in _EXCLUSIVE:
        if len(cluster.values(kind)) > 1:
            cluster.conflicts.add(f"more than one {_TITLES[kind]} for one person")
    surnames = {key for key in cluster.weak if key.startswith("surname:")}
    if cluster.strong and len(surnames) > 1:
        kind = min(cluster.strong).partition(":")[0]
        cluster.conflicts.add(f"two surnames for one {_TITLES.get(kind, kind)}")


def _by_medium(clusters: list[_Cluster], kind: str) -> list[_Cluster]:
    """Merge what shares a key of this kind, unless that would join two different numbers."""
    prefix = f"{kind}:"
    linked = _linked(clusters, lambda c: {key for key in c.medium if key.startswith(prefix)})
    result: list[_Cluster] = []
    for group in linked:
        known = [c for c in group if c.strong]
        if len(known) > 1 and any(_contradict(known, kind_) for kind_ in _EXCLUSIVE):
            result += group
            if kind == "name_dob":
                _note_contradiction(group)
        else:
            merged = _merged(group)
            merged.loose = any(c.loose for c in group) and not merged.strong
            result.append(merged)
    return result


def _contradict(known: list[_Cluster], kind: str) -> bool:
    return sum(bool(cluster.values(kind)) for cluster in known) > 1


def _note_contradiction(group: list[_Cluster]) -> None:
    for cluster in group:
        if cluster.strong:
            cluster.conflicts.add(
                "two different numbers with one name and date of birth: a typing error or two "
                "people"
            )
        else:
            cluster.loose = True


def _linked(
    clusters: list[_Cluster], keys_of: Callable[[_Cluster], set[str]]
) -> list[list[_Cluster]]:
    """Connected groups of clusters that share keys (union-find with path halving)."""
    parent = list(range(len(clusters)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    first: dict[str, int] = {}
    for n, cluster in enumerate(clusters):
        for key in keys_of(cluster):
            parent[root(n)] = root(first.setdefault(key, n))
    groups: dict[int, list[_Cluster]] = defaultdict(list)
    for n, cluster in enumerate(clusters):
        groups[root(n)].append(cluster)
    return list(groups.values())


def _merged(group: list[_Cluster]) -> _Cluster:
    if len(group) == 1:
        return group[0]
    whole = _Cluster()
    for cluster in group:
        whole.absorb(cluster)
    return whole


def _same_identity(clusters: list[_Cluster]) -> list[_Cluster]:
    """Names are no evidence of two persons being one, but a bound counts each name once."""
    named: dict[str, list[_Cluster]] = defaultdict(list)
    for cluster in clusters:
        named[cluster.identity].append(cluster)
    return [_merged(group) for group in named.values()]


def _subject(cluster: _Cluster) -> Subject:
    keys = sorted(cluster.strong) or sorted(cluster.medium) or sorted(cluster.weak)
    return Subject(
        uid=hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32],
        tier=cluster.tier,
        basis=_basis(cluster),
        elements=tuple(sorted(cluster.elements)),
        objects=tuple(sorted(cluster.objects)),
        conflict="; ".join(sorted(cluster.conflicts)),
    )


def counts(subject: Subject) -> bool:
    """Whether `best` counts this subject; the others only widen `upper`."""
    return subject.basis.startswith("same ")


def _basis(cluster: _Cluster) -> str:
    if cluster.strong:
        kinds = sorted({key.partition(":")[0] for key in cluster.strong})
        return "same " + ", ".join(_TITLES.get(kind, kind) for kind in kinds)
    if cluster.loose:
        return "name and date of birth of two persons with different numbers"
    if cluster.born:
        return "same name and date of birth"
    kind = cluster.identity.partition(":")[0]
    if kind == "name":
        return "a name only: may be somebody who is counted already"
    return f"{_TITLES.get(kind, kind.replace('_', ' '))} without a name"


@cache
def _tiers() -> dict[str, Tier]:
    tiers = {d.name: d.tier for d in registry.detectors() if d.tier is not None}
    return tiers | {rule.name: Tier.SENSITIVE for rule in registry.forms()}


def _tier_of(element: str) -> Tier:
    return _tiers().get(element, Tier.CONTACT)
