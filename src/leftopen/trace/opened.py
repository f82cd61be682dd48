"""What the logs say of the beginning: the first time that an outsider was given data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from leftopen.model.endpoint import Endpoint
from leftopen.model.scope_file import Parties
from leftopen.model.time import Bound
from leftopen.trace.api import Act
from leftopen.trace.digest import ClientDigest, SourceDigest, merge_clients
from leftopen.trace.logs import speaking
from leftopen.trace.parties import attribute, combine


def first_given(
    digests: Sequence[SourceDigest],
    *,
    endpoint: Endpoint,
    protocol: str,
    parties: Parties,
    self_addresses: Collection[str] = (),
    self_since: datetime | None = None,
    as_of: datetime,
) -> Bound | None:
    """The earliest instant at which an application log shows it open to an outsider.

    Open at the latest then: the end of the stretch in which the log first has an outsider without
    a login who was given names or data. None where no log shows one.
    """
    found: list[tuple[int, str, str]] = []
    for log in speaking(digests, endpoint, protocol, as_of)[0]:
        if log.flow or log.doubt:
            continue
        seconds = max(d.bin_seconds for d in log.files)
        for client in merge_clients(log.files).values():
            time = _served(client, seconds)
            earlier = self_since and client.first.time < self_since.timestamp()
            ours = () if earlier else self_addresses
            agents = client.agents or ("",)
            party = combine([attribute(client.client, a, parties, ours) for a in agents])
            if time is not None and not party.kind.ours:
                found.append((time, client.client, log.files[0].source.format))
    if not found:
        return None
    time, who, form = min(found)
    return Bound(
        time=datetime.fromtimestamp(time, UTC), basis=f"log ({form}): {who} was given data"
    )


def _served(client: ClientDigest, seconds: int) -> int | None:
    """When the client had certainly been given something, in seconds since 1970."""
    if client.user:
        return None
    starts = [b.at for b in client.bins if b.act >= Act.LISTED]
    return min(min(starts) + seconds - 1, client.last.time) if starts else None
