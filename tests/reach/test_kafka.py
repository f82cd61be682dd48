"""Kafka: no real broker can be had here, so a fake that speaks the protocol, of several versions.

The records and the metadata that it serves were made by kafka-python, not by this project.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.kafka import PLAIN, SECRET, Broker, metadata, topic
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import kafka_wire as wire
from leftopen.reach.api import Context, ObjectRefused
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
GZIP = bytes.fromhex(
    "00000000000000000000006e0000000002f276fc870001000000020000018bcfe568000000018bcfe56802ff"
    "ffffffffffffffffffffffffff000000031f8b08005b9a056b02ff9bc7ccc0c0c03881397198008615cc0c4c"
    "4c4cd913989386096062ca60aa58c0ccc0c202f255f230010c0080a9c63479020000"
)
OLD = PLAIN[:16] + b"\1" + PLAIN[17:]  # magic 1, as before 0.11
CONTROL = PLAIN[:21] + b"\0\x20" + PLAIN[23:]


@pytest.mark.parametrize("fetch", [(0, 5), (0, 13), (4, 17)])  # 0.11, 3.x, 4.0
def test_a_fake_open_broker_gives_a_record(probe: MakeProbe, fetch: tuple[int, int]) -> None:
    with servers.fake(Broker(fetch=fetch)) as server:
        kafka = probe("kafka", server.host, server.port)
        proof, found = kafka.prove(), kafka.objects()
        whole = kafka.fetch(ObjectRef(path="orders/0/1"))
        cut = kafka.fetch(ObjectRef(path="orders/0/1"), 3)
        with pytest.raises(ObjectRefused, match="no record"):
            kafka.fetch(ObjectRef(path="orders/0/7"))
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "Kafka")
    assert proof.containers == ("orders",)
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit, proof.size.complete) == (3, "records", True)
    assert "correct-horse" not in repr(proof)
    assert "kcat -b" in proof.evidence[-1].reproduce
    paths = [r.path for r in found if isinstance(r, ObjectRef)]
    assert paths == ["orders/0/0", "orders/0/1", "orders/0/2"]
    assert (whole.data, whole.complete) == (SECRET, True)
    assert (cut.data, cut.complete) == (SECRET[:3], False)


AWAY = metadata(topic("orders", 2), host="kafka.example.net", port=9092)
STATES: dict[str, tuple[Broker, Access, str]] = {
    "SASL": (Broker(sasl=True), Access.ASKS_CREDENTIAL, "SCRAM-SHA-512, PLAIN"),
    "names only": (Broker(fetch_error=29), Access.LISTS, "no record came"),
    "led elsewhere": (Broker(AWAY, b"", offset_error=6), Access.LISTS, "no record came"),
    "empty": (Broker(records=b""), Access.LISTS, "no record came"),
    "ACL hides": (Broker(metadata()), Access.METADATA, "there is none"),
    "ACL refuses": (Broker(metadata(topic("a", error=29))), Access.METADATA, "1 are kept back"),
    "gzip": (Broker(records=GZIP), Access.GIVES_DATA, "compressed by gzip"),
    "before 0.11": (Broker(records=OLD), Access.LISTS, "no record came"),
    "control batch": (Broker(records=CONTROL), Access.LISTS, "no record came"),
    "0.10": (Broker(fetch=(0, 3)), Access.LISTS, "none was read"),
}


@pytest.mark.parametrize("kind", STATES)
def test_fake_brokers_between_open_and_closed(probe: MakeProbe, kind: str) -> None:
    broker, access, words = STATES[kind]
    with servers.fake(broker) as server:
        proof = probe("kafka", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert words in proof.detail


def test_a_compressed_batch_is_counted_as_unread(probe: MakeProbe) -> None:
    with servers.fake(Broker(records=GZIP)) as server:
        kafka = probe("kafka", server.host, server.port)
        proof = kafka.prove()
        with pytest.raises(ObjectRefused, match="gzip"):
            kafka.fetch(ObjectRef(path="orders/0/1"))
    assert proof is not None
    assert [(g.reason, g.count) for g in proof.gaps if g.reason is Reason.UNSUPPORTED] == [
        (Reason.UNSUPPORTED, 3)
    ]


def test_brokers_that_are_named_are_not_followed(probe: MakeProbe) -> None:
    with servers.fake(lambda client: client.hear_bytes(1)) as canary:
        topics = metadata(topic("orders"), host=canary.host, port=canary.port)
        with servers.fake(Broker(topics)) as server:
            kafka = probe("kafka", server.host, server.port)
            proof, found = kafka.prove(), kafka.objects()
        assert canary.connections == 0
    assert proof is not None
    assert [g.reason for g in proof.gaps] == [Reason.OUT_OF_SCOPE]
    assert "not followed" in proof.gaps[0].detail
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.OUT_OF_SCOPE]


def test_the_metadata_of_another_library_is_read() -> None:
    recorded = bytes.fromhex(
        "0000000100000001001162726f6b65722d312e696e7465726e616c00002384ffff0000000100000003000000"
        "066f726465727300000000010000000000000000000100000001000000010000000100000001000000125f5f"
        "636f6e73756d65725f6f6666736574730100000000001d00067365637265740000000000"
    )
    found = wire.cluster_of(recorded)
    assert found.brokers == {1: ("broker-1.internal", 9092)}
    assert found.topics == ("orders",)
    assert found.partitions == (wire.Partition("orders", 0, 1),)
    assert found.denied == 1


class Lying(Broker):
    """A fake whose answer to Metadata is this, frame and all."""

    def answer(self, request: bytes) -> bytes | None:
        return self.topics if request[1] == 3 else super().answer(request)


HUGE = struct.pack(">i", 2**31 - 1)
HOSTILE: dict[str, tuple[Broker, str]] = {
    "huge array": (Broker(HUGE), "an array of"),
    "truncated": (Broker(metadata(topic("orders"))[:-3]), "ends early"),
    "no name": (Broker(metadata(topic("a/../b"))), "no name"),
    "huge record": (Broker(records=PLAIN[:61] + b"\xff" * 20 + PLAIN[81:]), "without end|early"),
    "records without end": (Broker(records=PLAIN[:57] + HUGE + PLAIN[61:]), "an array of"),
    "half a batch": (Broker(records=PLAIN[:40]), "ends early"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_fake_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    broker, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(seconds=2.0)
    with servers.fake(broker) as server, pytest.raises(ProtocolError, match=message):
        probe("kafka", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "said",
    [b"", HUGE, b"\0\0\0\x08\0\0\0\x09\0\0\0\0", b"HTTP/1.1 400 Bad\r\n\r\n", b"-ERR what\r\n"],
)
def test_a_stranger_is_not_kafka(probe: MakeProbe, said: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.socket.recv(1000)
        client.say(said)

    with servers.fake(handle) as server:
        assert probe("kafka", server.host, server.port).prove() is None


def test_an_echo_is_not_kafka(probe: MakeProbe) -> None:
    with servers.fake(lambda client: client.say(client.socket.recv(1000))) as server:
        assert probe("kafka", server.host, server.port).prove() is None


@pytest.mark.parametrize("key", [0, 4, 8, 11, 19, 20, 21, 36, 42])  # Produce, OffsetCommit...
def test_no_other_call_leaves(probe: MakeProbe, key: int) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(struct.pack(">ihhi", 18, key, 1, 1) + b"\0\x08leftopen")

    with servers.fake(Broker()) as server, pytest.raises(OutOfScope):
        probe("kafka", server.host, server.port).run(send)


@given(st.binary(max_size=120), st.integers(0, 120))
def test_fuzz_answers(body: bytes, at: int) -> None:
    parsers = (
        wire.versions_of,
        wire.cluster_of,
        wire.offset_of,
        wire.fetched_of,
        wire.mechanisms_of,
        wire.batch_of,
    )
    for parse in parsers:
        for data in (body, PLAIN[:at] + body, metadata(topic("orders"))[:at] + body):
            try:
                parse(data)
            except ProtocolError:
                continue
    assert wire.batch_of(PLAIN) is not None
