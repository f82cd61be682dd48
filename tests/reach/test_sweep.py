"""The sweep over a scope: every endpoint once, none that is excluded, in a seeded order."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servers
from leftopen.model.errors import UsageError
from leftopen.net.budget import Meter
from leftopen.reach.sweep import Shard, Standing, Sweep, Wish
from leftopen.reach.sweep_order import Order
from leftopen.reach.sweep_space import Space
from reaching import reach_of, scope_of

KEYS = st.binary(min_size=1, max_size=32)


@given(st.integers(0, 3000), KEYS)
def test_the_order_holds_every_number_once(size: int, key: bytes) -> None:
    walked = list(Order(size, key).walk())
    assert sorted(number for _, number in walked) == list(range(size))
    assert [at for at, _ in walked] == sorted({at for at, _ in walked})


@given(st.integers(0, 2000), st.integers(1, 9), KEYS)
def test_shards_are_the_whole_and_share_nothing(size: int, of: int, key: bytes) -> None:
    order = Order(size, key)
    shards = [[number for _, number in order.walk(i, of)] for i in range(of)]
    assert sorted(number for shard in shards for number in shard) == list(range(size))
    assert max(map(len, shards)) - min(map(len, shards)) <= 2 + 2 * size**0.5 / of


@given(st.integers(1, 2000), st.data())
def test_the_order_goes_on_from_any_position(size: int, data: st.DataObject) -> None:
    order = Order(size, b"k")
    start = data.draw(st.integers(0, order.positions))
    assert list(order.walk(start)) == [w for w in order.walk() if w[0] >= start]


def test_the_order_is_the_keys_and_looks_random() -> None:
    first = [n for _, n in Order(10_000, b"1").walk()]
    assert first == [n for _, n in Order(10_000, b"1").walk()]
    assert first != [n for _, n in Order(10_000, b"2").walk()]
    apart = [abs(a - b) for a, b in pairwise(first)]
    # Two random numbers below n are n/3 apart in the mean; hosts of 16 ports follow themselves
    # as rarely as by chance (31 in 10,000).
    assert 3200 < sum(apart) / len(apart) < 3470
    assert sum(d < 16 for d in apart) < 60


def test_a_slash_12_is_walked_in_little_memory() -> None:
    """16.7 million endpoints on paper: space, order and bitmaps, the walk from five places."""
    scope = scope_of(("10.0.0.0/12",), tuple(range(1, 17)))
    tracemalloc.start()
    sweep = Sweep(scope, (), Meter(1, 1, 1), Wish())
    order = Order(sweep.space.size, b"k")
    seen = 0
    for start in range(0, order.positions, order.positions // 5):
        for _, number in islice(order.walk(start), 20_000):
            address, port = sweep.space.place4(number)
            assert sweep.space.find4(address, port) == number
            seen += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sweep.space.size == ((1 << 20) - 2) * 16
    assert seen >= 100_000
    assert peak < 64_000_000


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
    assert sorted(triples[:-2]) == sorted(("", a, p) for a in addresses for p in (80, 443))
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
        told: list[Standing] = []
        with reach_of(scope).sweeping(Wish(report=told.append)) as sweep:
            opened = {(t.endpoint.address, t.endpoint.port) for t in sweep}
            space = sweep.space
        asked = {space[n][1:] for n in range(space.size) if space.admits(n)}
    assert opened == {(s.host, s.port) for s in there}
    assert (sweep.open, sweep.closed, sweep.filtered) == (2, 16 * 3 - 3 - 1 - 2, 0)
    assert told[-1].done == told[-1].total
    assert len(asked) == 16 * 3 - 3 - 1
    assert ("127.3.0.5", port) not in asked
    assert not any(address == "127.3.0.3" for address, _ in asked)


KILLED = (("127.3.2.0/26",), (1, 2, 3))


@given(st.integers(1, 190), st.integers(1, 190))
@settings(max_examples=12)
def test_a_killed_sweep_goes_on(first: int, second: int) -> None:
    """Killed twice, after so many answers each; loopback answers at once, so all are answered."""
    with servers.fake(lambda c: None, "127.3.2.9") as server:
        scope = scope_of(KILLED[0], (*KILLED[1], server.port))
        stored = b""
        answered: list[int] = []
        for count in (first, second, 10_000):
            points: list[bytes] = []
            wish = Wish(resume=stored, checkpoint=points.append, look_every=0.0, store_every=0.0)
            sweep = Sweep(scope, (), Meter(10_000, 10_000, 1), wish)
            before = set(numbers_of(stored, sweep))
            states = sweep.states()
            got = [number for number, _ in islice(states, count)]
            states.close()
            assert not before & set(got)
            answered += got
            stored = points[-1] if points else stored
    assert set(answered) == set(range(64 * 4))
    assert (sweep.open, sweep.closed, sweep.filtered) == (1, 64 * 4 - 1, 0)


def numbers_of(stored: bytes, sweep: Sweep) -> Iterator[int]:
    """The numbers that a checkpoint has as answered."""
    if stored:
        answered = sweep._answered
        yield from (n for n in range(sweep.space.size) if answered[n >> 3] >> (n & 7) & 1)


def test_a_checkpoint_of_another_sweep_is_refused() -> None:
    scope, other = scope_of(("127.3.3.0/30",), (1,)), scope_of(("127.3.3.0/30",), (2,))
    points: list[bytes] = []
    list(Sweep(scope, (), Meter(1000, 1000, 1), Wish(checkpoint=points.append)))
    assert len(list(Sweep(scope, (), Meter(9, 9, 1), Wish(resume=points[-1])).states())) == 0
    for resume, why in ((points[-1], "another scope"), (b"x", "damaged"), (points[-1][:20], "dam")):
        with pytest.raises(UsageError, match=why):
            Sweep(other, (), Meter(9, 9, 1), Wish(resume=resume))
    with pytest.raises(UsageError, match="another scope or shard"):
        Sweep(scope, (), Meter(9, 9, 1), Wish(resume=points[-1], shard=Shard(0, 2)))


def test_shards_of_a_sweep_ask_all_once() -> None:
    scope = scope_of(("127.3.4.0/27",), (1, 2))
    found = []
    for index in range(3):
        wish = Wish(shard=Shard(index, 3))
        found += [n for n, _ in Sweep(scope, (), Meter(9999, 9999, 1), wish).states()]
    assert sorted(found) == list(range(64))
    with pytest.raises(UsageError, match="no shard 3 of 3"):
        Shard(3, 3)


def test_the_standing_ends_with_the_truth() -> None:
    reports: list[Standing] = []
    scope = scope_of(("127.3.5.0/27",), (1, 2))
    sweep = Sweep(scope, (), Meter(9999, 9999, 1), Wish(report=reports.append))
    assert list(sweep) == []
    assert (reports[-1].done, reports[-1].total, reports[-1].seconds_left) == (64, 64, 0.0)


def test_named_hosts_are_swept_under_their_name() -> None:
    with servers.fake(lambda c: None, "127.3.1.1") as server:
        scope = scope_of((), (server.port,), more='hosts = ["mail.test"]')
        named = [("mail.test", "127.3.1.1")]
        (target,) = Sweep(scope, named, Meter(1000, 1000, 1))
    assert (target.endpoint.name, target.endpoint.address) == ("mail.test", "127.3.1.1")


@pytest.mark.parametrize("seconds", [0.2, 1.3])  # asked again by us, and by the kernel
def test_silence_is_asked_twice_and_filtered(seconds: float) -> None:
    listener, waiting = socket.socket(), []
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):  # a full queue drops further SYNs
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    rates = f"timeout_seconds = {seconds}\nconnections_per_second_per_host = 1000"
    scope = scope_of(ports=(listener.getsockname()[1],), rates=rates)
    meter = Counting(1000, 1000, 1)
    sweep = Sweep(scope, (), meter)
    found = list(sweep)
    for item in (listener, *waiting):
        item.close()
    assert found == []
    assert (sweep.closed, sweep.filtered) == (0, 1)
    assert meter.slots == 2


class Counting(Meter):
    slots = 0

    def slot(self, host: str, at: float) -> float:
        self.slots += 1
        return super().slot(host, at)
