"""One Visit for every client: who it is, what it did, what it got."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from leftopen.model.scope_file import Parties
from leftopen.model.time import Interval, union
from leftopen.model.trace import Behaviour, Party, PartyKind, VerdictWord, Visit
from leftopen.trace.api import Act
from leftopen.trace.logs import Log, Pair
from leftopen.trace.parties import attribute, combine
from leftopen.trace.reconcile import Account, account

BEHAVIOURS = (Behaviour.BULK, Behaviour.TOOK, Behaviour.LOOKED, Behaviour.TOUCHED)
WORDS = (
    VerdictWord.EXFILTRATED,
    VerdictWord.ACCESSED,
    VerdictWord.UNKNOWN,
    VerdictWord.CONTACTED,
    VerdictWord.NO_EVIDENCE,
)


def visits_of(
    seen: dict[str, Pair],
    logs: Sequence[Log],
    *,
    window: Interval,
    parties: Parties,
    self_addresses: Collection[str],
    self_since: datetime | None,
    stored_bytes: int | None,
) -> list[tuple[Visit, Account]]:
    """Outsiders first, then by what they did and how much they got."""
    flow_covers = union(i for log in logs if log.flow for i in log.coverage.covers)
    app_covers = union(i for log in logs if not log.flow for i in log.coverage.covers)
    made: list[tuple[Visit, Account]] = []
    for client, pair in seen.items():
        got = account(
            pair.app,
            pair.flow,
            flow_covers=flow_covers,
            app_covers=app_covers,
            stored_bytes=stored_bytes,
        )
        agents = pair.app.agents if pair.app else ()
        ours = (
            ()
            if self_since and _at(min(s.first for s in pair.sides)) < self_since
            else self_addresses
        )
        party = combine([attribute(client, a, parties, ours) for a in agents or ("",)])
        made.append((_visit(client, pair, got, party, window), got))
    return sorted(made, key=lambda item: _rank(*item))


def _rank(visit: Visit, got: Account) -> tuple[bool, int, int, int, str]:
    size = max(visit.bytes_out.low, visit.bytes_out.high or 0)
    graded = WORDS.index(got.word), BEHAVIOURS.index(visit.behaviour)
    return visit.party.kind.ours, *graded, -size, visit.client


def _visit(client: str, pair: Pair, got: Account, party: Party, window: Interval) -> Visit:
    app = pair.app
    named = app is not None and bool(app.count or app.act < Act.PART)
    marks = sorted({mark for side in pair.sides for mark in side.marks})
    return Visit(
        client=client,
        party=party,
        behaviour=got.behaviour,
        first=max(window.start, _at(min(side.first for side in pair.sides))),
        last=min(window.end, _at(max(side.last for side in pair.sides))),
        requests=pair.sides[0].requests,
        objects=app.count if app and named else None,
        completed=sum(app.objects.values()) + app.units if app and named else None,
        object_ids=tuple(sorted(app.objects)) if app else (),
        bytes_out=got.bytes_out,
        evidence=tuple(mark.place for mark in dict.fromkeys((*marks[:1], *marks[-1:]))),
        agent=app.agents[0] if app and app.agents else "",
        note="; ".join(_notes(pair, got, party)),
    )


def _notes(pair: Pair, got: Account, party: Party) -> list[str]:
    notes = [got.note] if got.note else []
    if party.kind is PartyKind.CLAIMED_CRAWLER:
        notes.append(f"says it is {party.name}: {party.basis}")
    if pair.app and pair.app.user:
        notes.append("came in with a login")
    if any(side.cut for side in pair.sides):
        notes.append("seen outside the window too; what lies on its edge is counted in")
    if pair.app and pair.app.overflow:
        notes.append(f"up to {pair.app.overflow} more objects, too many to tell apart")
    if pair.app is None:
        notes.append("in the flow record only")
    return notes


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
