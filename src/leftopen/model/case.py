"""The case: one exposure with its five answers, and the investigation that holds all of them."""

from __future__ import annotations

from datetime import datetime

from leftopen.model.cause import CauseFinding
from leftopen.model.exposure import Evidence, Exposure, Observation
from leftopen.model.finding import Contents, Severity
from leftopen.model.gap import Gap
from leftopen.model.record import Record
from leftopen.model.time import Interval
from leftopen.model.trace import TraceResult

CASE_FORMAT = "leftopen-case-1"


class Signal(Record, frozen=True, kw_only=True):
    """One thing that a case teaches: a row of the brief's table."""

    signal: str
    change: str
    horizon: str
    driving_force: str


class EarlierCase(Record, frozen=True, kw_only=True):
    """A page of the case library: facets and text of an earlier incident."""

    uid: str
    title: str
    source: str = ""
    date: str = ""  # ISO date of the page or incident, "" where unknown
    summary: str = ""
    keywords: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()
    closest: tuple[str, ...] = ()  # links as the page gives them
    facets: dict[str, str] = {}  # service, cause, data, discovered_by, ...


class Similar(Record, frozen=True, kw_only=True):
    """An earlier case that is close, and why."""

    uid: str
    title: str
    score: float  # 0..1
    why: tuple[str, ...]  # shared facets and words


class Case(Record, frozen=True, kw_only=True):
    """One exposure and everything known about it (OCSF incident_finding)."""

    uid: str
    title: str
    state: str = "open"  # open, closed, reported (passive only, not confirmed)
    severity: Severity
    severity_reasons: tuple[str, ...] = ()
    exposure: Exposure
    window: Interval
    contents: Contents | None = None
    causes: tuple[CauseFinding, ...] = ()
    trace: TraceResult | None = None
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    signals: tuple[Signal, ...] = ()
    similar: tuple[Similar, ...] = ()


class RunInfo(Record, frozen=True, kw_only=True):
    """Named run metadata: the only part of the JSON that may differ between two equal runs."""

    run_id: str
    version: str
    started: datetime
    finished: datetime | None = None
    resumed: int = 0
    chain_head: str = ""
    chain_length: int = 0


class Investigation(Record, frozen=True, kw_only=True):
    """One run over one scope: what every output is made from."""

    format: str = CASE_FORMAT
    run: RunInfo
    as_of: datetime
    organisation: str
    authority: str
    vantage: str
    scope_sha256: str
    targets: int  # endpoints tried
    cases: tuple[Case, ...] = ()
    closed: tuple[Observation, ...] = ()  # speaking services that gave nothing
    other_causes: tuple[CauseFinding, ...] = ()  # open in configuration, no exposure seen
    sightings: tuple[Observation, ...] = ()  # outside sensors
    gaps: tuple[Gap, ...] = ()  # of no single case
    exit_code: int = 0
