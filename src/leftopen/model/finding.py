"""What contents says: matches, findings (groups with counts), forms, and the people affected."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from leftopen.model.record import Record


class Confidence(StrEnum):
    """How sure a detector is. Purview, DLP and Macie use three tiers as well."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Severity(StrEnum):
    """Worst thing that the data can do to the people in it; the order of the exit codes."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (low) to 3 (critical)."""
        return list(Severity).index(self)


class Tier(StrEnum):
    """Tier of an affected person (research/contents.md 4.1)."""

    IDENTITY_THEFT = "identity_theft"  # a state-law trigger: SSN, passport, account, card
    SENSITIVE = "sensitive"  # health, family, clearance answers
    CONTACT = "contact_only"  # name, office mail, phone, rank, DoD ID; not notifiable alone

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Tier).index(self)


class Match(Record, frozen=True, kw_only=True):
    """One hit of one detector. The value itself is never here.

    `digest` is keyed and over the normalised value, so two spellings of one number are one value.
    """

    detector: str
    confidence: Confidence
    digest: str
    redacted: str
    place: str  # provenance below the object, e.g. "roster.xlsx > Sheet1 > row 12"
    context: str = ""  # the word, label or column header that decided it
    offset: int = 0


class FormState(StrEnum):
    """How far a form is filled in."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    BLANK = "blank"
    UNKNOWN = "unknown"


class Form(Record, frozen=True, kw_only=True):
    """A recognised government form."""

    form: str  # "sf86"
    state: FormState
    place: str
    edition: str = ""
    carrier: str = ""  # acroform, xfa, print, xml
    sections: tuple[str, ...] = ()  # sections that hold answers
    subject: str = ""  # Mention key of the applicant, keyed


class Marking(Record, frozen=True, kw_only=True):
    """A classification or CUI marking, found by position and grammar, never by vocabulary."""

    system: str  # "classification" or "cui"
    banner: str  # the banner itself (no content), e.g. "CUI//SP-PRVCY"
    level: str  # CUI, UNCLASSIFIED, CONFIDENTIAL, SECRET, TOP SECRET
    confidence: Confidence
    place: str
    basis: str  # "first and last line", "subject", "portion marks", "designation block"


class Mention(Record, frozen=True, kw_only=True):
    """One person named in one place: the raw material of counting people.

    Keys are keyed digests. `strong` (SSN, DoD ID, passport, owned address) merge two mentions by
    themselves, `medium` (name + date of birth, name + phone) when two agree, `weak` (a name)
    never.
    """

    strong: tuple[str, ...] = ()
    medium: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()  # detector names known of this person here
    role: str = "subject"  # subject, spouse, relative, contact, sender, recipient
    place: str = ""


class ObjectReport(Record, frozen=True, kw_only=True):
    """All that was found in one object of a store: one message, one document."""

    object_id: str  # keyed digest of its name: joins to trace without showing the name
    place: str
    digest: str  # of its bytes (keyed), to count duplicates once
    group: str = ""
    time: datetime | None = None
    bytes: int = 0
    kind: str = ""  # format name: eml, pdf, ...
    stratum: str = ""
    matches: tuple[Match, ...] = ()
    forms: tuple[Form, ...] = ()
    markings: tuple[Marking, ...] = ()
    mentions: tuple[Mention, ...] = ()


class Estimate(Record, frozen=True, kw_only=True):
    """About `value` of `population`, with a 95% interval; exact when all were read."""

    value: float
    low: float
    high: float
    population: int
    sampled: int
    exact: bool = False


class Finding(Record, frozen=True, kw_only=True):
    """A group of matches of one kind, with counts."""

    kind: str  # detector, form or marking name: "us_ssn", "sf86_completed", "cui"
    title: str
    severity: Severity
    confidence: Confidence  # of the best match
    matches: int
    distinct: int  # distinct values (keyed digests)
    objects: int  # objects of the sample that hold at least one
    estimate: Estimate | None = None  # objects of the whole store that hold at least one
    examples: tuple[str, ...] = ()  # redacted forms, at most 3
    places: tuple[str, ...] = ()  # at most 5


class Subject(Record, frozen=True, kw_only=True):
    """One affected person: a cluster of mentions."""

    uid: str  # keyed digest of its keys
    tier: Tier
    basis: str  # why these mentions count as one person
    elements: tuple[str, ...]
    objects: tuple[str, ...]  # ObjectReport.object_id
    conflict: str = ""  # e.g. "two surnames for one SSN"


class People(Record, frozen=True, kw_only=True):
    """How many people are affected. `lower` <= truth <= `upper` by the rules of counting."""

    lower: int  # clusters with at least one strong key
    best: int  # and clusters by name and date of birth
    upper: int  # and unmerged names that carry a sensitive element
    by_tier: dict[str, int] = {}
    notifiable: int = 0  # tiers identity_theft and sensitive, best
    unread: int = 0  # units that could not be read; stated apart, never added
    sampled: bool = False  # True: of the sample only; see `projected`
    projected: Estimate | None = None


class Contents(Record, frozen=True, kw_only=True):
    """The answer to "what is in there": of one exposure or of one path."""

    objects_total: int | None
    objects_read: int
    objects_failed: int = 0  # chosen, but not readable
    duplicates: int = 0
    bytes_read: int = 0
    bytes_total: int | None = None
    kinds: dict[str, int] = {}
    groups: dict[str, int] = {}
    first: datetime | None = None  # oldest and newest message seen
    last: datetime | None = None
    findings: tuple[Finding, ...] = ()
    people: People
    subjects: tuple[Subject, ...] = ()
    summary: str = ""  # one paragraph for people, never a value
    severity: Severity | None = None
