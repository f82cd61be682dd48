"""Amounts, times and words for people: one spelling of each for every page of the brief.

Nothing here turns "not known" into a number: None comes out as `NOT_KNOWN`. Lower limits are
rounded down and upper limits up, so that a printed limit still holds.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime, timedelta

from leftopen.model.cause import Agreement, Truth
from leftopen.model.exposure import Access
from leftopen.model.finding import Confidence, Estimate, Tier
from leftopen.model.gap import Reason, Stage
from leftopen.model.redact import escape_controls
from leftopen.model.trace import Behaviour, Bytes, PartyKind, VerdictWord

NOT_KNOWN = "not known"
LONGEST = 400  # characters of one text of somebody else's that a page shows
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = (("PB", 10**15), ("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
_SPANS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_MARKS = 2  # combining marks on one letter; more of them climb over the neighbouring lines

STAGES = {
    Stage.REACH: "Reach",
    Stage.CONTENTS: "Contents",
    Stage.CAUSE: "Cause",
    Stage.TRACE: "Trace",
    Stage.CASE: "Case",
}
REASONS = {
    Reason.BUDGET: "the budget for sampling or probing ended first",
    Reason.NOT_SAMPLED: "left out by the sample, by design",
    Reason.ENCRYPTED: "encrypted; a password or key is needed, none is guessed",
    Reason.CORRUPT: "damaged: the bytes break their own format",
    Reason.UNSUPPORTED: "no reader for this format",
    Reason.IMAGE_ONLY: "a picture without a text layer",
    Reason.TOO_LARGE: "over a limit on size",
    Reason.TOO_DEEP: "over a limit on nesting",
    Reason.TIMEOUT: "over a limit on time",
    Reason.CRASHED: "the reader of this item failed",
    Reason.UNREADABLE: "could not be opened",
    Reason.REFUSED: "the server refused this one object",
    Reason.MISBEHAVED: "the other side broke its protocol",
    Reason.OUT_OF_SCOPE: "leads outside the scope, not followed",
    Reason.UNRESOLVED: "a name that did not resolve",
    Reason.UNPARSED: "lines that no rule could read",
    Reason.NO_TIME: "a record without a usable time",
    Reason.NO_ZONE: "times without a zone, the stated default was taken",
    Reason.NO_LOG: "time that no log speaks for",
    Reason.NO_COUNT: "a record without its byte count",
    Reason.NOT_GIVEN: "a source that would answer was not handed over",
    Reason.UNKNOWN_VALUE: "a setting whose value cannot be known from the files",
    Reason.LOST: "answers that got lost on their way to us",
    Reason.RULES: "the scope file's rules of engagement stop before it",
    Reason.EMPTY: "there was nothing in it",
}
ACCESS = {
    Access.CLOSED: "closed",
    Access.FILTERED: "no answer",
    Access.SPEAKS: "answers, nothing proved",
    Access.METADATA: "tells version or counts",
    Access.ASKS_CREDENTIAL: "asks for a login",
    Access.REFUSED_OR_ABSENT: "refused or absent",
    Access.LISTS: "lists names",
    Access.GIVES_DATA: "gives data",
    Access.MISBEHAVES: "misbehaves",
    Access.UNDETERMINED: "not determined",
}
TIERS = {
    Tier.IDENTITY_THEFT: "Identity theft possible",
    Tier.SENSITIVE: "Sensitive answers",
    Tier.CONTACT: "Contact data only",
}
CONFIDENCES = {
    Confidence.CERTAIN: "certain",
    Confidence.LIKELY: "likely",
    Confidence.POSSIBLE: "possible",
}
PARTIES = {
    PartyKind.UNKNOWN: "Unknown",
    PartyKind.CLAIMED_CRAWLER: "Claims to be a crawler",
    PartyKind.CRAWLER: "Crawler, confirmed",
    PartyKind.SCANNER: "Scanner",
    PartyKind.CLOUD: "Cloud provider",
    PartyKind.RESEARCHER: "Researcher",
    PartyKind.MONITORING: "Own monitoring",
    PartyKind.OWNER: "Owner",
    PartyKind.SELF: "Leftopen",
}
BEHAVIOURS = {
    Behaviour.TOUCHED: "connected only",
    Behaviour.LOOKED: "looked, took no object",
    Behaviour.TOOK: "took data",
    Behaviour.BULK: "took data in bulk",
}
VERDICTS = {
    VerdictWord.EXFILTRATED: "Data left",
    VerdictWord.ACCESSED: "Outsiders had access to data",
    VerdictWord.CONTACTED: "Outsiders connected, no data seen leaving",
    VerdictWord.NO_EVIDENCE: "No evidence of access",
    VerdictWord.UNKNOWN: "Not known",
}
CLIENT_VERDICTS = {
    VerdictWord.EXFILTRATED: "data left",
    VerdictWord.ACCESSED: "had access to data",
    VerdictWord.CONTACTED: "connected, no data seen leaving",
    VerdictWord.NO_EVIDENCE: "no evidence of access",
    VerdictWord.UNKNOWN: NOT_KNOWN,
}
TRUTHS = {Truth.YES: "open", Truth.NO: "holds a stranger off", Truth.UNKNOWN: NOT_KNOWN}
AGREEMENTS = {
    Agreement.EXPLAINS: "The configuration explains what the probe saw.",
    Agreement.CONFLICT_CLOSED: (
        "Conflict: closed by this configuration, yet the probe was served. "
        "Another file, a proxy, a port map or a change since may be in force."
    ),
    Agreement.CONFLICT_OPEN: (
        "Conflict: open by this configuration, yet the probe was not served at this time."
    ),
    Agreement.UNKNOWN: "Whether configuration and probe agree is not known.",
}


def shown(value: object, limit: int = LONGEST) -> str:
    """Any value as text that is safe to look at: cut, controls and bidi marks made visible.

    The caller still escapes for its medium. None becomes `NOT_KNOWN`.
    """
    if value is None:
        return NOT_KNOWN
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _flatten(escape_controls(text))


def _flatten(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for c in text:
        marks = marks + 1 if unicodedata.combining(c) else 0
        if marks <= _MARKS:
            kept.append(c)
    return "".join(kept)


def count(value: int | None) -> str:
    """`2,000`, or not known."""
    return NOT_KNOWN if value is None else f"{value:,}"


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 hour`, `2,000 messages`."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def size(value: int | None, *, up: bool = False) -> str:
    """Bytes in decimal units, rounded down (or up, for an upper limit)."""
    if value is None:
        return NOT_KNOWN
    for unit, scale in _UNITS:
        if value >= scale:
            parts = 1 if value >= 100 * scale else 10
            tenths = value * parts / scale
            whole = math.ceil(tenths) if up else math.floor(tenths)
            return f"{whole / parts:,.{0 if parts == 1 else 1}f} {unit}"
    return plural(value, "byte")


def amount(left: Bytes) -> str:
    """How much left, with both limits; never 0 where it is not known."""
    if left.high is None:
        return NOT_KNOWN if left.low == 0 else f"at least {size(left.low)}"
    if left.low == left.high:
        return size(left.low)
    low, high = size(left.low), size(left.high, up=True)
    number, _, unit = low.partition(" ")
    return f"{number if high.endswith(f' {unit}') else low} to {high}"


def utc(moment: datetime) -> datetime:
    """The same instant in UTC; a time without a zone is UTC by the model's rule."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the first or last day of the calendar, in another zone
        return moment.replace(tzinfo=UTC)


def day(moment: datetime | None) -> str:
    """`8 Feb 2023`."""
    if moment is None:
        return NOT_KNOWN
    at = utc(moment)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}"


def clock(moment: datetime | None) -> str:
    """`8 Feb 2023, 04:12 UTC`."""
    if moment is None:
        return NOT_KNOWN
    return f"{day(moment)}, {utc(moment):%H:%M} UTC"


def minute(moment: datetime) -> str:
    """`8 Feb 2023 04:12`, where the zone stands beside it."""
    return f"{day(moment)} {utc(moment):%H:%M}"


def short(moment: datetime) -> str:
    """`8 Feb 04:12`, where the year and the zone stand beside it."""
    at = utc(moment)
    return f"{at.day} {MONTHS[at.month - 1]} {at:%H:%M}"


def _span_unit(length: timedelta) -> tuple[str, int]:
    seconds = length.total_seconds()
    return next((u for u in _SPANS if seconds >= 3 * u[1]), _SPANS[-1])


def span(length: timedelta, rounding: str = "near") -> str:
    """`12 days`, `31 hours`: rounded `near`, `down` for a lower limit, `up` for an upper one."""
    name, scale = _span_unit(length)
    units = length.total_seconds() / scale
    whole = {"down": math.floor(units), "up": math.ceil(units)}.get(rounding, round(units))
    return plural(int(whole), name)


def between(low: timedelta, high: timedelta) -> str:
    """`at least 12 and at most 17 days`; both limits hold after rounding."""
    least, most = span(low, "down"), span(high, "up")
    if least == most:
        return f"about {least}"
    number, _, unit = least.partition(" ")
    same = most.partition(" ")[2].rstrip("s") == unit.rstrip("s")
    return f"at least {number if same else least} and at most {most}"


def share(value: float) -> str:
    """`92.3%`, rounded down, so that 100% means all and nothing less."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if value >= 1:
        return "100%"
    return f"{math.floor(max(value, 0.0) * 1000) / 10:.1f}%"


def silence(seconds: float | None) -> str:
    """The shortest silence that a log could show: `over 37 minutes`."""
    if seconds is None or not math.isfinite(seconds):
        return NOT_KNOWN
    return f"over {span(timedelta(seconds=min(seconds, 10**10)), 'up')}"


def service(protocol: str, product: str, version: str = "") -> str:
    """`http, nginx 1.22.1`; a product of the protocol's own name is not said twice."""
    named = shown(protocol, 60) or f"protocol {NOT_KNOWN}"
    made = " ".join(filter(None, (shown(product, 60), shown(version, 40))))
    if product.lower() == protocol.lower():
        return " ".join(filter(None, (named, shown(version, 40))))
    return f"{named}, {made}" if made else named


def people(value: Estimate) -> str:
    """`about 1,046 people (95%: 871 to 1,228)`, of the whole store."""
    if not _finite(value):
        return NOT_KNOWN
    if value.exact:
        return plural(round(value.value), "person", "people")
    low, high = math.floor(value.low), math.ceil(value.high)
    return f"about {value.value:,.0f} people (95%: {low:,} to {high:,})"


def _finite(value: Estimate) -> bool:
    return all(math.isfinite(x) for x in (value.value, value.low, value.high))


def estimate(value: Estimate | None) -> str:
    """`about 205 of 2,000 (95%: 152 to 271)`; exact when all were read."""
    if value is None or not _finite(value):
        return NOT_KNOWN
    if value.exact:
        return f"{value.value:,.0f} of {value.population:,} (all read)"
    low, high = math.floor(value.low), math.ceil(value.high)
    return f"about {value.value:,.0f} of {value.population:,} (95%: {low:,} to {high:,})"


def unit(word: str, count: int | None) -> str:
    """The unit of a store's size, in the singular for one: messages, keys, entries."""
    if count != 1 or not word.endswith("s"):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word[:-1]
