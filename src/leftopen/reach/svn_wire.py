"""The protocol of svnserve: items, the greeting, and the few commands that read.

An item is a word, a number, a string with its length before it, or a list of items; white space
ends each. https://svn.apache.org/repos/asf/subversion/trunk/subversion/libsvn_ra_svn/protocol
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, ObjectRefused

# A string is bytes, a word is str.
Item: TypeAlias = "bytes | str | int | list[Item]"

MAX_STRING: Final = 1_048_576
MAX_ITEMS: Final = 200_000
MAX_DEPTH: Final = 12
_TOKEN: Final = re.compile(
    rb"[ \n]*(?:([()]|[A-Za-z][A-Za-z0-9-]{0,63}|\d{1,15})[ \n]|(\d{1,15}):)"
)
_LONGEST: Final = 80  # of what has not become a token yet
_HELLO: Final = b"( 2 ( edit-pipeline svndiff1 absent-entries depth mergeinfo log-revprops ) %s) "
ANONYMOUS: Final = b"( ANONYMOUS ( 0: ) ) "  # the token of RFC 4505, empty
LATEST: Final = b"( get-latest-rev ( ) ) "
ALLOWED: Final = (
    re.escape(_HELLO[: _HELLO.index(b"%s")]) + rb"\d{1,4}:svn://[!-~]{1,300} \) \Z",
    re.escape(ANONYMOUS) + rb"\Z",
    re.escape(LATEST) + rb"\Z",
    rb"\( get-dir \( \d{1,5}:.{0,4096} \( \d{1,10} \) false true \( kind size time \) \) \) \Z",
    rb"\( get-file \( \d{1,5}:.{1,4096} \( \d{1,10} \) false true \) \) \Z",
)
AUTHORIZATION: Final = 170001
NO_REPOSITORY: Final = 210005


class Refused(ObjectRefused):
    """The server answered a command with a failure, or asked for another login."""

    def __init__(self, code: int, said: str) -> None:
        """`code` is Subversion's number of the error, 0 where there is none."""
        super().__init__(f"{said} ({code})" if code else said)
        self.code = code


class Parser:
    """Makes items of what comes, piece by piece."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._have = b""
        self._stack: list[list[Item]] = []
        self._string = -1  # the length of the string that is due
        self._count = 0

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self._have += data

    def next(self) -> Item | None:
        """The next whole item, None while more is needed; raises ProtocolError."""
        at = 0
        try:
            while True:
                found = self._one(at)
                if found is None:
                    return None
                at, item = found
                if item is None:
                    continue
                if not self._stack:
                    self._count = 0
                    return item
                self._stack[-1].append(item)
        finally:
            self._have = self._have[self._at :]

    def _one(self, at: int) -> tuple[int, Item | None] | None:
        """Where the next token ends and what it completes; None while more is needed."""
        self._at = at
        if self._string >= 0:
            end = at + self._string
            if len(self._have) <= end:
                return None
            if self._have[end : end + 1] not in (b" ", b"\n"):
                raise ProtocolError("a string that ends elsewhere than it says")
            text, self._string, self._at = self._have[at:end], -1, end + 1
            return end + 1, text
        token = _TOKEN.match(self._have, at)
        if token is None:
            if len(self._have) - at > _LONGEST:
                raise ProtocolError("not an item of svnserve's protocol")
            return None
        self._at = token.end()
        self._count += 1
        if self._count > MAX_ITEMS:
            raise ProtocolError(f"an answer of more than {MAX_ITEMS} items")
        return token.end(), self._item(token.group(1), token.group(2))

    def _item(self, word: bytes | None, size: bytes | None) -> Item | None:
        if word is None:
            self._string = int(size or b"0")
            if self._string > MAX_STRING:
                raise ProtocolError(f"a string of {self._string} bytes")
            return None
        if word == b"(":
            if len(self._stack) >= MAX_DEPTH:
                raise ProtocolError("an answer with too deep lists")
            self._stack.append([])
            return None
        if word == b")":
            if not self._stack:
                raise ProtocolError("a list that ends before it began")
            return self._stack.pop()
        return int(word) if word.isdigit() else word.decode("ascii")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a folder; `size` in bytes, `time` as the server writes it."""

    name: str
    kind: str
    size: int
    time: str


def answered(item: Item) -> list[Item]:
    """The parameters of `( success ( ... ) )`; raises Refused for a failure, ProtocolError."""
    match item:
        case ["success", list(found)]:
            return found
        case ["failure", [[int(code), bytes(said), *_], *_]]:
            raise Refused(code, safe(said.decode("utf-8", "replace"), 100))
    raise ProtocolError("neither success nor failure")


def entries_of(found: list[Item]) -> list[Entry]:
    """The names of an answer to get-dir; raises ProtocolError."""
    match found:
        case [int(), list(), list(items), *_]:
            return [_entry(item) for item in items]
    raise ProtocolError("get-dir answered with something else")


def _entry(item: Item) -> Entry:
    match item:
        case [bytes(name), str(kind), int(size), str(), int(), list(time), *_]:
            said = time[0].decode("ascii", "replace") if time and isinstance(time[0], bytes) else ""
            return Entry(name.decode("utf-8", "surrogateescape"), kind, size, said)
    raise ProtocolError("a name in another form")


class Session:
    """One connection that was let in as nobody."""

    def __init__(self, connection: Connection) -> None:
        """Made by `session`."""
        self._connection = connection
        self._parser = Parser()
        self.mechanisms: tuple[str, ...] = ()

    async def item(self) -> Item:
        """The next item."""
        while (found := self._parser.next()) is None:
            if not (data := await self._connection.read_some()):
                raise ProtocolError("the peer closed the connection early")
            self._parser.feed(data)
        return found

    async def greet(self) -> bool:
        """Whether the peer greets as svnserve of version 2."""
        match await self.item():
            case ["success", [int(low), int(high), list(), list(), *_]]:
                return low <= 2 <= high
        return False

    async def enter(self, url: bytes) -> None:
        """Say which repository, and be nobody where that is offered; raises Refused."""
        await self._connection.write(_HELLO % (b"%d:%s " % (len(url), url)))
        await self._authenticate(answered(await self.item()))
        answered(await self.item())

    async def _authenticate(self, asked: list[Item]) -> None:
        mechanisms = asked[0] if asked and isinstance(asked[0], list) else []
        self.mechanisms = tuple(word for word in mechanisms if isinstance(word, str))
        if not self.mechanisms:
            return
        if "ANONYMOUS" not in self.mechanisms:
            raise Refused(0, f"logins only by {safe(', '.join(self.mechanisms), 80)}")
        await self._connection.write(ANONYMOUS)
        answered(await self.item())

    async def command(self, data: bytes) -> list[Item]:
        """One command's answer; raises Refused."""
        await self._connection.write(data)
        await self._authenticate(answered(await self.item()))
        return answered(await self.item())

    async def latest(self) -> int:
        """The youngest revision."""
        match await self.command(LATEST):
            case [int(revision), *_]:
                return revision
        raise ProtocolError("no revision where one is due")

    async def names(self, folder: str, revision: int) -> list[Entry]:
        """The names in a folder of one revision; raises Refused."""
        path = folder.encode("utf-8", "surrogateescape")
        asked = b"( get-dir ( %d:%s ( %d ) false true ( kind size time ) ) ) "
        return entries_of(await self.command(asked % (len(path), path, revision)))

    async def file(self, name: str, revision: int, limit: int) -> tuple[bytes, bool]:
        """At most `limit` bytes of a file, and whether that is all; raises Refused."""
        path = name.encode("utf-8", "surrogateescape")
        await self.command(
            b"( get-file ( %d:%s ( %d ) false true ) ) " % (len(path), path, revision)
        )
        data = b""
        while isinstance(part := await self.item(), bytes):
            if not part:
                answered(await self.item())
                return data, True
            data += part
            if len(data) > limit:
                return data[:limit], False
        answered(part)
        raise ProtocolError("a file that is no string")


@asynccontextmanager
async def session(context: Context) -> AsyncIterator[Session | None]:
    """A connection that was greeted; None where the peer greets as something else."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        opened = Session(connection)
        yield opened if await opened.greet() else None
