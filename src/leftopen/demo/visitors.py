"""The visitors: real requests from different loopback addresses, counted at their own end.

The schedule says who comes when in the incident's time; here each visit is made for real, one
after the other. A visit's connections, with the bytes that went through them, become the flow
log: that is what a counter on the wire would have seen.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote

SEGMENT: Final = 1448  # payload of a TCP segment at MTU 1500 with time stamps
HEADERS: Final = 52  # IPv4 and TCP headers of each


@dataclass(frozen=True, slots=True)
class Visit:
    """One planned visit: `paths` are asked for in order over one connection."""

    client: str  # loopback address
    start: datetime  # in the incident's time
    seconds: float  # it takes in the incident's time
    agent: str
    paths: tuple[str, ...]
    abort_after: int = 0  # bytes of the last answer after which the client goes away
    method: str = "GET"


@dataclass(slots=True)
class Made:
    """A visit as it was made."""

    visit: Visit
    lines: int = 0  # lines that the access log has of it
    port: int = 0
    sent: int = 0  # payload bytes, client to server
    received: int = 0  # payload bytes, server to client
    bodies: dict[str, int] = field(default_factory=dict)  # path -> body bytes received

    @property
    def end(self) -> datetime:
        """In the incident's time."""
        return self.visit.start + timedelta(seconds=self.visit.seconds)

    def layer3(self, payload: int) -> tuple[int, int]:
        """(packets, bytes) on the wire for so much payload; handshake and FIN counted."""
        packets = -(-payload // SEGMENT) + 3
        return packets, payload + packets * HEADERS


def make(visit: Visit, address: str, port: int) -> Made:
    """Make the visit for real.

    Raises:
        OSError: the server does not answer.
    """
    made = Made(visit)
    with socket.create_connection(
        (address, port), timeout=20, source_address=(visit.client, 0)
    ) as s:
        made.port = s.getsockname()[1]
        if visit.abort_after:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        stream = _Stream(s)
        last = len(visit.paths) - 1
        for number, path in enumerate(visit.paths):
            request = (
                f"{visit.method} {path} HTTP/1.1\r\nHost: mail-archive.example.mil\r\n"
                f"User-Agent: {visit.agent}\r\nAccept: */*\r\n\r\n"
            ).encode()
            s.sendall(request)
            made.sent += len(request)
            limit = visit.abort_after if number == last else 0
            made.bodies[unquote(path)] = stream.answer(limit, visit.method == "HEAD")
            made.lines += 1
        made.received = stream.received
        if visit.abort_after:  # RST, as a killed client sends it
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return made


class _Stream:
    """Reads answers and counts every byte."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""
        self.received = 0

    def answer(self, limit: int, head_only: bool) -> int:
        """Read one answer; the content bytes received. `limit` 0 means all of it."""
        head = self._until(b"\r\n\r\n")
        found = re.search(rb"content-length:\s*(\d+)", head, re.IGNORECASE)
        if head_only:
            return 0
        if found:
            return self._body(int(found.group(1)), limit)
        total = 5  # "0 CRLF CRLF"; a server's log counts the framing of chunks as body
        while True:
            line = self._until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if not size:
                self._until(b"\r\n")
                return total
            total += len(line) + 4 + self._body(size, 0)
            self._until(b"\r\n")

    def _body(self, size: int, limit: int) -> int:
        wanted = min(size, limit) if limit else size
        while len(self._rest) < wanted:
            self._more()
        if limit and limit < size:
            return len(self._rest)
        self._rest = self._rest[wanted:]
        return wanted

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._more()
        found, self._rest = self._rest.split(end, 1)
        return found

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise OSError("the server closed the connection early")
        self.received += len(data)
        self._rest += data


def make_all(
    visits: list[Visit], address: str, port: int, tick: Callable[[], None] | None = None
) -> list[Made]:
    """Make the visits in the order of their start."""
    made = []
    for visit in sorted(visits, key=lambda v: (v.start, v.client)):
        made.append(make(visit, address, port))
        if tick:
            tick()
    return made
