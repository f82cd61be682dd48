"""STOMP (ActiveMQ, RabbitMQ, Artemis): whether a session opens without a login.

STOMP cannot name queues, and to subscribe is to take: what CONNECTED says is all that is read.
https://stomp.github.io/stomp-specification-1.2.html
"""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import by_netcat, exactly, never

CONNECT: Final = b"CONNECT\naccept-version:1.0,1.1,1.2\nhost:localhost\nheart-beat:0,0\n\n\0"
DISCONNECT: Final = b"DISCONNECT\n\n\0"
FRAME_BYTES: Final = 16_384
_ASKS: Final = re.compile(
    rb"auth|credential|login|log in|password|passcode|user ?name|denied|refused", re.IGNORECASE
)
_HEADER: Final = re.compile(rb"([^:\r\n]{1,100}):([^\r\n]*)")
_SERVER: Final = re.compile(r"([A-Za-z][\w ]{0,40}?)(?:[/-](\d[\w.]{0,30}))?(?:[ (].*)?")


def frame_of(data: bytes) -> tuple[str, dict[str, str], bytes] | None:
    """Command, headers and body of a whole frame without its NUL; None where it is none."""
    head, end, body = data.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
    command, *lines = head.split(b"\n")
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            return None
        key, value = (part.decode("utf-8", "replace") for part in found.groups())
        headers.setdefault(key, value)  # the first one counts
    known = command in (b"CONNECTED", b"ERROR") and end
    return (command.decode("ascii"), headers, body) if known else None


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(CONNECT)
        try:
            data = await connection.read_until(b"\0", FRAME_BYTES)
        except ProtocolError:
            if not context.dialer.heard.startswith((b"CONNECTED\n", b"ERROR\n")):
                return None
            raise
        frame = frame_of(data[:-1])
        if frame is None:
            return None
        command, headers, body = frame
        if command == "CONNECTED":
            await connection.write(DISCONNECT)
    shown = context.evidence("CONNECT without login", data[:-1], by_netcat(context, "CONNECT"))
    named = _SERVER.fullmatch(headers.get("server", ""))
    product, version = (named.group(1), named.group(2) or "") if named else ("STOMP", "")
    if command == "CONNECTED":
        detail = "a session opens without a login; nothing was subscribed to"
        gap = context.gap(Reason.UNSUPPORTED, "queues", "STOMP names no queue, to read is to take")
        return Proof(Access.METADATA, detail, product, version, evidence=(shown,), gaps=(gap,))
    said = headers.get("message", "").encode() + b" " + body[:400]
    access = Access.ASKS_CREDENTIAL if _ASKS.search(said) else Access.UNDETERMINED
    detail = f"CONNECT is refused: {safe(said.decode('utf-8', 'replace'), 100)}"
    return Proof(access, detail, product, version, evidence=(shown,))


STOMP = Protocol(
    name="stomp",
    ports=(61613,),
    tls_ports=(61612, 61614),
    sends="CONNECT without login, DISCONNECT",
    allowed=exactly(CONNECT, DISCONNECT),
    prove=_prove,
    recognise=never,
    source="https://stomp.github.io/stomp-specification-1.2.html",
)
