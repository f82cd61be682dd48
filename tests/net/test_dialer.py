"""The dialer: one target, an allow-list, one budget for everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

import servers
from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.net.budget import Budget, Meter
from leftopen.net.dialer import Dialer, Refused, Silent
from leftopen.net.guard import Guard
from leftopen.reach.protocols.redis import REDIS
from reaching import contacts, scope_of

T = TypeVar("T")


def dial(
    host: str,
    port: int,
    work: Callable[[Dialer], Awaitable[T]],
    *,
    allowed: tuple[bytes, ...] = (rb".*",),
    size: int = 100_000,
    connections: int = 3,
    seconds: float = 3.0,
    answer: float | None = None,
    exclude: str = "",
) -> T:
    async def inside() -> T:
        scope = scope_of((f"{host}/32",), more=f"exclude = [{exclude}]")
        dialer = Dialer(
            scope.target(host, port),
            Guard(scope),
            Meter(10_000, 10_000, 1_000_000),
            Budget(bytes=size, connections=connections, seconds=seconds),
            allowed=allowed,
            connect_seconds=1.0,
            answer_seconds=answer,
        )
        return await work(dialer)

    return asyncio.run(inside())


async def read_to_the_end(dialer: Dialer) -> bytes:
    async with await dialer.connect() as connection:
        data = b""
        while part := await connection.read_some():
            data += part
        return data


def flood(client: servers.Conversation) -> None:
    client.flood(b"x" * 65_536)


def quiet(client: servers.Conversation) -> None:
    client.hear()


FORBIDDEN = [
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
    b"*1\r\n$8\r\nFLUSHALL\r\n",
    b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n",
    b"SET k v\r\n",
    b"*3\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n",
    b"x*1\r\n$4\r\nPING\r\n",
]


@pytest.mark.parametrize("line", FORBIDDEN)
def test_no_verb_but_the_allowed_leaves(line: bytes) -> None:
    heard: list[bytes] = []

    async def send(dialer: Dialer) -> None:
        async with await dialer.connect() as connection:
            await connection.write(line)

    with (
        servers.fake(lambda client: heard.append(client.hear())) as server,
        pytest.raises(OutOfScope, match="allow-list"),
    ):
        dial(server.host, server.port, send, allowed=REDIS.allowed)
    assert b"".join(heard) == b""


def test_bytes_are_bounded_over_connections() -> None:
    async def twice(dialer: Dialer) -> None:
        for _ in range(2):
            async with await dialer.connect() as connection:
                await connection.read_exactly(60_000)

    with servers.fake(flood) as server, pytest.raises(BudgetSpent, match="bytes"):
        dial(server.host, server.port, twice, size=100_000)


def test_connections_are_bounded() -> None:
    async def often(dialer: Dialer) -> None:
        for _ in range(4):
            async with await dialer.connect():
                pass

    with servers.fake(quiet) as server:
        with pytest.raises(BudgetSpent, match="connections"):
            dial(server.host, server.port, often, connections=3)
        assert contacts(server) == 3


def test_time_is_one_for_all_reads() -> None:
    def drip(client: servers.Conversation) -> None:
        client.socket.settimeout(0.05)
        while True:
            client.say(b"x")
            try:
                client.socket.recv(1)
            except TimeoutError:
                continue

    started = time.monotonic()
    with servers.fake(drip) as server, pytest.raises(BudgetSpent, match="time"):
        dial(server.host, server.port, read_to_the_end, seconds=0.6)
    assert time.monotonic() - started < 1.6


def test_a_first_answer_has_its_own_wait() -> None:
    started = time.monotonic()
    with servers.fake(quiet) as server, pytest.raises(Silent):
        dial(server.host, server.port, read_to_the_end, answer=0.2)
    assert time.monotonic() - started < 1.5


def test_a_closed_port_is_told_apart() -> None:
    with pytest.raises(Refused):
        dial("127.0.0.1", servers.free_port(), read_to_the_end)


def test_a_port_that_is_excluded_is_not_dialled() -> None:
    async def other(dialer: Dialer) -> None:
        await dialer.connect(port=canary.port)

    with servers.fake(quiet) as server, servers.fake(quiet) as canary:
        with pytest.raises(OutOfScope):
            dial(server.host, server.port, other, exclude=f'"127.0.0.1:{canary.port}"')
        assert contacts(canary) == 0


def test_no_tls_is_a_protocol_error() -> None:
    async def tls(dialer: Dialer) -> None:
        await dialer.connect(tls=True)

    with (
        servers.fake(lambda client: client.say(b"220 hello\r\n" * 20)) as server,
        pytest.raises(ProtocolError, match="TLS"),
    ):
        dial(server.host, server.port, tls)


def test_a_greeting_stays_to_be_read() -> None:
    def greet(client: servers.Conversation) -> None:
        client.say(b"220 hel")
        client.say(b"lo\r\nmore\r\n")
        client.hear()

    async def work(dialer: Dialer) -> tuple[bytes | None, bytes, bytes]:
        async with await dialer.connect() as connection:
            said = await connection.greeting(2.0)
            return said, await connection.read_line(), await connection.read_line()

    with servers.fake(greet) as server:
        said, first, second = dial(server.host, server.port, work)
    assert said is not None
    assert said.startswith(b"220 hello\r\n")
    assert (first, second) == (b"220 hello", b"more")


@pytest.mark.parametrize(
    ("handle", "expected"), [(quiet, None), (lambda client: None, b"")], ids=["silent", "closed"]
)
def test_silence_and_hanging_up_are_told_apart(
    handle: Callable[[servers.Conversation], None], expected: bytes | None
) -> None:
    async def work(dialer: Dialer) -> bytes | None:
        async with await dialer.connect() as connection:
            return await connection.greeting(0.2)

    with servers.fake(handle) as server:
        assert dial(server.host, server.port, work) == expected


def test_a_line_without_end_is_refused() -> None:
    async def work(dialer: Dialer) -> bytes:
        async with await dialer.connect() as connection:
            return await connection.read_line(1000)

    with servers.fake(flood) as server, pytest.raises(ProtocolError, match="end of line"):
        dial(server.host, server.port, work)


def test_certificate_is_evidence() -> None:
    async def work(dialer: Dialer) -> tuple[bool, bytes | None]:
        async with await dialer.connect(tls=True) as connection:
            return connection.tls, connection.certificate

    with servers.nginx("return 204;", tls=True) as server:
        tls, certificate = dial(server.host, server.port, work)
    assert tls
    assert certificate is not None
    assert certificate.startswith(b"\x30")
