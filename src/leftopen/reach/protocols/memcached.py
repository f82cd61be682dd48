"""memcached: keys and values without a login.

Proof: `lru_crawler metadump` names keys (`stats cachedump` where the crawler is off) and `get`
of one gives its value; `stats` alone is metadata. With SASL (-S) the text protocol gets no answer
at all, and the binary protocol says status 0x20; with a file of users (-Y) every command gets
`CLIENT_ERROR unauthenticated`. UDP amplifies and is never spoken.
https://github.com/memcached/memcached/blob/master/doc/protocol.txt
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final
from urllib.parse import unquote_to_bytes

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

MAX_LINES: Final = 2000  # of one `stats`
MAX_KEYS: Final = 200_000  # of one listing
MAX_CLASSES: Final = 64  # slab classes; memcached has at most 63
PROOF_KEYS: Final = 100  # named by the proof, then the connection is closed
TRIES: Final = 5  # a key may expire before it is read
READ_BYTES: Final = 65_536
SILENCE: Final = 1.0  # seconds that a text command waits for its answer
_BINARY_STAT: Final = b"\x80\x10" + bytes(22)
_UNAUTHENTICATED: Final = b"CLIENT_ERROR unauthenticated"
_VERSION: Final = re.compile(rb"VERSION (\S{1,60})")
_KEY: Final = re.compile(rb"[^\x00-\x20\x7f]{1,250}")
_META: Final = re.compile(rb"key=(\S{1,750}) exp=-?\d+ .*?(?:size=(\d{1,18}))?\Z")
_DUMPED: Final = re.compile(rb"ITEM (\S{1,250}) \[(\d{1,18}) b; -?\d+ s\]")


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(b"version\r\n")
        said = await connection.greeting(SILENCE)
        line = await connection.read_line() if said else b""
        if line == _UNAUTHENTICATED:
            seen = context.evidence("version", line, _reproduce(context, "version"))
            return _proof(Access.ASKS_CREDENTIAL, "a login is asked for", "", seen)
        if found := _VERSION.fullmatch(line):
            return await _look(context, connection, safe(found.group(1), 40))
    return None if said else await _prove_binary(context)


async def _prove_binary(context: Context) -> Proof | None:
    """Ask in the binary protocol what was silent in the other: SASL is spoken only there."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(_BINARY_STAT)
        if not await connection.greeting(SILENCE, 24):
            return None
        head = await connection.read_exactly(24)
    if head[:2] != b"\x81\x10":
        return None
    seen = context.evidence("binary STAT", head)
    if head[6:8] == b"\x00\x20":
        return _proof(Access.ASKS_CREDENTIAL, "a SASL login is asked for", "", seen)
    return _proof(Access.SPEAKS, "only the binary protocol is spoken; nothing was read", "", seen)


def _proof(
    access: Access, detail: str, version: str, *evidence: Evidence, size: Size | None = None
) -> Proof:
    return Proof(
        access=access,
        detail=detail,
        product="memcached",
        version=version,
        size=size,
        evidence=evidence,
    )


async def _look(context: Context, connection: Connection, version: str) -> Proof:
    """Size, names and one value."""
    stats = await _stats(connection, b"stats")
    items, held = _number(stats.get(b"curr_items")), _number(stats.get(b"bytes"))
    size = Size(objects=items, bytes=held, unit="keys", basis="stats")
    try:
        keys = await _some_keys(context)
    except ObjectRefused as e:
        seen = context.evidence("lru_crawler metadump all", str(e).encode())
        return _proof(Access.SPEAKS, f"no key was named: {e}", version, seen, size=size)
    request = "lru_crawler metadump all"
    listed = context.evidence(request, b"\n".join(keys), _reproduce(context, request))
    for key in keys[:TRIES]:
        try:
            value, _ = await _get(connection, key, READ_BYTES)
        except ObjectRefused:
            continue
        read = context.evidence(f"get {safe(key, 120)}", value, content=True)
        detail = f"keys are named and {len(value)} bytes of one were read"
        return _proof(Access.GIVES_DATA, detail, version, listed, read, size=size)
    detail = "keys are named, no value came" if keys else "the cache is open and empty"
    return _proof(Access.LISTS, detail, version, listed, size=size)


async def _stats(connection: Connection, command: bytes) -> dict[bytes, bytes]:
    """`STAT name value` lines; empty when the command is refused."""
    await connection.write(command + b"\r\n")
    found: dict[bytes, bytes] = {}
    for _ in range(MAX_LINES):
        word, _, rest = (await connection.read_line()).partition(b" ")
        if word != b"STAT":
            return found
        name, _, value = rest.partition(b" ")
        found[name] = value
    raise ProtocolError(f"more than {MAX_LINES} lines of stats")


def _number(value: bytes | None) -> int | None:
    return int(value) if value and re.fullmatch(rb"\d{1,18}", value) else None


async def _some_keys(context: Context) -> list[bytes]:
    """The first keys, over a connection that is then closed: a dump cannot be stopped."""
    keys: list[bytes] = []
    async with aclosing(_keys(context)) as found:
        async for key, _ in found:
            keys.append(key)
            if len(keys) >= PROOF_KEYS:
                break
    return keys


def item_of(line: bytes) -> tuple[bytes, int | None] | None:
    """Key and size of one line of either dump; None where the line is none.

    The crawler percent-encodes its keys and counts the item's header in its size, which is
    therefore no size of the value.
    """
    if found := _META.fullmatch(line):
        key = unquote_to_bytes(found.group(1))
        return (key, None) if _KEY.fullmatch(key) else None
    if found := _DUMPED.fullmatch(line):
        return (found.group(1), int(found.group(2))) if _KEY.fullmatch(found.group(1)) else None
    return None


async def _keys(context: Context) -> AsyncGenerator[tuple[bytes, int | None], None]:
    """All keys; raises ObjectRefused when no command names them."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(b"lru_crawler metadump all\r\n")
        line = await connection.read_line()
        if line == b"END" or item_of(line):
            async for item in _dump(connection, line):
                yield item
            return
        classes = {n.split(b":")[1] for n in await _stats(connection, b"stats items") if b":" in n}
        slabs = sorted(int(c) for c in classes if re.fullmatch(rb"\d{1,2}", c))[:MAX_CLASSES]
        for slab in slabs or [1]:
            await connection.write(b"stats cachedump %d 0\r\n" % slab)
            line = await connection.read_line()
            if line != b"END" and not item_of(line):
                raise ObjectRefused(safe(line))
            async for item in _dump(connection, line):
                yield item


async def _dump(
    connection: Connection, line: bytes
) -> AsyncGenerator[tuple[bytes, int | None], None]:
    """The items of a dump that began with `line`; raises ProtocolError for a line that is none."""
    while line != b"END":
        if (item := item_of(line)) is None:
            raise ProtocolError(f"not a line of a dump: {safe(line, 60)}")
        yield item
        line = await connection.read_line()


async def _get(connection: Connection, key: bytes, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes of a value and whether that is all; the rest is left unread."""
    await connection.write(b"get %s\r\n" % key)
    line = await connection.read_line()
    found = re.fullmatch(rb"VALUE (\S+) \d{1,10} (\d{1,18})(?: \d+)?", line)
    if not found or found.group(1) != key:
        raise ObjectRefused(f"no value came: {safe(line, 60)}")
    size = int(found.group(2))
    if size > limit:
        return await connection.read_exactly(limit), False
    value = (await connection.read_exactly(size + 2))[:-2]
    if await connection.read_line() != b"END":
        raise ProtocolError("a value without its end")
    return value, True


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    count = 0
    async with aclosing(_keys(context)) as found:
        async for key, size in found:
            if count >= MAX_KEYS:
                yield context.gap(Reason.BUDGET, "", f"the list was cut after {count} keys")
                return
            count += 1
            name = key.decode("latin-1")
            yield ObjectRef(
                path=name, group=name.split(":", 1)[0] if ":" in name else "", size=size
            )


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with await context.dialer.connect(tls=context.tls) as connection:
        value, complete = await _get(connection, ref.path.encode("latin-1"), limit)
        return Fetched(value, complete=complete)


def _reproduce(context: Context, command: str) -> str:
    endpoint = context.target.endpoint
    return f"printf '{command}\\r\\nquit\\r\\n' | nc {endpoint.address} {endpoint.port}"


def _recognise(said: bytes) -> bool:
    """What memcached answers to a line that is no command of its own, such as GET of HTTP."""
    return said.startswith((b"ERROR\r\n", _UNAUTHENTICATED + b"\r\n"))


MEMCACHED = Protocol(
    name="memcached",
    ports=(11211,),
    sends="version, stats, stats items, lru_crawler metadump, stats cachedump, get; binary STAT",
    allowed=(
        rb"(?:version|stats|stats items|lru_crawler metadump all|stats cachedump \d+ 0)\r\n\Z",
        rb"get " + _KEY.pattern + rb"\r\n\Z",
        re.escape(_BINARY_STAT) + rb"\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=_recognise,
    examples=(b"ERROR\r\nERROR\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    counterexamples=(b"ERROR 42\r\n", b"-ERR unknown\r\n", b"UNKNOWN_COMMAND\r\n"),
    source="https://github.com/memcached/memcached/blob/master/doc/protocol.txt",
)
