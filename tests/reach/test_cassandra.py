"""Cassandra: fakes by the protocol's specification (versions 3, 4 and 5), open, closed, lying."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.cassandra import (
    LISTED,
    LOGIN,
    MAIL,
    OPEN,
    PEOPLE,
    ROW,
    Fake,
    cassandra,
    error,
    number,
    rows,
)
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import cassandra_wire as wire
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.cassandra import CASSANDRA, TABLES, _select
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]


@pytest.mark.parametrize(("newest", "flags"), [(3, 0), (4, 0), (5, 0), (4, 8)])
def test_a_fake_of_an_open_one_gives_data(probe: MakeProbe, newest: int, flags: int) -> None:
    with servers.fake(cassandra(newest, flags=flags)) as server:
        proof = probe("cassandra", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.containers == ("a b.c", "shop.empty", "shop.people")
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes, proof.size.complete) == (30, 1500, False)
    assert MAIL not in repr(proof)


def test_tables_are_listed_and_fetched(probe: MakeProbe) -> None:
    got: list[bytes] = []
    paged = {**OPEN, PEOPLE: rows((ROW,), (ROW,), flags=3)}
    with servers.fake(cassandra(got=got)) as server:
        node = probe("cassandra", server.host, server.port)
        found = node.objects()
        refs = {item.path: item for item in found if isinstance(item, ObjectRef)}
        whole = node.fetch(refs["shop/people"])
        cut = node.fetch(refs["shop/people"], 5)
        with pytest.raises(ObjectRefused, match="no word"):
            node.fetch(ObjectRef(path='shop/a";DROP'))
    assert set(refs) == {"shop/people", "shop/empty"}
    assert [gap.reason for gap in found if isinstance(gap, Gap)] == [Reason.UNSUPPORTED]
    assert (whole.data, whole.complete) == (ROW + b"\n", True)
    assert (cut.data, cut.complete) == (ROW[:5], False)
    assert {frame[4] for frame in got} == {0x01, 0x05, 0x07}
    with servers.fake(cassandra(answers=paged)) as server:
        more = probe("cassandra", server.host, server.port).fetch(refs["shop/people"])
    assert (more.data.count(b"\n"), more.complete) == (2, False)


CLOSED = {
    "AUTHENTICATE": (LOGIN, Access.ASKS_CREDENTIAL, "PasswordAuthenticator"),
    "bad credentials": (error(0x100, b"no login"), Access.ASKS_CREDENTIAL, "0x0100"),
    "overloaded": (error(0x1001, b"overloaded"), Access.UNDETERMINED, "0x1001"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_fakes_of_closed_ones(probe: MakeProbe, kind: str) -> None:
    started, access, word = CLOSED[kind]
    got: list[bytes] = []
    with servers.fake(cassandra(started=started, got=got)) as server:
        proof = probe("cassandra", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, word in proof.detail) == (access, True)
    assert [frame[4] for frame in got] == [0x05, 0x01]  # the login is not answered


def test_fakes_that_let_in_and_refuse_rows_or_names(probe: MakeProbe) -> None:
    refused = error(0x2100, b"User anonymous has no SELECT permission")
    with servers.fake(cassandra(answers={**OPEN, PEOPLE: refused})) as server:
        node = probe("cassandra", server.host, server.port)
        proof = node.prove()
        with pytest.raises(ObjectRefused, match="0x2100"):
            node.fetch(ObjectRef(path="shop/people"))
    assert proof is not None
    assert proof.access is Access.LISTS
    with servers.fake(cassandra(answers={TABLES: refused})) as server:
        node = probe("cassandra", server.host, server.port)
        bare = node.prove()
        gaps = [gap.reason for gap in node.objects() if isinstance(gap, Gap)]
    assert bare is not None
    assert (bare.access, bare.size, gaps) == (Access.METADATA, None, [Reason.REFUSED])


@pytest.mark.parametrize(
    "data",
    [
        wire.query(4, b"DROP TABLE shop.people", 1),
        wire.query(4, PEOPLE + b"1; DROP TABLE a", 1),
        wire.query(4, b'SELECT JSON * FROM "a"."b" WHERE x = 1 LIMIT 1', 1),
        wire.query(5, TABLES, 1),
        wire.request(4, 0x0F, b"\0\0\0\x04\0a\0b"),  # AUTH_RESPONSE
        wire.request(4, 0x0B, b"\0\0"),  # REGISTER
        wire.request(4, 0x0D, b""),  # BATCH
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, data: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(data)

    with servers.fake(cassandra()) as server, pytest.raises(OutOfScope):
        probe("cassandra", server.host, server.port).run(send)


def first(answer: bytes) -> Fake:
    """A fake that answers so to OPTIONS."""

    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(9)
        client.say(answer)
        client.hear_bytes(1_000_000)

    return handle


DEEP = b"\x00\x22" * 1000
HOSTILE = {
    "a frame of 2 GiB": (first(b"\x84\0\0\0\x06\x7f\xff\xff\xff"), "a frame of 2147483647 bytes"),
    "compressed": (first(b"\x84\x01\0\0\x06\0\0\0\0"), "none asked for"),
    "no version of CQL": (first(b"\x84\0\0\0\x06\0\0\0\x02\0\0"), "without a version"),
    "short options": (first(b"\x84\0\0\0\x06\0\0\0\x02\0\x09"), "too short"),
    "a short row": (cassandra(answers={TABLES: LISTED[:-1]}), "short"),
    "a deep type": (cassandra(answers={TABLES: rows((b"a", b"b"), kind=DEEP)}), "too deep"),
    "many columns": (cassandra(answers={TABLES: rows(columns=65)}), "impossible number"),
    "too many rows": (
        cassandra(answers={**OPEN, PEOPLE: rows((ROW,), (ROW,))}),
        "more rows than asked for",
    ),
    "void": (cassandra(answers={TABLES: number(1)}), "no rows where"),
    "an odd start": (cassandra(started=(0x0C, b"")), "unexpected answer"),
    "silence": (first(b""), "no answer within the time"),
    "cut": (lambda client: client.say(b"\x84\0\0"), "closed the connection early|reset"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(bytes=1_000_000, seconds=0.7)
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=message):
        probe("cassandra", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown command\r\n", b"\x04\0\0\0\x05\0\0\0\0"],
)
def test_another_service_is_not_cassandra(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(first(said)) as server:
        assert probe("cassandra", server.host, server.port).prove() is None


@given(st.binary(max_size=200), st.booleans())
def test_fuzz_any_body_is_rows_or_an_error(body: bytes, cut: bool) -> None:
    for said in (body, number(2) + body, number(2) + number(1) + number(2) + body):
        try:
            found = wire.rows_of(wire.Frame(wire.RESULT, said, cut), 50)
        except ProtocolError:
            continue
        assert len(found.rows) <= 50
        assert sum(len(v or b"") for row in found.rows for v in row) <= len(said)
    for read in (wire.supported, wire.error_of):
        try:
            read(wire.Frame(0, body))
        except ProtocolError:
            continue


@given(st.binary(max_size=60))
def test_fuzz_a_name_never_leaves_its_quotes(name: bytes) -> None:
    cql = _select(b"shop", name, 1)
    if cql is not None:
        assert cql.count(b'"') == 4
        data = wire.query(4, cql, 1)
        assert any(re.match(rule, data, re.DOTALL) for rule in CASSANDRA.allowed)
