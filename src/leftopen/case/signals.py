"""What a case teaches: one rule for each row of the brief's table of signals.

A rule looks at a case and answers with the signal in words, or with "" where it does not apply.
Change, horizon and driving force belong to the rule and are our own words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from leftopen.case.window import OWN_SENSOR
from leftopen.case.words import duration, store_kind, volume
from leftopen.model.case import Case, Signal
from leftopen.model.cause import Agreement, Truth
from leftopen.model.exposure import Access
from leftopen.model.finding import Finding, Tier
from leftopen.model.gap import Gap, Reason
from leftopen.model.trace import PartyKind, VerdictWord

_LATE = timedelta(days=1)
_OLD = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: when it applies and what it says."""

    says: Callable[[Case], str]
    change: str
    horizon: str
    driving_force: str


def signals(case: Case) -> tuple[Signal, ...]:
    """The rows of the table for this case, in the order of the rules."""
    return tuple(
        Signal(signal=said, change=r.change, horizon=r.horizon, driving_force=r.driving_force)
        for r in RULES
        if (said := r.says(case))
    )


def _no_login(case: Case) -> str:
    kind = store_kind(case.exposure, case.contents)
    if case.state == "reported":
        return f"{kind} without a password, reported by an outside sensor"
    verb = "listed names" if case.exposure.access is Access.LISTS else "gave data"
    return f"{kind} {verb} to anybody, without a password"


def _default_opened(case: Case) -> str:
    for found in case.causes:
        for factor in found.cause.factors:
            if factor.holds is Truth.YES and factor.origin.kind == "default":
                return f"A default of {found.cause.product} opened it, not a line that was written"
    return ""


def _drift(case: Case) -> str:
    conflict = any(c.agreement is Agreement.CONFLICT_CLOSED for c in case.causes)
    return "The configuration at hand says closed, and the service was open" if conflict else ""


def _outside_first(case: Case) -> str:
    seen = case.exposure.observations
    own = [o.time for o in seen if o.sensor == OWN_SENSOR]
    others = [o for o in seen if o.sensor != OWN_SENSOR and (not own or o.time < min(own))]
    if not others:
        return ""
    first = min(others, key=lambda o: (o.time, o.sensor))
    if not own:
        return f"{first.sensor.capitalize()} saw it, and no probe of the owner did"
    earlier = duration((min(own) - first.time).total_seconds())
    return f"{first.sensor.capitalize()} saw it {earlier} before the owner's first look"


def _researcher(case: Case) -> str:
    visits = case.trace.visits if case.trace else ()
    came = any(v.party.kind is PartyKind.RESEARCHER for v in visits)
    return "A researcher from outside was in the logs before it was closed" if came else ""


def _forms(case: Case) -> str:
    found = [f for f in _findings(case) if f.kind.endswith("_completed")]
    named = ", ".join(f"{f.title} ({f.objects:,})" for f in found[:3])
    return f"Filled-in forms lay in the store: {named}" if named else ""


def _identity(case: Case) -> str:
    people = case.contents.people.by_tier.get(Tier.IDENTITY_THEFT, 0) if case.contents else 0
    return f"Data of {people:,} people that serve identity theft lay in the store" if people else ""


def _markings(case: Case) -> str:
    marked = [f for f in _findings(case) if f.kind.startswith(("cui", "classification"))]
    return f"Objects with markings lay in the store: {marked[0].title}" if marked else ""


def _old_data(case: Case) -> str:
    contents = case.contents
    if contents is None or contents.first is None or contents.last is None:
        return ""
    kept = contents.last - contents.first
    return f"The store kept data from {contents.first.year} on" if kept > _OLD else ""


def _taken(case: Case) -> str:
    verdict = case.trace.verdict if case.trace else None
    if verdict is None or verdict.word is not VerdictWord.EXFILTRATED:
        return ""
    low = verdict.bytes_out.low
    return f"Data left to outsiders, at least {volume(low)}" if low else "Data left to outsiders"


def _no_log(case: Case) -> str:
    return "" if case.trace else "No log of the exposed service was at hand"


def _no_flow_log(case: Case) -> str:
    sources = case.trace.sources if case.trace else ()
    missing = sources and not any(s.kind == "flow" for s in sources)
    return "No flow log beside the service's own log" if missing else ""


def _hole(case: Case) -> str:
    holes = case.trace.coverage.holes if case.trace else ()
    if not holes:
        return ""
    total = duration(sum(h.duration.total_seconds() for h in holes))
    return f"No log speaks for {total} of the time in which it was open"


def _short_logs(case: Case) -> str:
    begins = [s.first for s in case.trace.sources if s.first] if case.trace else []
    late = min(begins) - case.window.start if begins else timedelta()
    if late < _LATE:
        return ""
    return f"The oldest log begins {duration(late.total_seconds())} after it can have been opened"


def _blank_counter(case: Case) -> str:
    return "A log that ought to count bytes has blanks" if _gaps(case, Reason.NO_COUNT) else ""


def _encrypted(case: Case) -> str:
    found = _gaps(case, Reason.ENCRYPTED)
    number = sum(g.count for g in found)
    if not found:
        return ""
    whose = f"{number:,} encrypted" if number else "Encrypted"
    return f"{whose} objects could not be read"


def _unknown_start(case: Case) -> str:
    return "" if case.exposure.opened.after else "Nobody knows since when it was open"


def _findings(case: Case) -> tuple[Finding, ...]:
    return case.contents.findings if case.contents else ()


def _gaps(case: Case, reason: Reason) -> list[Gap]:
    return [g for g in case.gaps if g.reason is reason]


RULES: tuple[Rule, ...] = (
    Rule(
        _no_login,
        "Every data service is probed from outside, each day",
        "A service that answers without a login is closed within the hour",
        "Anybody can scan the whole address space in minutes",
    ),
    Rule(
        _default_opened,
        "Settings that decide on access are written down, none is left to a default",
        "Products ship closed",
        "Defaults differ by version, and nobody reads them",
    ),
    Rule(
        _drift,
        "The running service is compared with its configuration",
        "Configuration and network path are judged together",
        "What is deployed drifts away from what is written",
    ),
    Rule(
        _outside_first,
        "Owners look at themselves with the eyes of a stranger",
        "Owners know before sensors do",
        "Public sensors index what is open and sell the index",
    ),
    Rule(
        _researcher,
        "A door for reports is open and answered the same day",
        "Finders and owners work from one record",
        "Most exposures are found by outsiders",
    ),
    Rule(
        _forms,
        "Filled-in forms are moved out of mail into a store with access rules",
        "Forms of this kind no longer travel as attachments",
        "Mail is where personnel matters are dealt with",
    ),
    Rule(
        _identity,
        "Those affected are counted and told",
        "Numbers that name a person stop being a key to anything",
        "One number opens accounts for a lifetime",
    ),
    Rule(
        _markings,
        "Marked material is looked for where it must not be",
        "Markings are read by machines before anything is stored",
        "Marked material follows people into everyday systems",
    ),
    Rule(
        _old_data,
        "What is no longer needed is deleted",
        "Stores hold months, not decades",
        "Storage is cheap, and nobody is told to delete",
    ),
    Rule(
        _taken,
        "Who took data is established from two independent logs",
        "Outflow is counted while it happens",
        "What is open is copied within days",
    ),
    Rule(
        _no_log,
        "Access to every data service is logged elsewhere",
        "No service can be reached that no log speaks for",
        "Without a log, access can neither be shown nor denied",
    ),
    Rule(
        _no_flow_log,
        "Flow logs are on for every network with data in it",
        "Two records of every byte, in two hands",
        "A log on the exposed machine proves little",
    ),
    Rule(
        _hole,
        "Silence of a log raises an alarm",
        "Logs prove their own completeness",
        "No evidence is read as evidence of nothing",
    ),
    Rule(
        _short_logs,
        "Logs are kept longer than exposures last",
        "Logs outlive the data that they speak of",
        "Exposures are found months later, logs are kept for weeks",
    ),
    Rule(
        _blank_counter,
        "Byte counts are checked for blanks",
        "Every record of access says how much left",
        "Amounts decide on who must be told",
    ),
    Rule(
        _encrypted,
        "Owners say what encrypted objects hold",
        "Stored data are encrypted object by object",
        "What cannot be read cannot be judged, by us or by a thief without the key",
    ),
    Rule(
        _unknown_start,
        "Each look at a service is kept, also when it was closed",
        "Every opening has a date",
        "The first sign of being open is not its beginning",
    ),
)
