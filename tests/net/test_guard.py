"""The two guards: pins of names, and the hook below every socket of the process."""

from __future__ import annotations

import asyncio
import socket

import pytest

import servers
from leftopen.model.errors import OutOfScope
from leftopen.net.guard import Guard, plain, resolve
from reaching import contacts, scope_of

CANARY = "127.0.99.1"


def guard_of(*networks: str, more: str = "") -> Guard:
    return Guard(scope_of(networks or ("127.0.0.1/32",), more=more))


def test_a_name_is_looked_up_once() -> None:
    answers = [["127.0.0.1"], [CANARY]]
    guard = guard_of(more='hosts = ["mail.test"]')
    first = guard.pin("mail.test", 80, lambda name: answers.pop(0))
    second = guard.pin("mail.test", 80, lambda name: answers.pop(0))
    assert first == second == ("127.0.0.1",)
    assert answers == [[CANARY]]
    assert not guard.permits(CANARY, 80)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "8.8.8.8"],
)
def test_a_name_cannot_lead_to(address: str) -> None:
    guard = guard_of(more='hosts = ["mail.test"]')
    with pytest.raises(OutOfScope):
        guard.pin("mail.test", 80, lambda name: [address])
    assert not guard.permits(plain(address), 80)
    assert not guard.permits(address, 80)


def test_a_name_that_the_scope_does_not_hold() -> None:
    with pytest.raises(OutOfScope):
        guard_of().pin("other.test", 80, lambda name: ["10.0.0.1"])


def test_only_the_admitted_of_many_answers_count() -> None:
    guard = guard_of(more='hosts = ["mail.test"]\nexclude = ["10.0.0.2", "10.0.0.3:25"]')
    found = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "8.8.8.8"]
    assert guard.pin("mail.test", 25, lambda name: found) == ("10.0.0.1",)
    assert guard.pin("mail.test", 80, lambda name: found) == ("10.0.0.1", "10.0.0.3")
    assert not guard.permits("10.0.0.3", 25)


def test_a_mapped_address_is_judged_as_ipv4() -> None:
    assert plain("::ffff:127.0.0.1") == "127.0.0.1"
    assert guard_of().permits("::ffff:127.0.0.1", 80)
    assert not guard_of(more='exclude = ["127.0.0.1"]').permits("::ffff:127.0.0.1", 80)


def test_a_label_too_long_does_not_resolve() -> None:
    with pytest.raises(OSError):
        resolve("a" * 80 + ".test")


def connect(canary: servers.Fake) -> None:
    with socket.socket() as client:
        client.connect((canary.host, canary.port))


def connect_by_asyncio(canary: servers.Fake) -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection(canary.host, canary.port), 5))


def send_to(canary: servers.Fake) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"x", (canary.host, canary.port))


def send_message(canary: servers.Fake) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendmsg([b"x"], [], 0, (canary.host, canary.port))


def connect_ex(canary: servers.Fake) -> None:
    with socket.socket() as client:
        client.connect_ex((canary.host, canary.port))


@pytest.mark.parametrize(
    "attempt", [connect, connect_ex, connect_by_asyncio, send_to, send_message]
)
def test_the_hook_refuses_what_no_probe_should_try(attempt: object) -> None:
    assert callable(attempt)
    guard = guard_of()
    with servers.fake(lambda client: None, CANARY) as canary:
        with guard.active(), pytest.raises(OutOfScope):
            attempt(canary)
        assert guard.refused == [f"{CANARY} port {canary.port}"]
        assert contacts(canary) == 0


def test_a_name_given_to_a_socket_is_refused() -> None:
    with guard_of().active(), socket.socket() as client, pytest.raises(OutOfScope):
        client.connect(("localhost", 9))


def test_scope_settings_and_unix_sockets_pass() -> None:
    with servers.fake(lambda client: None) as ours, servers.fake(lambda c: None, CANARY) as named:
        guard = Guard(scope_of(), settings=[(CANARY, named.port)])
        with guard.active():
            connect(ours)
            connect(named)
            with socket.socket(socket.AF_UNIX) as client, pytest.raises(FileNotFoundError):
                client.connect("/nonexistent/socket")
        assert guard.refused == []


def test_every_active_guard_must_agree_and_none_stays() -> None:
    with servers.fake(lambda client: None, CANARY) as canary:
        one, other = guard_of(f"{CANARY}/32"), guard_of()
        with one.active(), other.active(), pytest.raises(OutOfScope):
            connect(canary)
        connect(canary)
