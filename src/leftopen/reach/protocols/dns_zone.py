"""DNS zone transfer: all names of a zone at once, for anybody.

Proof: the zone comes back by AXFR, from its SOA to the same SOA, for a zone that the scope file
claims. A refusal (REFUSED, NOTAUTH) is said of a zone that is not there as well. The version of
the server is never asked for, and no other server that a zone names is ever contacted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import dns_wire
from leftopen.reach.api import Context, Proof, Protocol

MAX_RECORDS: Final = 100_000
MAX_BYTES: Final = 1_000_000  # of one transfer; the connection is closed then
MAX_CLAIMS: Final = 10  # each costs a connection
_NUMBER: Final = 0x4C4F  # of our queries: over TCP nobody can answer who does not see it


@dataclass(frozen=True, slots=True)
class Transfer:
    """What came of one zone: the code of a refusal, or how much was given."""

    rcode: int
    records: int
    size: int
    complete: bool
    first: bytes


async def _message(connection: Connection) -> bytes:
    (size,) = struct.unpack(">H", await connection.read_exactly(2))
    return await connection.read_exactly(size)


async def _serves(context: Context) -> bool:
    """Whether DNS is spoken: any answer to the question for the root's SOA."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(dns_wire.query(_NUMBER, b"\0", dns_wire.SOA))
        try:
            dns_wire.read(await _message(connection), _NUMBER)
        except BudgetSpent:
            raise
        except ProtocolError:
            return False
    return True


async def _transfer(context: Context, zone: bytes) -> Transfer:
    """Ask for one zone; raises ProtocolError where what comes is no transfer of it."""
    records, size, soas, first = 0, 0, 0, b""
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(dns_wire.query(_NUMBER, zone, dns_wire.AXFR))
        while soas < 2:
            said = await _message(connection)
            found = dns_wire.read(said, _NUMBER)
            if found.rcode:
                return Transfer(found.rcode, 0, len(said), complete=True, first=said)
            if not found.records:
                if records:
                    raise ProtocolError("a zone transfer that ends before its second SOA")
                return Transfer(0, 0, len(said), complete=True, first=said)
            if not records and found.records[0] != dns_wire.Record(zone, dns_wire.SOA):
                raise ProtocolError("a zone transfer that does not begin with the zone's SOA")
            first, size = first or said, size + len(said)
            records += len(found.records)
            soas += sum(1 for r in found.records if r == dns_wire.Record(zone, dns_wire.SOA))
            if soas < 2 and (records >= MAX_RECORDS or size >= MAX_BYTES):
                return Transfer(0, records, size, complete=False, first=first)
    return Transfer(0, records - 1, size, complete=True, first=first)  # the SOA comes twice


async def _prove(context: Context) -> Proof | None:
    if not await _serves(context):
        return None
    claimed = [(name, dns_wire.encoded(name)) for name in context.claims.dns_zones]
    zones = [(name, zone) for name, zone in claimed if zone is not None and zone != b"\0"]
    if left := len(claimed) - len(zones[:MAX_CLAIMS]):
        detail = f"claimed zones beyond {MAX_CLAIMS}, or with a name that cannot be one"
        context.gaps.append(context.gap(Reason.BUDGET, "", detail, count=left))
    if not zones:
        gap = context.gap(Reason.NOT_GIVEN, "", "no zone is claimed in the scope file")
        seen = context.evidence("SOA of the root", b"(an answer)", _reproduce(context, ". SOA"))
        detail = "DNS answers; without a claimed zone no transfer can be asked for"
        return Proof(Access.SPEAKS, detail, evidence=(seen,), gaps=(gap,))
    return await _zones(context, zones[:MAX_CLAIMS])


async def _zones(context: Context, zones: list[tuple[str, bytes]]) -> Proof:
    evidence, given, shut = list[Evidence](), list[tuple[str, Transfer]](), list[str]()
    for name, zone in zones:
        try:
            found = await _transfer(context, zone)
        except BudgetSpent:
            raise
        except ProtocolError as e:  # the other zones count still
            context.gaps.append(context.gap(Reason.MISBEHAVED, name, str(e)))
            continue
        asked = _reproduce(context, f"{safe(name, 200)} AXFR")
        seen = found.first if found.records else dns_wire.rcode_name(found.rcode).encode()
        evidence.append(context.evidence(f"AXFR {name}", seen, asked, content=bool(found.records)))
        if found.records:
            given.append((name, found))
        else:
            why = dns_wire.rcode_name(found.rcode) if found.rcode else "an empty answer"
            shut.append(f"{safe(name, 60)}: {why}")
    refused = f"refused or not there: {', '.join(shut[:5])}"
    if given:
        return _given(given, f"; {refused}" if shut else "", tuple(evidence))
    if not shut:
        detail = "no transfer of a claimed zone could be understood"
        return Proof(Access.UNDETERMINED, detail, evidence=tuple(evidence))
    return Proof(Access.REFUSED_OR_ABSENT, f"transfers are {refused}", evidence=tuple(evidence))


def _given(
    given: list[tuple[str, Transfer]], refused: str, evidence: tuple[Evidence, ...]
) -> Proof:
    records = sum(transfer.records for _, transfer in given)
    return Proof(
        Access.GIVES_DATA,
        f"{records} records of {len(given)} zones are given to anybody by AXFR{refused}",
        size=Size(
            objects=records,
            bytes=sum(transfer.size for _, transfer in given),
            unit="records",
            basis="AXFR",
            complete=all(transfer.complete for _, transfer in given),
        ),
        evidence=evidence,
        containers=tuple(safe(name, 80) for name, _ in given[:20]),
    )


def _reproduce(context: Context, words: str) -> str:
    endpoint = context.target.endpoint
    return f"dig +tcp +norecurse @{endpoint.address} -p {endpoint.port} {words}"


DNS_ZONE = Protocol(
    name="dns_zone",
    ports=(53,),
    tls_ports=(853,),
    sends="over TCP: the SOA of the root, AXFR of the zones that the scope file claims",
    allowed=dns_wire.ALLOWED,
    prove=_prove,
    recognise=lambda said: False,  # it says nothing unasked: its ports are asked
    source="https://www.rfc-editor.org/rfc/rfc5936",
)
