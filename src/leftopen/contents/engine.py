"""The judging half of contents: all detectors in one pass, then forms, markings and people.

The patterns of every detector stand in one Hyperscan database (Vectorscan), compiled once per
process; boundaries, validators and context look at the survivors only. Values live in memory
until `examine` returns; what it returns holds keyed digests and redacted forms.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import hyperscan

from leftopen.contents import registry
from leftopen.contents.api import Detector, Hit, Text
from leftopen.contents.fields import view
from leftopen.contents.found import Found, documents
from leftopen.contents.mentions import mentions_of
from leftopen.model.finding import Form, Marking, Match, Mention
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import Keyring, redact

MAX_MATCHES = 20_000  # records of one object
MAX_CANDIDATES = 500_000  # raw hits of one object: about ten seconds of rules at worst
BEFORE, AFTER = 80, 40  # characters of context

Span = tuple[int, int, int]  # start, end (bytes), pattern number


@dataclass(frozen=True, slots=True)
class Judged:
    """What one object holds: records only, no value."""

    matches: tuple[Match, ...] = ()
    forms: tuple[Form, ...] = ()
    markings: tuple[Marking, ...] = ()
    mentions: tuple[Mention, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compiled:
    database: hyperscan.Database
    owners: tuple[Detector, ...]  # by pattern number


@cache
def _compiled() -> _Compiled:
    """One database per process. Not for use from two threads at once: it has one scratch space."""
    owners, patterns, flags = [], [], []
    for detector in registry.detectors():
        for pattern in detector.patterns:
            owners.append(detector)
            patterns.append(pattern.encode())
            caseless = hyperscan.HS_FLAG_CASELESS if "caseless" in detector.flags else 0
            wide = 0 if pattern.isascii() and r"\x{" not in pattern else hyperscan.HS_FLAG_UTF8
            flags.append(hyperscan.HS_FLAG_SOM_LEFTMOST | caseless | wide)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=patterns, ids=list(range(len(patterns))), elements=len(patterns), flags=flags
    )
    return _Compiled(database, tuple(owners))


class Engine:
    """Judges the texts of one object at a time. Cheap to make, safe to pickle."""

    __slots__ = ("_keyring",)

    def __init__(self, keyring: Keyring) -> None:
        """`keyring` makes the digests; it is the case's own."""
        self._keyring = keyring

    def examine(self, texts: Sequence[Text]) -> Judged:
        """Judge all texts of one object (a message with its attachments, or one file)."""
        gaps: list[Gap] = []
        found: list[Found] = []
        left = MAX_CANDIDATES
        for number, text in enumerate(texts):
            seen = view(text)
            data = seen.text.encode("utf-8", "replace")
            spans = _spans(seen, data, left, gaps)
            left -= len(spans)
            found += _resolve(_rulings(seen, data, spans, number, gaps))
        forms: list[Form] = []
        markings: list[Marking] = []
        for document in documents(texts):
            forms += self._forms(document, gaps)
            markings += _markings(document, gaps)
        if len(found) > MAX_MATCHES:
            gaps.append(_over(texts[0], "matches over the limit", len(found) - MAX_MATCHES))
        return Judged(
            matches=tuple(self._match(item) for item in found[:MAX_MATCHES]),
            forms=tuple(forms),
            markings=tuple(markings),
            mentions=mentions_of(texts, found[:MAX_MATCHES], forms, self._keyring),
            gaps=tuple(gaps),
        )

    def _match(self, item: Found) -> Match:
        return Match(
            detector=item.detector.name,
            confidence=item.ruling.confidence,
            digest=self._keyring.digest(item.detector.name, item.ruling.normal),
            redacted=redact(item.hit.value, item.detector.keep),
            place=str(item.hit.text.place),
            context=item.ruling.context,
            offset=item.hit.start,
        )

    def _forms(self, document: Sequence[Text], gaps: list[Gap]) -> Iterator[Form]:
        for rule in registry.forms():
            try:
                form = rule.judge(document, self._keyring)
            except Exception as error:  # noqa: BLE001 - one rule must not end the run; recorded
                gaps.append(_crashed(document[0], rule.name, error))
            else:
                if form:
                    yield form


def _markings(document: Sequence[Text], gaps: list[Gap]) -> Iterator[Marking]:
    for rule in registry.markings():
        try:
            yield from rule.judge(document)
        except Exception as error:  # noqa: BLE001 - one rule must not end the run; recorded
            gaps.append(_crashed(document[0], rule.name, error))


def _spans(text: Text, data: bytes, left: int, gaps: list[Gap]) -> list[Span]:
    """Raw hits in order, at most `left`, without those that are a piece of a longer number."""
    spans: list[Span] = []
    digits = b"0123456789"

    def on_match(number: int, start: int, end: int, _flags: int, _context: object) -> bool:
        glued = (start and data[start - 1] in digits and data[start] in digits) or (
            end < len(data) and data[end] in digits and data[end - 1] in digits
        )
        if glued:
            return False
        if len(spans) >= left:
            return True
        spans.append((start, end, number))
        return False

    try:
        _compiled().database.scan(data, match_event_handler=on_match)
    except hyperscan.ScanTerminated:
        gaps.append(_over(text, "candidates over the limit: the rest of this text", 1))
    spans.sort()
    return spans


def _rulings(
    text: Text, data: bytes, spans: Sequence[Span], source: int, gaps: list[Gap]
) -> Iterator[Found]:
    owners = _compiled().owners
    plain = len(data) == len(text.text)
    at_byte = at_char = 0
    for start, end, number in spans:
        if plain:
            at_char = start
        else:
            at_char += len(data[at_byte:start].decode("utf-8", "replace"))
        at_byte = start
        size = end - start if plain else len(data[start:end].decode("utf-8", "replace"))
        hit = _hit(text, at_char, size)
        try:
            ruling = owners[number].rule(hit)
        except Exception as error:  # noqa: BLE001 - one rule must not end the run; recorded
            gaps.append(_crashed(text, owners[number].name, error))
            continue
        if ruling:
            yield Found(owners[number], ruling, hit, source)


def _hit(text: Text, start: int, size: int) -> Hit:
    whole, end = text.text, start + size
    low, high = max(0, start - BEFORE), min(len(whole), end + AFTER)
    before, after = whole[low:start], whole[end:high]
    return Hit(
        value=whole[start:end],
        start=start,
        before=before[before.rfind("\n") + 1 :],
        after=after.partition("\n")[0],
        text=text,
    )


def _resolve(candidates: Iterator[Found]) -> list[Found]:
    """One reading for each stretch of text: the surest, then the most harmful, then the longest."""
    taken: list[tuple[int, int]] = []
    kept: list[Found] = []
    for item in sorted(candidates, key=lambda found: found.order):
        span = (item.hit.start, item.end)
        after = bisect_left(taken, span)
        clear_left = after == 0 or taken[after - 1][1] <= span[0]
        if clear_left and (after == len(taken) or taken[after][0] >= span[1]):
            insort(taken, span)
            kept.append(item)
    return sorted(kept, key=lambda found: found.hit.start)


def _over(text: Text, detail: str, count: int) -> Gap:
    return Gap(
        stage=Stage.CONTENTS,
        reason=Reason.TOO_LARGE,
        place=str(text.place),
        detail=detail,
        count=count,
    )


def _crashed(text: Text, rule: str, error: Exception) -> Gap:
    return Gap(
        stage=Stage.CONTENTS,
        reason=Reason.CRASHED,
        place=str(text.place),
        detail=f"{rule}: {type(error).__name__}",  # its message may quote a value
    )
