"""The rsync daemon's protocol, as far as a stranger needs it: modules, file lists, one file.

We say that we speak protocol 27, which every rsync since 2003 still serves: its file list is a
plain run of entries, without the compat flags, variable-length integers and incremental recursion
of protocol 30 and later. The server is always the sender and nothing is ever written.
The source of the format is rsync's own flist.c, io.c and sender.c (https://rsync.samba.org/).
"""

from __future__ import annotations

import stat
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import CHUNK, Connection
from leftopen.reach.api import ObjectRefused

HELLO: Final = b"@RSYNCD: 27.0\n"
NO_FILTERS: Final = b"\0\0\0\0"
# File 0 of the list, no block of which we have (2 is the shortest checksum); -1 ends the requests.
FIRST_FILE: Final = struct.pack("<iiiiii", 0, 0, 0, 2, 0, -1)
MAX_LINE: Final = 4096
MAX_LINES: Final = 2000  # of a message of the day, and of a list of modules
MAX_NAME: Final = 4096
MAX_NOISE: Final = 200  # messages beside the data
_DATA: Final = 7  # MPLEX_BASE: tag of a frame with data
_SAME_MODE: Final = 1 << 1
_SAME_NAME: Final = 1 << 5
_LONG_NAME: Final = 1 << 6
_SAME_TIME: Final = 1 << 7


@dataclass(frozen=True, slots=True)
class File:
    """One entry of a file list."""

    name: bytes
    size: int
    time: datetime | None
    mode: int

    @property
    def regular(self) -> bool:
        """Whether it is a file with content, and no folder, link or device."""
        return stat.S_ISREG(self.mode)


async def hello(connection: Connection) -> str | None:
    """Exchange versions; the server's protocol version, or None when it is not rsync."""
    line = await connection.read_line(MAX_LINE)
    word, _, rest = line.partition(b" ")
    version = rest.split(b" ", 1)[0]
    if word != b"@RSYNCD:" or not version.replace(b".", b"").isdigit():
        return None
    await connection.write(HELLO)
    return safe(version, 20)


async def modules(connection: Connection) -> list[tuple[bytes, bytes]]:
    """Ask for the list: (name, comment) of each module. The message of the day goes before it.

    A line without the tab that every module line has is part of that message.
    """
    await connection.write(b"#list\n")
    found: list[tuple[bytes, bytes]] = []
    for _ in range(MAX_LINES):
        line = await connection.read_line(MAX_LINE)
        if line.startswith(b"@RSYNCD: EXIT"):
            return found
        if line.startswith(b"@ERROR"):
            raise ProtocolError(f"the list of modules was refused: {safe(line)}")
        name, tab, comment = line.partition(b"\t")
        if tab and name.strip():
            found.append((name.rstrip(b" "), comment))
    raise ProtocolError(f"more than {MAX_LINES} lines before the end of the list of modules")


async def select(connection: Connection, module: bytes) -> bytes:
    """Ask for one module; the line with the verdict: OK, AUTHREQD or @ERROR."""
    await connection.write(module + b"\n")
    for _ in range(MAX_LINES):
        line = await connection.read_line(MAX_LINE)
        if line.startswith((b"@RSYNCD: ", b"@ERROR")):
            return line
    raise ProtocolError(f"a message of the day of more than {MAX_LINES} lines")


class Sender:
    """The server's side after a module was opened: a stream of bytes inside tagged frames."""

    def __init__(self, connection: Connection) -> None:
        """Use after `select` answered OK."""
        self.connection = connection
        self.said = ""  # the last error or warning of the server, fit to show
        self._buffer = b""
        self._at = 0  # in the buffer
        self._left = 0  # of the frame that is being read, beyond the buffer
        self._noise = 0

    async def start(self, path: bytes, *, below: bool) -> None:
        """Ask for the list of all below a folder of the module, or of one file."""
        arguments = b"--server\n--sender\n%s\n.\n%s\n\n" % (b"-r" if below else b"-d", path)
        await self.connection.write(arguments)
        await self.connection.read_exactly(4)  # the checksum seed, which we have no use for
        await self.connection.write(NO_FILTERS)

    async def read(self, size: int) -> bytes:
        """So many bytes of data; raises ProtocolError when the server stops before."""
        parts = []
        while size > len(self._buffer) - self._at:
            parts.append(self._buffer[self._at :])
            size -= len(parts[-1])
            self._buffer, self._at = await self._more(), 0
        parts.append(self._buffer[self._at : self._at + size])
        self._at += size
        return b"".join(parts)

    async def _more(self) -> bytes:
        """The next bytes of data. A message that is no data is kept and goes no further."""
        while not self._left:
            word = int.from_bytes(await self.connection.read_exactly(4), "little")
            tag, size = word >> 24, word & 0xFF_FFFF
            self._noise += tag != _DATA or not size
            if tag < _DATA or (tag != _DATA and size > MAX_LINE) or self._noise > MAX_NOISE:
                raise ProtocolError("frames that no rsync sends")
            if tag == _DATA:
                self._left = size
            else:
                said = await self.connection.read_exactly(size)
                self.said = safe(said.strip()) or self.said
        part = await self.connection.read_some(min(self._left, CHUNK))
        if not part:
            raise ProtocolError(f"the server ended the session: {self.said}")
        self._left -= len(part)
        return part

    async def _int(self) -> int:
        return int.from_bytes(await self.read(4), "little", signed=True)

    async def _long(self) -> int:
        short = await self._int()
        size = short if short != -1 else int.from_bytes(await self.read(8), "little", signed=True)
        if size < 0:
            raise ProtocolError("a file of negative size")
        return size

    async def files(self) -> AsyncGenerator[File, None]:
        """The file list to its end."""
        last = File(b"", 0, None, 0)
        while flags := (await self.read(1))[0]:
            same = (await self.read(1))[0] if flags & _SAME_NAME else 0
            more = await self._int() if flags & _LONG_NAME else (await self.read(1))[0]
            if not 0 <= more <= MAX_NAME - same or same > len(last.name):
                raise ProtocolError("a file name that is too long")
            name = last.name[:same] + await self.read(more)
            size = await self._long()
            time = last.time if flags & _SAME_TIME else _time(await self._int())
            mode = last.mode if flags & _SAME_MODE else await self._int() & 0xFFFF
            last = File(name, size, time, mode)
            yield last

    async def first_file(self, limit: int) -> tuple[bytes, bool]:
        """At most `limit` bytes of the first file of the list, and whether that is all of it.

        Raises:
            ObjectRefused: the server does not send it.
        """
        await self._int()  # ends a file list before protocol 30: whether all could be read
        await self.connection.write(FIRST_FILE)
        if await self._int() != 0:
            raise ObjectRefused(f"the file was not sent: {self.said}")
        await self.read(16)  # it repeats our four numbers
        parts, left = [], limit
        while token := await self._int():
            if token < 0:
                raise ProtocolError("a block of a file that we do not have")
            parts.append(await self.read(min(token, left)))
            left -= len(parts[-1])
            if len(parts[-1]) < token:
                return b"".join(parts), False
        return b"".join(parts), True


def _time(seconds: int) -> datetime:
    """Protocol 27 has 32 bits for a time, so every value is one."""
    return datetime.fromtimestamp(seconds & 0xFFFF_FFFF, UTC)
