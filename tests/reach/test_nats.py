"""nats-server, real, open and closed, with and without JetStream, and servers that lie."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.nats import ORDERS, client, nats, store
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.nats import MAX_MESSAGES, frame_of, info_of, stream_of
from probing import Limits, Probe
from reaching import contacts, look, reach_of, read_all, scope_of

MakeProbe = Callable[..., Probe]
QUICK = Limits(seconds=2.0)


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with nats("-js", "-sd", "js") as server:
        store(server, "orders", ORDERS)
        store(server, "empty", [])
        yield server


def test_open(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("nats", Access.GIVES_DATA)
    assert (seen.product, seen.version[0].isdigit()) == ("nats-server", True)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit) == (len(ORDERS), "messages")
    assert seen.size.bytes is not None
    assert set(seen.containers) == {"orders", "empty"}
    assert "nats -s nats://" in outcome.evidence[-1].reproduce
    assert "secret" not in " ".join(e.answer for e in outcome.evidence)
    reach = reach_of(scope_of((f"{open_server.host}/32",), (open_server.port,)))
    refs, fetched, gaps = read_all(reach, outcome)
    assert [(r.path, r.group) for r in refs][:2] == [("orders/1", "orders"), ("orders/2", "orders")]
    assert [f.data for f in fetched] == ORDERS
    assert not gaps


def test_a_fetch_is_cut_and_a_lost_number_refused(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    queue = probe("nats", open_server.host, open_server.port)
    cut = queue.fetch(ObjectRef(path="orders/1"), 3)
    assert (cut.data, cut.complete) == (b"The", False)
    for path in ("orders/77", "nothing/1"):
        with pytest.raises(ObjectRefused):
            queue.fetch(ObjectRef(path=path))


def test_a_token_is_asked_for() -> None:
    with nats("--auth", "tok") as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("nats", Access.ASKS_CREDENTIAL)
    assert "Authorization Violation" in seen.detail


def test_pong_alone_is_no_proof(probe: MakeProbe) -> None:
    """Open without JetStream: nothing is stored; what comes by while we listen is a proof."""
    with nats() as server:
        proof = probe("nats", server.host, server.port, limits=QUICK).prove()
        assert proof is not None
        assert proof.access is Access.SPEAKS
        stop = Event()

        def talk() -> None:
            with client(server) as connection:
                while not stop.wait(0.02):
                    connection.sendall(b"PUB news 5\r\nhello\r\n")

        thread = Thread(target=talk)
        thread.start()
        proof = probe("nats", server.host, server.port).prove()
        stop.set()
        thread.join(5)
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.evidence[-1].answer_bytes == 5


def test_a_permission_is_a_refusal(probe: MakeProbe) -> None:
    with servers.scratch() as folder:
        conf = folder / "nats.conf"
        deny = '{publish: {deny: ">"}, subscribe: {allow: "_INBOX.>"}}'
        conf.write_text(
            f"authorization {{users: [{{user: any, password: x, permissions: {deny}}}]}}\n"
            "no_auth_user: any\njetstream: {store_dir: js}\n"
        )
        with nats("-c", str(conf)) as server:
            proof = probe("nats", server.host, server.port, limits=QUICK).prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert "Permissions Violation" in proof.detail


INFO = {"server_id": "N", "version": "2", "max_payload": 1048576, "jetstream": True}


def greeting(**more: object) -> bytes:
    return b"INFO " + json.dumps({**INFO, **more}).encode() + b" \r\n"


def scripted(hello: bytes, *answers: bytes, flood: bytes = b"") -> Callable[..., None]:
    """Greets, lets everybody in, and answers each request to JetStream with the next answer."""

    def handle(peer: servers.Conversation) -> None:
        peer.say(hello)
        left = list(answers)
        while line := peer.hear():
            if line.startswith(b"PING"):
                peer.say(b"PONG\r\n")
            elif line.startswith(b"PUB") and left:
                answer = left.pop(0)
                inbox = line.split()[2]
                peer.say(b"MSG %s 1 %d\r\n%s\r\n" % (inbox, len(answer), answer))
            elif line.startswith(b"PUB"):
                peer.flood(flood or b"PING\r\n")

    return handle


def streams(total: int = 1, last: int = 2, name: str = "s") -> bytes:
    state = {"messages": last, "bytes": 9, "first_seq": 1, "last_seq": last}
    return json.dumps(
        {"total": total, "streams": [{"config": {"name": name}, "state": state}]}
    ).encode()


HOSTILE = {
    "200 MB of INFO": (lambda peer: peer.flood(b"INFO " + b"x" * 65_536), "no end of line"),
    "huge message": (
        scripted(greeting(), flood=b"MSG a 1 999999999999\r\n"),
        "8000000 are the limit",
    ),
    "endless PING": (scripted(greeting()), "among many messages"),
    "others' messages": (scripted(greeting(), flood=b"MSG a 1 1\r\nx\r\n"), "among many messages"),
    "endless line": (scripted(greeting(), flood=b"x" * 65_536), "no end of line"),
    "deep JSON": (scripted(greeting(), b"[" * 100_000), "not JSON"),
    "garbage": (scripted(greeting(), flood=b"\0\r\n"), "not an operation"),
    "another message": (
        scripted(greeting(), streams(), b'{"message":{"seq":2,"data":""}}'),
        "asked for",
    ),
    "not Base64": (
        scripted(greeting(), streams(), b'{"message":{"seq":1,"data":"*"}}'),
        "not Base64",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=message):
        probe("nats", server.host, server.port, limits=Limits(seconds=2.0)).prove()
    assert time.monotonic() - started < 3


def test_connect_urls_are_not_followed(probe: MakeProbe) -> None:
    with servers.fake(lambda peer: peer.hear()) as canary:
        hello = greeting(jetstream=False, connect_urls=[f"{canary.host}:{canary.port}"])
        with servers.fake(scripted(hello)) as server:
            proof = probe("nats", server.host, server.port, limits=Limits(seconds=1.0)).prove()
        assert contacts(canary) == 0
    assert proof is not None
    assert proof.access is Access.SPEAKS


def test_names_without_a_message_are_a_list_and_a_long_stream_is_cut(probe: MakeProbe) -> None:
    refused = b'{"error":{"code":404,"description":"no message found"}}'
    answers = scripted(greeting(), streams(last=10**12), refused)
    with servers.fake(answers) as server:
        queue = probe("nats", server.host, server.port)
        proof = queue.prove()
        found = queue.objects(MAX_MESSAGES + 9)
    assert proof is not None
    assert proof.access is Access.LISTS
    assert len(found) == MAX_MESSAGES + 1
    assert isinstance(found[-1], Gap)
    assert found[-1].reason is Reason.BUDGET


@pytest.mark.parametrize(
    "hello", [b"220 ftp\r\n", b"INFO {}\r\n", b"INFO [1]\r\n", b"INFO {\r\n", b"+OK POP3\r\n"]
)
def test_another_service_is_not_nats(probe: MakeProbe, hello: bytes) -> None:
    with servers.fake(lambda peer: peer.say(hello)) as server:
        assert probe("nats", server.host, server.port).prove() is None


@pytest.mark.parametrize(
    "command",
    [
        b"PUB orders.a 1\r\nx\r\n",
        b"PUB $JS.API.STREAM.DELETE.orders _INBOX.leftopen.0123456789abcdef 0\r\n\r\n",
        b'PUB $JS.API.STREAM.MSG.DELETE.orders _INBOX.leftopen.0123456789abcdef 9\r\n{"seq":1}\r\n',
        b'CONNECT {"auth_token":"x"}\r\n',
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, open_server: servers.Server, command: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(command)

    with pytest.raises(OutOfScope):
        probe("nats", open_server.host, open_server.port).run(send)


def test_messages_with_headers() -> None:
    for line in (b"HMSG s 1 12 17", b"HMSG s 1 reply 12 17"):
        found = frame_of(line + b"\r\nNATS/1.0\r\n\r\nhello\r\n+OK\r\n")
        assert found is not None
        assert (found[0].text, found[0].payload) == (b"s", b"hello")
    found = frame_of(b"MSG s 1 5 2\r\nab\r\n")
    assert found is not None
    assert found[0].payload == b"ab"


OPERATION = st.sampled_from([b"MSG a 1 ", b"HMSG a 1 2 ", b"INFO ", b"-ERR ", b"PING", b""])


@given(OPERATION, st.integers(-2, 20), st.binary(max_size=30))
def test_fuzz_frames(verb: bytes, size: int, rest: bytes) -> None:
    data = b"%s%d\r\n%s\r\n" % (verb, size, rest)
    try:
        found = frame_of(data)
    except ProtocolError:
        return
    if found:
        assert 0 < found[1] <= len(data)
        assert frame_of(data[: found[1]]) == found
        assert info_of(data) is None


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(["config", "state", "name", "messages", "first_seq"]), inner, max_size=4
    ),
)


@given(JSON)
def test_fuzz_streams(item: object) -> None:
    if found := stream_of(item):
        assert found.messages >= 0
        assert not set(found.name) & set(" .*>\r\n")
