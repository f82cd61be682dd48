"""FTP over a control connection and passive data connections to the same address.

RFC 959; EPSV is RFC 2428, AUTH TLS is RFC 4217. Where a server's answer to PASV names another
host, that host is never contacted: the data port is asked for at the control connection's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection, Dialer

MAX_LINE: Final = 4096
MAX_LINES: Final = 200  # of one reply
_REPLY: Final = re.compile(rb"(\d{3})([ -])(.*)", re.DOTALL)
_EPSV: Final = re.compile(rb"\((.)\1\1(\d{1,5})\1\)")
_PASV: Final = re.compile(rb"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code, and all its lines without the code."""

    code: int
    text: bytes

    @property
    def said(self) -> str:
        """Code and text, fit to show."""
        return f"{self.code} {safe(self.text)}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """What came over a data connection; `ended` when the server closed it within the limit."""

    data: bytes
    ended: bool
    reply: Reply  # the last one read

    @property
    def refused(self) -> bool:
        """Whether the server opened no transfer at all."""
        return self.reply.code >= 400 and not self.data


class Ftp:
    """One FTP conversation. Only the commands of the dialer's allow-list get through."""

    def __init__(self, dialer: Dialer, control: Connection) -> None:
        """Speaks over `control`, which stays the caller's to close."""
        self.control = control
        self.private = False  # PROT P: data connections are encrypted
        self.elsewhere = ""  # a host that PASV named and that is not the server
        self._dialer = dialer
        self._extended = True

    async def greeting(self) -> Reply | None:
        """What the server says first; None when it is not a reply of FTP."""
        found = _REPLY.fullmatch(await self.control.read_line(MAX_LINE))
        return await self._rest(found) if found else None

    async def reply(self) -> Reply:
        """One reply, of any number of lines; raises ProtocolError."""
        found = _REPLY.fullmatch(await self.control.read_line(MAX_LINE))
        if not found:
            raise ProtocolError("not an FTP reply")
        return await self._rest(found)

    async def _rest(self, first: re.Match[bytes]) -> Reply:
        code, more, text = first.groups()
        lines = [text]
        while more == b"-":
            line = await self.control.read_line(MAX_LINE)
            if line.startswith(code + b" "):
                more = b" "
            lines.append(line.removeprefix(code)[1:] if line.startswith(code) else line.strip())
            if len(lines) > MAX_LINES:
                raise ProtocolError(f"a reply of more than {MAX_LINES} lines")
        if code == b"421":
            raise ProtocolError(f"the server ended the session: {safe(text)}")
        return Reply(int(code), b"\n".join(lines))

    async def command(self, text: bytes) -> Reply:
        """Send one command, read its reply."""
        await self.control.write(text + b"\r\n")
        return await self.reply()

    async def transfer(self, text: bytes, limit: int) -> Transfer:
        """Send a command that opens a data connection; read at most `limit` bytes of it.

        Raises:
            OutOfScope: the data port is excluded from the scope.
        """
        port = await self._passive()
        async with await self._dialer.connect(port=port) as data:
            answer = await self.command(text)
            if answer.code not in (125, 150):
                return Transfer(b"", ended=True, reply=answer)
            if self.private:
                await data.start_tls()
            content, ended = await _read(data, limit)
        return Transfer(content, ended=ended, reply=await self.reply())

    async def _passive(self) -> int:
        """The port of the next data connection."""
        if self._extended:
            answer = await self.command(b"EPSV")
            if answer.code == 229 and (found := _EPSV.search(answer.text)):
                return _port(int(found.group(2)))
            self._extended = False
        answer = await self.command(b"PASV")
        found = _PASV.search(answer.text)
        numbers = [int(n) for n in found.groups()] if found else []
        if answer.code != 227 or not numbers or max(numbers) > 255:
            raise ProtocolError(f"no passive data connection: {answer.said}")
        host = ".".join(map(str, numbers[:4]))
        if host not in (self._dialer.target.endpoint.address, "0.0.0.0"):  # noqa: S104  compared
            self.elsewhere = host
        return _port(numbers[4] * 256 + numbers[5])


def _port(number: int) -> int:
    if not 0 < number < 65_536:
        raise ProtocolError("a data port that does not exist")
    return number


async def _read(data: Connection, limit: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        part = await data.read_some()
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:limit], False
