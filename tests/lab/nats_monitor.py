"""NATS: its monitor."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Both, Config, Start, with_tls
from leftopen.model.exposure import Access


@contextmanager
def nats(*args: str) -> Iterator[tuple[servers.Server, int]]:
    """The clients' port and that of the monitor."""
    binary = servers.need("nats-server")
    port, monitor = servers.free_port(), servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "-a", servers.CLIENT, "-p", str(port), "-m", str(monitor), *args]
        with servers.running(argv, folder, port) as server:
            yield server, monitor


def make_stream(server: servers.Server, login: dict[str, str]) -> None:
    config = json.dumps({"name": "orders", "subjects": ["orders.>"], "storage": "memory"})
    create = f"PUB $JS.API.STREAM.CREATE.orders _INBOX.t {len(config)}\r\n{config}\r\n"
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        hello = json.dumps({"verbose": False, **login})
        client.sendall(f"CONNECT {hello}\r\nSUB _INBOX.t 1\r\n{create}".encode())
        with client.makefile("rb") as said:
            while not said.readline().startswith(b"MSG"):
                pass
            assert b'"error"' not in said.readline()


def _nats(*args: str, login: dict[str, str] | None = None) -> Start:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        with nats(*args) as (server, monitor):
            if login is not None:
                make_stream(server, login)
            yield Both(server.host, server.port, server.folder, server.log, monitor)

    return start


_TOKEN = _nats("-js", "-sd", "js", "--auth", "tok", login={"auth_token": "tok"})
CLOSED = Config(
    "NATS: its monitor, clients need a token",
    "nats_monitor",
    Access.LISTS,
    _TOKEN,
    8222,
    second=True,
)
CONFIGS = (
    CLOSED,
    *with_tls((CLOSED,), 8222),
    Config("NATS: a token and JetStream", "nats", Access.ASKS_CREDENTIAL, _TOKEN, 4222),
    Config("NATS: its monitor", "nats_monitor", Access.METADATA, _nats(), 8222, second=True),
)
