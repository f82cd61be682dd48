"""ZooKeeper, real: open, closed by ACLs and by SASL; fakes that lie."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.zookeeper import BOB, LOGIN, OPEN, SASL, SECRET, connections, text, zookeeper
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.zookeeper import status_of
from leftopen.reach.zookeeper_wire import children_of, data_of, reply_of
from probing import Limits, Probe
from reaching import look, reach_of, read_all, scope_of

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with zookeeper(OPEN, host="127.0.0.113", port=2181) as server:
        yield server


def test_open(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("zookeeper", Access.GIVES_DATA)
    assert (seen.product, seen.version[0]) == ("ZooKeeper", "3")
    assert seen.size is not None
    assert seen.size.objects is not None
    assert seen.size.objects > len(OPEN)
    assert seen.containers == ("app",)
    assert "correct-horse" not in repr(outcome)
    assert "zkCli.sh -server" in outcome.evidence[-1].reproduce
    reach = reach_of(scope_of((f"{open_server.host}/32",), (open_server.port,)))
    refs, fetched, gaps = read_all(reach, outcome)
    assert {r.path: r.size for r in refs} == {p: len(d) for p, d in OPEN.items() if d}
    assert all(r.time for r in refs)
    assert {f.data for f in fetched} == {SECRET, b"d", b"m"}
    assert not gaps
    assert connections(open_server) == 1  # every session was closed


def test_a_fetch_is_cut_and_a_missing_node_refused(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    zoo = probe("zookeeper", open_server.host, open_server.port)
    cut = zoo.fetch(ObjectRef(path="/app/db"), 8)
    assert (cut.data, cut.complete) == (SECRET[:8], False)
    with pytest.raises(ObjectRefused):
        zoo.fetch(ObjectRef(path="/nobody"))


def test_acls_leave_the_names(probe: MakeProbe) -> None:
    with zookeeper({"/app": SECRET, "/other": b"x"}, acl=BOB) as server:
        zoo = probe("zookeeper", server.host, server.port)
        proof, found = zoo.prove(), zoo.objects()
        with pytest.raises(ObjectRefused, match="-102"):
            zoo.fetch(ObjectRef(path="/app"))
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "2 refused" in proof.detail
    assert set(proof.containers) == {"app", "other"}
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.REFUSED] * 2


def test_sasl_is_asked_for(probe: MakeProbe) -> None:
    flags = ("-Dzookeeper.sessionRequireClientSASLAuth=true", f"-D{LOGIN}")
    with zookeeper({}, *flags, more=SASL) as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "-124" in proof.detail
    assert proof.version.startswith("3.")


def test_no_node_but_its_own(probe: MakeProbe) -> None:
    with zookeeper() as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.version[:2]) == (Access.LISTS, "3.")
    assert "no node but its own" in proof.detail


@pytest.mark.parametrize(
    "srvr",
    [
        b"srvr is not executed because it is not in the whitelist.\n",
        b"Zookeeper version: 3.5.4-beta--1, built\n",
    ],
)
def test_a_fake_whose_srvr_says_little_is_read_all_the_same(probe: MakeProbe, srvr: bytes) -> None:
    answers = (
        WELCOME,
        reply(1, children(b"app")),
        reply(2, children(b"app")),
        reply(3, children()),
    )
    with servers.fake(faked(*answers, srvr=srvr)) as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.containers) == (Access.LISTS, ("app",))


SRVR = b"Zookeeper version: 3.4.14-4c25d480e66aadd, built on 03/06/2019\nMode: follower\n"
WELCOME = text(struct.pack(">iiqi16s?", 0, 10_000, 7, 16, bytes(16), False))
STAT = bytes(68)


def reply(number: int, body: bytes, error: int = 0) -> bytes:
    return text(struct.pack(">iqi", number, 0, error) + body)


def children(*names: bytes) -> bytes:
    return struct.pack(">i", len(names)) + b"".join(map(text, names)) + STAT


def faked(*answers: bytes, srvr: bytes = SRVR) -> Callable[[servers.Conversation], None]:
    """A fake: these answers in their order; what ends with `~` is repeated for ever."""

    def handle(client: servers.Conversation) -> None:
        if (head := client.hear_bytes(4)) == b"srvr":
            return client.say(srvr)
        for answer in answers:
            client.hear_bytes(int.from_bytes(head, "big"))
            client.say(answer.removesuffix(b"~"))
            if answer.endswith(b"~"):
                client.flood(answer[:-1] * 100)
            head = client.hear_bytes(4)
        return None

    return handle


HOSTILE = {
    "huge": ((b"\x7f\xff\xff\xff",), "no session|a frame of"),
    "huge answer": ((WELCOME, b"\x7f\xff\xff\xff"), "a frame of"),
    "negative": ((WELCOME, b"\xff\xff\xff\xff"), "a frame of"),
    "truncated": ((WELCOME, reply(1, b"")), "ends early"),
    "too many": ((WELCOME, reply(1, b"\x7f\xff\xff\xff")), "children"),
    "a path for a name": ((WELCOME, reply(1, children(b"a/b"))), "no name"),
    "other request": ((WELCOME, reply(7, children())), "not asked"),
    "garbage": ((text(b"x" * 36),), "not an answer to a new session"),
}


@pytest.mark.parametrize("kind", [k for k in HOSTILE if k != "huge"])
def test_a_hostile_fake_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    answers, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(seconds=2.0)
    with servers.fake(faked(*answers)) as server, pytest.raises(ProtocolError, match=message):
        probe("zookeeper", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_a_session_is_closed_again(probe: MakeProbe) -> None:
    """A session that is left open is kept by the whole ensemble until it expires."""
    heard: list[bytes] = []

    def handle(client: servers.Conversation) -> None:
        faked(WELCOME, reply(1, children()), reply(2, children()))(client)
        if heard:  # the second connection; `faked` has read the length
            heard.append(client.hear_bytes(8))
        heard.append(b"srvr")

    with servers.fake(handle) as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert struct.pack(">ii", 0x7FFF_FFFF, -11) in heard


@pytest.mark.parametrize("answers", [(), HOSTILE["huge"][0]])
def test_no_session_is_said(probe: MakeProbe, answers: tuple[bytes, ...]) -> None:
    with servers.fake(faked(*answers)) as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.version) == (Access.SPEAKS, "3.4.14")
    assert [g.reason for g in proof.gaps] == [Reason.REFUSED]


def test_a_root_that_is_refused_asks(probe: MakeProbe) -> None:
    with servers.fake(faked(WELCOME, reply(1, b"", -102))) as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL


def test_a_tree_without_end_is_cut(probe: MakeProbe) -> None:
    answers = (reply(n, children(b"a", b"b", b"c")) for n in range(1, 200))
    with servers.fake(faked(WELCOME, *answers)) as server:
        proof = probe("zookeeper", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (1 + 3 + 9, False)  # depth 2


@pytest.mark.parametrize(
    "said", [b"", b"srvr", b"-ERR unknown\r\n", b"HTTP/1.1 400\r\n\r\n", b"Zookeeper version: x\n"]
)
def test_a_stranger_is_not_zookeeper(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(faked(srvr=said)) as server:
        assert probe("zookeeper", server.host, server.port).prove() is None


def test_a_real_redis_is_not_zookeeper(probe: MakeProbe) -> None:
    with servers.redis() as other:
        assert probe("zookeeper", other.host, other.port).prove() is None


@pytest.mark.parametrize("verb", [1, 2, 5, 7, 14, 100, 102])  # create, delete, setData, setACL...
def test_no_other_verb_leaves(probe: MakeProbe, open_server: servers.Server, verb: int) -> None:
    body = struct.pack(">ii", 1, verb) + text(b"/app/db") + b"\0"

    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(text(body))

    with pytest.raises(OutOfScope):
        probe("zookeeper", open_server.host, open_server.port).run(send)


@given(st.binary(max_size=120), st.integers(-3, 3))
def test_fuzz_replies(frame: bytes, count: int) -> None:
    for body in (frame, struct.pack(">i", count) + frame, children(frame[:5])):
        for parse in (children_of, data_of, lambda found: reply_of(found, 1)):
            try:
                parse(body)
            except ProtocolError:
                continue
    found = status_of(b"Zookeeper version: " + frame)
    assert found is None or found[0]
