"""What trace says: who came in, how much left, and which time no log can speak for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from leftopen.model.record import Record
from leftopen.model.time import Interval


class PartyKind(StrEnum):
    """Who a client is, first match wins (research/trace.md 3.2)."""

    OWNER = "owner"
    MONITORING = "monitoring"  # the owner's declared monitoring
    SELF = "leftopen"  # our own probes, by run id or source address
    RESEARCHER = "researcher"  # declared finder
    CLOUD = "cloud"  # load balancer, metadata, health probe
    SCANNER = "scanner"  # by published range
    CRAWLER = "crawler"  # by published range, agrees with what it says it is
    CLAIMED_CRAWLER = "claims_to_be_crawler"  # says so, the range does not confirm it
    UNKNOWN = "unknown"

    @property
    def ours(self) -> bool:
        """The owner, his monitoring, or Leftopen itself: not an outsider."""
        return self in (PartyKind.OWNER, PartyKind.MONITORING, PartyKind.SELF)


class Party(Record, frozen=True, kw_only=True):
    """An attribution with the source that says so."""

    kind: PartyKind
    name: str = ""
    basis: str = ""  # "scope file, [owner] monitoring", "list <name>, version <date>"


class Behaviour(StrEnum):
    """What a client did, judged by bytes and objects, never by its name."""

    TOUCHED = "touched"  # connected only
    LOOKED = "looked"  # banner or listing, no object
    TOOK = "took"  # at least one object
    BULK = "bulk"  # more than 1% of the stored bytes or more than 1,000 objects


class Place(Record, frozen=True, kw_only=True):
    """A line of a source: every figure can be traced to one."""

    file: str
    line: int


class AccessEvent(Record, frozen=True, kw_only=True):
    """One record of one log (OCSF http, network, datastore, file activity), for display.

    Readers work on columns of these fields; single records are made only to be shown.
    """

    time: datetime
    client: str
    object: str = ""
    status: str = ""
    bytes_out: int | None = None
    user: str = ""
    source: Place


class Source(Record, frozen=True, kw_only=True):
    """One log as it was read: its custody entry and what it can speak for."""

    path: str  # as given
    series: str = ""  # the log of which this file is one rotation
    format: str
    kind: str  # app, session, flow, audit, metric, counter
    sha256: str  # of the raw bytes
    size: int
    lines: int  # lines in = parsed + rejected (+ blank), always
    parsed: int
    rejected: int
    blank: int = 0
    first: datetime | None = None
    last: datetime | None = None
    zone: str = ""  # how the zone of the times is known
    byte_meaning: str = ""  # content, app, l3, none
    names_objects: bool = False
    tight: bool = False  # its byte counts are what left, not what was handed to the kernel
    covers: tuple[Interval, ...] = ()
    holes: tuple[Interval, ...] = ()
    detectable_silence_seconds: float | None = None  # shorter silences cannot be told from quiet


class Coverage(Record, frozen=True, kw_only=True):
    """Which part of a window the logs can speak for. Three shares, never one number."""

    window: Interval
    any: float
    app: float  # by a source that names objects
    bytes: float  # by a source that counts bytes
    any_intervals: tuple[Interval, ...] = ()
    app_intervals: tuple[Interval, ...] = ()
    bytes_intervals: tuple[Interval, ...] = ()
    holes: tuple[Interval, ...] = ()  # nothing speaks for these


class Bytes(Record, frozen=True, kw_only=True):
    """How much left: at least `low`, at most `high`; None means not known, never 0."""

    low: int
    high: int | None = None
    basis: str = ""


class Visit(Record, frozen=True, kw_only=True):
    """All that one client did inside the window."""

    client: str
    party: Party
    behaviour: Behaviour
    first: datetime
    last: datetime
    requests: int
    objects: int | None  # distinct objects served whole or in part; None: no log names them
    completed: int | None = None  # of these, served whole as far as the log can say
    object_ids: tuple[str, ...] = ()  # keyed, joins to ObjectReport.object_id
    bytes_out: Bytes
    evidence: tuple[Place, ...] = ()  # first and last line
    agent: str = ""
    note: str = ""  # "aborted or filtered", "says it is Googlebot"


class VerdictWord(StrEnum):
    """The graded answer (research/trace.md 3.6)."""

    EXFILTRATED = "exfiltrated"
    ACCESSED = "accessed"
    CONTACTED = "contacted"
    NO_EVIDENCE = "no_evidence"
    UNKNOWN = "unknown"


class Verdict(Record, frozen=True, kw_only=True):
    """For one exposure (client "") or one client, with reasons that can be quoted."""

    word: VerdictWord
    client: str = ""
    confidence: str = "low"  # high, medium, low
    reasons: tuple[str, ...]
    bytes_out: Bytes
    unseen: str = ""  # what may have left unseen, in words, with hours and bytes where known


class TraceResult(Record, frozen=True, kw_only=True):
    """The answer to "who came in" for one exposure window."""

    window: Interval
    sources: tuple[Source, ...]
    coverage: Coverage
    visits: tuple[Visit, ...]
    verdict: Verdict
    client_verdicts: tuple[Verdict, ...] = ()
    bins: tuple[TrafficBin, ...] = ()  # for the time line


class TrafficBin(Record, frozen=True, kw_only=True):
    """Bytes of one client in one stretch of time, for the picture."""

    start: datetime
    end: datetime
    client: str
    requests: int
    bytes_out: int | None
