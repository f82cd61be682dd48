"""SMB, what its three generations share: frames, refusals, folder entries ([MS-SMB2], [MS-CIFS]).

Only reads are spoken. No key is ever made: an anonymous session has none to sign or encrypt with.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

MAX_FRAME: Final = 196_608
MAX_PAGES: Final = 2_000  # of one folder
MAX_NAME: Final = 1024  # units of UTF-16 in a path
MAX_SIZE: Final = 2**63 - 1  # bytes: the field is a signed one
CHUNK: Final = 65_536
_KEEP_ALIVE: Final = 0x85
_MAX_KEEP_ALIVES: Final = 16
_FOLDER: Final = 0x10  # FILE_ATTRIBUTE_DIRECTORY
_REPARSE: Final = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)

OK: Final = 0
OVERFLOW: Final = 0x8000_0005
NO_MORE: Final = 0x8000_0006
MORE_PROCESSING: Final = 0xC000_0016
NO_SUCH_FILE: Final = 0xC000_000F
END_OF_FILE: Final = 0xC000_0011
PENDING: Final = 0x0000_0103
NOT_COVERED: Final = 0xC000_0257
BAD_NAME: Final = 0xC000_00CC
# [MS-ERREF] 2.3.1: the refusals that a login could turn
_ASKS: Final = {
    0xC000_0022: "ACCESS_DENIED",
    0xC000_006D: "LOGON_FAILURE",
    0xC000_006E: "ACCOUNT_RESTRICTION",
    0xC000_0072: "ACCOUNT_DISABLED",
    0xC000_00CA: "NETWORK_ACCESS_DENIED",
    0xC000_015B: "LOGON_TYPE_NOT_GRANTED",
    0xC000_0203: "USER_SESSION_DELETED",
    0xC000_0418: "NTLM_BLOCKED",
    # the words of servers before Windows NT ([MS-CIFS] 2.2.2.4)
    0x0005_0001: "ERRDOS ERRnoaccess",
    0x0002_0002: "ERRSRV ERRbadpw",
    0x0004_0002: "ERRSRV ERRaccess",
}
_OTHER: Final = {
    0xC000_000D: "INVALID_PARAMETER",
    0xC000_0034: "OBJECT_NAME_NOT_FOUND",
    0xC000_00BB: "NOT_SUPPORTED",
    0xC000_00BA: "FILE_IS_A_DIRECTORY",
    BAD_NAME: "BAD_NETWORK_NAME",
    NOT_COVERED: "PATH_NOT_COVERED",
}


class NotSmb(ProtocolError):
    """The peer speaks something else."""


class Refusal(ProtocolError):
    """SMB's own word for no; `asks` where a login could turn it."""

    def __init__(self, status: int, what: str) -> None:
        """`what` was asked for, in our own words."""
        word = {**_ASKS, **_OTHER}.get(status) or f"status 0x{status:08x}"
        super().__init__(f"{what}: {word}")
        self.status = status
        self.asks = status in _ASKS


@dataclass(frozen=True, slots=True)
class Entry:
    """One child of a folder; the name may be hostile, but leads nowhere else."""

    name: str
    folder: bool
    size: int
    time: datetime | None
    leads: bool = False  # a reparse point: a link, or a branch of DFS


@dataclass(frozen=True, slots=True)
class Volume:
    """Bytes of the file system behind a share, in all and free."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A connected share. `dfs`: it may point to other servers, where nobody goes."""

    number: int
    dfs: bool = False


class Session(Protocol):
    """An anonymous session, whatever the generation; each call raises Refusal, ProtocolError."""

    dialect: str
    signing: bool  # the server wants messages signed

    async def login(self) -> None:
        """Begin the null session."""

    async def tree(self, share: str) -> Tree:
        """Connect to a share."""

    async def leave(self, tree: Tree) -> None:
        """Leave it."""

    async def call(self, tree: Tree) -> bytes:
        """The stub that answers NetrShareEnum on the pipe srvsvc of IPC$."""

    def entries(self, tree: Tree, folder: str) -> AsyncIterator[Page]:
        """A folder, page by page."""

    async def read(self, tree: Tree, path: str, limit: int) -> tuple[bytes, bool]:
        """The beginning of a file, and whether that is all of it."""

    async def volume(self, tree: Tree) -> Volume:
        """How large the file system behind a share is."""


Page = tuple[list[Entry], int]  # entries, and how many had a name that no path can hold


async def send(connection: Connection, message: bytes) -> None:
    """One message in its frame ([MS-SMB2] 2.1)."""
    await connection.write(struct.pack(">I", len(message)) + message)


async def receive(connection: Connection) -> bytes:
    """The next message; raises NotSmb where there is no frame of SMB."""
    for _ in range(_MAX_KEEP_ALIVES):
        head = await connection.read_exactly(4)
        size = int.from_bytes(head[1:], "big")
        if head[0] == _KEEP_ALIVE and not size:
            continue
        if head[0] or size < 32:
            raise NotSmb("no frame of SMB")
        if size > MAX_FRAME:
            raise ProtocolError(f"a frame of {size} bytes where {MAX_FRAME} are the limit")
        return await connection.read_exactly(size)
    raise ProtocolError("nothing but keep-alives")


def part(message: bytes, offset: int, size: int) -> bytes:
    """A piece of a message that the message itself points to; raises ProtocolError outside."""
    if offset < 0 or size < 0 or offset + size > len(message):
        raise ProtocolError("an offset that leads beyond its message")
    return message[offset : offset + size]


def fields(layout: str, message: bytes, offset: int) -> tuple[int, ...]:
    """Numbers at a place of a message; raises ProtocolError where it is too short."""
    return struct.unpack(layout, part(message, offset, struct.calcsize(layout)))


def parse_entries(data: bytes) -> Page:
    """A page of FileDirectoryInformation ([MS-FSCC] 2.4.10), which all generations can give.

    "." and ".." are left out; names with a separator in them are counted and left out.
    """
    found: list[Entry] = []
    odd = 0
    at = 0
    while at < len(data):
        following, _, _, _, written, _, size, _, attributes, length = fields(
            "<IIQQQQQQII", data, at
        )
        raw = part(data, at + 64, length)
        if size > MAX_SIZE:
            raise ProtocolError("a file larger than any can be")
        name = _name(raw)
        if name is None:
            odd += 1
        elif name not in (".", ".."):
            folder, leads = bool(attributes & _FOLDER), bool(attributes & _REPARSE)
            found.append(Entry(name, folder, size, filetime(written), leads))
        if not following:
            break
        if following < 64:
            raise ProtocolError("a folder entry that overlaps the next one")
        at += following
    return found, odd


def _name(raw: bytes) -> str | None:
    """A name that is one step of a path, else None."""
    try:
        name = raw.decode("utf-16-le")
    except UnicodeDecodeError:
        return None
    return None if not name or set(name) & set("/\\\0") else name


def filetime(ticks: int) -> datetime | None:
    """A time in units of 100 ns since 1601 ([MS-DTYP] 2.3.3); None where it is none."""
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
    except OverflowError:
        return None


def utf16(text: str) -> bytes:
    """Text as SMB has it; raises ProtocolError for what cannot be said."""
    try:
        raw = text.encode("utf-16-le")
    except UnicodeEncodeError:
        raise ProtocolError("a name that no request can hold") from None
    if "\0" in text or len(raw) > 2 * MAX_NAME:
        raise ProtocolError("a name that no request can hold")
    return raw
