"""The HTTP client: what is read is bounded, what is sent is a read method."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

import servers
from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.net.budget import Budget, Meter
from leftopen.net.dialer import Dialer
from leftopen.net.guard import Guard
from leftopen.net.http import METHODS, HttpClient, Response
from reaching import answer, scope_of, web

T = TypeVar("T")


def client_of(
    host: str,
    port: int,
    work: Callable[[HttpClient], Awaitable[T]],
    *,
    keep: bool = False,
    seconds: float = 3.0,
    name: str = "",
) -> T:
    async def inside() -> T:
        scope = scope_of((f"{host}/32",), more=f'hosts = ["{name}"]' if name else "")
        dialer = Dialer(
            scope.target(host, port, name=name),
            Guard(scope),
            Meter(10_000, 10_000, 1_000_000_000),
            Budget(bytes=4_000_000, connections=9, seconds=seconds),
            allowed=METHODS,
            connect_seconds=1.0,
        )
        async with HttpClient(dialer, tls=False, user_agent="Leftopen/0", keep=keep) as client:
            try:
                return await work(client)
            finally:
                await client.close()

    return asyncio.run(inside())


def get(reply: bytes, *, limit: int = 262_144, seconds: float = 3.0) -> Response:
    async def work(client: HttpClient) -> Response:
        return await client.request("GET", "/", limit=limit)

    with web(lambda path: reply) as server:
        return client_of(server.host, server.port, work, seconds=seconds)


def test_body_is_cut_at_the_limit() -> None:
    response = get(answer(b"x" * 5000), limit=1000)
    assert (len(response.body), response.complete) == (1000, False)
    whole = get(answer(b"x" * 1000), limit=1000)
    assert (len(whole.body), whole.complete) == (1000, True)


def test_unasked_gzip_is_undone_within_the_limit() -> None:
    packed = gzip.compress(b"hello")
    response = get(answer(packed, more={"Content-Encoding": "gzip"}))
    assert (response.body, response.complete) == (b"hello", True)
    bomb = zlib.compress(b"\0" * 50_000_000)
    response = get(answer(bomb, more={"Content-Encoding": "deflate"}), limit=10_000)
    assert (len(response.body), response.complete) == (10_000, False)


def test_repeated_fields_are_one_list() -> None:
    head = b"HTTP/1.1 401 no\r\nWWW-Authenticate: Basic\r\nWWW-Authenticate: ApiKey\r\n"
    response = get(head + b"Content-Length: 0\r\n\r\n")
    assert response.headers["www-authenticate"] == "Basic, ApiKey"


BROKEN = {
    "HTTP/0.9": b"<html>old</html>\n",
    "status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "folded": b"HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello",
    "lying chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n",
    "huge chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 90_000,
    "header flood": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)),
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    "endless 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
    "switch": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "broken gzip": answer(b"not gzip", more={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_answers_are_protocol_errors(kind: str) -> None:
    started = time.monotonic()
    with pytest.raises(ProtocolError) as caught:
        get(BROKEN[kind], seconds=1.0)
    assert time.monotonic() - started < 2.0
    assert kind == "HTTP/0.9" or not isinstance(caught.value, BudgetSpent)


def test_endless_chunks_end_at_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = get(head + b"40\r\n" + (b"x" * 64 + b"\r\n40\r\n") * 30_000, limit=50_000)
    assert (len(response.body), response.complete) == (50_000, False)


def test_chunks_of_a_byte_are_not_taken_to_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert get(head + b"1\r\nx\r\n" * 4000 + b"0\r\n\r\n").complete
    with pytest.raises(ProtocolError, match="pieces of a few bytes"):
        get(head + b"1\r\nx\r\n" * 300_000, limit=50_000)


def test_short_body_is_a_protocol_error() -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear()
        client.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    async def work(client: HttpClient) -> Response:
        return await client.request("GET", "/")

    with servers.fake(handle) as server, pytest.raises(ProtocolError):
        client_of(server.host, server.port, work)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "GETX"])
def test_no_writing_method_leaves(method: str) -> None:
    async def work(client: HttpClient) -> Response:
        return await client.request(method, "/")

    with web(lambda path: answer(b"")) as server:
        with pytest.raises(OutOfScope):
            client_of(server.host, server.port, work)
        assert server.requests == []


@pytest.mark.parametrize(
    "path", ["/a b", "/a\r\nX: y", "/a\r\n\r\nDELETE / HTTP/1.1\r\n", "/é", ""]
)
def test_a_path_cannot_carry_a_second_request(path: str) -> None:
    async def work(client: HttpClient) -> Response:
        return await client.request("GET", path)

    with web(lambda path: answer(b"")) as server:
        with pytest.raises(ProtocolError):
            client_of(server.host, server.port, work)
        assert server.requests == []


def test_one_connection_serves_many_requests_and_is_reopened() -> None:
    asked = 0

    def handle(client: servers.Conversation) -> None:
        nonlocal asked
        for _ in range(2):  # then hang up, as an idle server does
            while client.hear().strip():
                pass
            asked += 1
            client.say(answer(b"%d" % asked))

    async def work(client: HttpClient) -> list[bytes]:
        return [(await client.request("GET", "/")).body for _ in range(3)]

    with servers.fake(handle) as server:
        assert client_of(server.host, server.port, work, keep=True) == [b"1", b"2", b"3"]
        assert server.connections == 2


def test_the_host_field_names_what_was_asked_for() -> None:
    heard: list[bytes] = []

    def handle(client: servers.Conversation) -> None:
        while line := client.hear().strip():
            heard.append(line)
        client.say(answer(b""))

    async def work(client: HttpClient) -> Response:
        return await client.request("GET", "/x")

    with servers.fake(handle) as server:
        client_of(server.host, server.port, work, name="bücher.test")
        assert f"Host: xn--bcher-kva.test:{server.port}".encode() in heard
    assert b"User-Agent: Leftopen/0" in heard
    assert heard[0] == b"GET /x HTTP/1.1"
