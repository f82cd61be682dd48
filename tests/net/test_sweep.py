"""The connect sweep by itself: states, rates, the file limit."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import servers
from leftopen.model.errors import OutOfScope
from leftopen.net import sweep as module
from leftopen.net.budget import Meter
from leftopen.net.guard import Guard
from leftopen.net.pace import Patience
from leftopen.net.sweep import ConnectSweep, State
from reaching import scope_of

FAST = 1_000_000


class Listed:
    """Places that are the endpoints of a list."""

    def __init__(self, endpoints: Sequence[tuple[str, int]]) -> None:
        self.endpoints = endpoints

    def place(self, number: int) -> tuple[str, int]:
        return self.endpoints[number]

    def place4(self, number: int) -> tuple[int, int]:
        raise AssertionError("connects need no numbers for addresses")

    def find4(self, address: int, port: int) -> int | None:
        raise AssertionError("connects know whom they asked")


def connects(
    *endpoints: tuple[str, int], meter: Meter | None = None, seconds: float = 0.5, limit: int = 0
) -> ConnectSweep:
    meter = meter or Meter(FAST, FAST, 1)
    patience = Patience(seconds, seconds)
    return ConnectSweep(Listed(endpoints), meter, patience, limit=limit or None)


def answers(pass_: ConnectSweep, count: int) -> Iterator[tuple[int, State]]:
    return (answer for answer in pass_.run(iter(range(count))) if answer)


def states(*endpoints: tuple[str, int], **options: Any) -> dict[int, State]:
    return dict(answers(connects(*endpoints, **options), len(endpoints)))


def full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose queue is full: Linux drops further SYNs, which is what silence is."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    return listener, waiting


def test_open_closed_and_silent_are_told_apart() -> None:
    listener, waiting = full_listener()
    with servers.fake(lambda client: None) as server:
        found = states(
            ("127.0.0.1", server.port),
            ("127.0.0.1", servers.free_port()),
            listener.getsockname(),
        )
    for item in (listener, *waiting):
        item.close()
    assert found == {0: State.OPEN, 1: State.CLOSED}  # and not a word of the silent one


def test_an_answer_that_waited_for_its_reader_is_heard() -> None:
    listener, waiting = full_listener()
    run = answers(connects(("127.0.0.1", servers.free_port()), listener.getsockname()), 2)
    assert next(run)[1] is State.CLOSED
    for item in waiting:  # room again: Linux accepts the SYN that it sends once more after 1 s
        listener.accept()[0].close()
        item.close()
        break
    until = time.monotonic() + 1.5
    while time.monotonic() < until:  # the reader is busy for longer than the time of an answer
        pass
    assert [state for _, state in run] == [State.OPEN]
    for item in (listener, *waiting):
        item.close()


def test_rates_per_host_hold() -> None:
    port = servers.free_port()
    endpoints = [("127.0.0.1", port)] * 11
    started = time.monotonic()
    found = states(*endpoints, meter=Meter(FAST, 20, 1))
    assert 0.45 < time.monotonic() - started < 2.0
    assert len(found) == 11


def test_a_slow_host_does_not_hold_back_others() -> None:
    port = servers.free_port()
    endpoints = [("127.0.0.1", port)] * 10 + [(f"127.0.0.{n}", port) for n in range(2, 102)]
    others = []
    started = time.monotonic()
    for number, _ in answers(connects(*endpoints, meter=Meter(FAST, 20, 1)), len(endpoints)):
        if number >= 10:
            others.append(time.monotonic() - started)
    assert len(others) == 100
    assert max(others) < 0.3


def test_more_targets_than_files_are_all_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    port = servers.free_port()
    monkeypatch.setattr(module, "MAX_HELD_BACK", 8)
    endpoints = [(f"127.0.0.{n % 250 + 1}", port) for n in range(600)]
    found = states(*endpoints, meter=Meter(FAST, 1000, 1), limit=4)
    assert set(found) == set(range(600))
    assert set(found.values()) == {State.CLOSED}


def test_the_guard_is_below_the_sweep() -> None:
    guard = Guard(scope_of(("127.0.0.5/32",)))
    with guard.active(), pytest.raises(OutOfScope):
        states(("127.0.0.1", 9))


def test_what_is_on_its_way_is_outstanding() -> None:
    listener, waiting = full_listener()
    pass_ = connects(listener.getsockname(), ("127.0.0.1", servers.free_port()), seconds=0.3)
    run = pass_.run(iter(range(2)))
    assert next(run) == (1, State.CLOSED)
    assert next(run) is None
    assert pass_.outstanding() == [0]
    assert [a for a in run if a] == []
    assert pass_.outstanding() == []
    for item in (listener, *waiting):
        item.close()
