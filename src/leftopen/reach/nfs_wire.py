"""Sun RPC over TCP (RFC 5531) and what both versions of NFS share.

A call is one record with a mark in front (section 11). The credential is AUTH_NONE, or AUTH_SYS as
nobody (65534): another user's number would be an impersonation, so no other can be built here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection
from leftopen.reach import xdr

PORTMAP, NFS, MOUNT = 100000, 100003, 100005
NOBODY: Final = 65534
AUTH_NONE: Final = xdr.uints(0, 0)
# RFC 5531 appendix A: stamp, machine name, uid, gid, no further groups.
AUTH_SYS: Final = xdr.uints(1) + xdr.opaque(
    xdr.uints(0) + xdr.opaque(b"leftopen") + xdr.uints(NOBODY, NOBODY, 0)
)
CREDENTIALS: Final = (("AUTH_NONE", AUTH_NONE), ("AUTH_SYS as nobody", AUTH_SYS))
VERIFIER: Final = xdr.uints(0, 0)
FILE, FOLDER = 1, 2  # NF3REG and NF4REG, NF3DIR and NF4DIR
MAX_REPLY: Final = 1 << 20
MAX_FRAGMENTS: Final = 64
MAX_NAME: Final = 255
READ_SIZE: Final = 65_536  # bytes that one READ asks for at most
LIST_SIZE: Final = 65_536  # bytes of one page of a folder
WRONGSEC: Final = 10016  # NFS4ERR_WRONGSEC: another security flavour is wanted
NEWER_ONLY: Final = 10021  # NFS4ERR_MINOR_VERS_MISMATCH: 4.1 and later, which want a session
DENIED: Final = (1, 13)  # PERM, ACCES: the same numbers in MOUNT 3, NFS 3 and NFS 4
REFUSALS: Final = (*DENIED, 2, 20, WRONGSEC)  # with NOENT and NOTDIR
_WORDS: Final = {
    1: "PERM",
    2: "NOENT",
    5: "IO",
    13: "ACCES",
    20: "NOTDIR",
    70: "STALE",
    10006: "SERVERFAULT",
    10008: "DELAY",
    10013: "GRACE",
    WRONGSEC: "WRONGSEC",
    NEWER_ONLY: "MINOR_VERS_MISMATCH",
}
_MIN_TIME, _MAX_TIME = -62_135_596_800, 253_402_300_799  # the years 1 and 9999


class Status(ProtocolError):
    """An honest answer that is not OK: a refusal, an absence, or trouble of the server's."""

    def __init__(self, code: int) -> None:
        """`code` is the status of MOUNT, NFS 3 or NFS 4, which share their numbers."""
        super().__init__(f"status {_WORDS.get(code, code)}")
        self.code = code


class Unavailable(ProtocolError):
    """The program (PROG_UNAVAIL) or this version of it (PROG_MISMATCH) is not served."""

    def __init__(self, low: int = 0, high: int = 0) -> None:
        """The versions that are served, 0 and 0 when the program is not there at all."""
        super().__init__(f"versions {low} to {high} are served" if high else "no such program")
        self.low, self.high = low, high


class NotRpc(ProtocolError):
    """What came is no answer to an RPC call."""


class Rpc:
    """Calls over one connection with one credential."""

    def __init__(self, connection: Connection, credential: bytes) -> None:
        """`credential` is AUTH_NONE or AUTH_SYS."""
        self._connection = connection
        self._credential = credential
        self._xid = 0x4C4F0000

    async def call(
        self, program: int, version: int, procedure: int, body: bytes = b""
    ) -> xdr.Reader:
        """One call; what follows the accepted reply's header.

        Raises:
            Unavailable: the program or version is not served.
            Status: WRONGSEC, when the credential's flavour was denied.
            NotRpc: the answer is no reply to this call.
        """
        self._xid += 1
        head = xdr.uints(self._xid, 0, 2, program, version, procedure)
        record = head + self._credential + VERIFIER + body
        await self._connection.write(xdr.uints(0x80000000 | len(record)) + record)
        return results_of(await self._record(), self._xid)

    async def _record(self) -> bytes:
        parts, size = [], 0
        for _ in range(MAX_FRAGMENTS):
            mark = int.from_bytes(await self._connection.read_exactly(4), "big")
            size += mark & 0x7FFFFFFF
            if size > MAX_REPLY:
                raise NotRpc(f"a reply of more than {MAX_REPLY} bytes")
            parts.append(await self._connection.read_exactly(mark & 0x7FFFFFFF))
            if mark >> 31:
                return b"".join(parts)
        raise NotRpc(f"a reply of more than {MAX_FRAGMENTS} fragments")


def results_of(record: bytes, xid: int) -> xdr.Reader:
    """The results of a reply (RFC 5531 section 9); raises what `Rpc.call` raises."""
    reader = xdr.Reader(record)
    if len(record) < 12 or (reader.uint(), reader.uint()) != (xid, 1):
        raise NotRpc("no reply to this call")
    if reader.flag():  # MSG_DENIED
        if reader.flag():  # AUTH_ERROR
            raise Status(WRONGSEC)
        raise ProtocolError("the server speaks another version of RPC")
    reader.uint()
    reader.opaque(400)  # the server's verifier
    status = reader.uint()
    if status == 1:
        raise Unavailable
    if status == 2:
        raise Unavailable(reader.uint(), reader.uint())
    if status:
        raise ProtocolError(f"the call was not accepted: {status}")
    return reader


@dataclass(frozen=True, slots=True)
class Mapped:
    """One line of the portmapper's list (RFC 1833 section 3)."""

    program: int
    version: int
    transport: int  # 6 for TCP
    port: int


def mapped_of(reader: xdr.Reader) -> list[Mapped]:
    """The answer to PMAPPROC_DUMP."""
    found = []
    while reader.flag():
        found.append(Mapped(reader.uint(), reader.uint(), reader.uint(), reader.uint()))
    return [m for m in found if 0 < m.port < 65536]


@dataclass(frozen=True, slots=True)
class Node:
    """One name of a folder and what was said of it."""

    name: bytes
    kind: int = 0  # FILE, FOLDER, other kinds, 0 when it was not said
    size: int | None = None
    time: datetime | None = None
    handle: bytes = b""  # empty: to be looked up
    error: int = 0  # the status that stands for its attributes


@dataclass(frozen=True, slots=True)
class Root:
    """Where a walk begins: the root of NFS 4, a mounted export of NFS 3, or why it is not open."""

    path: bytes
    handle: bytes = b""
    error: Status | None = None


class Client(Protocol):
    """NFS 3 or NFS 4 with one credential: the reads that both have."""

    title: str  # for people: version and credential
    exports: list[bytes]  # named by the server itself, without a walk

    async def roots(self, claimed: tuple[str, ...]) -> list[Root]:
        """Where to begin: what the server names and what the owner claims."""

    def entries(self, handle: bytes) -> AsyncGenerator[Node, None]:
        """The names of a folder; raises Status."""

    async def lookup(self, handle: bytes, name: bytes) -> Node:
        """One name of a folder; raises Status."""

    async def read(self, handle: bytes, offset: int, size: int) -> tuple[bytes, bool]:
        """Bytes of a file and whether it ends there; raises Status."""

    async def used(self, handle: bytes) -> int | None:
        """Bytes in use on the file system of this handle, None when that is not said."""


def time_of(seconds: int, nanoseconds: int) -> datetime | None:
    """A time of NFS; None for one that no calendar holds."""
    if not _MIN_TIME <= seconds <= _MAX_TIME or nanoseconds >= 1_000_000_000:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)


def usable(name: bytes) -> bool:
    """Whether this can be the name of something in a folder."""
    return 0 < len(name) <= MAX_NAME and name not in (b".", b"..") and not {47, 0} & set(name)


def allowed(program: int, version: int, procedure: int, body: bytes = b"") -> bytes:
    """The regular expression of one call: its numbers and credentials exact, `body` a pattern."""
    numbers = re.escape(xdr.uints(0, 2, program, version, procedure))
    credentials = b"|".join(re.escape(credential) for _, credential in CREDENTIALS)
    rest = numbers + rb"(?:" + credentials + rb")" + re.escape(VERIFIER) + body
    return rb"\x80.{3}.{4}" + rest + rb"\Z"


ALLOWED: Final = (
    allowed(NFS, 4, 0),  # NULL
    allowed(NFS, 3, 0),
    allowed(PORTMAP, 2, 4),  # DUMP
)
