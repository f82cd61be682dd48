"""ZooKeeper's client protocol as far as a reader needs it: a session, children, data, the end.

Jute: big-endian numbers, strings and buffers behind a length of four bytes, frames likewise.
https://github.com/apache/zookeeper/blob/master/zookeeper-jute/src/main/resources/zookeeper.jute
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.net.dialer import Connection, Silent

FRAME_BYTES: Final = 2_000_000  # jute.maxbuffer is 1 MiB
MAX_CHILDREN: Final = 100_000  # of one node
NO_NODE: Final = -101
NO_AUTH: Final = -102
REFUSED: Final = (NO_AUTH, -115, -124)  # NoAuth, AuthFailed, SessionClosedRequireSaslAuth
_DATA, _CHILDREN, _CLOSE = 4, 12, -11
_TIMEOUT_MS: Final = 10_000
_STAT: Final = struct.Struct(">qqqqiiiqiiq")
# A new session that changes no node; read-only, so that a server without its quorum answers too.
_CONNECT: Final = struct.pack(">iiqiqi16s?", 45, 0, 0, _TIMEOUT_MS, 0, 16, bytes(16), True)
_END: Final = struct.pack(">iii", 8, 0x7FFF_FFFF, _CLOSE)
ALLOWED: Final = (
    rb"srvr\Z",
    rb"\0\0\0\x2d\0{12}\0\0\x27\x10\0{8}\0\0\0\x10\0{16}\x01\Z",
    rb"\0\0.{6}\0\0\0[\x04\x0c]\0\0.{2}/[^\0]*\0\Z",  # no watch is left behind
    rb"\0\0\0\x08\x7f\xff\xff\xff\xff\xff\xff\xf5\Z",
)


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of a node."""

    changed: datetime | None
    bytes: int
    children: int


class NodeError(ProtocolError):
    """The server's error for one request; the session goes on."""

    def __init__(self, code: int) -> None:
        """`code` as in KeeperException."""
        super().__init__(f"KeeperException {code}")
        self.code = code


class NoSession(ProtocolError):
    """No session was given to a stranger."""


def reply_of(frame: bytes, xid: int) -> bytes:
    """The body of a reply to request `xid`; raises NodeError, ProtocolError."""
    if len(frame) < 16:
        raise ProtocolError("a reply without its header")
    answered, _, error = struct.unpack(">iqi", frame[:16])
    if error in REFUSED[1:]:
        raise NodeError(error)  # the session is over; its number may be any
    if answered != xid:
        raise ProtocolError("a reply to something that was not asked")
    if error:
        raise NodeError(error)
    return frame[16:]


def children_of(body: bytes) -> tuple[list[str], Stat]:
    """Names of the children and the node's own state; raises ProtocolError."""
    count, at = _int(body, 0), 4
    if not -1 <= count <= MAX_CHILDREN:
        raise ProtocolError(f"a node with {count} children")
    names = []
    for _ in range(max(0, count)):
        name, at = _buffer(body, at)
        if not name or b"/" in name or b"\0" in name or name in (b".", b".."):
            raise ProtocolError("a child whose name is no name")
        names.append(name.decode("utf-8", "surrogateescape"))
    return names, stat_of(body[at:])


def data_of(body: bytes) -> tuple[bytes, Stat]:
    """The data of a node and its state; raises ProtocolError."""
    data, at = _buffer(body, 0)
    return data, stat_of(body[at:])


def stat_of(body: bytes) -> Stat:
    """The state at the end of a reply; raises ProtocolError."""
    if len(body) != _STAT.size:
        raise ProtocolError("a reply without the state of its node")
    _, _, _, changed, _, _, _, _, size, children, _ = _STAT.unpack(body)
    time = datetime.fromtimestamp(changed / 1000, UTC) if 0 < changed < 10**14 else None
    return Stat(time, max(0, size), max(0, children))


def _int(body: bytes, at: int) -> int:
    if len(body) < at + 4:
        raise ProtocolError("a reply that ends early")
    return int(struct.unpack_from(">i", body, at)[0])


def _buffer(body: bytes, at: int) -> tuple[bytes, int]:
    size = max(0, _int(body, at))  # -1 is null
    end = at + 4 + size
    if end > len(body):
        raise ProtocolError("a reply that ends early")
    return body[at + 4 : end], end


class Session:
    """An open session: one request at a time."""

    def __init__(self, connection: Connection) -> None:
        """Made by `session`."""
        self._connection = connection
        self._xid = 0

    async def children(self, path: str) -> tuple[list[str], Stat]:
        """Names of the children and the node's state; raises NodeError, ProtocolError."""
        return children_of(await self._ask(_CHILDREN, path))

    async def data(self, path: str) -> bytes:
        """The data of a node; raises NodeError, ProtocolError."""
        return data_of(await self._ask(_DATA, path))[0]

    async def _ask(self, verb: int, path: str) -> bytes:
        self._xid += 1
        name = path.encode("utf-8", "surrogateescape")
        body = struct.pack(">iii", self._xid, verb, len(name)) + name + b"\0"
        if len(body) > 65_000:
            raise ProtocolError("a path that is too long to ask for")
        await self._connection.write(struct.pack(">i", len(body)) + body)
        return reply_of(await _frame(self._connection), self._xid)


async def _frame(connection: Connection) -> bytes:
    size = int(struct.unpack(">i", await connection.read_exactly(4))[0])
    if not 0 <= size <= FRAME_BYTES:
        raise ProtocolError(f"a frame of {size} bytes")
    return await connection.read_exactly(size)


@asynccontextmanager
async def session(connection: Connection) -> AsyncIterator[Session]:
    """A session without a login, closed at the end: an open one is kept by the whole ensemble.

    Raises:
        NoSession: the server gives none.
        ProtocolError: an answer that is none.
    """
    await connection.write(_CONNECT)
    try:
        said = await _frame(connection)
    except (BudgetSpent, Silent):
        raise
    except ProtocolError as e:
        raise NoSession(str(e)) from None
    if len(said) not in (36, 37) or said[:4] != b"\0\0\0\0" or said[16:20] != b"\0\0\0\x10":
        raise ProtocolError("not an answer to a new session")
    if not _int(said, 4):
        raise NoSession("the session expired at once")
    try:
        yield Session(connection)
    finally:
        with suppress(ProtocolError, TimeoutError):
            await connection.write(_END)
            await connection.greeting(0.5, 1)
