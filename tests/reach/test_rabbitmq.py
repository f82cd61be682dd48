"""RabbitMQ, real: AMQP and its management; fakes of what 3.10 is not; fakes that lie."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.rabbitmq import Broker, rabbitmq
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach import amqp_wire as wire
from leftopen.reach.api import Context
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with rabbitmq() as made:
        yield made


def test_the_management_asks_although_its_page_is_200(broker: Broker) -> None:
    seen = look(servers.CLIENT, broker.api).observation
    assert (seen.protocol, seen.access) == ("rabbitmq", Access.ASKS_CREDENTIAL)
    assert "RabbitMQ Management" in seen.detail


def test_behind_a_front_that_logs_everybody_in(broker: Broker) -> None:
    def forward(path: str) -> bytes:
        status, body = broker.get(path)
        return answer(body, f"{status} X", "text/html" if path == "/" else "application/json")

    with web(forward) as front:
        outcome = look(front.host, front.port)
        assert not [line for line in front.requests if "/get" in line]
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("rabbitmq", Access.LISTS)
    assert seen.version.startswith("3.")
    assert set(seen.containers) == {"/ orders", "/ empty"}
    assert seen.size is not None
    assert (seen.size.unit, seen.size.complete) == ("messages", True)
    assert [g.reason for g in outcome.gaps] == [Reason.UNSUPPORTED]
    assert json.loads(broker.get("/api/queues/%2F/orders")[1])["name"] == "orders"


def test_what_amqp_says_before_a_login(broker: Broker) -> None:
    seen = look(servers.CLIENT, broker.amqp).observation
    assert (seen.protocol, seen.access) == ("amqp", Access.METADATA)
    assert (seen.product, seen.version[:2]) == ("RabbitMQ", "3.")
    assert "PLAIN" in seen.detail


def test_the_mechanisms_of_one_zero(probe: MakeProbe, broker: Broker) -> None:
    """As recorded of its plugin, the array of symbols with ANONYMOUS in it."""

    async def ask(context: Context) -> bytes:
        async with await context.dialer.connect() as connection:
            await connection.write(wire.HEADER_SASL)
            assert await connection.read_exactly(8) == wire.HEADER_SASL
            size = int.from_bytes(await connection.read_exactly(4), "big")
            return await connection.read_exactly(size - 4)

    frame = probe("amqp", servers.CLIENT, broker.amqp).run(ask)
    assert set(wire.mechanisms_of(frame)) == {"ANONYMOUS", "AMQPLAIN", "PLAIN"}


PAGE = answer(b"<html><title>RabbitMQ Management</title></html>")
OVERVIEW = b'{"rabbitmq_version":"3.3.5","management_version":"3.3.5","queue_totals":[]}'
OLD = b'[{"name":"old","vhost":"/","messages":7}]'
FAKED: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "3.3, one list": (
        {"/api/overview": answer(OVERVIEW), "/api/queues": answer(OLD)},
        Access.LISTS,
        "1 queues",
    ),
    "no queues": ({"/api/overview": answer(OVERVIEW)}, Access.METADATA, "no queue"),
    "proxy": ({"/api/overview": answer(b"", "403 Forbidden")}, Access.ASKS_CREDENTIAL, "403"),
    "no API": ({}, Access.SPEAKS, "without its API"),
    "other JSON": ({"/api/overview": answer(b'{"rabbitmq_version":3}')}, Access.SPEAKS, "200"),
    "deep": ({"/api/overview": answer(b"[" * 100_000)}, Access.SPEAKS, "200"),
}


@pytest.mark.parametrize("kind", FAKED)
def test_fake_managements(kind: str) -> None:
    answers, access, words = FAKED[kind]
    missing = answer(b'{"error":"Object Not Found"}', "404 Not Found")
    with web(lambda p: {"/": PAGE, **answers}.get(p.split("?")[0], missing)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("rabbitmq", access)
    assert words in seen.detail


def test_a_catch_all_proves_nothing() -> None:
    with web(lambda path: PAGE if path == "/" else answer(OVERVIEW)) as server:
        assert look(server.host, server.port).observation.access is Access.UNDETERMINED


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def start(mechanisms: bytes, product: bytes = b"RabbitMQ") -> bytes:
    table = b"\x07productS" + text(product) + b"\x07versionS" + text(b"4.0.2")
    return wire.method(0, wire.START, b"\0\x09" + text(table) + text(mechanisms) + text(b"en_US"))


def close(number: tuple[int, int], words: bytes) -> bytes:
    code = struct.pack(">H", 403)
    return wire.method(0, number, code + bytes([len(words)]) + words + bytes(4))


TUNE = wire.method(0, wire.TUNE, struct.pack(">HIH", 2047, 131_072, 60))
OPEN_OK = wire.method(0, wire.OPEN_OK, b"\0")
CHANNEL_OK = wire.method(1, wire.CHANNEL_OK, bytes(4))
DECLARE_OK = wire.method(1, wire.DECLARE_OK, b"")
HEARTBEAT = b"\x08\0\0\0\0\0\0\xce"
BOTH = b"PLAIN ANONYMOUS"
READS = (
    8,
    *(len(d) for d in (wire.START_OK, wire.TUNE_OK + wire.OPEN, wire.CHANNEL, wire.DECLARE)),
)


def faked(*answers: bytes) -> Callable[[servers.Conversation], None]:
    """A fake broker: one answer to each step of an anonymous session."""

    def handle(client: servers.Conversation) -> None:
        for size, said in zip(READS, answers, strict=False):
            if not client.hear_bytes(size):
                return
            client.say(said.removesuffix(b"~"))
            if said.endswith(b"~"):
                client.flood(said[:-1] * 100)
        client.hear_bytes(len(wire.CLOSE))

    return handle


REFUSED = close((10, 50), b"ACCESS_REFUSED - Login was refused using mechanism ANONYMOUS")
SESSIONS = {
    "4.0, anonymous": (
        (start(BOTH), TUNE, OPEN_OK, HEARTBEAT + CHANNEL_OK, DECLARE_OK),
        Access.METADATA,
        "anybody gets a session",
    ),
    "4.0, refused": ((start(BOTH), REFUSED), Access.ASKS_CREDENTIAL, "ACCESS_REFUSED"),
    "4.0, no vhost": ((start(BOTH), TUNE, REFUSED), Access.ASKS_CREDENTIAL, "refused"),
    "no declare": (
        (start(BOTH), TUNE, OPEN_OK, CHANNEL_OK, close((20, 40), b"no")),
        Access.ASKS_CREDENTIAL,
        "403",
    ),
    "closes": ((start(BOTH),), Access.ASKS_CREDENTIAL, "ends when it is used"),
    "closed": ((start(b"PLAIN"),), Access.METADATA, "PLAIN"),
    "nameless": (
        (wire.method(0, wire.START, b"\0\x09" + text(b"") + text(b"PLAIN") + text(b"")),),
        Access.SPEAKS,
        "PLAIN",
    ),
}


@pytest.mark.parametrize("kind", SESSIONS)
def test_fake_brokers(probe: MakeProbe, kind: str) -> None:
    answers, access, words = SESSIONS[kind]

    def handle(client: servers.Conversation) -> None:
        if kind != "closes":
            return faked(*answers)(client)
        client.hear_bytes(8)
        client.say(answers[0])
        client.hear_bytes(READS[1])
        return None

    with servers.fake(handle) as server:
        proof = probe("amqp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert words in proof.detail


ARRAY = b"\x02\x01\0\0\0S@\xc0\x0e\x01\xe0\x0b\x01\xa3\x09ANONYMOUS"


@pytest.mark.parametrize("header", [wire.HEADER_10, wire.HEADER_SASL])
def test_a_fake_of_one_zero_alone(probe: MakeProbe, header: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        asked = client.hear_bytes(8)
        mechanisms = struct.pack(">I", len(ARRAY) + 4) + ARRAY
        client.say(header if asked == wire.HEADER_091 else asked + mechanisms)
        client.hear_bytes(1)

    with servers.fake(handle) as server:
        proof = probe("amqp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert "AMQP 1.0 is spoken; logins by ANONYMOUS" in proof.detail
    assert [g.reason for g in proof.gaps] == [Reason.UNSUPPORTED]


def nested(depth: int) -> bytes:
    return b"\x01aF" + text(nested(depth - 1)) if depth else b""


HOSTILE = {
    "huge frame": (b"\x01\0\0\x7f\xff\xff\xff", "no frame"),
    "truncated table": (wire.method(0, wire.START, b"\0\x09\xff\xff\xff\xff"), "ends early"),
    "other method": (wire.method(0, (10, 11), b"\0\x09"), "not the Connection.Start"),
    "no end": (start(BOTH)[:-1] + b"\0", "without its end"),
    "unknown field": (wire.method(0, wire.START, b"\0\x09" + text(b"\x01a?")), "unknown kind"),
    "deep": (wire.method(0, wire.START, b"\0\x09" + text(nested(40))), "too deep"),
    "heartbeats": (start(BOTH), "heartbeats without end"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_fake_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    said, message = HOSTILE[kind]
    more = (HEARTBEAT + b"~",) if kind == "heartbeats" else ()
    started = time.monotonic()
    limits = Limits(seconds=2.0)
    fake = servers.fake(faked(said, *more))
    with fake as server, pytest.raises(ProtocolError, match=message):
        probe("amqp", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "said",
    [b"", b"AMQP ready\r\n", b"AMQP\0\0\x09\x01", b"HTTP/1.1 400 Bad\r\n\r\n", b"-ERR\r\n\r\n\r\n"],
)
def test_a_stranger_is_not_amqp(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(faked(said)) as server:
        assert probe("amqp", server.host, server.port).prove() is None


def test_a_real_redis_is_not_amqp(probe: MakeProbe) -> None:
    with servers.redis() as other:
        assert probe("amqp", other.host, other.port).prove() is None


@pytest.mark.parametrize("number", [(60, 70), (60, 20), (60, 40), (50, 40), (50, 30), (40, 20)])
def test_no_other_method_leaves(probe: MakeProbe, number: tuple[int, int]) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(wire.method(1, number, b"\0\0\x01q\0"))

    with servers.fake(lambda client: client.hear_bytes(1)) as server, pytest.raises(OutOfScope):
        probe("amqp", server.host, server.port).run(send)


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_fuzz_what_a_broker_says(body: bytes, table: bytes) -> None:
    for arguments in (body, b"\0\x09" + body, b"\0\x09" + text(table) + text(b"A B") + text(b"")):
        try:
            found = wire.start_of(wire.Method(wire.START, arguments))
        except ProtocolError:
            continue
        assert len(found.mechanisms) <= 20
    for frame in (body, ARRAY[:8] + body, ARRAY[: 10 + len(table) % 5] + body):
        try:
            assert len(wire.mechanisms_of(frame)) <= 50
        except ProtocolError:
            continue
