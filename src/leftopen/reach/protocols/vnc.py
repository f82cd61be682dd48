"""VNC: a desktop without a password.

Proof: the security type None is taken and ServerInit names the desktop and its size. The screen
itself is never asked for, and no key or pointer event is sent. The same type inside TLS
(VeNCrypt's TLSNone) is seen and not entered.
"""

from __future__ import annotations

from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.reach import rfb_wire
from leftopen.reach.api import Context, Proof, Protocol

_NONE_INSIDE: Final = {1: "None", 257: "TLSNone", 260: "X509None"}
_UNSEEN: Final = {rfb_wire.TIGHT: "Tight", rfb_wire.TLS: "TLS"}  # they have types of their own


def _recognise(greeting: bytes) -> bool:
    return rfb_wire.spoken(greeting[:12]) is not None


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        hello = await connection.read_exactly(12)
        minor = rfb_wire.spoken(hello)
        if minor is None:
            return None
        await connection.write(b"RFB 003.00%d\n" % minor)
        types = await rfb_wire.security(connection, minor)
        if not types:
            return _turned_away(context, await rfb_wire.text(connection))
        if rfb_wire.NONE in types:
            desktop = await rfb_wire.enter(connection, minor)
            return _opened(context, types, desktop)
        inside: tuple[int, ...] = ()
        if rfb_wire.VENCRYPT in types and minor >= 7:
            try:
                inside = await rfb_wire.vencrypt(connection)
            except BudgetSpent:
                raise
            except ProtocolError as e:
                context.gaps.append(context.gap(Reason.MISBEHAVED, "VeNCrypt", str(e)))
                return _unsettled(context, types, "the types inside VeNCrypt are not told")
    return _closed(context, types, inside)


def _evidence_of(types: tuple[int, ...]) -> bytes:
    return b"security types " + b" ".join(b"%d" % kind for kind in types)


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    return f"nmap -p {endpoint.port} --script vnc-info {endpoint.address}"


def _turned_away(context: Context, reason: bytes) -> Proof:
    said = safe(reason, 120)
    gap = context.gap(Reason.REFUSED, "", f"no security type is offered: {said}")
    evidence = context.evidence("(RFB handshake)", reason, _reproduce(context))
    detail = f"the connection is refused before a security type: {said}"
    return Proof(Access.UNDETERMINED, detail, evidence=(evidence,), gaps=(gap,))


def _opened(context: Context, types: tuple[int, ...], desktop: rfb_wire.Desktop) -> Proof:
    answer = _evidence_of(types) + b"\n" + desktop.name
    evidence = context.evidence("(RFB) type None, ClientInit shared", answer, _reproduce(context))
    name = safe(desktop.name, 80)
    size = f"{desktop.width} x {desktop.height}"
    return Proof(
        Access.LISTS,
        f"a desktop of {size} opens without a password; its screen was not asked for",
        evidence=(evidence,),
        containers=(name,) if name else (),
    )


def _closed(context: Context, types: tuple[int, ...], inside: tuple[int, ...]) -> Proof:
    evidence = context.evidence("(RFB handshake)", _evidence_of((*types, *inside)))
    for kind in inside:
        if kind in _NONE_INSIDE:
            detail = f"VeNCrypt offers {_NONE_INSIDE[kind]}, no password; it was not entered"
            gap = context.gap(Reason.UNSUPPORTED, "VeNCrypt", "RFB inside its TLS")
            return Proof(Access.METADATA, detail, evidence=(evidence,), gaps=(gap,))
    if hidden := [_UNSEEN[kind] for kind in types if kind in _UNSEEN]:
        return _unsettled(context, types, f"the types inside {hidden[0]} were not asked for")
    numbers = ", ".join(str(kind) for kind in types[:20])
    detail = f"it asks for a login: security types {numbers}, not None"
    return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(evidence,))


def _unsettled(context: Context, types: tuple[int, ...], why: str) -> Proof:
    """None may hide where we did not look: neither open nor closed."""
    evidence = context.evidence("(RFB handshake)", _evidence_of(types), _reproduce(context))
    gap = context.gap(Reason.UNSUPPORTED, "", why)
    detail = f"None is not offered openly; {why}"
    return Proof(Access.UNDETERMINED, detail, evidence=(evidence,), gaps=(gap,))


VNC = Protocol(
    name="vnc",
    ports=tuple(range(5900, 5910)),
    sends="an RFB version, the security type None and ClientInit (shared); VeNCrypt's version",
    allowed=rfb_wire.ALLOWED,
    prove=_prove,
    recognise=_recognise,
    examples=(b"RFB 003.008\n", b"RFB 003.889\n", b"RFB 005.000\n"),
    counterexamples=(b"RFB 3.8\n", b"SSH-2.0-x\r\n", b"RFB"),
    source="https://www.rfc-editor.org/rfc/rfc6143",
)
