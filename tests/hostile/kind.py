"""One misbehaviour: its name, what it does, what may be said of it, and how it is served."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import servers
from leftopen.model.exposure import Access

BROKEN = frozenset({Access.MISBEHAVES})
STUCK_SECONDS = 20.0  # the longest that a server waits for a client that does not go
BACKLOG = 64


@dataclass
class Client(servers.Conversation):
    """One connection to a hostile server."""

    canary: servers.Fake  # where no client may be sent
    number: int  # of this connection, from 1
    heard: list[str]  # what the server writes down for the test

    @property
    def elsewhere(self) -> str:
        """The canary as host:port."""
        return f"{self.canary.host}:{self.canary.port}"

    def head(self) -> bytes:
        """An HTTP request up to its empty line; the first line of it."""
        first = self.hear()
        line = first
        while line.strip():
            line = self.hear()
        return first

    def path(self) -> str:
        """The path of the next HTTP request; raises OSError when there is none."""
        words = self.head().split()
        if len(words) != 3:
            raise OSError("no request")
        return words[1].decode("latin-1")

    def wait(self) -> None:
        """Say nothing more until the client has gone."""
        while self.socket.recv(65_536):
            pass

    def slowly(self, data: bytes, seconds: float) -> None:
        """One byte each `seconds`, again and again, until the client has gone."""
        self.socket.settimeout(seconds)
        while True:
            for byte in data:
                self.say(bytes((byte,)))
                with suppress(TimeoutError):
                    if not self.socket.recv(65_536):
                        return

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Serve = Callable[[Client], object]


def after_hello(answer: bytes, flood: bytes = b"", greeting: bytes = b"") -> Serve:
    """Greet, hear anything, answer, and flood or wait."""

    def serve(client: Client) -> None:
        client.say(greeting)
        client.socket.recv(65_536)
        client.say(answer)
        client.flood(flood) if flood else client.wait()

    return serve


@dataclass(frozen=True)
class Kind:
    """One hostile server."""

    name: str
    does: str
    serve: Serve
    hint: str = ""  # a protocol for which its port is a usual one
    tls: bool = False  # and that port is one for TLS
    store: str = ""  # named by the scope file as a store of this kind
    accepts: bool = True
    verdicts: frozenset[Access] = BROKEN  # all else would be a guess


@dataclass
class Family:
    """The kinds of one file."""

    name: str
    hint: str = ""
    tls: bool = False
    kinds: list[Kind] = field(default_factory=list)

    def add(self, name: str, does: str, serve: Serve, *also: Access, **parts: Any) -> None:
        """One more kind; `also` are verdicts that are true of it beside "misbehaves"."""
        usual = {"hint": self.hint, "tls": self.tls, "verdicts": BROKEN.union(also)}
        fields: dict[str, Any] = {**usual, **parts}
        self.kinds.append(Kind(f"{self.name}: {name}", does, serve, **fields))

    def only(self, name: str, does: str, serve: Serve, *true: Access, **parts: Any) -> None:
        """One more kind that breaks nothing: the verdicts that are true of it."""
        self.add(name, does, serve, **{"verdicts": frozenset(true), **parts})

    def kind(self, name: str, does: str, *also: Access, **parts: Any) -> Callable[[Serve], Serve]:
        """`add` as a decorator."""

        def keep(serve: Serve) -> Serve:
            self.add(name, does, serve, *also, **parts)
            return serve

        return keep


@dataclass
class Served:
    """A hostile server that listens."""

    kind: Kind
    host: str
    port: int
    connections: int = 0
    heard: list[str] = field(default_factory=list)


@contextmanager
def serving(kinds: Iterable[Kind], network: str, canary: servers.Fake) -> Iterator[list[Served]]:
    """Serve each kind on an address of its own in `network` (the first three bytes)."""
    sockets: list[socket.socket] = []
    made: list[Served] = []
    for number, kind in enumerate(kinds, 1):
        host = f"{network}.{number}"
        listener = socket.create_server((host, 0), backlog=BACKLOG if kind.accepts else 1)
        sockets.append(listener)
        served = Served(kind, host, listener.getsockname()[1])
        made.append(served)
        if kind.accepts:
            Thread(target=_accept, args=(listener, served, canary), daemon=True).start()
    try:
        yield made
    finally:
        for listener in sockets:
            with suppress(OSError):  # not connected, but it wakes the thread that accepts
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def _accept(listener: socket.socket, served: Served, canary: servers.Fake) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            served.connections += 1
            work = (connection, served, canary, served.connections)
            Thread(target=_talk, args=work, daemon=True).start()


def _talk(connection: socket.socket, served: Served, canary: servers.Fake, number: int) -> None:
    connection.settimeout(STUCK_SECONDS)
    # a client that went away is what all of these servers are waiting for
    with connection, suppress(OSError, ssl.SSLError), connection.makefile("rb") as stream:
        served.kind.serve(Client(connection, stream, canary, number, served.heard))
