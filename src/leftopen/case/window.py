"""When it was open: joins our own looks at an endpoint with what outside sensors saw of it.

An event is never one date. "Opened" lies between the last time it was known closed and the first
time it was known open, "closed" between the last time it was known open and the first time it was
known closed; each of the four bounds says what it rests on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import OPEN, SHUT, Access, Exposure, Observation
from leftopen.model.record import to_json
from leftopen.model.time import Between, Bound

T = TypeVar("T")
OWN_SENSOR = "leftopen"

Marks = Mapping[str, Sequence[Bound]]  # by "address:port" as `Endpoint` writes it without a name


def exposure_uid(endpoint: Endpoint, protocol: str) -> str:
    """The identity of an exposure over all runs: 16 hex digits of endpoint and protocol."""
    return hashlib.sha256(f"{endpoint.key} {protocol}".encode()).hexdigest()[:16]


def exposures_from(
    observations: Sequence[Observation],
    sightings: Sequence[Observation] = (),
    *,
    as_of: datetime,
    known_closed_before: Marks | None = None,
    known_closed_after: Marks | None = None,
    known_open: Marks | None = None,
) -> tuple[Exposure, ...]:
    """Every exposure that our own observations prove or outside sightings report.

    `observations` are our own, of this run and of earlier ones; `sightings` are imported. The
    marks say of an "address:port" that something else (a configuration's mtime, a deployment
    record) puts the opening after, or the closing before, an instant, or that a log shows it
    open. An observation that proves it closed is better than a mark and wins over it. Looks
    later than `as_of` bound nothing.
    """
    groups = _open_groups(observations)
    reported = [s for s in sightings if not any(same_service(e, s.endpoint) for e, _ in groups)]
    groups |= _open_groups(reported)
    made = []
    for endpoint, protocol in groups:
        looks = [o for o in observations if o.endpoint == endpoint and o.protocol in ("", protocol)]
        looks += [s for s in sightings if same_service(endpoint, s.endpoint)]
        place = str(Endpoint(address=endpoint.address, port=endpoint.port))
        after = (known_closed_before or {}).get(place, ())
        before = (known_closed_after or {}).get(place, ())
        open_ = (known_open or {}).get(place, ())
        found = _exposure(endpoint, protocol, _ordered(looks), as_of, after, before)
        made.append(replace(found, opened=_earlier(found.opened, open_)))
    return tuple(sorted(made, key=lambda e: (e.endpoint.key, e.protocol)))


def same_service(ours: Endpoint, seen: Endpoint) -> bool:
    """Whether an outside sensor saw this endpoint: same port, and same name or same address.

    Where both have a name, the names decide: one address can serve many. The protocol does not,
    since a sensor names it by its own lights.
    """
    if (ours.transport, ours.port) != (seen.transport, seen.port):
        return False
    if ours.name and seen.name:
        return ours.name.lower().rstrip(".") == seen.name.lower().rstrip(".")
    return ours.address == seen.address


def _open_groups(looks: Iterable[Observation]) -> dict[tuple[Endpoint, str], None]:
    return {(o.endpoint, o.protocol): None for o in looks if o.access in OPEN}


def _ordered(looks: Iterable[Observation]) -> list[Observation]:
    """By time, each once."""
    return sorted(dict.fromkeys(looks), key=lambda o: (o.time, o.sensor, o.protocol, to_json(o)))


def _exposure(
    endpoint: Endpoint,
    protocol: str,
    looks: Sequence[Observation],
    as_of: datetime,
    after: Sequence[Bound],
    before: Sequence[Bound],
) -> Exposure:
    proofs = [o for o in looks if o.access in OPEN]
    own = [o for o in proofs if o.sensor == OWN_SENSOR and o.protocol == protocol]
    said = own or proofs
    past = [o for o in looks if o.time <= as_of]
    return Exposure(
        uid=exposure_uid(endpoint, protocol),
        endpoint=endpoint,
        protocol=protocol,
        access=Access.GIVES_DATA if any(o.access is OPEN[0] for o in said) else Access.LISTS,
        product=_last(o.product for o in said) or "",
        version=_last(o.version for o in said) or "",
        size=_last(o.size for o in said),
        opened=_opened(past, after),
        closed=_closed(past, before),
        observations=tuple(looks),
    )


def _last(values: Iterable[T]) -> T | None:
    """The last value that says something."""
    return next((v for v in reversed(list(values)) if v), None)


def _shut(look: Observation) -> bool:
    """Whether a look bounds the time in which it was open.

    A port that was closed to an outside sensor may have been open to others: nobody knows from
    where that scan was made.
    """
    elsewhere = look.access is Access.CLOSED and look.sensor != OWN_SENSOR
    return look.access in SHUT and not elsewhere


def _opened(past: Sequence[Observation], marks: Sequence[Bound]) -> Between:
    proof = next((o for o in past if o.access in OPEN), None)
    if proof is None:
        return Between()
    shut = [_bound(o) for o in past if _shut(o) and o.time < proof.time]
    known = shut or sorted((m for m in marks if m.time <= proof.time), key=lambda m: m.time)
    after = known[-1] if known else None
    # A sensor that only saw the service answer proves nothing, but with nothing better it is the
    # earliest sign of being open, and the window must be the widest possible.
    spoke = (Access.SPEAKS, Access.METADATA)
    hints = (o for o in past if o.access in spoke and o.sensor != OWN_SENSOR)
    signs = (o for o in hints if o.time < proof.time and (after is None or o.time > after.time))
    return Between(after=after, before=_bound(next(signs, proof)))


def _earlier(opened: Between, marks: Sequence[Bound]) -> Between:
    """The same with an earlier sign of being open, where one lies after it was last closed."""
    if opened.before is None:
        return opened
    limit, after = opened.before.time, opened.after
    signs = [m for m in marks if m.time < limit and (after is None or m.time > after.time)]
    return replace(opened, before=min(signs, key=lambda m: m.time)) if signs else opened


def _closed(past: Sequence[Observation], marks: Sequence[Bound]) -> Between:
    proof = _last(o if o.access in OPEN else None for o in past)
    if proof is None:
        return Between()
    shut = [_bound(o) for o in past if _shut(o) and o.time > proof.time]
    known = shut or sorted((m for m in marks if m.time >= proof.time), key=lambda m: m.time)
    return Between(after=_bound(proof), before=known[0] if known else None)


def _bound(look: Observation) -> Bound:
    return Bound(time=look.time, basis=basis(look))


def basis(look: Observation) -> str:
    """What a bound rests on when it rests on this look."""
    who = "own probe" if look.sensor == OWN_SENSOR else f"{look.sensor}, not proved by us"
    from_where = f" from {look.vantage}" if look.vantage else ""
    said = {
        Access.GIVES_DATA: "it gave data",
        Access.LISTS: "it listed names",
        Access.SPEAKS: "the service answered; whether it gave data then is not known",
        Access.METADATA: "it told version or counts; whether it gave data then is not known",
        Access.CLOSED: "the port was closed",
        Access.ASKS_CREDENTIAL: "it asked for a credential",
        Access.REFUSED_OR_ABSENT: "what was asked for was refused or is not there",
    }.get(look.access, look.access.value)
    return f"{who}{from_where}: {said}"
