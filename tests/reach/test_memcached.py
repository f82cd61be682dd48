"""memcached, real: open, with the ways to close it, and servers that lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.memcached import VALUES, memcached
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.memcached import PROOF_KEYS, item_of
from probing import Limits, Probe
from reaching import look

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with memcached(values=VALUES) as server:
        yield server


def test_open(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = probe("memcached", open_server.host, open_server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.product == "memcached"
    assert proof.version[0].isdigit()
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit) == (4, "keys")
    assert proof.size.bytes is not None
    assert proof.size.bytes > 300_000
    assert "nc 127.0.0.1" in proof.evidence[0].reproduce
    assert "secret" not in " ".join(e.answer for e in proof.evidence)


def test_keys_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    cache = probe("memcached", open_server.host, open_server.port)
    refs = {r.path: r for r in cache.objects() if isinstance(r, ObjectRef)}
    assert set(refs) == {key.decode() for key in VALUES}
    assert refs["user:1"].group == "user"
    for key, value in VALUES.items():
        got = cache.fetch(refs[key.decode()])
        assert (got.data, got.complete) == (value, True)
    cut = cache.fetch(refs["big"], 299_999)
    assert (len(cut.data), cut.complete) == (299_999, False)
    with pytest.raises(ObjectRefused):
        cache.fetch(ObjectRef(path="no-such-key"))


def test_the_crawler_off_leaves_the_cachedump(probe: MakeProbe) -> None:
    with memcached("-o", "no_lru_crawler", values=VALUES) as server:
        cache = probe("memcached", server.host, server.port)
        proof = cache.prove()
        refs = {r.path: r.size for r in cache.objects() if isinstance(r, ObjectRef)}
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert refs == {key.decode(): len(value) for key, value in VALUES.items()}


def test_a_whole_look_at_the_usual_port() -> None:
    with memcached(values=VALUES, host="127.0.0.112", port=11211) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("memcached", Access.GIVES_DATA)


CLOSED = {
    "SASL": (("-S",), Access.ASKS_CREDENTIAL),  # the text protocol is silent
    "ASCII auth": (("-Y", "users"), Access.ASKS_CREDENTIAL),
    "dumps off": (("-X",), Access.SPEAKS),  # stats alone is metadata
    "binary only": (("-B", "binary"), Access.SPEAKS),
    "open and empty": ((), Access.LISTS),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_states_between_open_and_closed(probe: MakeProbe, kind: str) -> None:
    args, access = CLOSED[kind]
    with memcached(*args) as server:
        proof = probe("memcached", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access


@pytest.mark.parametrize(
    "command",
    [b"set a 0 0 1\r\nb\r\n", b"flush_all\r\n", b"delete a\r\n", b"get a b\r\n", b"get a\r\nx\r\n"],
)
def test_no_other_verb_leaves(
    probe: MakeProbe, open_server: servers.Server, command: bytes
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(command)

    with pytest.raises(OutOfScope):
        probe("memcached", open_server.host, open_server.port).run(send)


def scripted(**answers: bytes) -> Callable[[servers.Conversation], None]:
    """Answers by the first word of a command; what ends with `~` is repeated for ever."""
    said = {
        "version": b"VERSION 1.6\r\n",
        "stats": b"END\r\n",
        "lru_crawler": b"END\r\n",
        **answers,
    }

    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            answer = said.get(line.split()[0].decode(), b"END\r\n")
            client.say(answer.removesuffix(b"~"))
            if answer.endswith(b"~"):
                client.flood(answer[:-1] * 1000)

    return handle


HOSTILE = {
    "endless line": (scripted(version=b"VERSION ~"), "no end of line"),
    "endless stats": (scripted(stats=b"STAT a 1\r\n~"), "lines of stats"),
    "no dump": (scripted(lru_crawler=b"key=a exp=-1 \r\nnonsense\r\n"), "not a line of a dump"),
    "no end": (
        scripted(lru_crawler=b"key=a exp=-1 \r\nEND\r\n", get=b"VALUE a 0 1\r\nabcdef\r\n"),
        "without its end",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=message):
        probe("memcached", server.host, server.port, limits=Limits(seconds=2.0)).prove()
    assert time.monotonic() - started < 3


def test_an_endless_dump_and_a_huge_value_are_cut(probe: MakeProbe) -> None:
    endless = scripted(
        lru_crawler=b"key=a exp=-1 la=1 cas=1 fetch=no cls=1 size=9\n~",
        get=b"VALUE a 0 999999999999999999\r\n~",
    )
    with servers.fake(endless) as server:
        proof = probe("memcached", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.evidence[0].answer_bytes == 2 * PROOF_KEYS - 1
    assert proof.evidence[1].answer_bytes == 65_536


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400\r\n", b"-ERR what\r\n", b"", b"VERSION\r\n"])
def test_another_service_is_not_memcached(probe: MakeProbe, answer: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.socket.recv(1000)
        client.say(answer)

    with servers.fake(handle) as server:
        assert probe("memcached", server.host, server.port).prove() is None


def test_an_echo_is_not_memcached(probe: MakeProbe) -> None:
    with servers.fake(lambda client: client.say(client.hear())) as server:
        assert probe("memcached", server.host, server.port).prove() is None


@given(st.binary(max_size=300))
def test_fuzz_a_line_of_a_dump(line: bytes) -> None:
    if found := item_of(line):
        assert not set(found[0]) & set(b" \r\n")
    key = bytes(b for b in line if b > 32 and b != 127)[:250]
    if key:
        dumped = b"key=%s exp=-1 la=1 size=5" % quote_from_bytes(key, "").encode()
        assert item_of(dumped) == (key, None)
