"""AFP (Apple file shares, Netatalk): names of volumes to a guest.

FPGetSrvrInfo answers before any login: server name, versions, and the ways to log in. Where "No
User Authent" is among them a guest's session is opened and the volumes are named; no volume is
opened. Apple Filing Protocol Reference; DSI as in its "Data Stream Interface".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Size
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import exactly, never

MAX_ANSWER: Final = 65_536
MAX_NAMES: Final = 64
_GUEST: Final = "No User Authent"
_VERSIONS: Final = ("AFP3.4", "AFP3.3", "AFP3.2", "AFP3.1", "AFPX03", "AFP2.2")
_CLOSE, _COMMAND, _STATUS, _OPEN, _TICKLE, _ATTENTION = 1, 2, 3, 4, 5, 8
_REFUSALS: Final = (-5000, -5002, -5023)  # access denied, another UAM, not authenticated


def _frame(command: int, number: int, data: bytes = b"") -> bytes:
    return struct.pack(">BBHiII", 0, command, number, 0, len(data), 0) + data


def _login(version: str) -> bytes:
    words = (version.encode(), _GUEST.encode())
    return _frame(_COMMAND, 2, b"\x12" + b"".join(bytes([len(w)]) + w for w in words))


STATUS: Final = _frame(_STATUS, 0)
OPEN: Final = _frame(_OPEN, 1)
LOGIN: Final = {version: _login(version) for version in _VERSIONS}
VOLUMES: Final = _frame(_COMMAND, 3, b"\x10\0")  # FPGetSrvrParms
LOGOUT: Final = _frame(_COMMAND, 4, b"\x14\0")
CLOSE: Final = _frame(_CLOSE, 5)


@dataclass(frozen=True, slots=True)
class Info:
    """What a server says before a login."""

    name: str
    machine: str
    versions: tuple[str, ...]
    ways: tuple[str, ...]


def info_of(data: bytes) -> Info:
    """The answer to FPGetSrvrInfo; raises ProtocolError."""
    if len(data) < 11:
        raise ProtocolError("an answer to GetStatus that ends too early")
    machine, versions, ways = struct.unpack_from(">HHH", data)
    return Info(
        _pascal(data, 10)[0], _pascal(data, machine)[0], _list(data, versions), _list(data, ways)
    )


def _pascal(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where it ends."""
    end = at + 1 + (data[at] if at < len(data) else MAX_ANSWER)
    if end > len(data):
        raise ProtocolError("a text that lies outside of the answer")
    return data[at + 1 : end].decode("utf-8", "replace"), end


def _list(data: bytes, at: int) -> tuple[str, ...]:
    if at >= len(data):
        raise ProtocolError("a list that lies outside of the answer")
    found, end = list[str](), at + 1
    for _ in range(min(data[at], MAX_NAMES)):
        text, end = _pascal(data, end)
        found.append(text)
    return tuple(found)


def volumes_of(data: bytes) -> tuple[str, ...]:
    """Names of the answer to FPGetSrvrParms; raises ProtocolError."""
    if len(data) < 5:
        raise ProtocolError("an answer to GetSrvrParms that ends too early")
    found, end = list[str](), 5  # after the server's time and the count
    for _ in range(data[4]):
        name, end = _pascal(data, end + 1)  # after the flags of the volume
        found.append(name)
    return tuple(found)


async def _ask(connection: Connection, request: bytes) -> tuple[int, bytes]:
    """The result code and the data of the answer to one request; raises ProtocolError."""
    await connection.write(request)
    for _ in range(8):
        head = await connection.read_exactly(16)
        flags, command, number, code, size, _ = struct.unpack(">BBHiII", head)
        if flags > 1 or size > MAX_ANSWER:
            raise ProtocolError("not a frame of DSI")
        data = await connection.read_exactly(size)
        if flags == 1 and (command, number) == struct.unpack_from(">BH", request, 1):
            return code, data
        if command not in (_TICKLE, _ATTENTION):
            raise ProtocolError("an answer to another request")
    raise ProtocolError("no answer among the first 8 frames")


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(STATUS)
        head = await connection.read_exactly(16)
        if head[:4] != b"\x01\x03\0\0" or int.from_bytes(head[8:12], "big") > MAX_ANSWER:
            return None
        info = info_of(await connection.read_exactly(int.from_bytes(head[8:12], "big")))
    endpoint = context.target.endpoint
    command = f"nmap -Pn -p {endpoint.port} --script afp-serverinfo {endpoint.address}"
    said = f"{info.name}; {info.machine}; {', '.join(info.versions)}; {', '.join(info.ways)}"
    seen = context.evidence("DSIGetStatus", said.encode(), command)
    detail = f"says its name before a login; logins by {', '.join(info.ways)}"
    proof = Proof(
        Access.METADATA, safe(detail, 200), safe(info.machine, 60) or "AFP", evidence=(seen,)
    )
    version = next((v for v in _VERSIONS if v in info.versions), "")
    if _GUEST not in info.ways or not version:
        return proof
    return await _guest(context, proof, version)


async def _guest(context: Context, proof: Proof, version: str) -> Proof:
    """A session of the guest that the server offers, and the names of its volumes."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        steps = ((OPEN, "DSIOpenSession"), (LOGIN[version], "FPLogin"), (VOLUMES, "FPGetSrvrParms"))
        data = b""
        for request, what in steps:
            code, data = await _ask(connection, request)
            if code:
                access = Access.ASKS_CREDENTIAL if code in _REFUSALS else proof.access
                detail = f"a guest is offered a login and {what} answers {code}"
                return replace(proof, access=access, detail=detail)
        names = volumes_of(data)
        await connection.write(LOGOUT)
        await connection.write(CLOSE)
    shown = tuple(safe(name, 80) for name in names)
    listed = context.evidence("FPLogin as guest, FPGetSrvrParms", "\n".join(shown).encode())
    if not names:
        detail = "a guest is let in, and no volume is named"
        return replace(proof, detail=detail, evidence=(*proof.evidence, listed))
    return replace(
        proof,
        access=Access.LISTS,
        detail=f"{len(names)} volumes are named to a guest; none was opened",
        size=Size(objects=len(names), unit="volumes", basis="FPGetSrvrParms"),
        evidence=(*proof.evidence, listed),
        containers=shown[:20],
    )


AFP = Protocol(
    name="afp",
    ports=(548,),
    sends="DSIGetStatus; a guest's login and FPGetSrvrParms where the server offers that",
    allowed=exactly(STATUS, OPEN, *LOGIN.values(), VOLUMES, LOGOUT, CLOSE),
    prove=_prove,
    recognise=never,
    source="https://developer.apple.com/library/archive/documentation/Networking/Conceptual/AFP/",
)
