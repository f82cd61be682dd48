"""AMQP brokers (RabbitMQ, Qpid, ActiveMQ): what they say, and whether they take an anonymous one.

Connection.Start of 0-9-1 comes before any login and names product and version: metadata. The
mechanism ANONYMOUS is used only where it is offered; RabbitMQ 4 offers it and may refuse it all the
same (403). AMQP cannot name queues, and a message that is got is gone, so none is ever got.
"""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import amqp_wire as wire
from leftopen.reach.api import Context, Proof, Protocol

SILENCE: Final = 1.5
_LONGEST: Final = 4096  # of a frame of mechanisms
_ANONYMOUS: Final = "ANONYMOUS"


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(wire.HEADER_091)
        if not await connection.greeting(SILENCE, 8):
            return None
        first = await connection.read_exactly(7)
        if first[:4] == b"AMQP":
            other = first + await connection.read_exactly(1)
            return await _one_zero(context, other) if other in wire.HEADERS[1:] else None
        if first[:3] != b"\x01\0\0":
            return None
        start = wire.start_of(await wire.read_method(connection, first))
        said = ", ".join(start.mechanisms)
        shown = f"{start.text('product')} {start.text('version')}; mechanisms {said}"
        seen = context.evidence("AMQP 0-9-1 header", shown.encode(), _reproduce(context))
        if _ANONYMOUS not in start.mechanisms:
            known = start.text("product") or start.text("version")
            access = Access.METADATA if known else Access.SPEAKS
            detail = f"says what it is before a login; logins by {safe(said, 120)}"
            return _proof(start, access, detail, seen)
        return await _anonymous(context, connection, start, seen)


def _proof(
    start: wire.Start, access: Access, detail: str, *evidence: Evidence, gaps: tuple[Gap, ...] = ()
) -> Proof:
    product, version = start.text("product"), start.text("version")
    return Proof(access, detail, product=product, version=version, evidence=evidence, gaps=gaps)


async def _anonymous(
    context: Context, connection: Connection, start: wire.Start, seen: Evidence
) -> Proof:
    """A session by the mechanism that the server offers to strangers, and one passive question."""
    steps = (
        ((wire.START_OK,), wire.TUNE),
        ((wire.TUNE_OK, wire.OPEN), wire.OPEN_OK),
        ((wire.CHANNEL,), wire.CHANNEL_OK),
        ((wire.DECLARE,), wire.DECLARE_OK),
    )
    request = "ANONYMOUS, open /, passive declare of amq.direct"
    for sent, wanted in steps:
        for data in sent:
            await connection.write(data)
        first = await connection.read_some(7)
        if not first and wanted == wire.TUNE:
            detail = "ANONYMOUS is offered, and the connection ends when it is used"
            return _proof(start, Access.ASKS_CREDENTIAL, detail, seen)
        answer = await wire.read_method(connection, first)
        if refusal := answer.refusal:
            refused = context.evidence(request, refusal.encode())
            detail = f"ANONYMOUS is offered and refused: {safe(refusal, 120)}"
            return _proof(start, Access.ASKS_CREDENTIAL, detail, seen, refused)
        if answer.number != wanted:
            raise ProtocolError(f"method {answer.number} where {wanted} is due")
    await connection.write(wire.CLOSE)
    opened = context.evidence(request, b"declare-ok")
    detail = "anybody gets a session by ANONYMOUS; no name of a queue is given, no message was got"
    gap = context.gap(Reason.UNSUPPORTED, "queues", "AMQP names no queue, and to get is to take")
    return _proof(start, Access.METADATA, detail, seen, opened, gaps=(gap,))


async def _one_zero(context: Context, header: bytes) -> Proof:
    """A server of another version: the mechanisms of 1.0, which come before any login."""
    seen = context.evidence("AMQP 0-9-1 header", header, _reproduce(context))
    version = f"{header[5]}.{header[6]}" if header[4] in (0, 3) else ""
    names: tuple[str, ...] = ()
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(wire.HEADER_SASL)
        if await connection.greeting(SILENCE, 8):
            answer = await connection.read_exactly(8)
            if answer == wire.HEADER_SASL:
                size = int.from_bytes(await connection.read_exactly(4), "big")
                if not 12 <= size <= _LONGEST:
                    raise ProtocolError(f"a frame of {size} bytes")
                names = wire.mechanisms_of(await connection.read_exactly(size - 4))
    said = safe(", ".join(names), 120)
    detail = f"AMQP {version or 'of another version'} is spoken; logins by {said or 'nothing said'}"
    gaps: tuple[Gap, ...] = ()
    if _ANONYMOUS in names:
        unread = "ANONYMOUS is offered; no session of AMQP 1.0 was opened"
        gaps = (context.gap(Reason.UNSUPPORTED, "AMQP 1.0", unread),)
    return Proof(Access.SPEAKS, detail, product="AMQP 1.0", evidence=(seen,), gaps=gaps)


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    return f"printf 'AMQP\\0\\0\\11\\1' | nc {endpoint.address} {endpoint.port}"


AMQP = Protocol(
    name="amqp",
    ports=(5672,),
    tls_ports=(5671,),
    sends="the header; ANONYMOUS, open and a passive declare where the server offers that",
    allowed=tuple(re.escape(data) + rb"\Z" for data in wire.SENT),
    prove=_prove,
    recognise=lambda said: said[:8] in wire.HEADERS,  # what it answers to a line of HTTP
    examples=(b"AMQP\0\0\x09\x01", b"AMQP\0\x01\0\0", b"AMQP\x03\x01\0\0"),
    counterexamples=(b"AMQP ready\r\n", b"AMQP", b"HTTP/1.1 400 AMQP\r\n"),
    source="https://www.rabbitmq.com/amqp-0-9-1-reference.html",
)
