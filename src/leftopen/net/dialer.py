"""The dialer that a probe is handed: it reaches one Target and nothing else.

Every byte read counts against the probe's budget and the host's, every write must match the
protocol's allow-list of read verbs, and nothing waits past the probe's deadline.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.model.scope import Target
from leftopen.net.budget import Budget, Meter
from leftopen.net.guard import Guard

T = TypeVar("T")
CHUNK = 65_536
# asyncio's own phrases for what the peer did are kept out of reports: these are stable
_RESET = "the peer reset the connection"


class Refused(ProtocolError):
    """The port answered RST: nothing listens there."""


class Silent(ProtocolError):
    """A connection that was accepted, and then not one byte in the time for a first answer."""


class Dialer:
    """Connects to the endpoint of one Target, within a budget."""

    def __init__(
        self,
        target: Target,
        guard: Guard,
        meter: Meter,
        budget: Budget,
        *,
        allowed: tuple[bytes, ...],
        connect_seconds: float,
        answer_seconds: float | None = None,
    ) -> None:
        """`allowed` are regular expressions; each write must match one from its first byte.

        `answer_seconds` bounds the wait for the first byte on each connection; None leaves it to
        the budget.
        """
        self.target = target
        self.meter = meter
        self.budget = budget
        self.allowed = tuple(re.compile(a, re.DOTALL) for a in allowed)
        self.answer_seconds = answer_seconds
        self.heard = b""  # the first bytes that came on any connection
        self.certificate = b""  # the peer's, DER, of the first connection inside TLS
        self._guard = guard
        self._connect_seconds = connect_seconds

    def permits(self, address: str, port: int) -> bool:
        """Whether the scope holds this endpoint: for words in a report, it opens no way there."""
        return self._guard.permits(address, port)

    async def connect(
        self, *, tls: bool = False, port: int | None = None, alpn: str = ""
    ) -> Connection:
        """A new connection to the Target's address; `port` only for a data channel of FTP.

        `alpn` is the one protocol that is offered inside TLS (RFC 7301); none by default.

        Raises:
            OutOfScope: the port is excluded.
            Refused: the port answered RST.
            ProtocolError: any other failure to connect, or no TLS spoken there.
            TimeoutError: no answer in time.
            BudgetSpent: no connection or time left.
        """
        endpoint = self.target.endpoint
        port = endpoint.port if port is None else port
        if not self._guard.permits(endpoint.address, port):
            raise OutOfScope(f"{endpoint.address} port {port} is not in scope")
        self.budget.connect()
        self.budget.extend(await self.meter.connection(endpoint.address))
        seconds = min(self._connect_seconds, self.budget.seconds_left)
        opening = asyncio.open_connection(
            endpoint.address,
            port,
            ssl=_tls_context(alpn) if tls else None,
            server_hostname=(endpoint.name or endpoint.address) if tls else None,
            limit=CHUNK,
        )
        try:
            reader, writer = await asyncio.wait_for(opening, seconds)
        except ssl.SSLError as e:
            raise ProtocolError(f"no TLS: {e.reason or e}") from None
        except TimeoutError:
            if seconds < self._connect_seconds:  # it was the probe's time that ended, not the wait
                raise BudgetSpent("the time of this probe is used up") from None
            raise
        except ConnectionRefusedError:
            raise Refused("connection refused") from None
        except (OSError, UnicodeError) as e:  # a name that is no name breaks IDNA
            raise ProtocolError(f"connection failed: {_words(e)}") from None
        if here := writer.get_extra_info("sockname"):  # none where the peer hung up at once
            self._guard.sources[endpoint.address] = str(here[0])
        connection = Connection(self, reader, writer)
        self.certificate = self.certificate or connection.certificate or b""
        return connection


def _words(error: Exception) -> str:
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return _RESET
    return str(getattr(error, "strerror", "") or error)


def _tls_context(alpn: str = "") -> ssl.SSLContext:
    """Accepts any certificate: it is evidence here, not a proof of identity."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


class Connection:
    """One connection with bounded reads. Use as an async context manager."""

    def __init__(
        self, dialer: Dialer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Made by `Dialer.connect`."""
        self._dialer = dialer
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self._ended = False
        self._heard = False

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Nothing is waited for: a TLS peer that never says goodbye would hold us for 30 seconds.
        self._writer.transport.abort()

    @property
    def tls(self) -> bool:
        """Whether this connection is encrypted."""
        return self._writer.get_extra_info("ssl_object") is not None

    @property
    def alpn(self) -> str:
        """The protocol that both sides agreed on inside TLS, "" for none."""
        channel = self._writer.get_extra_info("ssl_object")
        return (channel.selected_alpn_protocol() or "") if channel else ""

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate, DER, on a TLS connection."""
        channel = self._writer.get_extra_info("ssl_object")
        try:
            return channel.getpeercert(binary_form=True) if channel else None
        except ValueError:  # the peer hung up right after the handshake
            return None

    async def start_tls(self) -> None:
        """Turn this connection into TLS (STARTTLS, STLS, AUTH TLS); raises ProtocolError.

        Bytes that came before the handshake are refused: they are an injection (RFC 3207 4.2).
        """
        if self._buffer:
            raise ProtocolError("plaintext after the answer to STARTTLS")
        endpoint = self._dialer.target.endpoint
        name = endpoint.name or endpoint.address
        try:
            await self._within(lambda: self._writer.start_tls(_tls_context(), server_hostname=name))
        except ssl.SSLError as e:
            raise ProtocolError(f"no TLS: {e.reason or e}") from None
        except (OSError, UnicodeError) as e:
            raise ProtocolError(f"no TLS: {_words(e)}") from None
        self._dialer.certificate = self._dialer.certificate or self.certificate or b""

    async def write(self, data: bytes, *, standing_for: bytes = b"") -> None:
        """Send; raises OutOfScope when no rule of the protocol's allow-list matches.

        `standing_for` is what `data` means where that cannot be read from its bytes: the request
        line of compressed headers.
        """
        said = standing_for or data
        if not any(rule.match(said) for rule in self._dialer.allowed):
            raise OutOfScope(f"not on the allow-list of read verbs: {said[:40]!r}")
        self._writer.write(data)
        try:
            await self._within(self._writer.drain)
        except OSError as e:
            raise ProtocolError(f"connection lost: {_words(e)}") from None

    async def greeting(self, seconds: float, limit: int = 4096) -> bytes | None:
        """What the peer says unasked: its first line, or what came within `seconds`.

        None when it said nothing; empty when it closed the connection without a word. What was
        said stays there to be read.
        """
        until = asyncio.get_running_loop().time() + seconds
        said = b""
        while not self._ended and b"\n" not in said and len(said) < limit:
            left = until - asyncio.get_running_loop().time()
            try:
                self._buffer = b""
                await asyncio.wait_for(self._fill(), max(0.001, left))
            except (TimeoutError, Silent):
                break
            finally:
                self._buffer = said = said + self._buffer
        return said if said or self._ended else None

    async def read_some(self, limit: int = CHUNK) -> bytes:
        """What is there, at most `limit` bytes; empty at the end of the stream."""
        if not self._buffer and not self._ended:
            await self._fill()
        data, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return data

    async def read_exactly(self, size: int) -> bytes:
        """Exactly `size` bytes; raises ProtocolError when the stream ends before."""
        parts = [self._buffer]
        have = len(self._buffer)
        self._buffer = b""
        while have < size:
            await self._fill()
            if not self._buffer:
                raise ProtocolError("the peer closed the connection early")
            parts.append(self._buffer)
            have += len(self._buffer)
            self._buffer = b""
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    async def read_until(self, end: bytes, limit: int = CHUNK) -> bytes:
        """Up to and with `end`; raises ProtocolError when it is not within `limit` bytes."""
        searched = 0
        while (at := self._buffer.find(end, max(0, searched - len(end)))) < 0:
            searched = len(self._buffer)
            if searched > limit:
                raise ProtocolError(f"no end of line within {limit} bytes")
            before = self._buffer
            self._buffer = b""
            await self._fill()
            if not self._buffer:
                raise ProtocolError("the peer closed the connection early")
            self._buffer = before + self._buffer
        cut = at + len(end)
        if cut > limit + len(end):
            raise ProtocolError(f"no end of line within {limit} bytes")
        data, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return data

    async def read_line(self, limit: int = 8192) -> bytes:
        """One line without its CR LF; raises ProtocolError when longer than `limit`."""
        return (await self.read_until(b"\n", limit)).rstrip(b"\r\n")

    async def _fill(self) -> None:
        """Read once into the empty buffer."""
        try:
            data = await self._within(lambda: self._reader.read(CHUNK), first=not self._heard)
        except OSError as e:
            raise ProtocolError(f"connection lost: {_words(e)}") from None
        self._ended, self._heard = not data, True
        self._dialer.heard = self._dialer.heard or data[:64]
        self._dialer.budget.take(len(data))
        self._dialer.meter.take(self._dialer.target.endpoint.address, len(data))
        self._buffer = data

    async def _within(self, start: Callable[[], Awaitable[T]], *, first: bool = False) -> T:
        left = self._dialer.budget.seconds_left
        answer = self._dialer.answer_seconds
        blind = first and answer is not None and answer < left
        try:
            return await asyncio.wait_for(start(), answer if blind else left)
        except TimeoutError:  # also an OSError, so it is told apart here
            if blind:
                raise Silent(f"no answer within {answer:g} s") from None
            raise BudgetSpent("no answer within the time of this probe") from None
