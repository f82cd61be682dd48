"""MQTT: what a broker has to say to anybody who subscribes.

Proof: a message that comes after SUBSCRIBE to `#`, QoS 0, in a session that is clean and leaves
nothing behind. A subscription that was accepted proves nothing: a broker with an access list may
accept it and deliver nothing. `#` does not include `$SYS`, whose messages say what the broker is.
MQTT 3.1.1, https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html; reason codes of 5.0.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.framing import Frames

MAX_PACKET: Final = 1_048_576  # of a proof or a listing; a fetch has its own limit
PROOF_MESSAGES: Final = 50
MAX_MESSAGES: Final = 100_000  # of one listing
WAIT: Final = 3.0  # seconds for a message that somebody sends just then
_NAMES: Final = (b"", b"leftopen")  # client identifiers: some brokers refuse the empty one
_CREDENTIAL: Final = (4, 5, 0x86, 0x87)  # bad user name or password, not authorized
_PING: Final = b"\xc0\x00"
_SYSTEM: Final = b"$SYS/broker/#"
_RETAINED: Final = b"$SYS/broker/retained messages/count"
_CONNACK, _PUBLISH, _SUBACK, _PONG = 2, 3, 9, 13


class NotMqtt(ProtocolError):
    """The peer speaks something else."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One control packet: its type (1 to 15), flags, and what follows the fixed header."""

    kind: int
    flags: int
    body: bytes

    @property
    def message(self) -> tuple[bytes, bytes] | None:
        """Topic and payload of a PUBLISH of QoS 0; None for any other packet, also a broken one."""
        end = 2 + int.from_bytes(self.body[:2], "big")
        if self.kind != _PUBLISH or self.flags & 6 or not 2 < end <= len(self.body):
            return None
        return self.body[2:end], self.body[end:]


def packet_of(data: bytes, limit: int = MAX_PACKET) -> tuple[Packet, int] | None:
    """The first packet and its length; None while it is not whole. Section 2.2.3: the length."""
    if data and data[0] >> 4 in (0, 15):  # section 2.2.1: reserved
        raise ProtocolError("a packet of a type that MQTT forbids")
    size = 0
    for at, byte in enumerate(data[1:5]):
        size |= (byte & 127) << 7 * at
        if byte < 128:
            start = at + 2
            if size > limit:
                raise ProtocolError(f"a packet of {size} bytes where {limit} are the limit")
            if len(data) < start + size:
                return None
            return Packet(data[0] >> 4, data[0] & 15, data[start : start + size]), start + size
    if len(data) >= 5:
        raise ProtocolError("a length of more than four bytes")
    return None


def connect(name: bytes) -> bytes:
    """CONNECT, version 3.1.1, clean session, no will, no credential, keep-alive of 30 s."""
    body = b"\x00\x04MQTT\x04\x02\x00\x1e" + _text(name)
    return b"\x10%c" % len(body) + body


def subscribe(topic: bytes) -> bytes:
    """SUBSCRIBE to one topic filter with QoS 0."""
    body = b"\x00\x01" + _text(topic) + b"\x00"
    size = len(body)
    length = b"%c" % size if size < 128 else b"%c%c" % (size & 127 | 128, size >> 7)
    return b"\x82" + length + body


def _text(value: bytes) -> bytes:
    if len(value) > 8000:
        raise ProtocolError("a topic of more than 8000 bytes")
    return len(value).to_bytes(2, "big") + value


@dataclass(slots=True)
class Session:
    """A conversation with a broker, and what it delivered."""

    frames: Frames[Packet]
    messages: dict[bytes, bytes] = field(default_factory=dict)
    more: bool = False  # delivery was cut at a limit

    async def subscribe(self, topic: bytes, most: int, seconds: float = 0.0) -> bool:
        """Take in what is delivered under `topic`; False when the subscription is refused.

        Retained messages come before the answer to a PINGREQ; where none did, the first one
        that comes within `seconds` will do.
        """
        await self.frames.connection.write(subscribe(topic) + _PING)
        granted, pong = False, False
        for _ in range(2 * most + 1000):  # one topic may be sent again and again
            packet = await self.frames.next(seconds if pong else None)
            if packet is None:
                return granted
            self._take(packet)
            if packet.kind == _SUBACK:
                granted = packet.body[2:3] in (b"\x00", b"\x01", b"\x02")
                if not granted:
                    return False
            pong = pong or packet.kind == _PONG
            if len(self.messages) >= most:
                break
            if pong and (self.messages or not seconds):
                return granted
        self.more = True
        return True

    def _take(self, packet: Packet) -> None:
        if (message := packet.message) and message[1]:
            self.messages[message[0]] = message[1]


async def _connect(frames: Frames[Packet], name: bytes) -> int | None:
    """The return code of CONNACK; None when this is no broker."""
    await frames.connection.write(connect(name))
    packet = await frames.next()
    whole = packet and packet.kind == _CONNACK and not packet.flags and len(packet.body) >= 2
    return packet.body[1] if packet and whole and packet.body[0] < 2 else None


def _parse(data: bytes) -> tuple[Packet, int] | None:
    if data and data[0] != 0x20:  # the first packet of a broker is CONNACK, whatever happens
        raise NotMqtt("not an answer to CONNECT")
    return packet_of(data, 4096)


async def _prove(context: Context) -> Proof | None:
    code = None
    for name in _NAMES:
        async with await context.dialer.connect(tls=context.tls) as connection:
            try:
                code = await _connect(Frames(connection, _parse, 4096), name)
            except NotMqtt:
                return None
        if code != 2:  # identifier rejected
            break
    if code is None:
        return None
    if code:
        seen = context.evidence("CONNECT", b"CONNACK %d" % code, _reproduce(context, "#"))
        access = Access.ASKS_CREDENTIAL if code in _CREDENTIAL else Access.UNDETERMINED
        return Proof(access=access, detail=f"CONNECT was refused: code {code}", evidence=(seen,))
    return await _look(context)


async def _open(context: Context, frames: Frames[Packet]) -> Session:
    """A session that was let in; raises ProtocolError."""
    for name in _NAMES:
        code = await _connect(frames, name)
        if code == 0:
            return Session(frames)
        if code != 2:
            break
    raise ProtocolError("the broker refused us this time")


async def _look(context: Context) -> Proof:
    async with await context.dialer.connect(tls=context.tls) as connection:
        session = await _open(context, Frames(connection, packet_of, MAX_PACKET + 5))
        wait = min(WAIT, context.dialer.budget.seconds_left / 2)
        let_in = await session.subscribe(b"#", PROOF_MESSAGES, wait)
        messages, more = session.messages, session.more
        seen = [context.evidence("SUBSCRIBE #, QoS 0", b"SUBACK" if let_in else b"refused")]
    facts = await _facts(context)
    version = re.search(rb"version ([\w.-]{1,40})", facts.get(b"$SYS/broker/version", b""))
    size = _size(messages, more, facts)
    if topic := next(iter(messages), None):
        request = f"SUBSCRIBE #: {safe(topic, 120)}"
        reproduce = _reproduce(context, "#")
        seen.append(context.evidence(request, messages[topic], reproduce, content=True))
    refused = "" if let_in else " (the subscription was refused)"
    return Proof(
        access=Access.GIVES_DATA if messages else Access.SPEAKS,
        detail=f"{len(messages)} messages came"
        if messages
        else f"anybody may connect, no message came{refused}",
        product="mosquitto" if b"mosquitto" in facts.get(b"$SYS/broker/version", b"") else "",
        version=version.group(1).decode() if version else "",
        size=size if messages else None,
        evidence=tuple(seen),
        containers=tuple(sorted({safe(t.split(b"/")[0], 80) for t in messages}))[:20],
    )


def _size(messages: dict[bytes, bytes], more: bool, facts: dict[bytes, bytes]) -> Size:
    """What was delivered; when that was cut, what the broker counts, its own messages left out."""
    basis = "messages delivered to a new subscriber"
    if not more:
        held = sum(map(len, messages.values()))
        return Size(objects=len(messages), bytes=held, unit="messages", basis=basis)
    count, kept = len(messages), facts.get(_RETAINED, b"")
    if re.fullmatch(rb"\d{1,18}", kept):
        count, basis = max(count, int(kept) - len(facts)), _RETAINED.decode()
    return Size(objects=count, unit="messages", basis=basis, complete=False)


async def _facts(context: Context) -> dict[bytes, bytes]:
    """What the broker says of itself; empty where it does not."""
    try:
        async with await context.dialer.connect(tls=context.tls) as connection:
            session = await _open(context, Frames(connection, packet_of, MAX_PACKET + 5))
            await session.subscribe(_SYSTEM, 2 * PROOF_MESSAGES)
            return session.messages
    except ProtocolError:
        return {}


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with await context.dialer.connect(tls=context.tls) as connection:
        session = await _open(context, Frames(connection, packet_of, MAX_PACKET + 5))
        if not await session.subscribe(b"#", MAX_MESSAGES):
            raise ProtocolError("the subscription was refused")
    for topic, payload in session.messages.items():
        name = topic.decode("latin-1")
        yield ObjectRef(path=name, group=name.split("/", 1)[0], size=len(payload))
    if session.more:
        yield context.gap(Reason.BUDGET, "", f"the list was cut after {MAX_MESSAGES} messages")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    topic = ref.path.encode("latin-1")
    if re.search(rb"[+#\x00]", topic):
        raise ObjectRefused("a topic that no subscription can name")
    async with await context.dialer.connect(tls=context.tls) as connection:
        session = await _open(context, Frames(connection, packet_of, MAX_PACKET + 5))
        await session.subscribe(topic, 1)
    if topic not in session.messages:
        raise ObjectRefused("no retained message came")
    payload = session.messages[topic]
    return Fetched(payload[:limit], complete=len(payload) <= limit)


def _reproduce(context: Context, topic: str) -> str:
    endpoint = context.target.endpoint
    return f"mosquitto_sub -h {endpoint.address} -p {endpoint.port} -t '{topic}' -v -W 5"


MQTT = Protocol(
    name="mqtt",
    ports=(1883,),
    tls_ports=(8883,),
    sends="CONNECT without a credential, SUBSCRIBE with QoS 0, PINGREQ",
    allowed=(
        rb"\x10[\x0c-\x14]\x00\x04MQTT\x04\x02\x00\x1e\x00(?:\x00|\x08leftopen)\Z",
        rb"\x82[\x80-\xff]?[\x00-\x7f]\x00\x01[\x00-\x1f].{1,8001}\x00" + re.escape(_PING) + rb"\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    # it never greets, so it is asked on its usual ports; a CONNACK may refuse what is no CONNECT
    recognise=lambda said: bool(re.match(rb"\x20\x02[\x00\x01][\x00-\x05]\Z", said)),
    examples=(b"\x20\x02\x00\x01",),
    counterexamples=(b" \x02\x00\x01 and more", b"HTTP/1.1 400 Bad Request\r\n", b"\xd0\x00"),
    source="https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html",
)
