"""NATS."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config
from leftopen.model.exposure import Access

SECRET = b"The secret is 078-05-1120"
ORDERS = [SECRET, *(b"order %d" % n for n in range(40))]  # read by several sessions at a time


@contextmanager
def nats(*args: str) -> Iterator[servers.Server]:
    binary, port = servers.need("nats-server"), servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "-a", servers.CLIENT, "-p", str(port), *args]
        with servers.running(argv, folder, port) as server:
            yield server


@contextmanager
def client(server: servers.Server) -> Iterator[socket.socket]:
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        connection.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.t 1\r\n')
        yield connection


def publish(subject: bytes, body: bytes) -> bytes:
    return b"PUB %s _INBOX.t %d\r\n%s\r\n" % (subject, len(body), body)


def store(server: servers.Server, stream: str, messages: list[bytes]) -> None:
    """A stream with these messages, each acknowledged."""
    config = json.dumps({"name": stream, "subjects": [f"{stream}.>"], "storage": "memory"})
    with client(server) as connection:
        said = connection.makefile("rb")
        create = publish(b"$JS.API.STREAM.CREATE." + stream.encode(), config.encode())
        for request in (create, *(publish(b"%s.a" % stream.encode(), m) for m in messages)):
            connection.sendall(request)
            while not said.readline().startswith(b"MSG"):
                pass
            assert b'"error"' not in said.readline()
        said.close()


@contextmanager
def _filled() -> Iterator[servers.Server]:
    with nats("-js", "-sd", "js") as server:
        store(server, "orders", ORDERS)
        store(server, "empty", [])
        yield server


def _stream(server: servers.Server) -> object:
    """Messages, last number and consumers of the stream."""
    with client(server) as connection:
        connection.sendall(publish(b"$JS.API.STREAM.INFO.orders", b""))
        with connection.makefile("rb") as said:
            while not said.readline().startswith(b"MSG"):
                pass
            return json.loads(said.readline())["state"]


CONFIGS = (
    Config(
        "NATS: open with JetStream",
        "nats",
        Access.GIVES_DATA,
        _filled,
        4222,
        objects=len(ORDERS),
        state=_stream,
    ),
    Config("NATS: open without JetStream", "nats", Access.SPEAKS, nats, 4222),
    Config("NATS: a token", "nats", Access.ASKS_CREDENTIAL, partial(nats, "--auth", "tok"), 4222),
    Config(
        "NATS: user and password",
        "nats",
        Access.ASKS_CREDENTIAL,
        partial(nats, "--user", "bob", "--pass", "correct-horse"),
        4222,
    ),
)
