"""IMAP4rev1 over one connection: commands and answers, every length and count bounded.

RFC 3501 and RFC 9051. A server may announce a literal of any size and send untagged lines for
ever, so both have limits that do not depend on what it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection

Token = bytes | None | list["Token"]

MAX_LINE: Final = 65_536
MAX_UNTAGGED: Final = 20_000  # per command
MAX_DEPTH: Final = 8
MAX_NAME: Final = 65_536  # a literal where a name is expected
TRACE: Final = b"bGVmdG9wZW4="  # base64 of "leftopen": RFC 4505, trace information
_LITERAL = re.compile(rb"~?\{(\d+)\+?\}\Z")
_TOKEN = re.compile(rb'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))', re.DOTALL)
_STATUS = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")


@dataclass(frozen=True, slots=True)
class Answer:
    """The tagged line of a command (or the greeting) and the untagged data before it."""

    status: bytes  # OK, NO, BAD, BYE or PREAUTH
    text: bytes
    untagged: tuple[list[Token], ...] = ()

    @property
    def said(self) -> str:
        """The text, fit to show."""
        return safe(self.text)

    def data(self, name: bytes) -> list[list[Token]]:
        """What came under one name: `LIST ...` or `3 FETCH ...`, without number and name."""
        plain = [t[1:] for t in self.untagged if t[0] == name]
        return plain + [t[2:] for t in self.untagged if len(t) > 1 and t[1] == name]


def tokens(parts: list[bytes]) -> list[Token]:
    """The S-expression in a line; `parts` alternates between text and literals.

    Raises:
        ProtocolError: unbalanced, too deep, or an open quote.
    """
    stack: list[list[Token]] = [[]]
    for number, part in enumerate(parts):
        if number % 2:
            stack[-1].append(part)
            continue
        at, end = 0, len(part.rstrip())
        while at < end:
            if not (found := _TOKEN.match(part, at, end)):
                raise ProtocolError("an open quote in an answer")
            at = found.end()
            _push(stack, *found.groups())
    if len(stack) != 1:
        raise ProtocolError("unbalanced parentheses in an answer")
    return stack[0]


def _push(
    stack: list[list[Token]], mark: bytes | None, quoted: bytes | None, atom: bytes | None
) -> None:
    if mark == b"(":
        if len(stack) > MAX_DEPTH:
            raise ProtocolError("an answer with too deep parentheses")
        inner: list[Token] = []
        stack[-1].append(inner)
        stack.append(inner)
    elif mark == b")":
        if len(stack) == 1:
            raise ProtocolError("unbalanced parentheses in an answer")
        stack.pop()
    elif quoted is not None:
        stack[-1].append(re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL))
    else:
        stack[-1].append(None if atom == b"NIL" else atom)


def pairs(items: Token) -> dict[bytes, Token]:
    """`(MESSAGES 2 SIZE 80)` as a mapping; what is not a name and a value is left out."""
    if not isinstance(items, list):
        return {}
    named = zip(items[::2], items[1::2], strict=False)
    return {key.upper(): value for key, value in named if isinstance(key, bytes)}


def number(value: Token) -> int | None:
    """A number of at most 18 digits, else None."""
    return int(value) if isinstance(value, bytes) and re.fullmatch(rb"\d{1,18}", value) else None


def quoted(name: bytes) -> bytes | None:
    """A mailbox name as a quoted string, or None when it cannot be one."""
    if re.search(rb"[\x00\r\n]", name) or len(name) > 1000:
        return None
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name) + b'"'


class Imap:
    """One IMAP conversation. Only the commands of the dialer's allow-list get through."""

    def __init__(self, connection: Connection) -> None:
        """Speaks over `connection`, which stays the caller's to close."""
        self.connection = connection
        self._sent = 0

    async def greeting(self) -> Answer | None:
        """The first line; None when this is not IMAP."""
        word, _, rest = (await self.connection.read_line()).partition(b" ")
        status, _, text = rest.partition(b" ")
        known = word == b"*" and status.upper() in (b"OK", b"PREAUTH", b"BYE")
        return Answer(status.upper(), text) if known else None

    async def command(
        self, text: bytes, *, literal: int = MAX_NAME, reply: bytes | None = None
    ) -> Answer:
        """Send one command and read to its tagged line.

        `literal` is the longest literal that the answer may hold, in bytes; `reply` is what a
        continuation request (`+`) is answered with, once.

        Raises:
            ProtocolError: not IMAP, too long, too many lines, or the server said BYE.
        """
        self._sent += 1
        tag = b"a%d" % self._sent
        await self.connection.write(b"%s %s\r\n" % (tag, text))
        untagged: list[list[Token]] = []
        for _ in range(MAX_UNTAGGED):
            parts = await self._response(literal)
            word, _, rest = parts[0].partition(b" ")
            status, _, said = rest.partition(b" ")
            if word == tag:
                return Answer(status.upper(), said, tuple(untagged))
            if word == b"+" and reply is not None:
                await self.connection.write(reply + b"\r\n")
                reply = None
            elif word != b"*":
                raise ProtocolError("not an IMAP answer")
            elif status.upper() == b"BYE":
                raise ProtocolError("the server ended the session (BYE)")
            elif status.upper() not in _STATUS and (data := tokens([rest, *parts[1:]])):
                untagged.append(data)
        raise ProtocolError(f"more than {MAX_UNTAGGED} untagged lines")

    async def capabilities(self, said: bytes = b"") -> frozenset[bytes]:
        """What the server can do: from a `[CAPABILITY ...]` code in `said`, else asked for."""
        if found := re.search(rb"\[CAPABILITY ([^\]]*)\]", said, re.IGNORECASE):
            return frozenset(found.group(1).upper().split())
        answer = await self.command(b"CAPABILITY")
        words = (w for line in answer.data(b"CAPABILITY") for w in line)
        return frozenset(w.upper() for w in words if isinstance(w, bytes))

    async def _response(self, longest: int) -> list[bytes]:
        """One logical line: text, literal, text, ... with all literals within `longest`."""
        parts = [await self.connection.read_line(MAX_LINE)]
        left = longest
        while found := _LITERAL.search(parts[-1]):
            size = number(found.group(1))
            if size is None or size > left:
                said = found.group(1)[:20].decode()
                raise ProtocolError(f"a literal of {said} bytes where {left} are the limit")
            left -= size + 1  # so that empty literals end as well
            parts[-1] = parts[-1][: found.start()]
            parts.append(await self.connection.read_exactly(size))
            parts.append(await self.connection.read_line(MAX_LINE))
        return parts
