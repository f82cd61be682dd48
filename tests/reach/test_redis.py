"""Redis, real, open and closed, with the ACLs in between, and servers that lie."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.redis import MAX_DEPTH, _command, _reply
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
SECRET = "The secret is 078-05-1120"


def fill(server: servers.Server) -> None:
    servers.redis_cli(server, "SET", "user:1", SECRET)
    servers.redis_cli(server, "SET", "odd \r\n*1 key", "crlf")
    servers.redis_cli(server, "SETRANGE", "big", "299999", "x")
    script = """
    for i = 1, 1200 do
      redis.call('RPUSH', 'list', 'item' .. i)
      redis.call('HSET', 'hash', 'field' .. i, 'value' .. i)
      redis.call('SADD', 'set', 'member' .. i)
      redis.call('ZADD', 'zset', i, 'ranked' .. i)
    end
    redis.call('XADD', 'stream', '1-1', 'name', 'streamed')
    """
    servers.redis_cli(server, "EVAL", script, "0")
    servers.redis_cli(server, "-n", "3", "SET", "elsewhere", "three")


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with servers.redis() as server:
        fill(server)
        yield server


def state(server: servers.Server) -> str:
    """A digest of all data, as the server makes it for replication."""
    return servers.redis_cli(server, "DEBUG", "DIGEST")


def test_open(probe: MakeProbe, open_server: servers.Server) -> None:
    with servers.redis("--enable-debug-command", "yes") as server:
        fill(server)
        before = state(server)
        proof = probe("redis", server.host, server.port).prove()
        probe("redis", server.host, server.port).objects()
        assert state(server) == before
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.product == "redis"
    assert proof.version[0].isdigit()
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit) == (9, "keys")
    assert proof.size.bytes is not None
    assert proof.size.bytes > 300_000
    assert "secret" not in " ".join(e.answer for e in proof.evidence)


def test_keys_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    redis = probe("redis", open_server.host, open_server.port)
    refs = {r.path: r for r in redis.objects() if isinstance(r, ObjectRef)}
    names = ("user:1", "odd \r\n*1 key", "big", "list", "hash", "set", "zset", "stream")
    assert set(refs) == {*(f"0/{name}" for name in names), "3/elsewhere"}
    assert refs["0/user:1"].group == "0/user"
    got = {path: redis.fetch(ref) for path, ref in refs.items()}
    assert all(item.complete for item in got.values())
    assert got["0/user:1"].data == SECRET.encode()
    assert got["0/odd \r\n*1 key"].data == b"crlf"
    assert got["3/elsewhere"].data == b"three"
    assert got["0/big"].data == b"\0" * 299_999 + b"x"
    assert got["0/list"].data.split(b"\n") == [b"item%d" % n for n in range(1, 1201)]
    assert len(set(got["0/hash"].data.split(b"\n"))) == 2400
    assert len(set(got["0/set"].data.split(b"\n"))) == 1200
    assert len(got["0/zset"].data.split(b"\n")) == 1200
    assert got["0/stream"].data == b"1-1\nname\nstreamed"


def test_a_fetch_is_cut_at_its_limit(probe: MakeProbe, open_server: servers.Server) -> None:
    redis = probe("redis", open_server.host, open_server.port)
    for key, exact in (("0/big", 300_000), ("0/user:1", len(SECRET))):
        cut = redis.fetch(ObjectRef(path=key), exact - 1)
        assert (len(cut.data), cut.complete) == (exact - 1, False)
        assert redis.fetch(ObjectRef(path=key), exact).complete
    cut = redis.fetch(ObjectRef(path="0/hash"), 1000)
    assert (len(cut.data), cut.complete) == (1000, False)
    cut = redis.fetch(ObjectRef(path="0/stream"), 5)
    assert (cut.data, cut.complete) == (b"1-1\nn", False)
    with pytest.raises(ObjectRefused):
        redis.fetch(ObjectRef(path="0/no such key"))


def test_only_another_database_holds_data(probe: MakeProbe) -> None:
    with servers.redis("--rename-command", "INFO", "") as server:
        servers.redis_cli(server, "-n", "5", "SET", "k", "value")
        proof = probe("redis", server.host, server.port).prove()
        found = probe("redis", server.host, server.port).objects()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.size is not None
    assert (proof.size.objects, proof.size.basis) == (1, "DBSIZE")
    assert [r.path for r in found if isinstance(r, ObjectRef)] == ["5/k"]


def test_open_and_empty(probe: MakeProbe) -> None:
    with servers.redis() as server:
        proof = probe("redis", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.detail == "the database is open and empty"


ACLS = {
    "requirepass": (("--requirepass", "x"), Access.ASKS_CREDENTIAL),
    "ping only": (("--user", "default", "on", "nopass", "-@all", "+ping"), Access.ASKS_CREDENTIAL),
    "names only": (
        ("--user", "default", "on", "nopass", "~*", "-@all", "+ping", "+scan", "+type"),
        Access.LISTS,
    ),
    "no ping": (
        ("--user", "default", "on", "nopass", "~*", "-@all", "+scan", "+type", "+getrange"),
        Access.GIVES_DATA,
    ),
    "read": (
        ("--user", "default", "on", "nopass", "~*", "-@all", "+ping", "+scan", "+@read"),
        Access.GIVES_DATA,
    ),
    "SCAN renamed": (("--rename-command", "SCAN", "hidden"), Access.UNDETERMINED),
}


@pytest.mark.parametrize("kind", ACLS)
def test_states_between_open_and_closed(probe: MakeProbe, kind: str) -> None:
    args, access = ACLS[kind]
    with servers.scratch() as folder:
        dump = folder / "dump.rdb"
        with servers.redis() as filled:
            servers.redis_cli(filled, "SET", "user:1", SECRET)
            servers.redis_cli(filled, "SAVE")
            dump.write_bytes((filled.folder / "dump.rdb").read_bytes())
        servers.give(folder)
        with servers.redis(*args, "--dir", str(folder)) as server:
            proof = probe("redis", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access


@pytest.mark.parametrize("greeted", [True, False])
def test_protected_mode(probe: MakeProbe, greeted: bool) -> None:
    """Redis lets 127.0.0.1 pass, so a relay asks it from 127.0.0.2."""
    with servers.redis("--protected-mode", "yes") as server:
        refused = b""

        def relay(client: servers.Conversation) -> None:
            with socket.create_connection(
                (server.host, server.port), timeout=5, source_address=("127.0.0.2", 0)
            ) as upstream:
                while part := upstream.recv(4096):
                    client.say(part)
            client.hear()

        with servers.fake(relay) as relayed:
            if greeted:
                with socket.create_connection((relayed.host, relayed.port), timeout=5) as raw:
                    refused = raw.recv(4096)
                assert refused.startswith(b"-DENIED")
            before = relayed.connections
            proof = probe("redis", relayed.host, relayed.port, greeting=refused).prove()
            assert relayed.connections == before + (not greeted)  # nothing more is to be asked
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "protected mode" in proof.detail


FORBIDDEN = (
    ("SET", "a", "b"),
    ("FLUSHALL",),
    ("CONFIG", "GET", "*"),
    ("AUTH", "x"),
    ("EVAL", "return 1", "0"),
    ("SCANX", "0"),
    ("scan; FLUSHALL",),
)


@pytest.mark.parametrize("words", FORBIDDEN)
def test_no_other_verb_leaves(
    probe: MakeProbe, open_server: servers.Server, words: tuple[str, ...]
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(_command(*(word.encode() for word in words)))

    with pytest.raises(OutOfScope):
        probe("redis", open_server.host, open_server.port).run(send)


def after_ping(answer: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(len(_command(b"PING")))
        client.say(b"+PONG\r\n" + answer)
        if flood:
            client.flood(flood)
        client.hear()

    return handle


HOSTILE: dict[str, Callable[[servers.Conversation], object]] = {
    "bulk of 2^63": after_ping(b"$9223372036854775807\r\n"),
    "bulk of 10^30": after_ping(b"$1" + b"0" * 30 + b"\r\n"),
    "array of 2^31": after_ping(b"*2147483647\r\n"),
    "nested": after_ping(b"*1\r\n" * 100_000),
    "endless line": after_ping(b"+", flood=b"x" * 65_536),
    "endless items": after_ping(b"*100000\r\n", flood=b"*99999\r\n" + b":1\r\n" * 9999),
    "a number that is none": after_ping(b"$--1\r\n"),
    "an empty line": after_ping(b"\r\n"),
    "silence": lambda client: client.hear_bytes(1000),
}

MESSAGES = {
    "bulk of 2^63": "a value of 9223372036854775807 bytes",
    "bulk of 10^30": "not a RESP answer",
    "array of 2^31": "too many or too deep",
    "nested": "too many or too deep",
    "endless line": "no end of line",
    "endless items": "too many or too deep",
    "a number that is none": "not a RESP answer",
    "an empty line": "not a RESP answer",
    "silence": "no answer within the time",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    seconds = 0.5 if kind == "silence" else 1.0
    limits = Limits(bytes=4_000_000, seconds=seconds)
    started = time.monotonic()
    with servers.fake(HOSTILE[kind]) as server, pytest.raises(ProtocolError, match=MESSAGES[kind]):
        probe("redis", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def scripted(client: servers.Conversation) -> None:
    """SCAN never ends, and TYPE answers with an error that names another host."""
    while line := client.hear():
        if line.startswith(b"SCAN"):
            client.say(b"*2\r\n$1\r\n7\r\n*1\r\n$3\r\nkey\r\n")
        elif line.startswith(b"TYPE"):
            client.say(b"-MOVED 866 127.0.0.9:6379\r\n")
        elif line.startswith((b"PING", b"SELECT")):
            client.say(b"+PONG\r\n")
        elif line.startswith(b"INFO"):
            client.say(b"$21\r\ndb0:keys=99,expires=0\r\n")


def test_an_endless_scan_is_cut_and_moved_is_not_followed(probe: MakeProbe) -> None:
    with servers.fake(scripted) as server:
        redis = probe("redis", server.host, server.port)
        proof = redis.prove()
        found = redis.objects()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert [r.path for r in found if isinstance(r, ObjectRef)] == ["0/key"]
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.BUDGET]


@pytest.mark.parametrize(
    "answer", [b"220 ftp\r\n", b"HTTP/1.1 400\r\n", b"-ERR what\r\n", b":1\r\n"]
)
def test_another_service_is_not_redis(probe: MakeProbe, answer: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear()
        client.say(answer)

    with servers.fake(handle) as server:
        assert probe("redis", server.host, server.port).prove() is None


class Bytes:
    """A connection that holds what it was made with."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def read_exactly(self, size: int) -> bytes:
        if len(self.data) < size:
            raise ProtocolError("end")
        found, self.data = self.data[:size], self.data[size:]
        return found

    async def read_line(self) -> bytes:
        at = self.data.find(b"\n")
        return (await self.read_exactly(at + 1 if at >= 0 else len(self.data) + 1)).rstrip(b"\r\n")


RESP = st.recursive(
    st.one_of(
        st.integers(-99, 99).map(lambda n: b":%d\r\n" % n),
        st.binary(max_size=8).map(lambda b: b"$%d\r\n%s\r\n" % (len(b), b)),
        st.binary(max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=4).map(lambda i: b"*%d\r\n%s" % (len(i), b"".join(i))),
)


@given(RESP)
def test_any_answer_is_a_value_or_an_error(data: bytes) -> None:
    try:
        found = asyncio.run(_reply(Bytes(data)))  # type: ignore[arg-type]
    except ProtocolError:
        return
    depth, level = 0, [found]
    while nested := [item for item in level if isinstance(item, list)]:
        level = [inner for item in nested for inner in item]
        depth += 1
    assert depth <= MAX_DEPTH
