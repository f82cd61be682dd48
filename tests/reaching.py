"""Whole looks through the facade of reach, and web servers of a few lines that answer as told."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import servers
from leftopen.model.exposure import Exposure, ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.scope import Scope, Target, parse_scope
from leftopen.model.time import Between
from leftopen.reach.api import Outcome
from leftopen.reach.reach import FetchedObject, Limits, Reach
from probing import KEYRING, NOW

QUICK = Limits(seconds=4.0, greeting_seconds=0.1, answer_seconds=1.0, blind_seconds=0.5)


def scope_of(
    networks: tuple[str, ...] = ("127.0.0.1/32",),
    ports: tuple[int, ...] = (1,),
    more: str = "",
    rates: str = "connections_per_second_per_host = 10000\nconnections_per_second = 10000",
) -> Scope:
    """A scope file; `more` is the rest of its [targets]."""
    listed = ", ".join(f'"{n}"' for n in networks)
    text = f"version = 1\n[rates]\n{rates}\n[targets]\nnetworks = [{listed}]\n"
    return parse_scope(f"{text}ports = {list(ports)}\n{more}\n", "scope.toml", NOW)


def reach_of(scope: Scope, limits: Limits = QUICK, **more: object) -> Reach:
    """Reach with short waits."""
    return Reach(scope, KEYRING, "run-1", limits=limits, **more)  # type: ignore[arg-type]


def swept(reach: Reach) -> list[Target]:
    """The endpoints that answer a sweep."""
    with reach.sweeping() as sweep:
        return list(sweep)


def look(host: str, port: int, limits: Limits = QUICK) -> Outcome:
    """One look at one endpoint, as `run` does it."""
    scope = scope_of((f"{host}/32",), (port,))
    (outcome,) = reach_of(scope, limits).prove([scope.target(host, port)])
    return outcome


def store_scope(url: str, kind: str = "http", networks: tuple[str, ...] = ()) -> Scope:
    """A scope that names one store."""
    return scope_of(networks, more=f'stores = [{{url = "{url}", kind = "{kind}"}}]')


def look_at_store(url: str, kind: str = "http") -> tuple[Reach, Outcome]:
    """One look at one store URL."""
    reach = reach_of(store_scope(url, kind))
    (target,) = reach.targets()
    assert isinstance(target, Target)
    (outcome,) = reach.prove([target])
    return reach, outcome


def exposure_of(outcome: Outcome) -> Exposure:
    """The exposure that an observation makes by itself."""
    seen = outcome.observation
    return Exposure(
        uid="exposure-1",
        endpoint=seen.endpoint,
        protocol=seen.protocol,
        access=seen.access,
        opened=Between(),
        closed=Between(),
        observations=(seen,),
    )


def read_all(
    reach: Reach, outcome: Outcome, size: int = 1_000_000
) -> tuple[list[ObjectRef], list[FetchedObject], list[Gap]]:
    """List and fetch everything of an exposure."""
    exposure = exposure_of(outcome)
    listed = list(reach.listing(exposure))
    refs = [item for item in listed if isinstance(item, ObjectRef)]
    gaps = [item for item in listed if isinstance(item, Gap)]
    fetched = list(reach.fetch(exposure, refs, bytes=size, seconds=10))
    gaps += [item for item in fetched if isinstance(item, Gap)]
    return refs, [item for item in fetched if isinstance(item, FetchedObject)], gaps


def contacts(canary: servers.Fake) -> int:
    """Connections to a canary so far; its own last one, which ends the wait, is not counted.

    Connections are accepted in their order, so whatever came before ours is counted by then.
    """
    with socket.create_connection((canary.host, canary.port), timeout=5) as client:
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
    return canary.connections - 1


Answer = Callable[[str], bytes]


def answer(
    body: bytes, status: str = "200 OK", kind: str = "text/html", more: Mapping[str, str] = {}
) -> bytes:
    """A whole HTTP/1.1 answer."""
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), **more}
    head = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


NOT_FOUND = answer(b"no", "404 Not Found")


@dataclass
class Web:
    """A fake web server, and the request lines that it got."""

    host: str
    port: int
    requests: list[str] = field(default_factory=list)


@contextmanager
def web(reply: Answer) -> Iterator[Web]:
    """Answer each request with `reply(path)`; only what ends with `Connection: close` hangs up."""
    asked: list[str] = []

    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            while client.hear().strip():
                pass
            words = line.decode("latin-1").split()
            if len(words) < 3:  # somebody who does not speak HTTP
                return client.say(answer(b"", "400 Bad Request"))
            asked.append(" ".join(words))
            client.say(reply(words[1]))
        return None

    with servers.fake(handle) as server:
        yield Web(server.host, server.port, asked)
