"""memcached."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

SECRET = b"The secret is 078-05-1120"
KILL = signal.SIGKILL  # it takes a second to stop, and has nothing to save
VALUES = {b"user:1": SECRET, b"odd%20=key": b"odd", b"big": b"x" * 300_000, b"empty": b""}


@contextmanager
def memcached(
    *args: str,
    values: dict[bytes, bytes] | None = None,
    host: str = servers.CLIENT,
    port: int = 0,
) -> Iterator[servers.Server]:
    binary, port = servers.need("memcached"), port or servers.free_port()
    with servers.scratch() as folder:
        (folder / "memcached.conf").write_text("mech_list: plain\n")
        (folder / "users").write_text("bob:correct-horse\n")
        argv = [binary, "-p", str(port), "-U", "0", "-l", host, *args]
        env = {"SASL_CONF_PATH": str(folder)}
        with servers.running(argv, folder, port, host=host, env=env, stop=KILL) as server:
            if values:
                fill(server, values)
            yield server


def fill(server: servers.Server, values: dict[bytes, bytes]) -> None:
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        for key, value in values.items():
            client.sendall(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        with client.makefile("rb") as said:
            assert {said.readline() for _ in values} == {b"STORED\r\n"}


def _counts(server: servers.Server) -> object:
    """How many items there are, and how often somebody wrote."""
    writes = (b"curr_items", b"total_items", b"cmd_set", b"cmd_flush", b"cmd_touch", b"delete_hits")
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(b"stats\r\n")
        with client.makefile("rb") as said:
            lines = iter(said.readline, b"END\r\n")
            return [line for line in lines if line.split()[1] in writes]


OPEN = Config(
    "memcached: open",
    "memcached",
    Access.GIVES_DATA,
    partial(memcached, values=VALUES),
    11211,
    objects=4,
    state=_counts,
)
SASL = Config(
    "memcached: SASL", "memcached", Access.ASKS_CREDENTIAL, partial(memcached, "-S"), 11211
)
ASCII = Config(
    "memcached: ASCII auth",
    "memcached",
    Access.ASKS_CREDENTIAL,
    partial(memcached, "-Y", "users"),
    11211,
)
CONFIGS = (
    OPEN,
    SASL,
    ASCII,
    *with_tls((OPEN, ASCII), 11211),
    Config(
        "memcached: no crawler",
        "memcached",
        Access.GIVES_DATA,
        partial(memcached, "-o", "no_lru_crawler", values=VALUES),
        11211,
        objects=4,
        state=_counts,
    ),
    Config("memcached: dumps off", "memcached", Access.SPEAKS, partial(memcached, "-X"), 11211),
    Config(
        "memcached: binary only",
        "memcached",
        Access.SPEAKS,
        partial(memcached, "-B", "binary"),
        11211,
    ),
    Config(
        "memcached: empty", "memcached", Access.LISTS, memcached, 11211, objects=0, state=_counts
    ),
)
