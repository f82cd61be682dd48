"""Redis and its kin (Valkey, KeyDB, Dragonfly): keys and values without a password.

Proof: SCAN names keys and one bounded read of one key comes back. PING or INFO alone prove
nothing: an ACL may answer PING and refuse the data, and INFO may be renamed while SCAN works.
A value is read with the ranged command of its type, so a key of any size costs 64 KiB at most.
RESP2 as in https://redis.io/docs/latest/develop/reference/protocol-spec/.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Fetched, Proof, Protocol

Facts = tuple[str, str]  # product, version
Reply = bytes | int | None | list["Reply"] | ProtocolError

MAX_BULK: Final = 1_048_576
MAX_ITEMS: Final = 4096
MAX_DEPTH: Final = 4
MAX_ROUNDS: Final = 1000  # SCAN rounds of one listing
READ_BYTES: Final = 65_536
_VERBS = rb"PING|INFO|DBSIZE|SCAN|TYPE|GETRANGE|LRANGE|HSCAN|SSCAN|ZRANGE|XRANGE"
_REFUSED = ("NOAUTH", "NOPERM", "DENIED", "WRONGPASS")


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
    if kind not in b":$*" or not rest.lstrip(b"-").isdigit():
        raise ProtocolError("not a RESP answer")
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
    async with await context.dialer.connect(tls=context.tls) as connection:
        pong = await _ask(connection, b"PING")
        said = f"{pong}" if isinstance(pong, ProtocolError) else ""
        if pong != b"PONG" and not said.startswith(_REFUSED):
            return None
        info = await _ask(connection, b"INFO")
        facts = _facts(info if isinstance(info, bytes) else b"")
        keys = await _scan(connection, b"0")
        if isinstance(keys, ProtocolError):
            return _refused(context, keys, facts)
        count = await _ask(connection, b"DBSIZE")
        size = Size(objects=count, unit="keys", basis="DBSIZE") if isinstance(count, int) else None
        return await _judge(context, connection, keys[1], size, facts)


def _refused(context: Context, answer: ProtocolError, facts: Facts) -> Proof:
    evidence = context.evidence("SCAN 0", str(answer).encode(), _reproduce(context, "SCAN 0"))
    refused = str(answer).startswith(_REFUSED)
    return Proof(
        access=Access.ASKS_CREDENTIAL if refused else Access.UNDETERMINED,
        detail=safe(f"SCAN was refused: {answer}"),
        evidence=(evidence,),
        product=facts[0],
        version=facts[1],
    )


async def _judge(
    context: Context,
    connection: Connection,
    keys: list[bytes],
    size: Size | None,
    facts: Facts,
) -> Proof:
    listed = context.evidence("SCAN 0", b"\n".join(keys), _reproduce(context, "SCAN 0"))
    for key in keys[:3]:
        value = await _read(connection, key)
        if value is not None:
            read = context.evidence(f"read of key {safe(key)}", value, content=True)
            return Proof(
                access=Access.GIVES_DATA,
                detail=f"SCAN named keys and {len(value)} bytes of one were read without a login",
                size=size,
                evidence=(listed, read),
                product=facts[0],
                version=facts[1],
            )
    empty = "the database is open and empty" if not keys else "keys are named, values refused"
    return Proof(
        access=Access.LISTS,
        detail=empty,
        size=size,
        evidence=(listed,),
        product=facts[0],
        version=facts[1],
    )


def _facts(info: bytes) -> Facts:
    """Product and version from INFO (Valkey also says redis_version)."""
    lines = (line.split(b":", 1) for line in info.splitlines() if b":" in line)
    fields = {k.decode("latin-1"): v.decode("latin-1") for k, v in lines}
    for product in ("valkey", "dragonfly", "redis"):
        if version := fields.get(f"{product}_version"):
            return product, safe(version, 40)
    return "redis", ""


async def _scan(connection: Connection, cursor: bytes) -> tuple[bytes, list[bytes]] | ProtocolError:
    answer = await _ask(connection, b"SCAN", cursor, b"COUNT", b"100")
    if isinstance(answer, ProtocolError):
        return answer
    match answer:
        case [bytes(after), list(keys)]:
            return after, sorted(k for k in keys if isinstance(k, bytes))
    raise ProtocolError("SCAN answered with something else")


async def _read(connection: Connection, key: bytes) -> bytes | None:
    """A bounded part of one key's value, or None when it cannot be read."""
    kind = await _ask(connection, b"TYPE", key)
    last = b"%d" % (READ_BYTES - 1)
    command = {
        b"string": (b"GETRANGE", key, b"0", last),
        b"list": (b"LRANGE", key, b"0", b"99"),
        b"hash": (b"HSCAN", key, b"0", b"COUNT", b"100"),
        b"set": (b"SSCAN", key, b"0", b"COUNT", b"100"),
        b"zset": (b"ZRANGE", key, b"0", b"99"),
        b"stream": (b"XRANGE", key, b"-", b"+", b"COUNT", b"100"),
    }.get(kind if isinstance(kind, bytes) else b"")
    if command is None:
        return None
    answer = await _ask(connection, *command)
    return None if isinstance(answer, ProtocolError) else _flat(answer)


def _flat(reply: Reply) -> bytes:
    if isinstance(reply, list):
        return b"\n".join(_flat(item) for item in reply)
    return reply if isinstance(reply, bytes) else b""


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with await context.dialer.connect(tls=context.tls) as connection:
        cursor, seen = b"0", set[bytes]()
        for _ in range(MAX_ROUNDS):
            page = await _scan(connection, cursor)
            if isinstance(page, ProtocolError):
                raise page
            cursor, keys = page
            for key in keys:
                if key not in seen:
                    seen.add(key)
                    group = key.split(b":", 1)[0].decode("latin-1") if b":" in key else ""
                    yield ObjectRef(path=key.decode("latin-1"), group=group)
            if cursor == b"0":
                return
        yield Gap(
            stage=Stage.REACH,
            reason=Reason.BUDGET,
            place=str(context.target.endpoint),
            detail=f"the list of keys was cut after {MAX_ROUNDS} rounds of SCAN",
        )


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with await context.dialer.connect(tls=context.tls) as connection:
        value = await _read(connection, ref.path.encode("latin-1"))
        if value is None:
            raise ProtocolError("the value was refused")
        return Fetched(value[:limit], complete=len(value) < min(limit, READ_BYTES))


def _reproduce(context: Context, command: str) -> str:
    endpoint = context.target.endpoint
    return f"redis-cli -h {endpoint.address} -p {endpoint.port} {command}"


REDIS = Protocol(
    name="redis",
    ports=(6379,),
    tls_ports=(6380,),
    sends="PING, INFO, DBSIZE, SCAN, TYPE and one bounded read of a value",
    allowed=(rb"\*\d+\r\n\$\d+\r\n(?:" + _VERBS + rb")\r\n",),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    source="https://redis.io/docs/latest/develop/reference/protocol-spec/",
)
