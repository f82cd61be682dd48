"""The laboratory: all rows of the truth table up at once, each behind its relay, and one look.

Used by the truth test and by `bench/reach_prove.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock

import pytest

import servers
from lab.config import Both, Config, Start
from lab.relay import Relay, relays
from leftopen.model.scope import Target, parse_scope
from leftopen.reach.api import Outcome
from leftopen.reach.prove import Limits
from leftopen.reach.reach import Reach
from probing import NOW
from reaching import reach_of

AT_ONCE = 4  # starts at the same time
LIMITS = Limits(seconds=30.0)


@dataclass(frozen=True)
class Stand:
    """One row that is up, and where it is looked at."""

    config: Config
    server: servers.Server
    host: str
    port: int
    relay: Relay | None

    @property
    def url(self) -> str:
        """As a store of the scope file is named."""
        scheme = "https" if self.config.tls else "http"
        return f"{scheme}://{self.host}:{self.port}{self.config.path}"

    def state(self) -> object:
        """What must not change; None where the row does not say."""
        return self.config.state(self.server) if self.config.state else None


@dataclass(frozen=True)
class Laboratory:
    """All that is up, by name, and why the rest is not."""

    stands: dict[str, Stand]
    missing: dict[str, str]

    def reach(self, limits: Limits = LIMITS) -> tuple[Reach, dict[str, Target]]:
        """A Reach over a scope of all of them, and the target of each."""
        rows = [s.config for s in self.stands.values()]
        stores = "".join(
            f'[[targets.stores]]\nurl = "{s.url}"\nkind = "{s.config.store}"\n'
            for s in self.stands.values()
            if s.config.store
        )
        claims = "\n".join(dict.fromkeys(c.claims for c in rows if c.claims))
        text = (
            "version = 1\n[rates]\nconnections_per_second = 10000\n"
            "connections_per_second_per_host = 1000\n"
            f'[claims]\n{claims}\n[targets]\nnetworks = ["127.0.0.0/12"]\n{stores}'
        )
        scope = parse_scope(text, "scope.toml", NOW)
        reach = reach_of(scope, limits)
        named = {t.url: t for t in reach.targets() if isinstance(t, Target)}
        return reach, {
            name: named[s.url] if s.config.store else scope.target(s.host, s.port)
            for name, s in self.stands.items()
        }

    def prove(self, limits: Limits = LIMITS) -> dict[str, Outcome]:
        """One call for all of them, as a run would do it."""
        reach, targets = self.reach(limits)
        names = {id(target): name for name, target in targets.items()}
        return {names[id(o.target)]: o for o in reach.prove(targets.values())}


@contextmanager
def laboratory(table: Sequence[Config]) -> Iterator[Laboratory]:
    """Start all of these and put a relay in front of each; they end with the block."""
    with ExitStack() as stack, relays() as gates, _network() as network:
        up, missing = _started(stack, table)
        stands = {}
        for number, config in enumerate(c for c in table if c.start in up):
            server = up[config.start]
            if config.second:
                assert isinstance(server, Both)
                inside = servers.Server(server.host, server.second, server.folder, server.log)
            else:
                inside = server
            host, port, relay = inside.host, inside.port, None
            if not config.direct:
                host, port = f"127.{network}.{number // 250}.{1 + number % 250}", config.port
                relay = gates.to(inside, host, port, tls=config.tls)
            stands[config.name] = Stand(config, server, host, port, relay)
        yield Laboratory(stands, {c.name: missing[c.start] for c in table if c.start in missing})


@contextmanager
def _network() -> Iterator[int]:
    """The second number of loopback addresses that no other laboratory of this machine uses."""
    with socket.socket() as held:
        for number in range(1, 16):
            with suppress(OSError):
                held.bind((f"127.{number}.255.254", 60_001))
                break
        else:
            raise RuntimeError("fifteen laboratories are up on this machine")
        yield number


def _entered(way: Start) -> tuple[AbstractContextManager[servers.Server], servers.Server]:
    """Start a server, and once more where it did not listen: all start at the same time."""
    for _ in range(2):
        manager = way()
        try:
            return manager, manager.__enter__()
        except RuntimeError as e:
            failed = e
    raise failed


def _started(
    stack: ExitStack, table: Sequence[Config]
) -> tuple[dict[Start, servers.Server], dict[Start, str]]:
    """Each different start once; what this machine lacks comes back with the reason."""
    lock = Lock()

    def start(way: Start) -> servers.Server:
        manager, server = _entered(way)
        with lock:
            stack.push(manager)
        return server

    made: dict[Start, Future[servers.Server]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for config in table:
            if config.start not in made:
                made[config.start] = pool.submit(start, config.start)
    up, missing = {}, {}
    for way, future in made.items():
        error = future.exception()
        if error is None:
            up[way] = future.result()
        elif isinstance(error, pytest.skip.Exception | pytest.fail.Exception | RuntimeError):
            missing[way] = str(error)  # its rows alone have nothing to be judged by
        else:
            raise error
    return up, missing
