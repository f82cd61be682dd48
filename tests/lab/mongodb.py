"""SecantusDB and NX-27017, which speak as MongoDB does."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import servers
from lab.config import Config, Start, with_tls
from leftopen.model.exposure import Access
from leftopen.reach import mongodb_wire as wire
from leftopen.reach.bson_wire import Document, Raw

PERSON: Document = {"_id": "a/b", "name": "Ada", "ssn": "078-05-1120"}
DATED: Document = {
    "_id": 7,
    "at": Raw(9, struct.pack("<q", 1_700_000_000_000)),
    "scan": Raw(5, struct.pack("<iB", 3, 0) + b"abc"),
    "list": [1, 2.5, None, True, {"in": "side"}],
}


def binary(name: str) -> str:
    """A stand-in of PyPI: in $LEFTOPEN_MONGODB_BIN, beside this Python, or on the PATH."""
    return servers.need(
        name, os.environ.get("LEFTOPEN_MONGODB_BIN", ""), str(Path(sys.executable).parent)
    )


@contextmanager
def secantus(
    folder: Path, *args: str, stop: signal.Signals = signal.SIGKILL
) -> Iterator[servers.Server]:
    """SecantusDB; only a polite end, which takes 3 seconds, leaves its data for another run."""
    port = servers.free_port()
    argv = [binary("secantusd-py"), "--host", servers.CLIENT, "--port", str(port)]
    argv += ["--storage-path", str(folder / "data"), *args]
    with servers.running(argv, folder, port, stop=stop) as server:
        yield server


@contextmanager
def nx() -> Iterator[servers.Server]:
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary("nx-27017"), "--host", servers.CLIENT, "-p", str(port), "--db", "memory"]
        argv += ["--log-file", str(folder / "nx.log"), "--pid-file", str(folder / "nx.pid")]
        with servers.running(argv, folder, port) as server:
            yield server


def owner(server: servers.Server, command: Document, database: str = "shop") -> Document:
    """What the server's owner says to it, writes included."""
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(wire.message(command, database))
        with client.makefile("rb") as stream:
            answer = wire.parse(stream.read(wire.size_of(stream.read(4), 10_000_000)))
    assert wire.succeeded(answer), answer
    return answer


def fill(server: servers.Server) -> None:
    some: list[Document] = [{"_id": Raw(7, bytes([n]) * 12), "n": n} for n in range(1, 200)]
    owner(server, {"insert": "people", "documents": [PERSON, DATED, *some]})


@contextmanager
def _secantus(*args: str) -> Iterator[servers.Server]:
    with servers.scratch() as folder, secantus(folder, *args) as server:
        if not args:
            fill(server)
        yield server


@contextmanager
def _nx() -> Iterator[servers.Server]:
    with nx() as server:
        owner(server, {"insert": "people", "documents": [PERSON]})
        yield server


def _documents(server: servers.Server) -> object:
    cursor = owner(server, {"find": "people", "batchSize": 1000})["cursor"]
    assert isinstance(cursor, dict)
    names = owner(server, {"listDatabases": 1, "nameOnly": True}, "admin")
    return names["databases"], cursor["firstBatch"]


def _row(name: str, access: Access, start: Start, objects: int | None = None) -> Config:
    state = _documents if objects is not None else None
    return Config(name, "mongodb", access, start, 27017, objects=objects, state=state)


OPEN = _row("SecantusDB: open", Access.GIVES_DATA, _secantus, 201)
CLOSED = _row("SecantusDB: --auth", Access.ASKS_CREDENTIAL, partial(_secantus, "--auth"))
NX = _row("NX-27017: open", Access.GIVES_DATA, _nx, 1)
CONFIGS = (OPEN, CLOSED, NX, *with_tls((OPEN, CLOSED, NX), 27017))
