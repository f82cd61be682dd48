"""HTTP/1.1 over the dialer (RFC 9110, 9112), by h11: reads only, every size bounded.

A server that answers with a frame of HTTP/2 is asked again in HTTP/2 (net/http2).

Redirects are returned, never followed: whether a Location is in scope is the probe's question.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import h11

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.net.dialer import Connection, Dialer, Silent
from leftopen.net.http2 import Http2, speaks_http2

METHODS = (rb"(?:GET|HEAD|OPTIONS|PROPFIND) ",)
MARKED = b"POST "  # a read that a product offers only so; each path is on a protocol's own list
MAX_HEAD = 65_536
MAX_PIECES = 4_096  # of a body, where they are ...
SMALLEST_PIECE = 16  # ... smaller than this on average
_VERSION = b"HTTP/"


class _Newer(ProtocolError):
    """The peer answered HTTP/1.1 with a frame of HTTP/2, or hung up on it inside TLS."""


_TEXT = "latin-1"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names in lower case. `complete` is False when the body was cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    tls: bool

    @property
    def media_type(self) -> str:
        """Content-Type without parameters, lower case."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().lower()


class HttpClient:
    """Requests to one Target over one connection, reopened when the server closes it."""

    def __init__(self, dialer: Dialer, *, tls: bool, user_agent: str, keep: bool = False) -> None:
        """The dialer's allow-list must hold `METHODS`.

        With `keep` the connection outlives the `async with` block; `close` ends it.
        """
        self._dialer = dialer
        self.tls = tls
        self._keep = keep
        self._user_agent = user_agent
        self._connection: Connection | None = None
        self._state: h11.Connection | None = None
        self._newer: Http2 | None = None
        self._speaks_newer = False

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._keep:
            await self.close()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            await self._connection.__aexit__()
        self._connection = self._state = self._newer = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int = 262_144,
    ) -> Response:
        """One request; at most `limit` bytes of body are read, decoded ones included.

        `body` is for the few reads that a product offers only as POST.

        Raises:
            ProtocolError: not HTTP/1.x, or a limit of the head is broken.
            BudgetSpent, TimeoutError, OutOfScope: as in the dialer.
        """
        reused = self._connection is not None
        try:
            return await self._once(method, path, headers or {}, body, limit)
        except _Newer as e:
            await self.close()
            return await self._by_newer(e, method, path, headers or {}, body, limit)
        except (BudgetSpent, Silent):
            await self.close()
            raise
        except ProtocolError:
            await self.close()
            if not reused:
                raise
        except BaseException:
            await self.close()
            raise
        try:
            return await self._once(
                method, path, headers or {}, body, limit
            )  # an idle one was closed
        except BaseException:
            await self.close()
            raise

    async def _by_newer(
        self,
        error: ProtocolError,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        limit: int,
    ) -> Response:
        """The same request in HTTP/2; `error` stands where that is not spoken either."""
        self._speaks_newer = True
        try:
            return await self._once(method, path, headers, body, limit)
        except BudgetSpent:
            await self.close()
            raise
        except ProtocolError:
            await self.close()
            self._speaks_newer = False
            raise error from None

    async def _once(
        self, method: str, path: str, headers: Mapping[str, str], sent: bytes, limit: int
    ) -> Response:
        if self._speaks_newer:
            return await self._in_http2(method, path, headers, sent, limit)
        connection, state = await self._open()
        if sent:
            headers = {**headers, "Content-Length": str(len(sent))}
        try:
            head = self._head(state, method, path, headers)
            data = state.send(h11.Data(data=sent)) if sent else b""
            # One write, so that the allow-list sees the request whole.
            with _hanging_up(connection):
                await connection.write(head + (data or b""))
            state.send(h11.EndOfMessage())
            response = await self._response(connection, state)
            body, complete = await self._body(connection, state, limit)
        except h11.RemoteProtocolError as e:
            raise ProtocolError(f"not HTTP: {e}") from None
        fields = [(k.decode(_TEXT), v.decode(_TEXT)) for k, v in response.headers]
        await self._next(complete)
        return _made(response.status_code, fields, body, complete, limit, tls=connection.tls)

    async def _in_http2(
        self, method: str, path: str, headers: Mapping[str, str], sent: bytes, limit: int
    ) -> Response:
        if self._newer is None:
            self._connection = await self._dialer.connect(tls=self.tls, alpn="h2")
            if self.tls and self._connection.alpn != "h2":
                raise ProtocolError("HTTP/2 was not agreed on")
            scheme = "https" if self.tls else "http"
            self._newer = Http2(self._connection, scheme, self._fields({})["Host"])
        newer = self._newer
        # Written by h11 as well: what may not stand in a header is refused there.
        line = self._head(h11.Connection(h11.CLIENT), method, path, headers)
        fields = list(self._fields(headers).items())
        status, answered, body, complete = await newer.request(
            method, path, fields, sent, line, limit
        )
        if not complete:
            await self.close()
        return _made(status, answered, body, complete, limit, tls=self.tls)

    async def _open(self) -> tuple[Connection, h11.Connection]:
        if self._connection is None or self._state is None:
            self._connection = await self._dialer.connect(tls=self.tls)
            self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        return self._connection, self._state

    def _head(
        self, state: h11.Connection, method: str, path: str, headers: Mapping[str, str]
    ) -> bytes:
        fields = list(self._fields(headers).items())
        try:
            request = h11.Request(method=method, target=path, headers=fields)
        except (h11.LocalProtocolError, UnicodeEncodeError) as e:
            raise ProtocolError(f"cannot be asked for over HTTP: {e}") from None
        sent: bytes | None = state.send(request)
        return sent or b""

    def _fields(self, headers: Mapping[str, str]) -> dict[str, str]:
        endpoint = self._dialer.target.endpoint
        host = _host(endpoint.name or endpoint.address)
        default = 443 if self.tls else 80
        return {
            "Host": host if endpoint.port == default else f"{host}:{endpoint.port}",
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            **headers,
        }

    async def _response(self, connection: Connection, state: h11.Connection) -> h11.Response:
        if not state.trailing_data[0]:
            # Told by its first bytes: another protocol may say one line and then wait for ever.
            with _hanging_up(connection):
                first = await connection.read_some()
            if speaks_http2(first) or (not first and connection.tls):
                raise _Newer("the peer closed the connection without an answer")
            if first[:5] != _VERSION[: len(first[:5])]:
                raise ProtocolError("not HTTP: the answer does not begin with HTTP/")
            state.receive_data(first)
        for _ in range(64):  # more interim answers (1xx) than this is a trap
            event = await _next_event(connection, state)
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.ConnectionClosed):
                raise ProtocolError("the peer closed the connection without an answer")
        raise ProtocolError("endless interim answers")

    async def _body(
        self, connection: Connection, state: h11.Connection, limit: int
    ) -> tuple[bytes, bool]:
        body = bytearray()
        pieces = 0
        while True:
            event = await _next_event(connection, state)
            if isinstance(event, h11.Data):
                body += event.data
                pieces += 1
                # Chunks of a byte cost us a hundred times what they cost the peer.
                if pieces > MAX_PIECES and len(body) < SMALLEST_PIECE * pieces:
                    raise ProtocolError(f"a body in {pieces} pieces of a few bytes")
                if len(body) > limit:
                    return bytes(body[:limit]), False
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return bytes(body), True

    async def _next(self, complete: bool) -> None:
        """Keep the connection for the next request where both sides are ready for it."""
        state = self._state
        if complete and state and state.our_state is h11.DONE and state.their_state is h11.DONE:
            state.start_next_cycle()
        else:
            await self.close()


@contextmanager
def _hanging_up(connection: Connection) -> Iterator[None]:
    """Inside TLS a server of HTTP/2 only may hang up hard on anything older."""
    try:
        yield
    except (BudgetSpent, Silent):
        raise
    except ProtocolError as e:
        raise (_Newer(str(e)) if connection.tls else e) from None


def _made(
    status: int,
    fields: list[tuple[str, str]],
    body: bytes,
    complete: bool,
    limit: int,
    *,
    tls: bool,
) -> Response:
    answered: dict[str, str] = {}
    for name, value in fields:  # repeated fields are one list (RFC 9110 5.2)
        key = name.lower()
        answered[key] = f"{answered[key]}, {value}" if key in answered else value
    body, complete = _decoded(body, complete, answered.get("content-encoding", ""), limit)
    return Response(status, answered, body, complete, tls)


def _host(name: str) -> str:
    if ":" in name:
        return f"[{name}]"
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ProtocolError("the name of the host cannot be written in a header") from None


async def _next_event(connection: Connection, state: h11.Connection) -> h11.Event:
    while (event := state.next_event()) is h11.NEED_DATA:
        state.receive_data(await connection.read_some())
    if event is h11.PAUSED:
        raise ProtocolError("the peer switched protocols")
    return event  # type: ignore[return-value]  # the two sentinels are handled above


def _decoded(body: bytes, complete: bool, encoding: str, limit: int) -> tuple[bytes, bool]:
    """Undo gzip or deflate that was sent although not asked for, within the same limit."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body, complete
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, by the header
    try:
        out = inflater.decompress(body, limit)
    except zlib.error as e:
        raise ProtocolError(f"broken {encoding} body: {e}") from None
    return out, complete and inflater.eof
