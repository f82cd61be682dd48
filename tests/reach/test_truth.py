"""The truth table: real servers, open and closed, each probed through a relay at its usual port.

The relay sees every byte that was sent, so one look at all of them shows three things: the
verdict and the size are right, only reads were sent, and no server changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock

import pytest

import servers
from lab.config import Config, configs
from lab.relay import Relay, relays
from lab.verbs import sent_verbs, strange
from leftopen.model.exposure import OPEN
from leftopen.model.scope import Target, parse_scope
from leftopen.reach.api import Outcome
from leftopen.reach.prove import Limits
from probing import NOW
from reaching import reach_of

TABLE = configs()
AT_ONCE = 4  # starts at the same time


@dataclass
class Looked:
    """One row after the look."""

    config: Config
    outcome: Outcome
    relay: Relay | None
    before: object
    after: object


@pytest.fixture(scope="module")
def looked() -> Iterator[dict[str, Looked]]:
    with ExitStack() as stack, relays() as gates:
        up = _start(stack)
        ends: dict[str, tuple[str, int, Relay | None]] = {}
        for number, config in enumerate(TABLE):
            server = up[config.name]
            if config.direct:
                ends[config.name] = (server.host, server.port, None)
                continue
            host = f"127.1.{number // 250}.{1 + number % 250}"
            relay = gates.to(server, host, config.port, tls=config.tls)
            ends[config.name] = (relay.host, relay.port, relay)
        before = {c.name: c.state(up[c.name]) for c in TABLE if c.state}
        outcomes = _prove(ends)
        yield {
            c.name: Looked(
                c,
                outcomes[c.name],
                ends[c.name][2],
                before.get(c.name),
                c.state(up[c.name]) if c.state else None,
            )
            for c in TABLE
        }


def _start(stack: ExitStack) -> dict[str, servers.Server]:
    lock = Lock()

    def start(config: Config) -> servers.Server:
        manager = config.start()
        server = manager.__enter__()
        with lock:
            stack.push(manager)
        return server

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = {c.name: pool.submit(start, c) for c in TABLE}
    failed = {name: f.exception() for name, f in made.items() if f.exception()}
    for name, error in failed.items():
        raise RuntimeError(f"{name} did not start") from error
    return {name: f.result() for name, f in made.items()}


def _prove(ends: dict[str, tuple[str, int, Relay | None]]) -> dict[str, Outcome]:
    """One call for all of them, as a run would do it."""
    stores = "".join(
        f'[[targets.stores]]\nurl = "{_url(c, ends)}"\nkind = "{c.store}"\n'
        for c in TABLE
        if c.store
    )
    claims = "\n".join(dict.fromkeys(c.claims for c in TABLE if c.claims))
    text = (
        "version = 1\n[rates]\nconnections_per_second = 10000\n"
        "connections_per_second_per_host = 1000\n"
        f'[claims]\n{claims}\n[targets]\nnetworks = ["127.0.0.0/12"]\n{stores}'
    )
    scope = parse_scope(text, "scope.toml", NOW)
    reach = reach_of(scope, Limits(seconds=12.0))
    named = {t.url: t for t in reach.targets() if isinstance(t, Target)}
    targets = {
        c.name: named[_url(c, ends)] if c.store else scope.target(*ends[c.name][:2]) for c in TABLE
    }
    names = {id(t): name for name, t in targets.items()}
    return {names[id(o.target)]: o for o in reach.prove(targets.values())}


def _url(config: Config, ends: dict[str, tuple[str, int, Relay | None]]) -> str:
    host, port, _ = ends[config.name]
    return f"http{'s' if config.tls else ''}://{host}:{port}{config.path}"


def test_enough_servers_and_states() -> None:
    real = [c for c in TABLE if not c.fake]
    assert len({c.name.split(":")[0] for c in real}) >= 60
    assert len(TABLE) >= 120


@pytest.mark.parametrize("name", [c.name for c in TABLE])
def test_the_verdict_is_right(name: str, looked: dict[str, Looked]) -> None:
    row = looked[name]
    seen = row.outcome.observation
    assert (seen.access, seen.protocol) == (row.config.access, row.config.protocol), seen.detail
    assert seen.tls is row.config.tls
    if row.config.objects is not None:
        assert seen.size is not None
        assert seen.size.objects == row.config.objects
    if row.config.sized:
        assert seen.size is not None
        assert seen.size.objects or seen.size.bytes


def test_no_closed_one_is_called_open(looked: dict[str, Looked]) -> None:
    closed = [r for r in looked.values() if r.config.access not in OPEN]
    assert closed
    assert [r.config.name for r in closed if r.outcome.observation.access in OPEN] == []


@pytest.mark.parametrize("name", [c.name for c in TABLE if not c.direct])
def test_only_reads_were_sent(name: str, looked: dict[str, Looked]) -> None:
    row = looked[name]
    assert row.relay is not None
    assert row.relay.sent  # one that refuses unasked hears nothing, but it was connected to
    for stream in row.relay.sent:
        assert strange(sent_verbs(bytes(stream), row.config.protocol)) == []


@pytest.mark.parametrize("name", [c.name for c in TABLE if c.state])
def test_no_server_changed(name: str, looked: dict[str, Looked]) -> None:
    assert looked[name].before == looked[name].after
