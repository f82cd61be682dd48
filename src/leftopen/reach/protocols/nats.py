"""NATS: messages of a queue that asks nobody who he is.

Proof: a message that JetStream stored, read by its number, which acknowledges and consumes
nothing; or, where there is no stream, one that comes by while we listen. PONG alone proves only
that a stranger may connect. `connect_urls` of the greeting name other servers and are not
followed; the monitor port is another service and says nothing about this one.
https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.framing import Frames

MAX_LINE: Final = 65_536  # INFO of a large cluster has many connect_urls
MAX_PAYLOAD: Final = 8_000_000
MAX_FRAMES: Final = 1000  # other people's, before an answer to us
MAX_STREAMS: Final = 10_000
MAX_MESSAGES: Final = 100_000  # of one listing
WAIT: Final = 3.0  # seconds for a message that somebody sends just then
_CONNECT: Final = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,'
    b'"name":"leftopen","lang":"python","version":"0","protocol":1}\r\nPING\r\n'
)
_INBOX: Final = b"_INBOX.leftopen."  # and a word of this session's own: all see one account
_REPLY: Final = re.escape(_INBOX) + rb"[0-9a-f]{16}"
_API: Final = rb"PUB \$JS\.API\.STREAM\."
_LISTEN: Final = b"SUB > 2\r\nPING\r\n"
_STREAM: Final = rb"[^\s.*>\x00-\x20]{1,255}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One operation of the server: INFO, MSG, +OK, -ERR, PING or PONG."""

    verb: bytes
    text: bytes  # the rest of the line; of a message its subject
    payload: bytes = b""


def frame_of(data: bytes) -> tuple[Frame, int] | None:
    """The first operation and its length; None while it is not whole."""
    end = data.find(b"\r\n")
    if end > MAX_LINE or (end < 0 and len(data) > MAX_LINE):
        raise ProtocolError(f"no end of line within {MAX_LINE} bytes")
    if end < 0:
        return None
    line = re.sub(rb"[ \t]+", b" ", data[:end].strip())
    verb, _, rest = line.partition(b" ")
    verb = verb.upper()
    if verb in (b"INFO", b"+OK", b"-ERR", b"PING", b"PONG"):
        return Frame(verb, rest), end + 2
    words = rest.split(b" ")
    numbers = words[2:][-2:] if verb == b"HMSG" else [b"0", *words[2:][-1:]]
    known = verb in (b"MSG", b"HMSG") and len(words) <= 5 and len(numbers) == 2
    if not known or not all(re.fullmatch(rb"\d{1,18}", n) for n in numbers):
        raise ProtocolError("not an operation of NATS")
    head, size = map(int, numbers)
    if not head <= size <= MAX_PAYLOAD:
        raise ProtocolError(f"a message of {size} bytes where {MAX_PAYLOAD} are the limit")
    start = end + 2
    if len(data) < start + size + 2:
        return None
    return Frame(verb, words[0], data[start + head : start + size]), start + size + 2


def info_of(line: bytes) -> dict[str, Any] | None:
    """The greeting's JSON; None when it is none."""
    word, _, rest = line.strip().partition(b" ")
    try:
        found = json.loads(rest) if word.upper() == b"INFO" else None
    except (ValueError, RecursionError):
        return None
    known = isinstance(found, dict) and "server_id" in found and "max_payload" in found
    return found if known else None


@dataclass(slots=True)
class Session:
    """A conversation that has passed CONNECT, or the error that ended it."""

    frames: Frames[Frame]
    info: dict[str, Any]
    inbox: bytes  # where the answers to this session come
    refused: str = ""
    tls: bool = False

    async def until(self, *verbs: bytes) -> Frame:
        """The next of these operations, or -ERR; raises ProtocolError at the end."""
        for _ in range(MAX_FRAMES):
            frame = await self.frames.next()
            if frame is None:
                raise ProtocolError("the peer closed the connection early")
            if frame.verb in (*verbs, b"-ERR"):
                return frame
        raise ProtocolError("no answer among many messages")

    async def ask(self, subject: bytes, body: bytes = b"") -> dict[str, Any]:
        """One request of the JetStream API; raises ObjectRefused where it says no."""
        request = b"PUB $JS.API.%s %s %d\r\n%s\r\n" % (subject, self.inbox, len(body), body)
        await self.frames.connection.write(request)
        for _ in range(MAX_FRAMES):
            frame = await self.until(b"MSG", b"HMSG")
            if frame.verb == b"-ERR":
                raise ObjectRefused(safe(frame.text))
            if frame.text == self.inbox:
                return _answer(frame.payload)
        raise ProtocolError("no answer among many messages")


def _answer(payload: bytes) -> dict[str, Any]:
    if not payload:
        raise ObjectRefused("nobody answers for JetStream")  # no responders: status 503
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        raise ProtocolError("an answer of JetStream that is not JSON") from None
    if not isinstance(answer, dict):
        raise ProtocolError("an answer of JetStream that is no object")
    if isinstance(error := answer.get("error"), dict):
        raise ObjectRefused(safe(str(error.get("description", error)), 120))
    return answer


@asynccontextmanager
async def _session(context: Context) -> AsyncIterator[Session | None]:
    """None when the peer does not speak NATS."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        info = info_of(await connection.read_line(MAX_LINE))
        if info is None:
            yield None
            return
        if info.get("tls_required") and not connection.tls:
            await connection.start_tls()
        await connection.write(_CONNECT)
        frames = Frames(connection, frame_of, MAX_LINE + MAX_PAYLOAD)
        inbox = _INBOX + token_hex(8).encode()
        session = Session(frames, info, inbox, tls=connection.tls)
        frame = await session.until(b"PONG")
        if frame.verb == b"-ERR":
            session.refused = safe(frame.text.strip(b"'"), 120)
        else:
            await connection.write(b"SUB %s 1\r\n" % session.inbox)
        yield session


async def _prove(context: Context) -> Proof | None:
    async with _session(context) as session:
        if session is None:
            return None
        if session.refused:
            seen = context.evidence("CONNECT, PING", session.refused.encode(), _reproduce(context))
            asks = "authorization" in session.refused.lower()
            access = Access.ASKS_CREDENTIAL if asks else Access.UNDETERMINED
            return _proof(session, access, f"CONNECT was refused: {session.refused}", seen)
        seen = context.evidence("CONNECT, PING", b"PONG", _reproduce(context))
        return await _stored(context, session, seen) or await _heard(context, session, seen)


def _proof(
    session: Session,
    access: Access,
    detail: str,
    *evidence: Evidence,
    size: Size | None = None,
    streams: tuple[str, ...] = (),
) -> Proof:
    return Proof(
        access=access,
        detail=detail,
        product="nats-server",
        version=safe(str(session.info.get("version", "")), 40),
        tls=session.tls,
        size=size,
        evidence=evidence,
        containers=streams[:20],
    )


@dataclass(frozen=True, slots=True)
class Stream:
    """What JetStream says about one stream."""

    name: str
    messages: int
    bytes: int
    first: int
    last: int


async def _streams(session: Session) -> tuple[list[Stream], bool]:
    """All streams, and whether that is all; raises ObjectRefused where JetStream is not open."""
    found: list[Stream] = []
    while len(found) < MAX_STREAMS:
        answer = await session.ask(b"STREAM.LIST", b'{"offset":%d}' % len(found))
        page = [s for s in map(stream_of, answer.get("streams") or ()) if s]
        found += page
        if not page or len(found) >= _number(answer, "total"):
            return found, True
    return found, False


def stream_of(item: object) -> Stream | None:
    """One entry of STREAM.LIST; None when it is not shaped like one."""
    config = item.get("config") if isinstance(item, dict) else None
    state = item.get("state") if isinstance(item, dict) else None
    name = config.get("name") if isinstance(config, dict) else None
    if not isinstance(state, dict) or not isinstance(name, str):
        return None
    if not re.fullmatch(_STREAM, name.encode("utf-8", "surrogatepass")):
        return None
    numbers = (_number(state, key) for key in ("messages", "bytes", "first_seq", "last_seq"))
    return Stream(name, *numbers)


def _number(record: dict[str, Any], key: str) -> int:
    value = record.get(key)
    return value if isinstance(value, int) and 0 <= value < 10**18 else 0


async def _stored(context: Context, session: Session, seen: Evidence) -> Proof | None:
    """Streams and one message; None where JetStream names nothing."""
    try:
        streams, complete = await _streams(session) if session.info.get("jetstream") else ([], True)
    except ObjectRefused:
        return None
    if not streams:
        return None
    size = Size(
        objects=sum(s.messages for s in streams),
        bytes=sum(s.bytes for s in streams),
        unit="messages",
        basis="JetStream state",
        complete=complete,
    )
    shown = tuple(safe(s.name, 80) for s in streams)
    request = "$JS.API.STREAM.LIST"
    listed = context.evidence(request, "\n".join(shown).encode(), _reproduce(context, "stream ls"))
    for stream in [s for s in streams if s.messages][:3]:
        try:
            data = await _message(session, stream.name, stream.first)
        except ObjectRefused:
            continue
        request = f"$JS.API.STREAM.MSG.GET {safe(stream.name, 80)} {stream.first}"
        command = _reproduce(context, f"stream get {safe(stream.name, 80)} {stream.first}")
        read = context.evidence(request, data, command, content=True)
        detail = f"streams are named and {len(data)} bytes of a message were read"
        return _proof(
            session, Access.GIVES_DATA, detail, seen, listed, read, size=size, streams=shown
        )
    detail = "streams are named, no message came"
    return _proof(session, Access.LISTS, detail, seen, listed, size=size, streams=shown)


async def _message(session: Session, stream: str, number: int) -> bytes:
    """The data of one stored message; raises ObjectRefused."""
    subject = b"STREAM.MSG.GET." + stream.encode("utf-8", "surrogatepass")
    answer = await session.ask(subject, b'{"seq":%d}' % number)
    message = answer.get("message")
    if not isinstance(message, dict) or message.get("seq") != number:
        raise ProtocolError("an answer without the message that was asked for")
    try:
        return b64decode(str(message.get("data", "")), validate=True)
    except (Base64Error, ValueError):
        raise ProtocolError("a message that is not Base64") from None


async def _heard(context: Context, session: Session, seen: Evidence) -> Proof:
    """Listen to everything for a moment."""
    await session.frames.connection.write(_LISTEN)
    wait = min(WAIT, context.dialer.budget.seconds_left / 2)
    refused = ""
    for _ in range(MAX_FRAMES):
        if (frame := await session.frames.next(wait)) is None:
            break
        if frame.verb == b"-ERR":
            refused = f" ({safe(frame.text, 120)})"
            break
        if frame.payload and not frame.text.startswith((b"$JS.", b"$SYS.", _INBOX)):
            read = context.evidence(
                f"SUB >: {safe(frame.text, 120)}",
                frame.payload,
                _reproduce(context, "sub '>'"),
                content=True,
            )
            detail = f"{len(frame.payload)} bytes of a message came by"
            return _proof(session, Access.GIVES_DATA, detail, seen, read)
    detail = f"anybody may connect, no message came{refused}"
    return _proof(session, Access.SPEAKS, detail, seen)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _session(context) as session:
        if session is None or session.refused:
            raise ProtocolError("no open session this time")
        streams, complete = await _streams(session)
    left = MAX_MESSAGES
    for stream in streams:
        numbers = range(stream.first, stream.last + 1) if stream.messages else range(0)
        for number in numbers[:left]:
            yield ObjectRef(path=f"{stream.name}/{number}", group=stream.name)
        if len(numbers) > left:
            detail = f"the list was cut after {MAX_MESSAGES} messages"
            yield context.gap(Reason.BUDGET, stream.name, detail, count=len(numbers) - left)
        left = max(0, left - len(numbers))
    if not complete:
        yield context.gap(Reason.BUDGET, "", f"more than {MAX_STREAMS} streams")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    stream, _, number = ref.path.rpartition("/")
    async with _session(context) as session:
        if session is None or session.refused:
            raise ProtocolError("no open session this time")
        data = await _message(session, stream, int(number))
        return Fetched(data[:limit], complete=len(data) <= limit)


def _reproduce(context: Context, command: str = "rtt") -> str:
    endpoint = context.target.endpoint
    return f"nats -s nats://{endpoint.address}:{endpoint.port} {command}"


NATS = Protocol(
    name="nats",
    ports=(4222,),
    sends="CONNECT without a credential, PING, SUB, JetStream STREAM.LIST and STREAM.MSG.GET",
    allowed=(
        re.escape(_CONNECT) + rb"\Z",
        rb"SUB " + _REPLY + rb" 1\r\n\Z",
        re.escape(_LISTEN) + rb"\Z",
        _API + rb"LIST " + _REPLY + rb' \d+\r\n\{"offset":\d+\}\r\n\Z',
        _API + rb"MSG\.GET\." + _STREAM + b" " + _REPLY + rb' \d+\r\n\{"seq":\d+\}\r\n\Z',
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda said: bool(re.match(rb'INFO\s+\{.*"server_id"', said, re.I)),
    examples=(b'INFO {"server_id":"N","version":"2.9.10","max_payload":1048576} \r\n',),
    counterexamples=(b"INFO\r\n", b'{"server_id":"N"}\r\n', b"+OK POP3 ready\r\n"),
    source="https://docs.nats.io/reference/reference-protocols/nats-protocol",
)
