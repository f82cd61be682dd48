"""Redis and Valkey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access


def _redis(*args: str, filled: bool = True) -> Callable[[], AbstractContextManager[servers.Server]]:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        with servers.redis("--protected-mode", "no", *args) as server:
            if filled:
                password = args[args.index("--requirepass") + 1] if "--requirepass" in args else ""
                for n in range(3):
                    servers.redis_cli(server, "SET", f"mail:{n}", "a letter", password=password)
            yield server

    return start


def _state(server: servers.Server) -> object:
    return [servers.redis_cli(server, *w) for w in (("DBSIZE",), ("DEBUG", "DIGEST"))]


OPEN = (
    Config("redis: open", "redis", Access.GIVES_DATA, _redis(), 6379, objects=3, state=_state),
    Config(
        "redis: open, INFO renamed",
        "redis",
        Access.GIVES_DATA,
        _redis("--rename-command", "INFO", "hidden"),
        6379,
        objects=3,
    ),
)
CLOSED = (
    Config(
        "redis: requirepass",
        "redis",
        Access.ASKS_CREDENTIAL,
        _redis("--requirepass", "correct-horse"),
        6379,
    ),
)
PROTECTED = (
    Config(
        "redis: protected mode",
        "redis",
        Access.ASKS_CREDENTIAL,
        _redis("--protected-mode", "yes"),
        6379,
        state=_state,
    ),
)
CONFIGS = (*OPEN, *CLOSED, *PROTECTED, *with_tls(OPEN[:1] + CLOSED, 6380))
