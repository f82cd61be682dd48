"""Redis and its kin (Valkey, KeyDB, Dragonfly): keys and values without a password.

Proof: SCAN names keys and one bounded read of one key comes back. PING or INFO alone prove
nothing: an ACL may answer PING and refuse the data, and INFO may be renamed while SCAN works.
A value is read with the ranged command of its type, page by page, so a key of any size costs no
more than the limit and a page. A database of the server is looked into even when number 0 is empty.
RESP2 as in https://redis.io/docs/latest/develop/reference/protocol-spec/.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol


class NotResp(ProtocolError):
    """The peer speaks something else, or no longer Redis."""


Reply = bytes | int | None | list["Reply"] | ProtocolError

MAX_BULK: Final = 1_048_576
MAX_ITEMS: Final = 100_000
MAX_DEPTH: Final = 4
MAX_ROUNDS: Final = 1000  # SCAN rounds of one listing, pages of one value
PROOF_ROUNDS: Final = 20  # SCAN rounds of the proof: a round may be empty
USUAL_DATABASES: Final = 16  # how many there are where INFO does not name those in use
MAX_DATABASES: Final = 64
READ_BYTES: Final = 65_536
PAGE: Final = 500  # elements of a collection per command
_VERBS: Final = rb"PING|INFO|DBSIZE|SELECT|SCAN|TYPE|GETRANGE|LRANGE|HSCAN|SSCAN|ZRANGE|XRANGE"
_REFUSED: Final = ("NOAUTH", "NOPERM", "DENIED", "WRONGPASS")
_KEYSPACE: Final = re.compile(rb"^db(\d{1,4}):keys=(\d{1,18})", re.MULTILINE)
_MEMORY: Final = re.compile(rb"^used_memory_dataset:(\d{1,18})", re.MULTILINE)


def _command(*words: bytes) -> bytes:
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
    return b"*%d\r\n%s" % (len(words), parts)


async def _reply(connection: Connection, depth: int = 0) -> Reply:
    """One RESP2 value; an error reply comes back as a ProtocolError value, not raised."""
    line = await connection.read_line()
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        return ProtocolError(rest.decode("utf-8", "replace"))
    if kind not in (b":", b"$", b"*") or not re.fullmatch(rb"-?\d{1,20}", rest):
        raise NotResp("not a RESP answer")
    number = int(rest)
    if kind == b":":
        return number
    if number < 0:
        return None
    if kind == b"$":
        if number > MAX_BULK:
            raise ProtocolError(f"a value of {number} bytes where {MAX_BULK} are the limit")
        return (await connection.read_exactly(number + 2))[:-2]
    if number > MAX_ITEMS or depth >= MAX_DEPTH:
        raise ProtocolError("an answer with too many or too deep items")
    return [await _reply(connection, depth + 1) for _ in range(number)]


async def _ask(connection: Connection, *words: bytes) -> Reply:
    await connection.write(_command(*words))
    return await _reply(connection)


async def _prove(context: Context) -> Proof | None:
    if context.greeting.startswith(b"-DENIED"):  # protected mode refuses before a word is said
        return _refused(context, ProtocolError(context.greeting[1:].decode("utf-8", "replace")))
    async with await context.dialer.connect(tls=context.tls) as connection:
        try:
            pong = await _ask(connection, b"PING")
        except NotResp:
            return None
        said = f"{pong}" if isinstance(pong, ProtocolError) else ""
        if pong != b"PONG" and not said.startswith(_REFUSED):
            return None
        if said.startswith("DENIED"):
            return _refused(context, ProtocolError(said))
        answer = await _ask(connection, b"INFO")
        info = answer if isinstance(answer, bytes) else b""
        keys = await _scan(connection, b"0")
        if isinstance(keys, ProtocolError):
            return _refused(context, keys, info)
        return await _look(context, connection, info)


def _proof(
    access: Access, detail: str, info: bytes, *evidence: Evidence, size: Size | None = None
) -> Proof:
    product, version = _facts(info)
    return Proof(
        access=access,
        detail=detail,
        product=product,
        version=version,
        size=size,
        evidence=evidence,
    )


def _facts(info: bytes) -> tuple[str, str]:
    """Product and version from INFO (Valkey also says redis_version)."""
    for product in ("valkey", "dragonfly", "redis"):
        found = re.search(rb"^%s_version:(.*)" % product.encode(), info, re.MULTILINE)
        if found:
            return product, safe(found.group(1).strip(), 40)
    return "redis", ""


def _refused(context: Context, answer: ProtocolError, info: bytes = b"") -> Proof:
    evidence = context.evidence("SCAN 0", str(answer).encode(), _reproduce(context, "SCAN 0"))
    refused = str(answer).startswith(_REFUSED)
    access = Access.ASKS_CREDENTIAL if refused else Access.UNDETERMINED
    return _proof(access, safe(f"SCAN was refused: {answer}"), info, evidence)


async def _look(context: Context, connection: Connection, info: bytes) -> Proof:
    """Keys and one value, from the first database that has some."""
    counts = await _counts(connection, info)
    memory = _MEMORY.search(info)
    size = Size(
        objects=sum(counts.values()),
        bytes=int(memory.group(1)) if memory else None,
        unit="keys",
        basis="INFO keyspace" if _KEYSPACE.search(info) else "DBSIZE",
    )
    keys: list[bytes] = []
    evidence: list[Evidence] = []
    for number in [n for n in counts if counts[n]][:3]:
        await _ask(connection, b"SELECT", b"%d" % number)
        keys = await _some_keys(connection)
        command = f"-n {number} SCAN 0"
        listed = b"\n".join(keys)
        evidence.append(context.evidence(command, listed, _reproduce(context, command)))
        if read := await _first_value(context, connection, keys):
            detail = f"keys are named and {read.answer_bytes} bytes of one were read"
            return _proof(Access.GIVES_DATA, detail, info, *evidence, read, size=size)
    if not evidence:
        evidence.append(context.evidence("SCAN 0", b"", _reproduce(context, "SCAN 0")))
    named = "keys are named, no value came" if keys else "no key was named"
    detail = named if size.objects else "the database is open and empty"
    return _proof(Access.LISTS, detail, info, *evidence, size=size)


async def _counts(connection: Connection, info: bytes) -> dict[int, int]:
    """Keys by database: as INFO says, else by asking each of the usual sixteen."""
    if found := _KEYSPACE.findall(info):
        return {int(number): int(keys) for number, keys in found[:MAX_DATABASES]}
    counts: dict[int, int] = {}
    for number in range(USUAL_DATABASES):
        selected = await _ask(connection, b"SELECT", b"%d" % number)
        if isinstance(selected, ProtocolError) and number:
            break
        count = await _ask(connection, b"DBSIZE")
        if isinstance(count, int):
            counts[number] = count
        elif (await _some_keys(connection))[:1]:  # DBSIZE is refused where SCAN is not
            counts[number] = 1
    return counts


async def _some_keys(connection: Connection) -> list[bytes]:
    """The first keys of the selected database; a round of SCAN may come back empty."""
    cursor, keys = b"0", list[bytes]()
    for _ in range(PROOF_ROUNDS):
        page = await _scan(connection, cursor)
        if isinstance(page, ProtocolError):
            break
        cursor, keys = page
        if keys or cursor == b"0":
            break
    return keys


async def _first_value(
    context: Context, connection: Connection, keys: list[bytes]
) -> Evidence | None:
    for key in keys[:5]:
        try:
            value, _ = await _read(connection, key, READ_BYTES)
        except ObjectRefused:
            continue
        if value:
            return context.evidence(f"read of key {safe(key, 120)}", value, content=True)
    return None


async def _scan(connection: Connection, cursor: bytes) -> tuple[bytes, list[bytes]] | ProtocolError:
    answer = await _ask(connection, b"SCAN", cursor, b"COUNT", b"100")
    if isinstance(answer, ProtocolError):
        return answer
    match answer:
        case [bytes(after), list(keys)]:
            return after, sorted(k for k in keys if isinstance(k, bytes))
    raise ProtocolError("SCAN answered with something else")


async def _read(connection: Connection, key: bytes, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes of a value, and whether that is all; raises ObjectRefused."""
    kind = await _ask(connection, b"TYPE", key)
    if not isinstance(kind, bytes):
        raise ObjectRefused(f"TYPE was refused: {safe(str(kind))}")
    parts: list[bytes] = []
    size = 0
    async with aclosing(_pages(connection, key, kind, limit)) as pages:
        async for page, last in pages:
            parts.append(page)
            size += len(page) + 1
            if last or size > limit:
                value = b"\n".join(parts)
                return value[:limit], last and len(value) <= limit
    return b"\n".join(parts)[:limit], False


async def _pages(
    connection: Connection, key: bytes, kind: bytes, limit: int
) -> AsyncGenerator[tuple[bytes, bool], None]:
    """The value page by page, and with each whether it is the last."""
    if kind == b"string":
        asked = min(limit + 1, MAX_BULK)
        value = _flat(await _ask(connection, b"GETRANGE", key, b"0", b"%d" % (asked - 1)))
        yield value, len(value) < asked
    elif kind in (b"list", b"zset"):
        verb = b"LRANGE" if kind == b"list" else b"ZRANGE"
        for first in range(0, MAX_ROUNDS * PAGE, PAGE):
            items = await _ask(connection, verb, key, b"%d" % first, b"%d" % (first + PAGE - 1))
            yield _flat(items), not isinstance(items, list) or len(items) < PAGE
    elif kind in (b"hash", b"set"):
        verb, cursor = (b"HSCAN" if kind == b"hash" else b"SSCAN"), b"0"
        for _ in range(MAX_ROUNDS):
            answer = await _ask(connection, verb, key, cursor, b"COUNT", b"%d" % PAGE)
            items = answer[1] if isinstance(answer, list) and len(answer) == 2 else answer
            after = answer[0] if isinstance(answer, list) and answer else b"0"
            cursor = after if isinstance(after, bytes) else b"0"
            yield _flat(items), cursor == b"0"
    elif kind == b"stream":
        items = await _ask(connection, b"XRANGE", key, b"-", b"+", b"COUNT", b"%d" % PAGE)
        yield _flat(items), isinstance(items, list) and len(items) < PAGE
    else:
        raise ObjectRefused(f"no ranged read for the type {safe(kind, 40)}")


def _flat(reply: Reply) -> bytes:
    """All text of an answer, a line for each item; raises ObjectRefused for an error."""
    if isinstance(reply, ProtocolError):
        raise ObjectRefused(f"the value was refused: {safe(str(reply))}")
    if isinstance(reply, list):
        return b"\n".join(_flat(item) for item in reply)
    return reply if isinstance(reply, bytes) else b""


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with await context.dialer.connect(tls=context.tls) as connection:
        info = await _ask(connection, b"INFO")
        counts = await _counts(connection, info if isinstance(info, bytes) else b"")
        for number in counts or {0: 0}:
            await _ask(connection, b"SELECT", b"%d" % number)
            async for item in _keys(context, connection, number):
                yield item


async def _keys(
    context: Context, connection: Connection, number: int
) -> AsyncIterator[ObjectRef | Gap]:
    """All keys of the selected database, each once."""
    cursor, seen = b"0", set[bytes]()
    for _ in range(MAX_ROUNDS):
        page = await _scan(connection, cursor)
        if isinstance(page, ProtocolError):
            raise page
        cursor, keys = page
        for key in keys:
            if key not in seen:
                seen.add(key)
                yield _ref(number, key)
        if cursor == b"0":
            return
    detail = f"the list of keys was cut after {MAX_ROUNDS} rounds of SCAN"
    yield context.gap(Reason.BUDGET, f"database {number}", detail)


def _ref(number: int, key: bytes) -> ObjectRef:
    """The path is `database/key`, as in a redis:// URL; the group is the key's first word."""
    name = key.decode("latin-1")
    prefix = name.split(":", 1)[0] if ":" in name else ""
    return ObjectRef(path=f"{number}/{name}", group=f"{number}/{prefix}")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    number, _, key = ref.path.partition("/")
    async with await context.dialer.connect(tls=context.tls) as connection:
        await _ask(connection, b"SELECT", number.encode())
        value, complete = await _read(connection, key.encode("latin-1"), limit)
        return Fetched(value, complete=complete)


def _reproduce(context: Context, command: str) -> str:
    endpoint = context.target.endpoint
    return f"redis-cli -h {endpoint.address} -p {endpoint.port} {command}"


REDIS = Protocol(
    name="redis",
    ports=(6379,),
    tls_ports=(6380,),
    sends="PING, INFO, SELECT, DBSIZE, SCAN, TYPE and bounded reads of a value",
    allowed=(rb"\*\d+\r\n\$\d+\r\n(?:" + _VERBS + rb")\r\n",),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    source="https://redis.io/docs/latest/develop/reference/protocol-spec/",
)
