"""The rates of the scope file, as servers see them that write down when they were connected to."""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

from leftopen.model.scope import Scope
from leftopen.net.budget import Meter
from leftopen.reach.reach import AT_ONCE, Limits
from reaching import reach_of, scope_of
from wire import most_within

STRETCH = 2.0  # seconds
LATE = 0.5  # seconds that a loaded machine is late by with some, which then come at once
QUICK = Limits(connections=2, seconds=4.0, greeting_seconds=0.05, answer_seconds=0.1)


@dataclass
class Seen:
    """The port of the listeners, and when each of them was connected to."""

    port: int
    moments: dict[str, list[float]] = field(default_factory=dict)

    def all(self) -> list[float]:
        """The connections to all of them together."""
        return sorted(m for own in self.moments.values() for m in own)


def held(moments: list[float], rate: int) -> bool:
    """Whether they keep within so many a second: all of them, and those of any STRETCH."""
    whole = moments[-1] - moments[0] >= 0.9 * (len(moments) - 1) / rate - LATE / 10
    return whole and most_within(moments, STRETCH) <= rate * (STRETCH + LATE) + 1


@contextmanager
def listeners(count: int) -> Iterator[Seen]:
    """So many addresses with one open port, which hang up at once."""
    made, over = Seen(0), Event()

    def watch() -> None:
        while not over.is_set():
            for key, _ in ready.select(0.05):
                made.moments.setdefault(key.data, []).append(time.monotonic())
                key.fileobj.accept()[0].close()  # type: ignore[union-attr]

    with ExitStack() as stack:
        ready = stack.enter_context(selectors.DefaultSelector())
        for n in range(count):
            host = f"127.0.{40 + n // 256}.{n % 256}"
            source = socket.create_server((host, made.port), backlog=512)
            made.port = stack.enter_context(source).getsockname()[1]
            ready.register(source, selectors.EVENT_READ, host)
        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            over.set()
            thread.join(5)


def scope_with(networks: tuple[str, ...], port: int, overall: int, host: int) -> Scope:
    rates = f"connections_per_second = {overall}\nconnections_per_second_per_host = {host}"
    return scope_of(networks, (port,), rates=rates)


@pytest.mark.parametrize("what", ["prove", "sweep"])
def test_the_overall_rate_with_more_looks_at_once_than_it_lets_out(what: str) -> None:
    count, overall = AT_ONCE, 400
    with listeners(count) as seen:
        networks = tuple(f"127.0.{40 + n}.0/24" for n in range(count // 256))
        scope = scope_with(networks, seen.port, overall, 20)
        reach = reach_of(scope, QUICK)
        if what == "prove":
            targets = [scope.target(host, seen.port) for host in scope.addresses()]
            assert len(list(reach.prove(targets))) == count
        else:
            with reach.sweeping() as sweep:
                assert len(list(sweep)) == count
    assert len(seen.moments) == count
    assert held(seen.all(), overall)
    assert not held(seen.all(), overall // 8)  # it is as fast as it may, or nearly


def test_the_rate_of_a_host_while_all_looks_are_at_it() -> None:
    host = 40
    with listeners(1) as seen:
        scope = scope_with(("127.0.40.0/32",), seen.port, 1000, host)
        target = scope.target("127.0.40.0", seen.port)
        list(reach_of(scope, QUICK).prove([target] * 60))
    (moments,) = seen.moments.values()
    assert len(moments) >= 60
    assert held(moments, host)
    assert not held(moments, host // 8)


def test_waiting_for_the_rate_costs_a_look_none_of_its_time() -> None:
    """Two hundred looks at one host at 100 a second: the last waits longer than a look may take."""
    limits = Limits(connections=1, seconds=1.0, greeting_seconds=0.05)
    with listeners(1) as seen:
        scope = scope_with(("127.0.40.0/32",), seen.port, 1000, 100)
        target = scope.target("127.0.40.0", seen.port)
        outcomes = list(reach_of(scope, limits).prove([target] * 200))
    assert len(outcomes) == 200
    assert len(seen.all()) >= 200
    assert held(seen.all(), 100)


def test_a_meter_is_shared_by_all_that_wait() -> None:
    async def moments() -> list[float]:
        meter = Meter(1000, 50, 1)
        loop = asyncio.get_running_loop()

        async def one(host: str) -> float:
            await meter.connection(host)
            return loop.time()

        return await asyncio.gather(*(one(f"h{n % 2}") for n in range(100)))

    made = asyncio.run(moments())
    assert all(held(made[host::2], 50) for host in (0, 1))
