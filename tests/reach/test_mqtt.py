"""mosquitto, real, open and closed, and brokers that lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.mqtt import RETAINED, SECRET, mosquitto, publish, retain
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.mqtt import (
    _RETAINED,
    MAX_PACKET,
    _size,
    packet_of,
    subscribe,
)
from probing import Limits, Probe
from reaching import look

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with mosquitto("allow_anonymous true", host="127.0.0.118", port=1883) as server:
        retain(server, RETAINED)
        yield server


def test_open(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("mqtt", Access.GIVES_DATA)
    assert (seen.product, seen.version[0].isdigit()) == ("mosquitto", True)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (3, "messages", True)
    assert seen.size.bytes == sum(map(len, RETAINED.values()))
    assert "home" in seen.containers
    assert "mosquitto_sub" in outcome.evidence[1].reproduce
    assert "secret" not in " ".join(e.answer for e in outcome.evidence)


def test_messages_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    broker = probe("mqtt", open_server.host, open_server.port)
    refs = {r.path: r for r in broker.objects() if isinstance(r, ObjectRef)}
    assert {path: r.size for path, r in refs.items()} == {
        topic.decode(): len(payload) for topic, payload in RETAINED.items()
    }
    assert refs["home/door"].group == "home"
    for topic, payload in RETAINED.items():
        got = broker.fetch(refs[topic.decode()])
        assert (got.data, got.complete) == (payload, True)
    cut = broker.fetch(refs["home/door"], 3)
    assert (cut.data, cut.complete) == (b"The", False)
    for name in ("no/such/topic", "home/#"):
        with pytest.raises(ObjectRefused):
            broker.fetch(ObjectRef(path=name))


def test_many_are_cut_and_the_broker_says_how_many(probe: MakeProbe) -> None:
    with mosquitto("allow_anonymous true", "sys_interval 1") as server:
        retain(server, {b"t/%d" % n: b"value" for n in range(80)})
        broker = probe("mqtt", server.host, server.port)
        proof, listed = broker.prove(), broker.objects()
    assert proof is not None
    assert proof.size is not None
    assert not proof.size.complete
    assert proof.size.objects is not None
    assert 50 <= proof.size.objects <= 80
    assert len(listed) == 80
    assert not any(isinstance(item, Gap) for item in listed)


def test_a_count_by_the_broker_leaves_its_own_messages_out() -> None:
    facts = {_RETAINED: b"130", b"$SYS/broker/version": b"x"}
    size = _size({b"a": b"b"}, True, facts)
    assert (size.objects, size.bytes, size.complete) == (128, None, False)
    assert _size({b"a": b"b"}, True, {_RETAINED: b"many"}).objects == 1
    assert _size({b"a": b"b"}, False, facts).objects == 1


CLOSED: dict[str, tuple[tuple[str, ...], str, Access]] = {
    "no anonymous": (("allow_anonymous false",), "", Access.ASKS_CREDENTIAL),
    # the subscription is accepted and nothing is ever delivered
    "access list": (("allow_anonymous true",), "topic write #\n", Access.SPEAKS),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_closed(probe: MakeProbe, kind: str) -> None:
    lines, acl, access = CLOSED[kind]
    with mosquitto(*lines, acl=acl) as server:
        if acl:
            retain(server, {b"a": SECRET})
        proof = probe("mqtt", server.host, server.port, limits=Limits(seconds=2.0)).prove()
    assert proof is not None
    assert proof.access is access
    assert proof.size is None


def broker(
    *after_subscribe: bytes, connack: bytes = b"\x20\x02\x00\x00", flood: bytes = b""
) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(14)
        client.say(connack)
        if client.hear_bytes(1):
            client.say(b"".join(after_subscribe))
            if flood:
                client.flood(flood)
            client.hear_bytes(1000)

    return handle


SUBACK, PONG = b"\x90\x03\x00\x01\x00", b"\xd0\x00"


@pytest.mark.parametrize(
    ("code", "access"),
    [
        (4, Access.ASKS_CREDENTIAL),  # RabbitMQ
        (5, Access.ASKS_CREDENTIAL),
        (0x87, Access.ASKS_CREDENTIAL),  # MQTT 5: not authorized
        (1, Access.UNDETERMINED),
        (3, Access.UNDETERMINED),
    ],
)
def test_refusals(probe: MakeProbe, code: int, access: Access) -> None:
    with servers.fake(broker(connack=bytes((0x20, 2, 0, code)))) as server:
        proof = probe("mqtt", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access


def test_a_refused_subscription_proves_nothing(probe: MakeProbe) -> None:
    with servers.fake(broker(b"\x90\x03\x00\x01\x80")) as server:
        proof = probe("mqtt", server.host, server.port, limits=Limits(seconds=2.0)).prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert "refused" in proof.detail


def test_a_live_message_is_waited_for(probe: MakeProbe) -> None:
    live = broker(SUBACK, PONG, publish(b"a", SECRET))
    with servers.fake(live) as server:
        proof = probe("mqtt", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA


HOSTILE = {
    "huge packet": (broker(b"\x31\xff\xff\xff\x7f"), "1048576 are the limit"),
    "bad length": (broker(b"\x31\xff\xff\xff\xff\xff"), "more than four bytes"),
    "endless PUBLISH of nothing": (broker(flood=b"\x30\x00" * 1000), ""),
    "half a packet": (broker(b"\x31\x09\x00"), "no answer within|closed"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_broker_ends_in_bounded_time(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    with servers.fake(handle) as server:
        target = probe("mqtt", server.host, server.port, limits=Limits(seconds=1.0))
        if message:
            with pytest.raises(ProtocolError, match=message):
                target.prove()
        else:
            proof = target.prove()
            assert proof is not None
            assert proof.access is Access.SPEAKS
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 \r\n\r\n", b"-ERR what\r\n", b" \x02\x07\x00", b""]
)
def test_another_service_is_not_mqtt(probe: MakeProbe, answer: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(14)
        client.say(answer)

    with servers.fake(handle) as server:
        assert probe("mqtt", server.host, server.port).prove() is None


def test_an_echo_is_not_mqtt(probe: MakeProbe) -> None:
    with servers.fake(lambda client: client.say(client.hear_bytes(14))) as server:
        assert probe("mqtt", server.host, server.port).prove() is None


@pytest.mark.parametrize(
    "packet",
    [
        publish(b"a", b"b"),
        b"\x82\x06\x00\x01\x00\x01#\x02\xc0\x00",
        b"\x10\x0c\x00\x04MQTT\x04\xc2",
    ],
)
def test_nothing_is_published_and_no_credential_sent(
    probe: MakeProbe, open_server: servers.Server, packet: bytes
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(packet)

    with pytest.raises(OutOfScope):
        probe("mqtt", open_server.host, open_server.port).run(send)


@given(st.binary(max_size=40) | st.builds(publish, st.binary(max_size=99), st.binary(max_size=400)))
def test_fuzz_packets(data: bytes) -> None:
    try:
        found = packet_of(data)
    except ProtocolError:
        return
    if found:
        packet, used = found
        assert used <= len(data)
        assert len(packet.body) <= MAX_PACKET
        assert packet_of(data + b"rest") == found
        if packet.message:
            assert b"".join(packet.message) == packet.body[2:]


@given(st.binary(min_size=1, max_size=8000))
def test_fuzz_subscribe_is_one_packet(topic: bytes) -> None:
    data = subscribe(topic)
    found = packet_of(data)
    assert found is not None
    assert found[1] == len(data)
    assert found[0].body == b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + b"\x00"
