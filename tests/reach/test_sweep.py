"""The sweep over a scope: every endpoint once, none that is excluded, in a seeded order."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import UsageError
from leftopen.model.exposure import Access
from leftopen.net.budget import Meter
from leftopen.reach.sweep import OPEN, Space, order, sweep
from reaching import reach_of, scope_of


@given(st.integers(0, 3000), st.integers(0, 2**64))
def test_the_order_holds_every_number_once(size: int, seed: int) -> None:
    assert sorted(order(size, seed)) == list(range(size))


def test_the_order_is_the_seeds_and_visits_hosts_far_apart() -> None:
    first = list(order(10_000, 1))
    assert first == list(order(10_000, 1))
    assert first != list(order(10_000, 2))
    assert first != list(range(10_000))
    apart = [abs(a - b) for a, b in pairwise(first)]
    assert min(apart) > 100


NETWORKS = [
    ("10.0.0.0/29",),
    ("127.0.0.0/29",),
    ("10.0.0.0/31",),
    ("10.0.0.4/32", "10.0.0.4/30", "192.168.1.0/30"),
    ("::1/128",),
    ("fd00::/126", "10.1.0.0/30"),
]


@pytest.mark.parametrize("networks", NETWORKS, ids=str)
def test_the_space_is_the_scopes_addresses(networks: tuple[str, ...]) -> None:
    scope = scope_of(networks, (80, 443))
    space = Space(scope, [("mail.test", "10.9.9.9")])
    triples = [space[n] for n in range(space.size)]
    addresses = list(scope.addresses())
    assert triples[:-2] == [("", a, p) for a in addresses for p in (80, 443)]
    assert triples[-2:] == [("mail.test", "10.9.9.9", 80), ("mail.test", "10.9.9.9", 443)]


def test_too_much_to_sweep_is_a_usage_error() -> None:
    scope = scope_of(("10.0.0.0/12",), tuple(range(1, 1000)))
    with pytest.raises(UsageError, match="more than can be swept"):
        Space(scope)


def test_a_network_is_swept() -> None:
    port = servers.free_port()
    with ExitStack() as stack:
        there = [stack.enter_context(servers.fake(lambda c: None, f"127.3.0.{n}")) for n in (1, 9)]
        ports = (port, *(s.port for s in there))
        more = f'exclude = ["127.3.0.3", "127.3.0.5:{port}"]'
        scope = scope_of(("127.3.0.0/28",), ports, more=more)
        steps: list[int] = []
        found = {
            (t.endpoint.address, t.endpoint.port): state
            for t, state in reach_of(scope).sweep(steps.append)
        }
    assert len(found) == 16 * 3 - 3 - 1
    assert sum(steps) == len(found)
    opened = {key for key, state in found.items() if state is OPEN}
    assert opened == {(s.host, s.port) for s in there}
    assert {s for k, s in found.items() if k not in opened} == {Access.CLOSED}
    assert ("127.3.0.5", port) not in found
    assert not any(address == "127.3.0.3" for address, _ in found)


def test_named_hosts_are_swept_under_their_name() -> None:
    with servers.fake(lambda c: None, "127.3.1.1") as server:
        scope = scope_of((), (server.port,), more='hosts = ["mail.test"]')
        named = [("mail.test", "127.3.1.1")]
        ((target, state),) = sweep(scope, named, Meter(1000, 1000, 1))
    assert (target.endpoint.name, target.endpoint.address) == ("mail.test", "127.3.1.1")
    assert state is OPEN


def test_silence_is_asked_twice_and_filtered() -> None:
    listener, waiting = socket.socket(), []
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):  # a full queue drops further SYNs
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    rates = "timeout_seconds = 0.2\nconnections_per_second_per_host = 1000"
    scope = scope_of(ports=(listener.getsockname()[1],), rates=rates)
    meter = Counting(1000, 1000, 1)
    found = list(sweep(scope, (), meter))
    for item in (listener, *waiting):
        item.close()
    assert [state for _, state in found] == [Access.FILTERED]
    assert meter.slots == 2


class Counting(Meter):
    slots = 0

    def slot(self, host: str, at: float) -> float:
        self.slots += 1
        return super().slot(host, at)
