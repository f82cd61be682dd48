"""iSCSI: the names of targets that a discovery session gives without a login; no block is read.

A discovery session with AuthMethod=None asks SendTargets=All and logs out again. Names prove that
anybody may list them, not that a target opens: one that asks for CHAP is listed all the same.
Portals that the answer names are not followed. RFC 7143.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Proof, Protocol

NAME: Final = "iqn.2023-02.org.leftopen:probe"
MAX_DATA: Final = 65_536  # of one answer
MAX_PARTS: Final = 32  # answers to one SendTargets
_LOGIN, _TEXT, _LOGOUT = 0x43, 0x44, 0x46  # immediate delivery
_LOGGED_IN, _TEXT_ANSWER = 0x23, 0x24
_ISID: Final = b"\x80\0\0\0\0\0"  # 11.12.5: random, none of it
_NO_TAG: Final = b"\xff\xff\xff\xff"
_SECURITY, _OPERATION, _FULL = 0, 1, 3  # stages of a login (11.12.3)
FIRST: Final = f"InitiatorName={NAME}\0SessionType=Discovery\0AuthMethod=None\0".encode()
SECOND: Final = b"HeaderDigest=None\0DataDigest=None\0"
ALL: Final = b"SendTargets=All\0"


@dataclass(frozen=True, slots=True)
class Pdu:
    """One answer: its basic header segment of 48 bytes and its data."""

    head: bytes
    data: bytes

    @property
    def kind(self) -> int:
        """The opcode."""
        return self.head[0] & 0x3F

    @property
    def next_stage(self) -> int | None:
        """The stage that a login goes on to, None while it stays where it is."""
        return self.head[1] & 3 if self.head[1] & 0x80 else None

    @property
    def status(self) -> tuple[int, int]:
        """Class and detail of a login (11.13.5)."""
        return self.head[36], self.head[37]


@dataclass(slots=True)
class Targets:
    """What SendTargets named."""

    names: list[str] = field(default_factory=list)
    portals: list[str] = field(default_factory=list)


def login(stage: int, following: int, keys: bytes, status_number: int = 0) -> bytes:
    """A login request that asks to go from one stage on to another (11.12)."""
    head = struct.pack(">BBBB", _LOGIN, 0x80 | stage << 2 | following, 0, 0)
    head += struct.pack(">I", len(keys)) + _ISID + bytes(2) + struct.pack(">I", 1)
    head += bytes(4) + struct.pack(">II", 1, status_number) + bytes(16)
    return head + keys + bytes(-len(keys) % 4)


def text(keys: bytes, tag: bytes, status_number: int) -> bytes:
    """A text request (11.10); `tag` is the target's transfer tag when an answer goes on."""
    head = struct.pack(">BBHI", _TEXT, 0x80, 0, len(keys)) + bytes(8)
    head += struct.pack(">I", 2) + tag + struct.pack(">II", 1, status_number) + bytes(16)
    return head + keys + bytes(-len(keys) % 4)


def logout(status_number: int) -> bytes:
    """A logout request that closes the session (11.14)."""
    head = struct.pack(">BBHI", _LOGOUT, 0x80, 0, 0) + bytes(8)
    return head + struct.pack(">IIII", 3, 0, 1, status_number) + bytes(16)


def keys_of(data: bytes) -> list[tuple[str, str]]:
    """Keys and values of a text (6.1), in their order; raises ProtocolError for anything else."""
    found = []
    for part in data.split(b"\0"):
        key, equals, value = part.partition(b"=")
        if part and (not equals or not re.fullmatch(rb"[A-Za-z0-9.+@_-]{1,63}", key)):
            raise ProtocolError("a text that is no list of keys and values")
        if part:
            found.append((key.decode(), value.decode("utf-8", "replace")))
    return found


def targets_of(data: bytes) -> Targets:
    """The targets in an answer to SendTargets, each name once (RFC 7143 appendix C)."""
    found: dict[str, None] = {}
    portals = []
    for key, value in keys_of(data):
        if key == "TargetName":
            found[value] = None
        elif key == "TargetAddress":
            portals.append(value)
    return Targets(list(found), portals)


async def _answer(connection: Connection) -> Pdu:
    head = await connection.read_exactly(48)
    size = int.from_bytes(head[5:8], "big")
    if size > MAX_DATA:
        raise ProtocolError(f"an answer of {size} bytes")
    extra = 4 * head[4]
    data = await connection.read_exactly(extra + size + -size % 4)
    return Pdu(head, data[extra : extra + size])


def _number(answer: Pdu) -> int:
    """The ExpStatSN that acknowledges this answer."""
    return int.from_bytes(answer.head[24:28], "big") + 1 & 0xFFFFFFFF


async def _login(connection: Connection) -> Pdu | None:
    """Log in for discovery: the last answer, None when it is no iSCSI at all."""
    await connection.write(login(_SECURITY, _OPERATION, FIRST))
    try:
        answer = await _answer(connection)
    except BudgetSpent:
        raise
    except ProtocolError:
        return None
    if answer.kind != _LOGGED_IN or answer.head[16:20] != b"\0\0\0\1":
        return None
    if answer.status[0] or answer.next_stage != _OPERATION:
        return answer
    await connection.write(login(_OPERATION, _FULL, SECOND, _number(answer)))
    answer = await _answer(connection)
    if answer.kind != _LOGGED_IN:
        raise ProtocolError("a login that was answered with something else")
    return answer


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        answer = await _login(connection)
        if answer is None:
            return None
        if answer.status[0] or answer.next_stage != _FULL:
            return _refused(context, answer)
        data, last = await _send_targets(connection, _number(answer))
        await connection.write(logout(_number(last)))
    return _listed(context, data)


async def _send_targets(connection: Connection, status_number: int) -> tuple[bytes, Pdu]:
    """All of the answer to SendTargets=All, and its last part."""
    data, keys, tag = b"", ALL, _NO_TAG
    for _ in range(MAX_PARTS):
        await connection.write(text(keys, tag, status_number))
        answer = await _answer(connection)
        if answer.kind != _TEXT_ANSWER:
            raise ProtocolError("SendTargets was answered with something else")
        data += answer.data
        if answer.head[1] & 0x80:
            return data, answer
        keys, tag, status_number = b"", answer.head[20:24], _number(answer)
    raise ProtocolError(f"an answer to SendTargets of more than {MAX_PARTS} parts")


def _refused(context: Context, answer: Pdu) -> Proof:
    """What a login that did not come through means."""
    kind, detail = answer.status
    said = context.evidence("login for discovery, AuthMethod=None", answer.head + answer.data)
    wanted = dict(keys_of(answer.data)).get("AuthMethod", "")
    gaps: tuple[Gap, ...] = ()
    if (kind, detail) == (2, 1) or (not kind and wanted not in ("", "None")):
        access, words = Access.ASKS_CREDENTIAL, "the discovery session asks for a login"
    elif kind == 2:
        access = Access.REFUSED_OR_ABSENT
        words = f"the discovery session was refused (status {kind:02x}{detail:02x})"
    else:
        access = Access.UNDETERMINED
        words = f"no discovery session (status {kind:02x}{detail:02x})"
        if kind == 1:
            words += ": the target moved; where to was not followed"
        reason = Reason.OUT_OF_SCOPE if kind == 1 else Reason.MISBEHAVED
        gaps = (context.gap(reason, "", words),)
    return Proof(access, words, product="iSCSI", evidence=(said,), gaps=gaps)


def _listed(context: Context, data: bytes) -> Proof:
    found = targets_of(data)
    endpoint = context.target.endpoint
    said = context.evidence(
        "SendTargets=All", data, f"iscsi-ls iscsi://{endpoint.address}:{endpoint.port}/"
    )
    if not found.names:
        detail = "a discovery session names no target to us; one kept for others looks absent"
        return Proof(Access.REFUSED_OR_ABSENT, detail, product="iSCSI", evidence=(said,))
    shown = ", ".join(safe(name, 80) for name in found.names[:5])
    detail = f"{len(found.names)} targets named without a login ({shown}); none was opened"
    if found.portals:
        detail += f"; {len(found.portals)} portals were named and not followed"
    return Proof(
        access=Access.LISTS,
        detail=detail,
        product="iSCSI",
        size=Size(objects=len(found.names), unit="targets", basis="SendTargets"),
        evidence=(said,),
        containers=tuple(safe(name, 80) for name in found.names[:20]),
    )


def _rule(request: bytes, *parts: tuple[int, int]) -> bytes:
    """The pattern of exactly this request, but for the bytes of these stretches (start, end)."""
    made, at = b"", 0
    for start, end in parts:
        made += re.escape(request[at:start]) + rb".{%d}" % (end - start)
        at = end
    return made + re.escape(request[at:]) + rb"\Z"


_STATUS: Final = (28, 32)  # where ExpStatSN stands
ISCSI = Protocol(
    name="iscsi",
    ports=(3260, 860),
    sends="a login for a discovery session with AuthMethod=None, SendTargets=All, a logout",
    allowed=(
        _rule(login(_SECURITY, _OPERATION, FIRST)),
        _rule(login(_OPERATION, _FULL, SECOND), _STATUS),
        _rule(text(ALL, _NO_TAG, 0), _STATUS),
        _rule(text(b"", _NO_TAG, 0), (20, 24), _STATUS),
        _rule(logout(0), _STATUS),
    ),
    prove=_prove,
    recognise=lambda _: False,  # it says nothing unasked: tried on its usual ports alone
    source="https://www.rfc-editor.org/rfc/rfc7143",
)
