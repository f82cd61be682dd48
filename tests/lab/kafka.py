"""Fakes of Kafka."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import servers
from lab.config import Config
from lab.fakes import talk
from leftopen.model.exposure import Access

SECRET = b"the password=correct-horse"
# DefaultRecordBatchBuilder(magic=2) of kafka-python: three records, "", SECRET, "second"
PLAIN = bytes.fromhex(
    "00000000000000000000006c0000000002858adf7e0000000000020000018bcfe568000000018bcfe56802ff"
    "ffffffffffffffffffffffffff000000030c0000000100004a000202026b347468652070617373776f72643d"
    "636f72726563742d686f72736502026802781a000404026b0c7365636f6e6400"
)


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def array(*items: bytes) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)


def topic(name: str, leader: int = 1, error: int = 0, internal: int = 0) -> bytes:
    nodes = array(struct.pack(">i", leader))
    partition = struct.pack(">hii", 0, 0, leader) + nodes + nodes
    return struct.pack(">h", error) + text(name) + bytes([internal]) + array(partition)


def metadata(*topics: bytes, host: str = "127.0.0.1", port: int = 9092) -> bytes:
    broker = struct.pack(">i", 1) + text(host) + struct.pack(">i", port) + b"\xff\xff"
    return array(broker) + struct.pack(">i", 1) + array(*topics)


def versions(fetch: tuple[int, int]) -> bytes:
    calls = {1: fetch, 2: (1, 8), 3: (0, 12), 17: (0, 1), 18: (0, 3)}
    return b"\0\0" + array(*(struct.pack(">hhh", key, *low) for key, low in calls.items()))


@dataclass(frozen=True)
class Broker:
    """A fake broker: what it answers to each call."""

    topics: bytes = metadata(topic("orders"), topic("__consumer_offsets", internal=1))
    records: bytes = PLAIN
    fetch: tuple[int, int] = (4, 17)  # 4.0; 0.11 to 3.x say 0
    fetch_error: int = 0
    offset_error: int = 0
    sasl: bool = False

    def __call__(self, client: servers.Conversation) -> None:
        while size := client.hear_bytes(4):
            request = client.hear_bytes(int.from_bytes(size, "big"))
            if (body := self.answer(request)) is None:
                return
            answer = request[4:8] + body
            client.say(struct.pack(">i", len(answer)) + answer)

    def answer(self, request: bytes) -> bytes | None:
        (key,) = struct.unpack_from(">h", request)
        if key == 18:
            return versions(self.fetch)
        if key == 17:
            names = array(text("SCRAM-SHA-512"), text("PLAIN"))
            return struct.pack(">h", 33 if self.sasl else 34) + names
        if self.sasl:
            return None
        if key == 3:
            return self.topics
        named = request[18:]
        if key == 2:
            offset = 3 if named[-8:] == b"\xff" * 8 else 0
            said = struct.pack(">ihqq", 0, self.offset_error, -1, offset)
            return array(text("orders") + array(said))
        head = struct.pack(">ihqqi", 0, self.fetch_error, 3, 3, 0)
        records = struct.pack(">i", len(self.records)) + self.records
        return bytes(4) + array(text("orders") + array(head + records))


CONFIGS = (
    Config(
        "Kafka (fake): open",
        "kafka",
        Access.GIVES_DATA,
        talk(Broker()),
        9092,
        fake=True,
    ),
    Config(
        "Kafka (fake): SASL",
        "kafka",
        Access.ASKS_CREDENTIAL,
        talk(Broker(sasl=True)),
        9092,
        fake=True,
    ),
)
