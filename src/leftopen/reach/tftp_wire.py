"""Reading one file by TFTP (RFC 1350) with the options blksize and tsize (RFC 2347 to 2349).

Nothing is ever written: the only requests are RRQ, ACK and the ERROR that ends a transfer early.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.datagram import Datagrams

BLOCK: Final = 1024  # fits into any path without being cut into fragments
USUAL_BLOCK: Final = 512  # of a server without options
TRIES: Final = 3
TRY_SECONDS: Final = 1.0
MAX_STRAYS: Final = 200  # datagrams of a transfer that are repeated or of another one
ALLOWED: Final = (
    rb"\0\x01[^\0]{1,500}\0octet\0tsize\x000\0blksize\x001024\0\Z",
    rb"\0\x04..\Z",
    rb"\0\x05\0\0enough\0\Z",
)
_DATA, _ERROR, _OPTIONS = 3, 5, 6
_ENOUGH: Final = b"\0\x05\0\0enough\0"


class Refused(ProtocolError):
    """The server said ERROR: the code is `code`, the words are its own."""

    def __init__(self, code: int, words: bytes) -> None:
        """Code as in RFC 1350, appendix I."""
        super().__init__(f"ERROR {code}")
        self.code = code
        self.words = words


@dataclass(slots=True)
class Read:
    """What came of a file. `size` is what the server says of the whole, if it does."""

    data: bytearray = field(default_factory=bytearray)
    complete: bool = False
    size: int | None = None


def request(name: bytes) -> bytes:
    """A read request for a file; raises ProtocolError for a name that cannot be asked for."""
    if not 0 < len(name) <= 500 or b"\0" in name:
        raise ProtocolError("a name that TFTP cannot ask for")
    return b"\0\x01%s\0octet\0tsize\x000\0blksize\x00%d\0" % (name, BLOCK)


def options(said: bytes) -> dict[bytes, int]:
    """The options of an OACK, names in lower case; raises ProtocolError for what is none."""
    if not re.fullmatch(rb"(?:[A-Za-z]{1,20}\0\d{1,18}\0){0,4}", said):
        raise ProtocolError("options that cannot be read")
    words = said.split(b"\0")
    return {name.lower(): int(value) for name, value in zip(words[::2], words[1::2], strict=False)}


def error(said: bytes) -> Refused:
    """The ERROR in a datagram after its opcode; raises ProtocolError where it is cut."""
    if len(said) < 2:
        raise ProtocolError("an ERROR without a code")
    return Refused(int.from_bytes(said[:2], "big"), said[2:].split(b"\0", 1)[0][:200])


async def read(link: Datagrams, name: bytes, limit: int) -> Read:
    """The first `limit` bytes of a file.

    Raises:
        Refused: the server said ERROR.
        ProtocolError: no TFTP, or no answer to three requests.
    """
    found, expected, block, port = Read(), 1, USUAL_BLOCK, None
    last = request(name)
    link.send(last)
    for _ in range(MAX_STRAYS + limit // USUAL_BLOCK + 2):
        said, port = await _answer(link, last, port)
        kind, rest = int.from_bytes(said[:2], "big"), said[2:]
        if kind == _ERROR:
            raise error(rest)
        if kind == _OPTIONS and expected == 1:
            given = options(rest)
            block, found.size = given.get(b"blksize", USUAL_BLOCK), given.get(b"tsize")
            if not 8 <= block <= BLOCK:
                raise ProtocolError(f"blocks of {block} bytes were not asked for")
            last = b"\0\x04\0\0"
        elif kind == _DATA and len(rest) >= 2:
            number, data = int.from_bytes(rest[:2], "big"), rest[2:]
            if number != expected % 65_536:
                continue  # repeated: answering it as well would double everything that follows
            if len(data) > block:
                raise ProtocolError("a block that is larger than agreed")
            found.data += data
            found.complete = len(data) < block
            if found.complete or len(found.data) >= limit:
                link.send(b"\0\x04" + rest[:2] if found.complete else _ENOUGH, port)
                found.complete = len(found.data) <= limit and (
                    found.complete or len(found.data) == found.size
                )
                del found.data[limit:]
                return found
            last, expected = b"\0\x04" + rest[:2], expected + 1
        else:
            raise ProtocolError("not an answer of TFTP")
        link.send(last, port)
    raise ProtocolError("too many datagrams that are no part of the transfer")


async def _answer(link: Datagrams, last: bytes, port: int | None) -> tuple[bytes, int]:
    """The next datagram of this transfer; what was sent last is sent again after a silence."""
    for attempt in range(TRIES):
        for _ in range(MAX_STRAYS):
            heard = await link.receive(TRY_SECONDS)
            if heard is None:
                break
            if port is None or heard[1] == port:
                return heard
        if attempt < TRIES - 1:
            link.send(last, port)
    raise ProtocolError(f"no answer to {TRIES} requests")
