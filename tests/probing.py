"""One probe of one server, as a run would do it: scope, guard, dialer, budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from leftopen.model.exposure import ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.redact import Keyring
from leftopen.model.scope import parse_scope
from leftopen.net.budget import Budget, Meter
from leftopen.net.dialer import Dialer
from leftopen.net.guard import Guard
from leftopen.reach.api import Context, Fetched, Proof, Protocol

T = TypeVar("T")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEYRING = Keyring(b"0123456789abcdef")
NETWORKS = ("127.0.0.0/24", "::1/128")


@dataclass(frozen=True)
class Limits:
    """What one call may use; generous for an honest server, small for a hostile one."""

    bytes: int = 8_000_000
    connections: int = 24
    seconds: float = 8.0


@dataclass(frozen=True)
class Probe:
    """Calls the functions of one protocol against one endpoint.

    `claims` and `rules` are the bodies of the scope file's [claims] and [rules]; `networks` and
    `exclude` are its [targets].
    """

    protocol: Protocol
    host: str
    port: int
    tls: bool = False
    greeting: bytes = b""
    claims: str = ""
    rules: str = ""
    networks: tuple[str, ...] = NETWORKS
    exclude: tuple[str, ...] = ()
    limits: Limits = Limits()

    def prove(self) -> Proof | None:
        """`protocol.prove`; raises what it raises."""
        return self.run(self.protocol.prove)

    def objects(self, limit: int = 100_000) -> list[ObjectRef | Gap]:
        """All that `protocol.list_objects` yields, at most `limit`."""
        listing = self.protocol.list_objects
        assert listing is not None

        async def collect(context: Context) -> list[ObjectRef | Gap]:
            found = []
            async for item in listing(context):
                found.append(item)
                if len(found) >= limit:
                    break
            return found

        return self.run(collect)

    def fetch(self, ref: ObjectRef, limit: int = 1_000_000) -> Fetched:
        """`protocol.fetch` of one object."""
        fetching = self.protocol.fetch
        assert fetching is not None
        return self.run(lambda context: fetching(context, ref, limit))

    def run(self, work: Callable[[Context], Awaitable[T]]) -> T:
        """Run `work` with a Context in an event loop of its own, behind an active guard."""

        async def inside() -> T:
            context = self.context()
            with self._guard(context).active():
                return await work(context)

        return asyncio.run(inside())

    def context(self) -> Context:
        """A Context; must be made inside a running event loop."""
        networks = ", ".join(f'"{n}"' for n in self.networks)
        exclude = ", ".join(f'"{e}"' for e in self.exclude)
        text = f"version = 1\n[targets]\nnetworks = [{networks}]\nexclude = [{exclude}]\n"
        scope = parse_scope(
            f"{text}[claims]\n{self.claims}\n[rules]\n{self.rules}\n", "scope.toml", NOW
        )
        target = scope.target(self.host, self.port)
        limits = self.limits
        budget = Budget(bytes=limits.bytes, connections=limits.connections, seconds=limits.seconds)
        dialer = Dialer(
            target,
            Guard(scope),
            Meter(10_000, 10_000, 200_000_000),
            budget,
            allowed=self.protocol.allowed,
            connect_seconds=3.0,
        )
        return Context(
            target=target,
            dialer=dialer,
            keyring=KEYRING,
            claims=scope.file.claims,
            rules=scope.file.rules,
            run_id="run-1",
            user_agent="Leftopen/0 (+security@example.org)",
            now=lambda: NOW,
            tls=self.tls,
            greeting=self.greeting,
        )

    @staticmethod
    def _guard(context: Context) -> Guard:
        return context.dialer._guard
