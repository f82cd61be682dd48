"""One row of the truth table: a real server in one configuration, and what is true of it.

Each file of this folder starts one product and names its configurations in `CONFIGS`. The truth
test, the wire test and `bench/reach_prove.py` start all of them together.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import servers
from leftopen.model.exposure import Access

Start = Callable[[], AbstractContextManager[servers.Server]]
State = Callable[[servers.Server], object]


@dataclass(frozen=True)
class Both(servers.Server):
    """A server that listens at a second port, too."""

    second: int = 0


@dataclass(frozen=True)
class Config:
    """A server as it is started, and the verdict that is right.

    Rows with the very same `start` share one server.
    """

    name: str  # "redis: requirepass"
    protocol: str  # the plugin that must say it; "" where no plugin may claim it
    access: Access
    start: Start
    port: int  # the usual port: the relay in front of the server listens there
    objects: int | None = None  # what size.objects must be; None where the protocol cannot say it
    sized: bool = False  # the size is said, but not the same each time
    tls: bool = False  # the relay speaks TLS
    upgraded: bool = False  # the server goes over to TLS itself (STARTTLS)
    fake: bool = False  # a fake built from recorded answers
    second: bool = False  # the second port of a `Both` is meant
    direct: bool = False  # probed without a relay: it opens further ports of its own
    store: str = ""  # kind of store URL, where only the scope file may name it ...
    path: str = "/"  # ... with this path
    claims: str = ""  # lines of [claims]
    state: State | None = None  # what must be the same before and after a look


def configs() -> list[Config]:
    """All rows, in the order of their names; names are unique."""
    folder = Path(__file__).parent
    modules = [m.name for m in pkgutil.iter_modules([str(folder)])]
    found = [
        config
        for name in modules
        for config in getattr(importlib.import_module(f"lab.{name}"), "CONFIGS", ())
    ]
    assert len({c.name for c in found}) == len(found)
    return sorted(found, key=lambda c: c.name)


def with_tls(rows: Sequence[Config], port: int) -> tuple[Config, ...]:
    """The same rows behind TLS from the first byte, on another usual port."""
    from dataclasses import replace

    return tuple(replace(r, name=f"{r.name}, TLS", tls=True, port=port) for r in rows)


def files_of(*parts: str) -> State:
    """A State: names, modes and content of all files below these parts of the server's folder."""

    def state(server: servers.Server) -> object:
        seen = {}
        for part in parts or ("",):
            for path in sorted((server.folder / part).rglob("*")):
                if path.is_file():
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    seen[str(path.relative_to(server.folder))] = (path.stat().st_mode, digest)
        return seen

    return state
