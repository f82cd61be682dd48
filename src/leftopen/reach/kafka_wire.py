"""Kafka's protocol as far as a reader of one broker needs it; every request is a read.

Versions that brokers from 0.11 to 4.x all speak (KIP-896): ApiVersions 0, Metadata 1, ListOffsets
1, Fetch 4, SaslHandshake 1. https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

FRAME_BYTES: Final = 3_000_000
FETCH_BYTES: Final = 65_536  # asked for; the first batch comes whole, by default up to 1 MiB
MAX_ITEMS: Final = 100_000
FETCH, OFFSETS, METADATA, SASL, VERSIONS = (1, 4), (2, 1), (3, 1), (17, 1), (18, 0)
EARLIEST, LATEST = -2, -1
NOT_LEADER: Final = (3, 5, 6)
DENIED: Final = (29, 30, 31)  # authorization of topic, group, cluster failed
_CLIENT: Final = b"\0\x08leftopen"
ALLOWED: Final = tuple(
    rb"\0\0.{2}" + re.escape(struct.pack(">hh", *call)) + rb".{4}" + _CLIENT
    for call in (FETCH, OFFSETS, METADATA, SASL, VERSIONS)
)
TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
CODECS: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


class Reader:
    """A cursor over an answer; raises ProtocolError where it ends early."""

    def __init__(self, data: bytes) -> None:
        """Begins at the first byte."""
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if not 0 <= size <= self.left:
            raise ProtocolError("an answer that ends early")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        """A signed number of 1, 2, 4 or 8 bytes."""
        return int.from_bytes(self.take(size), "big", signed=True)

    def text(self) -> str:
        """A string; null is empty."""
        return self.take(max(0, self.number(2))).decode("utf-8", "replace")

    def count(self) -> int:
        """The length of an array; null is 0."""
        found = max(0, self.number(4))
        if found > MAX_ITEMS:
            raise ProtocolError(f"an array of {found} items")
        return found

    def varint(self) -> int:
        """A zigzag number of at most ten bytes."""
        raw = 0
        for shift in range(0, 70, 7):
            (byte,) = self.take(1)
            raw |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (raw >> 1) ^ -(raw & 1)
        raise ProtocolError("a number without end")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a topic and the broker that leads it."""

    topic: str
    number: int
    leader: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """What Metadata says; names of topics are checked, hosts are hostile text."""

    brokers: dict[int, tuple[str, int]]
    topics: tuple[str, ...]  # internal ones left out
    partitions: tuple[Partition, ...]
    denied: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of records; `codec` is set where its records are compressed and unread."""

    records: tuple[tuple[int, bytes], ...]  # offset, value
    count: int
    codec: str
    size: int
    control: bool


def versions_of(body: bytes) -> dict[int, tuple[int, int]]:
    """The calls that a broker knows, with the lowest and highest version."""
    answer = Reader(body)
    if error := answer.number(2):
        raise ProtocolError(f"ApiVersions is answered with error {error}")
    count = answer.count()
    found = {answer.number(2): (answer.number(2), answer.number(2)) for _ in range(count)}
    if answer.left or not {1, 3, 18} <= set(found):
        raise ProtocolError("not a list of the calls of a broker")
    return found


def cluster_of(body: bytes) -> Cluster:
    """The answer to Metadata."""
    answer = Reader(body)
    brokers = {}
    for _ in range(answer.count()):
        node, host, port = answer.number(4), answer.text(), answer.number(4)
        answer.text()
        brokers[node] = (host, port)
    answer.number(4)
    topics: list[str] = []
    partitions: list[Partition] = []
    denied = 0
    for _ in range(answer.count()):
        error, name, internal = answer.number(2), answer.text(), answer.number(1)
        led = [_partition(answer, name) for _ in range(answer.count())]
        denied += error in DENIED
        if not TOPIC.fullmatch(name):
            raise ProtocolError("a topic whose name is no name")
        if not internal and not name.startswith("__") and error not in DENIED:
            topics.append(name)
            partitions += led
        if len(partitions) > MAX_ITEMS:
            raise ProtocolError("partitions without end")
    return Cluster(brokers, tuple(topics), tuple(partitions), denied)


def _partition(answer: Reader, topic: str) -> Partition:
    answer.number(2)
    number, leader = answer.number(4), answer.number(4)
    for _ in range(2):  # replicas, and those in sync
        answer.take(4 * answer.count())
    return Partition(topic, number, leader)


def offset_of(body: bytes) -> tuple[int, int]:
    """Error and offset of the one partition that ListOffsets was asked for."""
    answer = Reader(body)
    if answer.count() != 1 or not answer.text() or answer.count() != 1:
        raise ProtocolError("not the offset that was asked for")
    answer.number(4)
    error = answer.number(2)
    answer.number(8)
    return error, answer.number(8)


def fetched_of(body: bytes) -> tuple[int, bytes]:
    """Error and batches of the one partition that Fetch was asked for."""
    answer = Reader(body)
    answer.number(4)
    if answer.count() != 1 or not answer.text() or answer.count() != 1:
        raise ProtocolError("not the records that were asked for")
    answer.number(4)
    error = answer.number(2)
    answer.take(16)
    answer.take(16 * answer.count())  # aborted transactions
    return error, answer.take(max(0, answer.number(4)))


def mechanisms_of(body: bytes) -> tuple[int, tuple[str, ...]]:
    """Error and mechanisms of a SaslHandshake."""
    answer = Reader(body)
    error = answer.number(2)
    return error, tuple(answer.text() for _ in range(min(20, answer.count())))


def batch_of(data: bytes) -> Batch | None:
    """The first batch (magic 2); None for nothing and for the formats before 0.11."""
    answer = Reader(data)
    if not data:
        return None
    base, size = answer.number(8), answer.number(4)
    inner = Reader(answer.take(size))
    inner.number(4)
    if inner.number(1) != 2:
        return None
    inner.take(4)
    attributes = inner.number(2)
    inner.take(34)
    count = inner.count()
    codec = CODECS.get(attributes & 7, "" if not attributes & 7 else "an unknown codec")
    records = () if codec else tuple(_record(inner, base) for _ in range(count))
    return Batch(records, count, codec, inner.left, bool(attributes & 0x20))


def _record(answer: Reader, base: int) -> tuple[int, bytes]:
    inner = Reader(answer.take(answer.varint()))
    inner.take(1)
    inner.varint()
    offset = base + inner.varint()
    inner.take(max(0, inner.varint()))
    return offset, inner.take(max(0, inner.varint()))


class Broker:
    """A connection to one broker: one request at a time."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is sent."""
        self._connection = connection
        self._number = 0

    async def _ask(self, call: tuple[int, int], arguments: bytes) -> bytes:
        self._number += 1
        body = struct.pack(">hhi", *call, self._number) + _CLIENT + arguments
        await self._connection.write(struct.pack(">i", len(body)) + body)
        size = int(struct.unpack(">i", await self._connection.read_exactly(4))[0])
        if not 4 <= size <= FRAME_BYTES:
            raise ProtocolError(f"an answer of {size} bytes")
        answer = await self._connection.read_exactly(size)
        if answer[:4] != struct.pack(">i", self._number):
            raise ProtocolError("an answer to something that was not asked")
        return answer[4:]

    async def versions(self) -> dict[int, tuple[int, int]]:
        """ApiVersions, which is answered before a login."""
        return versions_of(await self._ask(VERSIONS, b""))

    async def cluster(self) -> Cluster:
        """Metadata of all topics; none is named, so none is made by asking."""
        return cluster_of(await self._ask(METADATA, b"\xff\xff\xff\xff"))

    async def mechanisms(self) -> tuple[int, tuple[str, ...]]:
        """SaslHandshake with a mechanism that nobody has, so that it names its own."""
        return mechanisms_of(await self._ask(SASL, _CLIENT))

    async def offset(self, at: Partition, time: int) -> tuple[int, int]:
        """ListOffsets: error and the first offset (EARLIEST) or the next one (LATEST)."""
        return offset_of(await self._ask(OFFSETS, self._of(at, struct.pack(">q", time))))

    async def fetch(self, at: Partition, offset: int) -> tuple[int, Batch | None]:
        """Fetch of the batch that holds `offset`, without waiting and without a group."""
        limits = struct.pack(">iiib", 100, 1, FETCH_BYTES, 0)
        wanted = self._of(at, struct.pack(">qi", offset, FETCH_BYTES), limits)
        error, data = fetched_of(await self._ask(FETCH, wanted))
        return error, batch_of(data)

    @staticmethod
    def _of(at: Partition, what: bytes, limits: bytes = b"") -> bytes:
        topic = at.topic.encode()
        head = struct.pack(">i", -1) + limits + struct.pack(">ih", 1, len(topic)) + topic
        return head + struct.pack(">ii", 1, at.number) + what
