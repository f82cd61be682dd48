"""Neo4j: fakes by Bolt's specification (versions 3.0 to 5.2), open, closed, lying."""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.neo4j import MAIL, OK, OPEN, PERSON, UNAUTHORIZED, Fake, failure, neo4j, record
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import bolt_wire as bolt
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.neo4j import COUNT, LABELS, NEO4J, NODE, _nodes
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]


@pytest.mark.parametrize("version", [(5, 2), (5, 0), (4, 4), (3, 0)])
def test_a_fake_of_an_open_one_gives_data(probe: MakeProbe, version: tuple[int, int]) -> None:
    got: list[bytes] = []
    with servers.fake(neo4j(version, got=got)) as server:
        proof = probe("neo4j", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "neo4j")
    assert proof.version == "5.12.0"
    assert proof.containers[0] == "Person"
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit) == (500, "nodes")
    assert MAIL not in repr(proof)
    runs = [body for body in got if body[1] == 0x10]
    assert runs
    assert all(body.endswith(bolt.text("mode") + bolt.text("r")) for body in runs)
    assert not {0x66, 0x11, 0x12} & {body[1] for body in got}  # ROUTE, BEGIN, COMMIT


def test_nodes_are_listed_and_fetched(probe: MakeProbe) -> None:
    with servers.fake(neo4j()) as server:
        graph = probe("neo4j", server.host, server.port)
        found = graph.objects()
        (ref,) = (item for item in found if isinstance(item, ObjectRef))
        got = graph.fetch(ref)
        cut = graph.fetch(ref, 9)
        with pytest.raises(ObjectRefused, match="not asked for"):
            graph.fetch(ObjectRef(path="a%60) DETACH DELETE (n"))
    assert [gap.reason for gap in found if isinstance(gap, Gap)] == [Reason.UNSUPPORTED]
    assert json.loads(got.data) == {"labels": ["Person"], "properties": {"mail": MAIL}}
    assert (got.complete, cut.complete, len(cut.data)) == (True, False, 9)


@pytest.mark.parametrize("version", [(5, 2), (4, 4), (3, 0)])
def test_fakes_of_closed_ones(probe: MakeProbe, version: tuple[int, int]) -> None:
    got: list[bytes] = []
    with servers.fake(neo4j(version, login=failure(UNAUTHORIZED), got=got)) as server:
        proof = probe("neo4j", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert UNAUTHORIZED in proof.detail
    assert all(body[1] in (0x01, 0x6A) for body in got)


def test_another_failure_is_not_closed(probe: MakeProbe) -> None:
    busy = failure("Neo.TransientError.General.DatabaseUnavailable")
    with servers.fake(neo4j(login=busy)) as server:
        proof = probe("neo4j", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED


def test_fakes_that_refuse_queries_and_of_memgraph(probe: MakeProbe) -> None:
    forbidden = (failure("Neo.ClientError.Security.Forbidden"),)
    with servers.fake(neo4j(answers={LABELS: forbidden, COUNT: forbidden, NODE: forbidden})) as s:
        proof = probe("neo4j", s.host, s.port).prove()
    assert proof is not None
    assert (proof.access, proof.size) == (Access.METADATA, None)
    own = "Neo4j/v5.11.0 compatible graph database server - Memgraph"
    no_labels = (failure("Memgraph.ClientError.MemgraphError.MemgraphError"),)
    with servers.fake(neo4j(answers={**OPEN, LABELS: no_labels}, server=own)) as s:
        proof = probe("neo4j", s.host, s.port).prove()
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "memgraph")
    refused = {**OPEN, NODE: forbidden, "MATCH (n:`Person`)": forbidden}
    with servers.fake(neo4j(answers=refused)) as s:
        graph = probe("neo4j", s.host, s.port)
        proof = graph.prove()
        with pytest.raises(ObjectRefused, match="Forbidden"):
            graph.fetch(ObjectRef(path="Person"))
    assert proof is not None
    assert proof.access is Access.LISTS


@pytest.mark.parametrize(
    "data",
    [
        bolt.run("CREATE (n)"),
        bolt.run("MATCH (n) DETACH DELETE n"),
        bolt.run(NODE + ";CREATE (n)"),
        bolt.run("MATCH (n:`a\\u0060) DELETE n //`) RETURN n LIMIT 1000"),
        bolt.run(NODE).replace(b"\x81r", b"\x81w"),
        bolt.message(b"\xb1\x6a\xa2" + bolt.text("principal") + bolt.text("neo4j")),
        bolt.message(b"\xb3\x66\xa0\x90\xc0"),  # ROUTE
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, data: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(data)

    with servers.fake(neo4j()) as server, pytest.raises(OutOfScope):
        probe("neo4j", server.host, server.port).run(send)


def first(answer: bytes, flood: bytes = b"") -> Fake:
    """A fake that shakes hands and then answers so to HELLO."""

    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(20)
        client.say(b"\0\0\2\5" + answer)
        if flood:
            client.flood(flood)
        client.hear_bytes(1_000_000)

    return handle


HOSTILE = {
    "endless chunks": (first(b"", b"\xff\xff" + b"x" * 65_535), "more than 1048576 bytes"),
    "endless empty chunks": (first(b"", b"\0\0" * 9999), "more than 1048576 bytes"),
    "too deep": (first(bolt.message(b"\xb1\x70" + b"\x91" * 100)), "too deep"),
    "a long list": (first(bolt.message(b"\xb1\x70\xd6\xff\xff\xff\xff")), "too short"),
    "bytes behind": (first(bolt.message(OK + b"x")), "bytes behind"),
    "no message": (first(bolt.message(b"\x01")), "unknown kind"),
    "an odd key": (first(bolt.message(b"\xb1\x70\xa1\x01\x01")), "no text"),
    "many nodes": (
        neo4j(answers={**OPEN, NODE: (record(PERSON), record(PERSON), OK)}),
        "more records",
    ),
    "an empty record": (neo4j(answers={NODE: (b"\xb1\x71\x90", OK)}), "an empty one"),
    "silence": (first(b""), "no answer within the time"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(bytes=4_000_000, seconds=0.9)
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=message):
        probe("neo4j", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad\r\n", b"-ERR\r\n", b"\0\0\0\0", b"\x60\x60\xb0\x17"]
)
def test_another_service_is_not_neo4j(probe: MakeProbe, said: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(20)
        client.say(said)
        client.hear_bytes(1_000_000)

    with servers.fake(handle) as server:
        assert probe("neo4j", server.host, server.port).prove() is None


@given(st.binary(max_size=200))
def test_fuzz_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    for said in (data, b"\xb1\x70" + data, b"\xd5" + data):
        try:
            value = bolt.decode(said)
        except ProtocolError:
            continue
        assert value is None or isinstance(
            value, bool | int | float | str | bytes | list | dict | bolt.Struct
        )


@given(st.text(max_size=300))
def test_fuzz_text_comes_back_as_it_was(value: str) -> None:
    assert bolt.decode(bolt.text(value)) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers(value: int) -> None:
    assert bolt.decode(b"\xcb" + struct.pack(">q", value)) == value


@given(st.text(max_size=60))
def test_fuzz_a_label_never_leaves_its_quotes(label: str) -> None:
    cypher = _nodes(label)
    if cypher is not None:
        assert cypher.count("`") == 2
        assert any(re.match(rule, bolt.run(cypher), re.DOTALL) for rule in NEO4J.allowed)
