"""ClickHouse's own protocol: a real 18.16 with and without a claim, and servers that lie."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.clickhouse import clickhouse
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach.api import Context
from leftopen.reach.protocols.clickhouse_native import (
    CLICKHOUSE_NATIVE,
    _select,
    hello,
    query,
)
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
CLAIMS = 'clickhouse_users = ["default"]'
MAIL = "ada.lovelace@example.org"


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with clickhouse(
        "CREATE TABLE people (mail String, id UInt32) ENGINE = MergeTree ORDER BY id",
        f"INSERT INTO people VALUES ('{MAIL}', 1)",
        "CREATE TABLE elsewhere (x String) ENGINE = URL('http://127.0.0.1:9/', 'CSV')",
        native=True,
    ) as server:
        yield server


def test_without_a_claim_it_only_speaks(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = probe("clickhouse_native", open_server.host, open_server.port).prove()
    assert proof is not None
    assert (proof.access, proof.product) == (Access.SPEAKS, "clickhouse")
    assert "code 192" in proof.detail


def test_a_claimed_user_without_a_password(probe: MakeProbe, open_server: servers.Server) -> None:
    native = probe("clickhouse_native", open_server.host, open_server.port, claims=CLAIMS)
    proof = native.prove()
    assert proof is not None
    assert (proof.access, proof.version) == (Access.GIVES_DATA, "18.16")
    assert proof.containers == ("default.people",)
    row = proof.evidence[-1]
    assert row.answer_bytes >= len(MAIL)
    assert MAIL not in repr(proof)


def test_a_claimed_user_and_no_table_is_metadata(probe: MakeProbe) -> None:
    with clickhouse(native=True) as server:
        proof = probe("clickhouse_native", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert (proof.access, proof.containers) == (Access.METADATA, ())


@pytest.mark.parametrize(
    ("password", "network", "access"),
    [
        ("x", "::/0", Access.ASKS_CREDENTIAL),
        ("", "192.0.2.1", Access.REFUSED_OR_ABSENT),
    ],
)
def test_closed(probe: MakeProbe, password: str, network: str, access: Access) -> None:
    with clickhouse(password=password, network=network, native=True) as server:
        proof = probe("clickhouse_native", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is access


def test_an_unclear_refusal_is_not_closed_and_a_missing_claim_is_a_gap(probe: MakeProbe) -> None:
    """A fake that answers as 24.3 does to a hello without a user, and to any hello."""
    said = b"\x02\x65\0\0\0\x0dDB::Exception\x04none\x00\x00"

    async def gaps(context: Context) -> list[Reason]:
        await CLICKHOUSE_NATIVE.prove(context)
        return [gap.reason for gap in context.gaps]

    with servers.fake(answering(said)) as server:
        assert probe("clickhouse_native", server.host, server.port).run(gaps) == [Reason.NOT_GIVEN]
        proof = probe("clickhouse_native", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED


@pytest.mark.parametrize(
    "data",
    [
        hello("default")[:-1] + b"\x06secret",
        query(b"DROP TABLE people"),
        query(b"SELECT * FROM `a`.`b` LIMIT 1; DROP TABLE a"),
        query(b"SELECT * FROM url('http://192.0.2.1/', CSV, 'a String') LIMIT 1"),
        b"\x02\x00\x00\x00\x00",
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, open_server: servers.Server, data: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(data)

    with pytest.raises(OutOfScope):
        probe("clickhouse_native", open_server.host, open_server.port).run(send)


def answering(*says: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    """A fake: it waits for the hello, then says all of it."""

    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(len(hello("")))
        client.say(b"".join(says))
        if flood:
            client.flood(flood)
        client.hear_bytes(1_000_000)

    return handle


WELCOME = b"\x00\x0aClickHouse\x18\x03\xa0\x96\x03"
HOSTILE = {
    "a long string": (answering(b"\x00\xff\xff\xff\x7f"), "limit"),
    "a number without an end": (answering(b"\x00" + b"\xff" * 20), "never ends"),
    "no exception": (answering(b"\x02\0\0\0\0\x01a\x01b"), "without the name"),
    "an odd packet": (answering(WELCOME, b"\x09"), "unexpected packet"),
    "many names": (answering(WELCOME, b"\x01\x00\x00\x02\xff\xff\xff\x7f"), "impossible size"),
    "not strings": (answering(WELCOME, b"\x01\x00\x00\x02\x01\x01a\x06UInt32"), "no String"),
    "endless progress": (answering(WELCOME, flood=b"\x03\x01\x01\x01" * 999), "never ends"),
    "endless blocks": (answering(WELCOME, flood=b"\x01\x00\x00\x00\x00" * 999), "never ends"),
    "unknown fields": (answering(WELCOME, b"\x01\x00\x07"), "unknown fields"),
    "cut": (lambda client: client.say(b"\x00\x0aClick"), "closed the connection early|reset"),
    "silence": (answering(), "no answer within the time"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(bytes=1_000_000, seconds=0.7)
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=message):
        probe("clickhouse_native", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR\r\n", b"\x00\x01x"])
def test_another_service_is_not_clickhouse(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(answering(said)) as server:
        assert probe("clickhouse_native", server.host, server.port).prove() is None


@given(st.binary(max_size=200))
def test_fuzz_a_name_never_leaves_its_quotes(name: bytes) -> None:
    sql = _select(b"shop", name)
    if sql is not None:
        assert sql.count(b"`") == 4
        assert any(re.match(rule, query(sql), re.DOTALL) for rule in CLICKHOUSE_NATIVE.allowed)
