"""MongoDB: two compatible servers from PyPI, open and with --auth, and servers that lie."""

from __future__ import annotations

import json
import signal
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.mongodb import DATED, PERSON, fill, nx, owner, secantus
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Observation
from leftopen.model.gap import Gap, Reason
from leftopen.reach import mongodb_wire as wire
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.bson_wire import MAX_DEPTH, Document, Raw, decode, encode, to_json
from leftopen.reach.protocols.mongodb import MONGODB, _uid, _written
from leftopen.reach.registry import protocol as by_name
from probing import Limits, Probe
from reaching import answer, contacts, reach_of, scope_of, web

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with servers.scratch() as folder, secantus(folder) as server:
        fill(server)
        yield server


@pytest.fixture(scope="module")
def closed_server() -> Iterator[servers.Server]:
    with servers.scratch() as folder:
        with secantus(folder, stop=signal.SIGTERM) as server:
            fill(server)
        with secantus(folder, "--auth") as server:
            yield server


def test_open(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = probe("mongodb", open_server.host, open_server.port).prove()
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "mongodb")
    assert proof.version[0].isdigit()
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit, proof.size.complete) == (201, "documents", True)
    assert proof.size.bytes
    assert proof.containers == ("shop",)
    assert "078-05-1120" not in repr(proof)
    assert "Ada" not in repr(proof)
    assert proof.evidence[-1].reproduce.startswith("mongosh 'mongodb://127.0.0.1:")
    assert "directConnection=true" in proof.evidence[-1].reproduce
    assert proof.gaps == ()


def test_documents_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    mongo = probe("mongodb", open_server.host, open_server.port)
    refs = {r.path: r for r in mongo.objects() if isinstance(r, ObjectRef)}
    assert len(refs) == 201
    assert {'shop/people/"a\\u002fb"', "shop/people/7.", f"shop/people/{'01' * 12}"} <= set(refs)
    person = mongo.fetch(refs['shop/people/"a\\u002fb"'])
    assert json.loads(person.data) == PERSON
    assert (person.complete, person.media_type) == (True, "application/json")
    dated = json.loads(mongo.fetch(refs["shop/people/7."]).data)
    assert (dated["at"], dated["scan"]) == ("2023-11-14T22:13:20+00:00", "YWJj")
    assert dated["list"] == DATED["list"]
    assert json.loads(mongo.fetch(refs[f"shop/people/{'02' * 12}"]).data)["n"] == 2
    cut = mongo.fetch(refs["shop/people/7."], 10)
    assert (len(cut.data), cut.complete) == (10, False)
    for gone in ("shop/people/8.", "shop/people/what", "shop/people/bson:00"):
        with pytest.raises(ObjectRefused):
            mongo.fetch(ObjectRef(path=gone))


def test_pages_follow_the_cursor(
    probe: MakeProbe, open_server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leftopen.reach.protocols.mongodb.PAGE", 50)
    mongo = probe("mongodb", open_server.host, open_server.port)
    assert len({r.path for r in mongo.objects() if isinstance(r, ObjectRef)}) == 201
    monkeypatch.setattr("leftopen.reach.protocols.mongodb.MAX_PAGES", 2)
    found = mongo.objects()
    assert len(found) == 101
    assert isinstance(found[-1], Gap)
    assert found[-1].reason is Reason.BUDGET


def test_closed(probe: MakeProbe, closed_server: servers.Server) -> None:
    mongo = probe("mongodb", closed_server.host, closed_server.port)
    proof = mongo.prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "code 13" in proof.detail
    assert proof.size is None
    with pytest.raises(ProtocolError):
        mongo.objects()
    with pytest.raises(ObjectRefused):
        mongo.fetch(ObjectRef(path="shop/people/7."))


def test_another_implementation(probe: MakeProbe) -> None:
    with nx() as server:
        empty = probe("mongodb", server.host, server.port).prove()
        owner(server, {"insert": "people", "documents": [PERSON]})
        proof = probe("mongodb", server.host, server.port).prove()
    assert empty is not None
    assert empty.access is Access.LISTS
    assert proof is not None
    assert proof.access is Access.GIVES_DATA


def look_on_its_port(host: str, port: int) -> Observation:
    """A whole look, as if this port were the usual one."""
    scope = scope_of((f"{host}/32",), (port,))
    reach = reach_of(scope)
    usual = replace(MONGODB, ports=(port,), tls_ports=())
    reach._probing = replace(reach._probing, protocols=(usual, by_name("http")))
    (outcome,) = reach.prove([scope.target(host, port)])
    return outcome.observation


def test_a_whole_look(open_server: servers.Server) -> None:
    seen = look_on_its_port(open_server.host, open_server.port)
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "mongodb")


FORBIDDEN: tuple[Document, ...] = (
    {"insert": "people", "documents": []},
    {"delete": "people"},
    {"drop": "people"},
    {"findAndModify": "people"},
    {"saslStart": 1},
    {"shutdown": 1},
    {"getLog": "global"},
    {"comment": "find", "drop": "x"},
)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("command", FORBIDDEN)
def test_no_other_verb_leaves(
    probe: MakeProbe, open_server: servers.Server, command: Document, legacy: bool
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await wire.ask(connection, command, legacy=legacy)

    with pytest.raises(OutOfScope):
        probe("mongodb", open_server.host, open_server.port).run(send)


HELLO: Document = {"isWritablePrimary": True, "maxWireVersion": 21, "ok": 1.0}
UNAUTHORIZED: Document = {"ok": 0.0, "code": 13, "errmsg": "command requires authentication"}


def reply(document: Document, flags: int = 0) -> bytes:
    body = struct.pack("<I", flags) + b"\0" + encode(document)
    return struct.pack("<iiii", 16 + len(body), 9, 1, 2013) + body


def old_reply(document: Document) -> bytes:
    body = struct.pack("<iqii", 0, 0, 0, 1) + encode(document)
    return struct.pack("<iiii", 16 + len(body), 9, 1, 1) + body


def asked(client: servers.Conversation) -> tuple[int, str]:
    """Opcode and first word of the next command, ("" at the end)."""
    head = client.hear_bytes(16)
    if len(head) < 16:
        return 0, ""
    size, _, _, code = struct.unpack("<iiii", head)
    rest = client.hear_bytes(size - 16)
    body = rest[5:] if code == 2013 else rest[4:].split(b"\0", 1)[1][8:]
    return code, next(iter(decode(body)))


def scripted(answers: Mapping[str, Document]) -> Callable[[servers.Conversation], None]:
    """Answer each command by its name; what is not known is refused."""

    def handle(client: servers.Conversation) -> None:
        while name := asked(client)[1]:
            client.say(reply(answers.get(name, UNAUTHORIZED)))

    return handle


def cursor(*items: Document) -> Document:
    return {"ok": 1, "cursor": {"id": 0, "ns": "x.y", "firstBatch": list(items)}}


EMPTY: Document = {"ok": 1, "databases": [], "totalSize": 0}
NAMED: Document = {"ok": 1, "databases": [{"name": "shop"}, {"name": "admin"}]}
NO_FIND: dict[str, Document] = {"hello": HELLO, "listDatabases": NAMED}
BETWEEN: dict[str, tuple[dict[str, Document], Access, str]] = {
    "empty list, auth on": ({"hello": HELLO, "listDatabases": EMPTY}, Access.ASKS_CREDENTIAL, "ok"),
    "empty list, no more known": (
        {"hello": HELLO, "listDatabases": EMPTY, "listCollections": cursor()},
        Access.SPEAKS,
        "access control",
    ),
    "names only": (NO_FIND, Access.LISTS, "no document"),
    "collections named, find refused": (
        {**NO_FIND, "listCollections": cursor({"name": "people"})},
        Access.LISTS,
        "no document",
    ),
    "an empty document": (
        {**NO_FIND, "listCollections": cursor({"name": "people"}), "find": cursor({})},
        Access.LISTS,
        "no document",
    ),
    "only its own databases": (
        {
            "hello": HELLO,
            "listDatabases": {"ok": 1, "databases": [{"name": "admin"}, {"name": "local"}]},
            "listCollections": cursor({"name": "startup_log"}),
            "find": cursor({"_id": 1}),
        },
        Access.LISTS,
        "no document",
    ),
    "isMaster of 3.6": (
        {"isMaster": {"ismaster": True, "ok": 1}, "hello": {"ok": 0, "code": 59}},
        Access.ASKS_CREDENTIAL,
        "13",
    ),
    "refusal without a code": (
        {"hello": HELLO, "listDatabases": {"ok": 0, "errmsg": "not authorized on admin to x"}},
        Access.ASKS_CREDENTIAL,
        "not authorized",
    ),
    "another error": (
        {"hello": HELLO, "listDatabases": {"ok": 0, "code": 352, "errmsg": "Unsupported"}},
        Access.UNDETERMINED,
        "352",
    ),
    "a list that is none": (
        {"hello": HELLO, "listDatabases": {"ok": 1, "databases": 7}},
        Access.UNDETERMINED,
        "something else",
    ),
    "wiped": (
        {
            "hello": HELLO,
            "listDatabases": {"ok": 1, "databases": [{"name": "READ__ME_TO_RECOVER"}]},
            "listCollections": cursor({"name": "README"}, {"name": "system.views"}),
            "find": cursor({"content": "pay"}),
        },
        Access.GIVES_DATA,
        "ransom",
    ),
}


@pytest.mark.parametrize("kind", BETWEEN)
def test_states_between_open_and_closed(probe: MakeProbe, kind: str) -> None:
    answers, access, words = BETWEEN[kind]
    with servers.fake(scripted(answers)) as server:
        proof = probe("mongodb", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert words in proof.detail


def test_hosts_of_a_replica_set_are_never_contacted(probe: MakeProbe) -> None:
    with servers.fake(lambda client: None, "127.0.0.99") as canary:
        there = f"{canary.host}:{canary.port}"
        hello: Document = {**HELLO, "hosts": [there], "primary": there, "setName": "rs0"}
        answers = {**NO_FIND, "hello": {**hello, "isWritablePrimary": False}}
        answers["listCollections"] = cursor({"name": "people"})
        answers["find"] = cursor({"_id": 1, "a": 1})
        with servers.fake(scripted(answers)) as server:
            mongo = probe("mongodb", server.host, server.port)
            proof = mongo.prove()
            mongo.objects()
        assert contacts(canary) == 0
    assert proof is not None
    assert proof.access is Access.GIVES_DATA


def test_a_server_older_than_op_msg(probe: MakeProbe) -> None:
    """MongoDB before 3.6 closes the connection on an opcode that it does not know."""
    answers: dict[str, Document] = {
        "isMaster": {"ismaster": True, "maxWireVersion": 4, "ok": 1.0},
        "listDatabases": NAMED,
        "listCollections": cursor({"name": "people"}),
        "find": cursor(PERSON),
    }

    def handle(client: servers.Conversation) -> None:
        while (said := asked(client))[0] == 2004:
            client.say(old_reply(answers.get(said[1], UNAUTHORIZED)))

    with servers.fake(handle) as server:
        proof = probe("mongodb", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA


def after_hello(answer: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        asked(client)
        client.say(reply(HELLO))
        asked(client)
        client.say(answer)
        if flood:
            client.flood(flood)
        client.hear_bytes(100_000)

    return handle


def nested(depth: int) -> bytes:
    data = b"\x05\0\0\0\0"
    for _ in range(depth):
        data = struct.pack("<i", len(data) + 8) + b"\x03a\0" + data + b"\0"
    return data


def raw(document: bytes, flags: int = 0, kind: bytes = b"\0") -> bytes:
    body = struct.pack("<I", flags) + kind + document
    return struct.pack("<iiii", 16 + len(body), 9, 1, 2013) + body


HOSTILE = {
    "length of 40 MB": (after_hello(struct.pack("<i", 40_000_000)), "are the limit"),
    "length of 2 GB": (after_hello(b"\xff\xff\xff\x7f"), "not an answer"),
    "negative length": (after_hello(b"\xff\xff\xff\xff"), "not an answer"),
    "document length lies": (after_hello(raw(b"\xff\xff\0\0\0")), "lies"),
    "string length lies": (after_hello(raw(b"\x0d\0\0\0\x02a\0\xff\xff\xff\x7f\0\0")), "lies"),
    "nested": (after_hello(raw(nested(10_000))), "too deep"),
    "no such type": (after_hello(raw(b"\x08\0\0\0\x55a\0\0")), "does not exist"),
    "more to come": (after_hello(reply(HELLO, flags=2)), "not asked for"),
    "another section": (after_hello(raw(encode(HELLO), kind=b"\x01")), "not asked for"),
    "endless": (after_hello(struct.pack("<i", 1_999_999), flood=b"\0" * 65_536), "not an answer"),
    "closed": (lambda client: asked(client) and None, "closed the connection"),
    "silence": (lambda client: client.hear_bytes(100_000), "within the time"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, words = HOSTILE[kind]
    limits = Limits(bytes=4_000_000, seconds=0.6 if kind == "silence" else 2.0)
    started = time.monotonic()
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=words):
        probe("mongodb", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_a_document_over_the_limit_is_a_gap(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        answers = {**NO_FIND, "listCollections": cursor({"name": "people"})}
        while (name := asked(client)[1]) != "find":
            client.say(reply(answers.get(name, UNAUTHORIZED)))
        client.say(struct.pack("<i", 16_000_000))
        client.hear()

    with servers.fake(handle) as server:
        proof = probe("mongodb", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert [g.reason for g in proof.gaps] == [Reason.TOO_LARGE]


def saying(answer: bytes) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        heard = client.socket.recv(4096)
        client.say(answer or heard)
        client.hear_bytes(100_000)

    return handle


STRANGERS: dict[str, Callable[[servers.Conversation], object]] = {
    "http": saying(b"HTTP/1.1 400 Bad Request\r\n"),
    "redis": saying(b"-ERR what\r\n"),
    "echo": saying(b""),
    "no primary": scripted({"hello": {"ok": 1, "isWritablePrimary": "x"}}),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_another_service_is_not_mongodb(probe: MakeProbe, kind: str) -> None:
    with servers.fake(STRANGERS[kind]) as server:
        assert probe("mongodb", server.host, server.port).prove() is None


def test_a_web_server_on_its_port_is_a_web_server() -> None:
    with web(lambda path: answer(b"hello")) as server:
        seen = look_on_its_port(server.host, server.port)
    assert (seen.access, seen.protocol) == (Access.SPEAKS, "http")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=8) | st.builds(Raw, st.just(7), st.binary(min_size=12, max_size=12)),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), VALUES))
def test_what_is_encoded_is_decoded(document: Document) -> None:
    assert decode(encode(document)) == document
    json.loads(to_json(document))


@given(VALUES)
def test_an_id_survives_its_path(uid: object) -> None:
    written = _written(uid)  # type: ignore[arg-type]
    assert "/" not in written
    assert _uid(written) == uid


@given(st.binary(max_size=200), st.integers(0, 40), st.integers(0, 255))
def test_fuzz_any_answer_is_a_document_or_an_error(data: bytes, at: int, byte: int) -> None:
    honest = bytearray(reply({"ok": 1, "a": [1, {"b": "c"}], "d": PERSON})[4:])
    honest[at] = byte
    for said in (data, bytes(honest), bytes(honest[:at]), bytes(honest[:17]) + data):
        try:
            found = wire.parse(said)
        except ProtocolError:
            continue
        assert isinstance(found, dict)
        to_json(found)


def test_depth_is_bounded_exactly() -> None:
    assert decode(nested(MAX_DEPTH))
    with pytest.raises(ProtocolError):
        decode(nested(MAX_DEPTH + 1))
