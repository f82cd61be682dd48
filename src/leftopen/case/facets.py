"""The facets of a case: the few words by which it is compared with earlier ones.

A facet has one or more values, separated by `, `. The same words are used for our own cases, for
the bundled library and for pages that are read in, so that they can meet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from leftopen.case.window import OWN_SENSOR
from leftopen.case.words import holds_mail, store_kind
from leftopen.model.case import Case
from leftopen.model.cause import Agreement, Truth
from leftopen.model.exposure import Exposure
from leftopen.model.trace import PartyKind

FACETS = (
    *("service", "store", "cause", "rule", "data", "size", "people", "discovered_by"),
    *("open_for", "outcome"),
)
_OBJECT_STORES = ("s3", "azure_blob", "gcs")
_FACTORS = {"path": "network rule", "auth": "no authentication", "readable": "public read"}

# Beginning of a finding's kind to the kind of data it stands for.
_DATA = {
    "us_ssn": "government id",
    "us_passport": "government id",
    "us_dod_id": "military id",
    "payment": "payment",
    "iban": "payment",
    "us_bank": "payment",
    "date_of_birth": "date of birth",
    "phone": "contact",
    "email": "contact",
    "sf8": "clearance form",
    "cui": "marked",
    "classification": "marked",
    "health": "health",
    "icd": "health",
    "us_mbi": "health",
    "password": "credentials",
    "secret": "credentials",
    "token": "credentials",
}
_SIZES = ((10**9, "under a gigabyte"), (10**12, "gigabytes"), (10**15, "terabytes"))
_PEOPLE = (
    (1_000, "under a thousand"),
    (100_000, "thousands"),
    (1_000_000, "hundreds of thousands"),
    (100_000_000, "millions"),
)
_DAYS = ((7, "days"), (60, "weeks"), (365, "months"))

# Words in a page's text to the facet they stand for: for pages that come without facets.
_SAID: tuple[tuple[str, str, str], ...] = (
    ("service", "s3", r"\bs3\b|\bamazon bucket"),
    ("service", "azure_blob", r"\bazure blob|\bblob (?:storage|container)|\bsas token"),
    ("service", "elasticsearch", r"\belastic ?search\b|\bkibana\b"),
    ("service", "mongodb", r"\bmongo ?db\b"),
    ("service", "redis", r"\bredis\b"),
    ("service", "rsync", r"\brsync\b"),
    ("service", "ftp", r"\bftp\b"),
    ("store", "object storage", r"\bbuckets?\b|\bblob (?:storage|container)"),
    ("store", "mail", r"\bmail(?:box|boxes|s| server| data)?\b|\be-?mails?\b"),
    ("store", "search engine", r"\belastic ?search\b"),
    ("store", "database", r"\bdatabases?\b"),
    ("cause", "no authentication", r"\bwithout (?:a |any )?(?:password|authentication|login)"),
    ("cause", "no authentication", r"\bno (?:password|authentication|login)"),
    ("cause", "network rule", r"\bfirewall\b|\bsecurity (?:group|rule)"),
    ("cause", "public read", r"\bpublicly (?:readable|accessible)\b|\bpublic (?:bucket|read)"),
    ("data", "clearance form", r"\bsf-?8[56]\b|\bsecurity clearance"),
    ("data", "mail", r"\be-?mails?\b"),
    ("data", "government id", r"\bsocial security\b|\bssns?\b|\bpassports?\b"),
    ("data", "health", r"\b(?:health|medical|patients?)\b"),
    ("data", "payment", r"\b(?:credit|payment) cards?\b|\bbank (?:account|detail)s?\b"),
    ("data", "credentials", r"\bpasswords of\b|\bcredentials\b|\bprivate keys?\b"),
    ("discovered_by", "researcher", r"\bresearchers?\b"),
    ("outcome", "not known", r"\b(?:unclear|not known|unknown|determine) (?:if|whether|for)"),
)
_SAID_COMPILED = tuple((f, v, re.compile(p)) for f, v, p in _SAID)
_TEXT_LIMIT = 20_000  # characters of a page that are looked at for facets


def facets_of(case: Case) -> dict[str, str]:
    """The facets of one of our own cases; a facet that is not known is left out."""
    every = {
        "service": (case.exposure.protocol,),
        "store": _stores(case),
        "cause": _causes(case),
        "rule": tuple(c.cause.rule for c in case.causes if c.agreement is Agreement.EXPLAINS),
        "data": _data(case),
        "size": (_size(case.exposure, case),),
        "people": (_people(case),),
        "discovered_by": (_discovered(case),),
        "open_for": (_class(case.window.duration.days, _DAYS, "years"),),
        "outcome": (case.trace.verdict.word.value.replace("_", " ") if case.trace else "",),
    }
    return {name: text for name, values in every.items() if (text := _joined(values))}


def facets_of_text(text: str) -> dict[str, str]:
    """The facets that the words of a page speak for."""
    lowered = text[:_TEXT_LIMIT].lower()
    found: dict[str, list[str]] = {}
    for facet, value, pattern in _SAID_COMPILED:
        if pattern.search(lowered):
            found.setdefault(facet, []).append(value)
    return {facet: _joined(values) for facet, values in sorted(found.items())}


def values_of(facets: dict[str, str]) -> list[tuple[str, str]]:
    """Every (facet, value) pair, ordered."""
    pairs = {
        (f, v) for f, text in facets.items() for part in text.split(",") if (v := part.strip())
    }
    return sorted(pairs)


def _joined(values: Sequence[str]) -> str:
    return ", ".join(sorted({v for v in values if v}))


def _class(number: float, limits: tuple[tuple[int, str], ...], beyond: str) -> str:
    return next((name for limit, name in limits if number < limit), beyond)


def _stores(case: Case) -> tuple[str, ...]:
    kind = store_kind(case.exposure, case.contents).lower()
    if case.exposure.protocol in _OBJECT_STORES:
        kind = "object storage"
    mail = "mail" if kind.startswith("mail") or holds_mail(case.contents) else ""
    return (mail,) if kind.startswith("mail") else (kind, mail)


def _causes(case: Case) -> tuple[str, ...]:
    base = "public read" if case.exposure.protocol in _OBJECT_STORES else "no authentication"
    open_factors = (
        factor.name
        for found in case.causes
        if found.agreement is Agreement.EXPLAINS
        for factor in found.cause.factors
        # Every server's own way in is open; only a network's rule makes that the cause.
        if factor.holds is Truth.YES and (factor.name != "path" or not found.cause.protocol)
    )
    return (base, *(_FACTORS[name] for name in open_factors if name in _FACTORS))


def _data(case: Case) -> tuple[str, ...]:
    kinds = [f.kind for f in case.contents.findings] if case.contents else []
    mail = "mail" if holds_mail(case.contents) else ""
    return (mail, *(_data_kind(kind) for kind in kinds))


def _data_kind(kind: str) -> str:
    return next((word for start, word in _DATA.items() if kind.startswith(start)), kind)


def _size(exposure: Exposure, case: Case) -> str:
    held = exposure.size.bytes if exposure.size else None
    if held is None and case.contents is not None:
        held = case.contents.bytes_total
    return "" if held is None else _class(held, _SIZES, "petabytes")


def _people(case: Case) -> str:
    if case.contents is None or not case.contents.people.best:
        return ""
    people = case.contents.people
    return _class(
        people.projected.value if people.projected else people.best, _PEOPLE, "hundreds of millions"
    )


def _discovered(case: Case) -> str:
    visits = case.trace.visits if case.trace else ()
    if any(v.party.kind is PartyKind.RESEARCHER for v in visits):
        return "researcher"
    times = {o.time: o.sensor for o in reversed(case.exposure.observations)}
    first = times[min(times)] if times else OWN_SENSOR
    return "own probe" if first == OWN_SENSOR else "outside sensor"
