"""The connect sweep by itself: states, rates, the file limit."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

import servers
from leftopen.model.errors import OutOfScope
from leftopen.net import sweep as module
from leftopen.net.budget import Meter
from leftopen.net.guard import Guard
from leftopen.net.sweep import ConnectSweep, Knock, State
from reaching import scope_of

SCOPE = scope_of(("127.0.0.0/24",))
FAST = 1_000_000


def knocks(*endpoints: tuple[str, int]) -> Iterator[Knock]:
    for number, (host, port) in enumerate(endpoints):
        yield Knock(number, SCOPE.target(host, port))


def states(pass_: ConnectSweep, *endpoints: tuple[str, int]) -> dict[int, State]:
    return {knock.number: state for knock, state in pass_.run(knocks(*endpoints))}


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
            ConnectSweep(Meter(FAST, FAST, 1), seconds=0.5),
            ("127.0.0.1", server.port),
            ("127.0.0.1", servers.free_port()),
            listener.getsockname(),
        )
    for item in (listener, *waiting):
        item.close()
    assert found == {0: State.OPEN, 1: State.CLOSED, 2: State.SILENT}


def test_an_answer_that_waited_for_its_reader_is_heard() -> None:
    listener, waiting = full_listener()
    pass_ = ConnectSweep(Meter(FAST, FAST, 1), seconds=0.5)
    run = pass_.run(knocks(("127.0.0.1", servers.free_port()), listener.getsockname()))
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
    found = states(ConnectSweep(Meter(FAST, 20, 1), seconds=0.5), *endpoints)
    assert 0.45 < time.monotonic() - started < 2.0
    assert len(found) == 11


def test_a_slow_host_does_not_hold_back_others() -> None:
    port = servers.free_port()
    endpoints = [("127.0.0.1", port)] * 10 + [(f"127.0.0.{n}", port) for n in range(2, 102)]
    others = []
    started = time.monotonic()
    for knock, _ in ConnectSweep(Meter(FAST, 20, 1), seconds=0.5).run(knocks(*endpoints)):
        if knock.number >= 10:
            others.append(time.monotonic() - started)
    assert len(others) == 100
    assert max(others) < 0.3


def test_more_targets_than_files_are_all_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    port = servers.free_port()
    monkeypatch.setattr(module, "MAX_HELD_BACK", 8)
    endpoints = [(f"127.0.0.{n % 250 + 1}", port) for n in range(600)]
    found = states(ConnectSweep(Meter(FAST, 1000, 1), seconds=0.5, limit=4), *endpoints)
    assert set(found) == set(range(600))
    assert set(found.values()) == {State.CLOSED}


def test_the_guard_is_below_the_sweep() -> None:
    guard = Guard(scope_of(("127.0.0.5/32",)))
    with guard.active(), pytest.raises(OutOfScope):
        states(ConnectSweep(Meter(FAST, FAST, 1), seconds=0.1), ("127.0.0.1", 9))
