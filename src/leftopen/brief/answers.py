"""The verdict of a case in plain words, and its five answers.

Every sentence says only what the records say. Where a record is missing, the sentence says that
it is not known, and the answer is marked as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from leftopen.brief import plain
from leftopen.model.case import Case
from leftopen.model.cause import Agreement, CauseFinding, Factor, Origin, Truth
from leftopen.model.exposure import OPEN, Access, Exposure
from leftopen.model.finding import Contents, Finding, People
from leftopen.model.gap import Gap
from leftopen.model.trace import Behaviour, PartyKind, TraceResult, VerdictWord, Visit

REPORTED = "reported"  # Case.state: an outside sensor says so, no probe of ours confirmed it
_ITS = {"messages": "mail", "documents": "documents", "files": "files", "keys": "keys"}
_SHORT = 120  # characters of a name inside a sentence


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the five: the question, the key figure, and one or two sentences.

    `known` False marks an answer that is missing; it is never shown like a clean one.
    """

    stage: str
    asks: str
    key: str
    text: str
    known: bool = True


def _name(text: object) -> str:
    return plain.shown(text, _SHORT)


def _place(origin: Origin) -> str:
    """`file:line`; a path that is too long loses its beginning, never its line."""
    text = str(origin)
    return plain.shown(text if len(text) <= _SHORT else f"…{text[1 - _SHORT :]}")


def outsiders(trace: TraceResult) -> tuple[Visit, ...]:
    """Visits of anybody but the owner, his monitoring and Leftopen, most bytes first."""
    return tuple(v for v in by_bytes(trace.visits) if not v.party.kind.ours)


def by_bytes(visits: Iterable[Visit]) -> list[Visit]:
    """Most bytes first; an unknown amount stands before a known nothing."""
    return sorted(
        visits, key=lambda v: (-v.bytes_out.low, v.bytes_out.high == 0, v.first, v.client)
    )


def took(visit: Visit) -> bool:
    """It got at least one object."""
    return visit.behaviour in (Behaviour.TOOK, Behaviour.BULK)


def unseen(trace: TraceResult) -> timedelta:
    """How long no log speaks, inside the window."""
    return sum((h.duration for h in trace.coverage.holes), start=timedelta())


def gap_items(gaps: Iterable[Gap]) -> str:
    """How many items gaps stand for: `at least` where one of them does not know its count."""
    counts = [gap.count for gap in gaps]
    if counts and not any(counts):
        return plain.NOT_KNOWN
    return f"{'' if all(counts) else 'at least '}{sum(counts):,}"


def gap_phrase(gaps: Iterable[Gap]) -> str:
    """The same inside a sentence: `1 item`, `at least 1,625 items`."""
    number = gap_items(gaps)
    if number == plain.NOT_KNOWN:
        return "an unknown number of items"
    return f"{number} {'item' if number.split()[-1] == '1' else 'items'}"


def verdict(case: Case) -> str:
    """One paragraph that somebody can read who has never seen Leftopen."""
    parts = [_opened(case), _inside(case), _caused(case.causes), *_left(case.trace)]
    return " ".join(part for part in parts if part)


def answers(case: Case) -> tuple[Answer, ...]:
    """The five answers in their order: reach, contents, cause, trace, what nobody can know."""
    return (_reach(case), _contents(case), _cause(case), _trace(case), _unknown(case))


def _opened(case: Case) -> str:
    exposure = case.exposure
    what = _ITS.get(exposure.size.unit if exposure.size else "", "data")
    thing = f"its {what}"
    if exposure.access is Access.LISTS:
        thing = f"the names of {thing}"
    if case.state == REPORTED:
        seen = sorted({_name(o.sensor) for o in exposure.observations}) or ["An outside sensor"]
        return (
            f"{', '.join(seen)} reported that this server ({_name(exposure.endpoint)}) gave "
            f"{thing} to anybody; no probe of this run confirmed it."
        )
    still = exposure.closed.before is None
    verb = ("shows" if still else "showed") if exposure.access is Access.LISTS else ""
    verb = verb or ("gives" if still else "gave")
    asked = "asks" if still else "asked"
    howlong = _howlong(exposure)
    joint = "," if howlong.startswith("for ") else ";"
    return f"This server {verb} {thing} to anybody who {asked}, without a login{joint} {howlong}."


def _howlong(exposure: Exposure) -> str:
    opened, closed = exposure.opened, exposure.closed
    since = (
        f"first known open {plain.day(opened.before.time)}"
        if opened.before
        else "since when is not known"
    )
    until = "still open when last looked at"
    if closed.before:
        until = f"closed by {plain.day(closed.before.time)}"
    elif closed.after:
        until = f"last seen open {plain.day(closed.after.time)}"
    dates = f"({since}, {until})"
    if not (opened.before and closed.after):
        return f"for how long is not known {dates}"
    known = max(closed.after.time - opened.before.time, timedelta())
    if opened.after and closed.before:
        most = max(closed.before.time - opened.after.time, known)
        return f"for {plain.between(known, most)} {dates}"
    if not known:
        return f"it was seen open once, on {plain.day(closed.after.time)}, and more is not known"
    least = f"for at least {plain.span(known, 'down')}"
    if closed.before is None:
        return f"{least} and not known to be closed {dates}"
    return f"{least}; the true start is not known {dates}"


def _unit(case: Case) -> str:
    """What one object of the store is called, in the plural."""
    held = case.exposure.size
    if held and held.unit == "rows":  # counted by row, read by table
        return "tables"
    return _name(held.unit) if held and held.unit else "objects"


def _many(number: int, unit: str) -> str:
    return plain.plural(number, unit.removesuffix("s"), unit)


def _inside(case: Case) -> str:
    contents = case.contents
    if contents is None:
        return "What is in there was not examined and is not known."
    if not contents.objects_read:
        return "Nothing of the contents could be read; what is in there is not known."
    people, worst = contents.people, top_finding(contents)
    read = _read(contents, _unit(case))
    found = [f"They hold data of {_people(people)}"] if people.upper else []
    if worst:
        hold = "of them holds" if worst.objects == 1 else "of them hold"
        found.append(f"{worst.objects:,} {hold} “{_name(worst.title)}”")
    if not found:
        return f"{read}: no personal data were found in them."
    return f"{read}. {', and '.join(found)}."


def _read(contents: Contents, unit: str) -> str:
    read, total = contents.objects_read, contents.objects_total
    if total is None:
        return f"{_many(read, unit)} were read, of how many is not known"
    if read >= total:
        return (
            f"All {_many(read, unit)} were read" if read != 1 else f"Its one {unit[:-1]} was read"
        )
    return f"Of {_many(total, unit)}, {read:,} were read"


def _people(people: People) -> str:
    if people.lower == people.upper:
        return plain.plural(people.best, "person", "people")
    return f"{people.lower:,} to {people.upper:,} people (best count {people.best:,})"


def top_finding(contents: Contents) -> Finding | None:
    """The worst finding, and of the worst the surest and most frequent."""
    order = ("certain", "likely", "possible")
    return min(
        contents.findings,
        key=lambda f: (-f.severity.rank, order.index(f.confidence), f.objects, f.kind),
        default=None,
    )


def decisive(cause: CauseFinding) -> Factor | None:
    """The factor to name first: one that is open and stands in a file, before a default."""
    open_ones = [f for f in cause.cause.factors if f.holds is Truth.YES]
    written = [f for f in open_ones if f.origin.file]
    wanted = [f for f in written if f.name in ("readable", "auth")]
    return next(iter((*wanted, *written, *open_ones)), None)


def explaining(causes: Iterable[CauseFinding]) -> CauseFinding | None:
    """The cause that explains the exposure: the service's own setting before the network's."""
    found = [c for c in causes if c.agreement is Agreement.EXPLAINS]
    own = [c for c in found if (f := decisive(c)) and f.name in ("readable", "auth")]
    return next(iter((*own, *found)), None)


def _setting(factor: Factor) -> str:
    return f"{_name(factor.directive)} {_name(factor.value)}".strip()


def _caused(causes: tuple[CauseFinding, ...]) -> str:
    found = explaining(causes)
    if not found:
        return "What opened it is not known."
    factor = decisive(found)
    if not factor:
        return f"It was opened by: {_name(found.cause.title)}."
    return f"The setting “{_setting(factor)}” in {_place(factor.origin)} opened it."


def _left(trace: TraceResult | None) -> tuple[str, ...]:
    if trace is None:
        return ("No log was handed over: who came in and how much left is not known.",)
    came = {
        VerdictWord.EXFILTRATED: _taken(trace),
        VerdictWord.ACCESSED: f"Outsiders had access to data: {_amount_left(trace)}.",
        VerdictWord.CONTACTED: "Outsiders connected, but no log shows data leaving.",
        VerdictWord.NO_EVIDENCE: "In the time that logs cover, no outsider shows up.",
        VerdictWord.UNKNOWN: "Whether anybody took data is not known.",
    }[trace.verdict.word]
    silent = unseen(trace)
    hole = f"For {plain.span(silent)} no log can speak." if silent else ""
    return (came, hole)


def _amount_left(trace: TraceResult) -> str:
    left = trace.verdict.bytes_out
    return (
        f"{plain.amount(left)} left"
        if left.low or left.high is not None
        else "how much left is not known"
    )


def _taken(trace: TraceResult) -> str:
    text = _amount_left(trace)
    top = next((v for v in outsiders(trace) if took(v)), None)
    if top and top.bytes_out.low:
        whom = f"{_name(top.client)} ({plain.PARTIES[top.party.kind].lower()})"
        if top.party.kind is PartyKind.UNKNOWN:
            whom = f"one unknown client, {_name(top.client)}"
        text += f" to outsiders, at least {plain.size(top.bytes_out.low)} of it to {whom}"
    return f"{text[:1].upper()}{text[1:]}."


def _reach(case: Case) -> Answer:
    exposure = case.exposure
    what = {
        Access.GIVES_DATA: ("Yes: it gives data", "Anybody can read data without a login."),
        Access.LISTS: ("Yes: it lists names", "Anybody is told names without a login."),
    }.get(exposure.access, ("Not proved", "No data were obtained by a probe."))
    key, text = what
    known = exposure.access in OPEN
    if case.state == REPORTED:
        key, text, known = "Reported, not confirmed", "An outside sensor says so.", False
    elif case.state == "closed":
        text = text.replace("can read", "could read").replace("is told", "was told")
        key = key.replace("gives", "gave").replace("lists", "listed")
    text = (
        f"{_name(exposure.endpoint)}, {plain.service(exposure.protocol, exposure.product)}. {text}"
    )
    return Answer("Reach", "Can a stranger get in?", key, f"{text} {_store(exposure)}", known)


def _store(exposure: Exposure) -> str:
    held = exposure.size
    if held is None or (held.objects is None and held.bytes is None):
        return "How much it holds is not known."
    unit = plain.unit(_name(held.unit), held.objects)
    objects = "" if held.objects is None else f"{plain.count(held.objects)} {unit}"
    volume = "" if held.bytes is None else plain.size(held.bytes)
    least = "" if held.complete else "at least "
    return f"It holds {least}{', '.join(filter(None, (objects, volume)))}."


def _contents(case: Case) -> Answer:
    asks = "What is in there, and how many people?"
    contents = case.contents
    if contents is None or not contents.objects_read:
        text = "The contents were not examined." if contents is None else "Nothing could be read."
        return Answer("Contents", asks, "Not known", text, known=False)
    people = contents.people
    key = f"{plain.plural(people.best, 'person', 'people')}"
    if people.lower != people.upper:
        key += f" ({people.lower:,} to {people.upper:,})"
    worst = top_finding(contents)
    unit = _unit(case)
    text = (
        f"{_many(worst.objects, unit)} with “{_name(worst.title)}”. "
        if worst
        else "No sensitive kind of data was found. "
    )
    text += _read(contents, unit)
    if people.projected and not people.projected.exact:
        text += f"; in the whole store {plain.people(people.projected)}"
    return Answer("Contents", asks, key, f"{text}.")


def _cause(case: Case) -> Answer:
    asks = "What opened it?"
    found = explaining(case.causes)
    if not found:
        text = (
            "No configuration that was handed over explains it."
            if case.causes
            else "No configuration was handed over."
        )
        return Answer("Cause", asks, "Not known", text, known=False)
    factor = decisive(found)
    key = _setting(factor) if factor else _name(found.cause.title)
    place = f"{_place(factor.origin)}: " if factor else ""
    fix = f" Smallest fix: {_name(found.cause.fix.title)}." if found.cause.fix else ""
    return Answer("Cause", asks, key, f"{place}{_name(found.cause.title)}.{fix}")


def _trace(case: Case) -> Answer:
    asks = "Who came in, and how much left?"
    trace = case.trace
    if trace is None:
        return Answer("Trace", asks, "Not known", "No log was handed over.", known=False)
    word = trace.verdict.word
    key = plain.VERDICTS[word]
    if word is VerdictWord.EXFILTRATED:
        amount = _amount_left(trace)
        key = f"{amount[:1].upper()}{amount[1:]}"
    strangers = outsiders(trace)
    takers = [v for v in strangers if took(v)]
    text = (
        f"{plain.plural(len(strangers), 'outside client')} in the logs, "
        f"{len(takers):,} of them took data."
    )
    if takers and takers[0].bytes_out.low:
        text += f" Most: {_name(takers[0].client)}, {plain.amount(takers[0].bytes_out)}."
    text += f" Confidence {_name(trace.verdict.confidence)}."
    return Answer("Trace", asks, key, text, known=word is not VerdictWord.UNKNOWN)


def _unknown(case: Case) -> Answer:
    asks = "What can nobody know?"
    gaps = (
        f"{plain.plural(len(case.gaps), 'gap')} recorded ({gap_phrase(case.gaps)} not examined)."
        if case.gaps
        else "No gap was recorded for this case."
    )
    if case.trace is None:
        text = f"No log speaks for any part of the window. {gaps}"
        return Answer("Limits", asks, "Who came in, and what left", text, known=False)
    silent = unseen(case.trace)
    if not silent and case.trace.coverage.any < 1:
        return Answer("Limits", asks, "Coverage not known", gaps, known=False)
    if not silent:
        text = f"At least one log covers every hour of the window. {gaps}"
        return Answer("Limits", asks, "No hour without a log", text)
    said = sentence(case.trace.verdict.unseen or "nothing can be said about this time")
    key = f"{plain.span(silent)} without any log"
    return Answer("Limits", asks, key, f"{said} {gaps}", known=False)


def sentence(text: str) -> str:
    """Somebody's words as a sentence: a capital in front, a full stop behind."""
    said = plain.shown(text, 1_000).strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else ""
