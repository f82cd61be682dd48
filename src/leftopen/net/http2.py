"""HTTP/2 over the dialer (RFC 9113), by h2: for servers that speak nothing older.

One request at a time, pushes refused, every size bounded. The allow-list below cannot read
compressed headers, so it is shown the request as HTTP/1.1 would write it.
"""

from __future__ import annotations

import re
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

# RFC 9113 3.4: a server's first frame is SETTINGS (type 4, stream 0), a multiple of 6 bytes long.
_SETTINGS: Final = re.compile(rb"\0[\0\1].\x04[\0\1]\0\0\0\0", re.DOTALL)
_GOAWAY: Final = re.compile(rb"\0\0.\x07\0\0\0\0\0", re.DOTALL)
_MAX_EVENTS: Final = 10_000  # frames of one answer: more is a trap
_BY_CONNECTION: Final = frozenset({"host", "connection", "keep-alive", "transfer-encoding"})

Fields = list[tuple[str, str]]


def speaks_http2(first: bytes) -> bool:
    """Whether these first bytes of a server are a frame that begins HTTP/2."""
    return bool(_SETTINGS.match(first) or _GOAWAY.match(first))


class Http2:
    """One connection that speaks HTTP/2 from its first byte (prior knowledge or by ALPN)."""

    def __init__(self, connection: Connection, scheme: str, authority: str) -> None:
        """`authority` is the Host of HTTP/1.1."""
        self.connection = connection
        self._first = [(":scheme", scheme), (":authority", authority)]
        self._state = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self._begun = False

    async def request(
        self, method: str, path: str, fields: Fields, body: bytes, line: bytes, limit: int
    ) -> tuple[int, Fields, bytes, bool]:
        """Status, header fields, body and whether that is all of it; `line` is for the allow-list.

        Raises:
            ProtocolError: the peer broke HTTP/2, reset the stream or ended the connection.
            BudgetSpent, TimeoutError, OutOfScope: as in the dialer.
        """
        asked = [(":method", method), (":path", path), *self._first]
        asked += [(k.lower(), v) for k, v in fields if k.lower() not in _BY_CONNECTION]
        try:
            stream = self._ask(asked, body)
            await self._send(line)
            return await self._answer(stream, line, limit)
        except H2Error as e:
            raise ProtocolError(f"not HTTP/2: {type(e).__name__}") from None

    def _ask(self, asked: Fields, body: bytes) -> int:
        if not self._begun:
            self._state.local_settings[SettingCodes.ENABLE_PUSH] = 0
            self._state.initiate_connection()
            self._begun = True
        stream = self._state.get_next_available_stream_id()
        self._state.send_headers(stream, asked, end_stream=not body)
        if body:
            self._state.send_data(stream, body, end_stream=True)
        return stream

    async def _send(self, line: bytes) -> None:
        if data := self._state.data_to_send():
            await self.connection.write(data, standing_for=line)

    async def _answer(
        self, stream: int, line: bytes, limit: int
    ) -> tuple[int, Fields, bytes, bool]:
        status, fields, body = 0, Fields(), bytearray()
        seen = 0
        while True:
            data = await self.connection.read_some()
            if not data:
                raise ProtocolError("the peer closed the connection without an answer")
            for event in self._state.receive_data(data):
                seen += 1
                if seen > _MAX_EVENTS:
                    raise ProtocolError("endless frames")
                if isinstance(event, ResponseReceived) and event.stream_id == stream:
                    status, fields = _head(event.headers)
                elif isinstance(event, DataReceived) and event.stream_id == stream:
                    body += event.data
                    self._state.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, StreamEnded) and event.stream_id == stream:
                    return status, fields, bytes(body[:limit]), len(body) <= limit
                _raise_for(event, stream)
                if len(body) > limit:
                    return status, fields, bytes(body[:limit]), False
            await self._send(line)  # acknowledgements of settings, pings and windows


def _head(headers: object) -> tuple[int, Fields]:
    pairs = [(str(k), str(v)) for k, v in headers]  # type: ignore[attr-defined]
    said = dict(pairs).get(":status", "")
    if not (said.isascii() and said.isdigit() and len(said) == 3):
        raise ProtocolError("not HTTP/2: no status")
    return int(said), [(k, v) for k, v in pairs if not k.startswith(":")]


def _raise_for(event: Event, stream: int) -> None:
    if isinstance(event, StreamReset) and event.stream_id == stream:
        raise ProtocolError(f"the peer reset the stream: {_name(event.error_code)}")
    if isinstance(event, ConnectionTerminated):
        raise ProtocolError(f"the peer ended the connection: {_name(event.error_code)}")


def _name(code: object) -> str:
    return code.name if isinstance(code, ErrorCodes) else f"error {code}"
