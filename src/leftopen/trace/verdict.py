"""The words of the verdict: a grade, its reasons with their figures, and what is unseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leftopen.model.time import Interval, subtract
from leftopen.model.trace import Behaviour, Bytes, Coverage, PartyKind, Verdict, VerdictWord, Visit
from leftopen.trace.reconcile import SMALLEST, Account
from leftopen.trace.words import (
    amount,
    at_least,
    at_most,
    duration,
    listed,
    moment,
    number,
    percent,
)

ENOUGH = 0.95  # of the window: below this the answer is unknown
FASTEST = 125_000_000  # bytes a second, 1 Gbit/s: how fast one item can leave
CLIENTS_TOLD = 5
GRADES = (VerdictWord.EXFILTRATED, VerdictWord.ACCESSED, VerdictWord.UNKNOWN)
_DID = {
    Behaviour.BULK: "took in bulk",
    Behaviour.TOOK: "took",
    Behaviour.LOOKED: "looked",
    Behaviour.TOUCHED: "touched",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """What the verdict on the whole window rests on."""

    window: Interval
    window_note: str
    coverage: Coverage
    provable: float  # share covered by logs that show that they were running
    silence: float | None  # longest silence that such a log could not tell from quiet
    rejected: int  # records that could not be read, of files near the window
    lost: int  # places where such a file is destroyed
    hidden: int  # clients that were counted together
    doubts: tuple[str, ...]  # sentences on clocks
    layers: int  # independent layers that cover ENOUGH
    files: int
    item_bytes: int  # mean size of one stored item


def client_verdict(visit: Visit, got: Account, known: frozenset[str], doubt: bool) -> Verdict:
    """The grade of one outsider."""
    confidence = "low" if doubt else "high" if got.agree else "medium"
    if got.word is VerdictWord.UNKNOWN:
        confidence = "low"
    return Verdict(
        word=got.word,
        client=visit.client,
        confidence=confidence,
        reasons=tuple(_client_reasons(visit, got, known)),
        bytes_out=visit.bytes_out,
    )


def _client_reasons(visit: Visit, got: Account, known: frozenset[str]) -> Iterable[str]:
    yield sentence(visit)
    mine = len(known.intersection(visit.object_ids))
    if known and visit.object_ids:
        yield f"Of its objects, {mine:,} are among the {len(known):,} seen in the store."
    if got.word is VerdictWord.UNKNOWN:
        yield (
            f"No log says what this was: more than {amount(SMALLEST)} or uncounted bytes, "
            "and less than proves an object."
        )
    elif got.word is VerdictWord.ACCESSED and visit.behaviour in (Behaviour.TOOK, Behaviour.BULK):
        yield "The count of bytes is not tight: the log says what was sent, not what arrived."
    elif got.word is VerdictWord.CONTACTED:
        yield "No object and no listing was served to it."
    if visit.note:
        yield f"Note: {visit.note}."


def sentence(visit: Visit) -> str:
    """What one client did, with figures: a line that can be quoted."""
    who = visit.party.kind.value.replace("_", " ")
    who += f" {visit.party.name}" if visit.party.name else ""
    objects = "objects unknown" if visit.objects is None else number(visit.objects, "object")
    low, high = visit.bytes_out.low, visit.bytes_out.high
    most = "at most an unknown number of bytes" if high is None else at_most(high)
    return (
        f"{visit.client} ({who}) {_DID[visit.behaviour]}: {objects}, {at_least(low)} and "
        f"{most}, in {number(visit.requests, 'record')} from {moment(visit.first)} to "
        f"{moment(visit.last)} ({visit.bytes_out.basis})."
    )


def overall(ground: Ground, visits: Sequence[Visit], verdicts: Sequence[Verdict]) -> Verdict:
    """The grade of the whole window, from the outsiders and from what the logs can speak for."""
    refusals = list(_refusals(ground))
    words = {v.word for v in verdicts}
    word = next((grade for grade in GRADES if grade in words), None)
    if word is None:
        word = VerdictWord.CONTACTED if words else VerdictWord.NO_EVIDENCE
        if refusals:
            word = VerdictWord.UNKNOWN
    low = sum(v.bytes_out.low for v in verdicts if v.word in GRADES[:2])
    high = _high(ground.coverage, verdicts)
    reasons = [*_found(word, visits, verdicts), _speaks(ground), *ground.doubts]
    if word not in GRADES[:2]:
        reasons += refusals
    if ground.window_note:
        reasons.append(ground.window_note)
    basis = (
        "over all clients that are not the owner's: at least what those that got data got, at most "
        "all that was sent; what left in time that no log counts is not in the lower figure"
    )
    return Verdict(
        word=word,
        confidence=_confidence(word, ground, verdicts),
        reasons=tuple(reasons),
        bytes_out=Bytes(low=low, high=high, basis=basis),
        unseen=_unseen(ground),
    )


def _high(coverage: Coverage, verdicts: Sequence[Verdict]) -> int | None:
    """A ceiling exists only where every client and all of the window is counted."""
    highs = [v.bytes_out.high for v in verdicts]
    known = [h for h in highs if h is not None]
    return sum(known) if len(known) == len(highs) and coverage.bytes >= 1.0 else None


def _found(
    word: VerdictWord, visits: Sequence[Visit], verdicts: Sequence[Verdict]
) -> Iterable[str]:
    told = [visit for visit, v in zip(visits, verdicts, strict=True) if v.word == word]
    if word in GRADES and told:
        yield from (sentence(visit) for visit in told[:CLIENTS_TOLD])
        if len(told) > CLIENTS_TOLD:
            yield f"And {number(len(told) - CLIENTS_TOLD, 'more client')} of the same grade."
    contacted = [v for v, d in zip(visits, verdicts, strict=True) if d.word == "contacted"]
    if contacted:
        kinds = (PartyKind.SCANNER, PartyKind.CRAWLER)
        lists = sorted({v.party.basis for v in contacted if v.party.kind in kinds})
        yield (
            f"{number(len(contacted), 'outside client')} only touched or looked."
            + (f" Attributed by {'; '.join(lists[:CLIENTS_TOLD])}." if lists else "")
        )
    if not verdicts:
        yield "No record of a client other than the owner's own in the time that the logs cover."


def _speaks(ground: Ground) -> str:
    cover = ground.coverage
    if not ground.files:
        return "No log was given that speaks for this service."
    return (
        f"{number(ground.files, 'log file')} can speak for {percent(cover.any)} of the window of "
        f"{duration(ground.window.duration)}: {percent(cover.app)} by a log that names objects, "
        f"{percent(cover.bytes)} by one that counts bytes."
    )


def _refusals(ground: Ground) -> Iterable[str]:
    """Why "no evidence" (and "contacted only") cannot be said."""
    cover = ground.coverage
    if cover.any < ENOUGH:
        yield f"Less than {percent(ENOUGH)} of the window is covered by any log."
    need = max(1.0, ground.item_bytes / FASTEST)
    item = f"one item of {amount(ground.item_bytes)} needs less than {duration(need)} to leave"
    for what, holes in (
        ("covered by a log", cover.holes),
        ("covered by a log that counts bytes", subtract(ground.window, cover.bytes_intervals)),
    ):
        longest = max((h.duration.total_seconds() for h in holes), default=0.0)
        if longest >= need:
            yield f"A stretch of {duration(longest)} is not {what}; {item}."
    if ground.files and ground.provable < ENOUGH:
        silence = "any time" if ground.silence is None else duration(ground.silence)
        yield (
            f"The logs are too quiet to prove that they were running: an outage of up to {silence} "
            "could not be told from no visitors."
        )
    if ground.rejected:
        yield f"{number(ground.rejected, 'record')} could not be read and may be of any client."
    if ground.lost:
        yield f"The logs are destroyed in {number(ground.lost, 'place')}: what stood there is lost."
    if ground.hidden:
        yield f"{number(ground.hidden, 'client')} could not be told apart."
    if ground.doubts:
        yield "Without a trustworthy clock, what was in the window is not known."


def _confidence(word: VerdictWord, ground: Ground, verdicts: Sequence[Verdict]) -> str:
    if ground.doubts or word is VerdictWord.UNKNOWN:
        return "low"
    if word in GRADES:
        best = {v.confidence for v in verdicts if v.word == word}
        return next((c for c in ("high", "medium") if c in best), "low")
    return "high" if ground.layers > 1 else "medium"


def _unseen(ground: Ground) -> str:
    """What may have left without a trace, in hours and, where known, in bytes."""
    cover, window = ground.coverage, ground.window
    said = []
    if cover.holes:
        hours = sum(h.duration.total_seconds() for h in cover.holes) / 3600
        said.append(
            f"No log speaks for {hours:,.1f} hours ({listed(cover.holes)}); "
            "the bytes that left in them are unknown."
        )
    blank = tuple(
        part
        for item in cover.any_intervals
        for part in subtract(item, cover.bytes_intervals)
        if part.intersect(window)
    )
    if blank:
        hours = sum(h.duration.total_seconds() for h in blank) / 3600
        said.append(f"For {hours:,.1f} more hours ({listed(blank)}) no log counts bytes.")
    if ground.files and ground.provable < cover.any and ground.silence is not None:
        said.append(
            f"A silence of up to {duration(ground.silence)} in the quieter logs cannot be told "
            "from an outage."
        )
    return " ".join(said)
