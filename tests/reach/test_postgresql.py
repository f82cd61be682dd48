"""PostgreSQL, real, with every kind of pg_hba line, and servers that lie."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.postgresql import CLAIMS, SQL
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import postgresql_wire as wire
from leftopen.reach.api import Context, ObjectRefused
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def trusting() -> Iterator[servers.Server]:
    with servers.postgresql("host all all 127.0.0.1/32 trust", sql=SQL) as server:
        yield server


def state(server: servers.Server) -> str:
    """What a writer would have changed."""
    sql = "SELECT md5(string_agg(p::text, '|' ORDER BY id)) FROM people p;"
    sql += "SELECT last_value, is_called FROM visits; SELECT count(*) FROM readers;"
    return servers.postgresql_sql(server, sql, "shop")


def test_trust_shows_with_a_made_up_role(probe: MakeProbe, trusting: servers.Server) -> None:
    proof = probe("postgresql", trusting.host, trusting.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "trust: any role name is let in without a password" in proof.detail
    assert "AuthenticationOk" in proof.evidence[0].answer
    assert proof.size is None


def test_a_claimed_role_gives_a_row(probe: MakeProbe, trusting: servers.Server) -> None:
    before = state(trusting)
    proof = probe("postgresql", trusting.host, trusting.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.version.startswith("1")
    assert "shop/public/people" in proof.containers
    assert not any("hidden" in c or "looked" in c for c in proof.containers)
    assert proof.size is not None
    assert proof.size.objects == 20_503
    assert proof.size.bytes is not None
    assert proof.size.bytes > 10_000
    assert proof.size.complete
    shown = " ".join((proof.detail, *(e.answer for e in proof.evidence)))
    assert "078-05" not in shown
    assert "Ann" not in shown
    assert state(trusting) == before


def test_tables_are_listed_and_fetched(probe: MakeProbe, trusting: servers.Server) -> None:
    before = state(trusting)
    shop = probe("postgresql", trusting.host, trusting.port, claims=CLAIMS)
    found = shop.objects()
    refs = {item.path: item for item in found if isinstance(item, ObjectRef)}
    assert set(refs) == {
        "shop/public/guarded",
        "shop/public/people",
        "shop/public/blob",
        "shop/odd%2Fsch ema/we%22ird.tab%25le",
    }
    people = shop.fetch(refs["shop/public/people"])
    rows = list(csv.reader(io.StringIO(people.data.decode())))
    assert rows[:2] == [["id", "name", "ssn"], ["1", 'Ann, "the" 1', "078-05-1001"]]
    assert rows[-1] == ["501", "", ""]
    assert people.complete
    assert people.media_type == "text/csv"
    odd = shop.fetch(refs["shop/odd%2Fsch ema/we%22ird.tab%25le"])
    assert odd.data.decode() == "x\r\nünï\r\n"
    cut = shop.fetch(refs["shop/public/people"], 1000)
    assert not cut.complete
    assert len(cut.data) <= 1000
    assert cut.data.startswith(b"id,name,ssn\r\n1,")
    blob = shop.fetch(refs["shop/public/blob"], 10_000)
    assert (blob.data.rstrip(), blob.complete) == (b"b\r\n" + b"x" * 9994, False)
    assert state(trusting) == before


def test_reading_runs_in_a_read_only_transaction(
    probe: MakeProbe, trusting: servers.Server
) -> None:
    """The largest table writes a line whenever it is read; the proof goes on to the next one."""
    before = state(trusting)
    shop = probe("postgresql", trusting.host, trusting.port, claims=CLAIMS)
    with pytest.raises(ObjectRefused, match="25006"):
        shop.fetch(ObjectRef(path="shop/public/guarded"))
    proof = shop.prove()
    assert proof is not None
    assert proof.containers[0] == "shop/public/guarded"
    assert proof.access is Access.GIVES_DATA
    assert "guarded" not in proof.detail
    assert state(trusting) == before


def test_a_role_without_rights(probe: MakeProbe, trusting: servers.Server) -> None:
    claims = 'postgresql_roles = ["nothing"]\npostgresql_databases = ["shop"]'
    shop = probe("postgresql", trusting.host, trusting.port, claims=claims)
    proof = shop.prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "no table" in proof.detail
    with pytest.raises(ObjectRefused, match="42501"):
        shop.fetch(ObjectRef(path="shop/public/people"))


def test_no_claim_lists_a_gap(probe: MakeProbe, trusting: servers.Server) -> None:
    found = probe("postgresql", trusting.host, trusting.port).objects()
    assert [i.reason for i in found if isinstance(i, Gap)] == [Reason.NOT_GIVEN]
    assert len(found) == 1


CLOSED = {
    "scram": ("scram-sha-256", Access.ASKS_CREDENTIAL, "SCRAM"),
    "reject": ("reject", Access.REFUSED_OR_ABSENT, "refused for this address"),
    "no entry": ("", Access.REFUSED_OR_ABSENT, "refused for this address"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_closed(probe: MakeProbe, kind: str) -> None:
    method, access, word = CLOSED[kind]
    line = f"host all all 127.0.0.1/32 {method}" if method else "host all all 127.0.0.9/32 trust"
    with servers.postgresql(line, sql="CREATE ROLE reader LOGIN PASSWORD 'x'") as server:
        proof = probe("postgresql", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is access
    assert word in proof.detail
    assert proof.size is None


@pytest.mark.parametrize(("trusted", "other"), [("hostnossl", "hostssl"), ("hostssl", "hostnossl")])
def test_open_only_with_or_without_tls(probe: MakeProbe, trusted: str, other: str) -> None:
    lines = (f"{trusted} all all all trust", f"{other} all all all scram-sha-256")
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        key.chmod(0o600)
        tls = {"ssl": "on", "ssl_cert_file": str(cert), "ssl_key_file": str(key)}
        with servers.postgresql(*lines, settings=tls) as server:
            proof = probe("postgresql", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.tls) == (Access.LISTS, trusted == "hostssl")


FORBIDDEN = (
    b"DELETE FROM people",
    b"SELECT pg_sleep(9)",
    b'SELECT * FROM ONLY "a"."b" LIMIT 1;DROP TABLE people',
    b'SELECT * FROM ONLY "a"."b";DROP TABLE people;--" LIMIT 1',
    b'SELECT * FROM ONLY "a"."b"" LIMIT 1',
    b'SELECT * FROM "a"."b" LIMIT 1',
)


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_no_other_statement_leaves(probe: MakeProbe, trusting: servers.Server, sql: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(wire.query(sql))

    with pytest.raises(OutOfScope):
        probe("postgresql", trusting.host, trusting.port).run(send)


def test_neither_a_password_nor_a_bare_query_leaves(
    probe: MakeProbe, trusting: servers.Server
) -> None:
    async def send(context: Context, data: bytes) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(data)

    session = probe("postgresql", trusting.host, trusting.port)
    bare = b'SELECT * FROM ONLY "a"."b" LIMIT 1\0'
    for data in (b"p\0\0\0\x0bsecret\0", b"Q" + (len(bare) + 4).to_bytes(4, "big") + bare):
        with pytest.raises(OutOfScope):
            session.run(partial(send, data=data))


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


LOGGED_IN = message(b"R", b"\0\0\0\0") + message(b"Z", b"I")
ROW = message(b"D", b"\0\x01\0\0\0\x04shop")


def answering(
    begin: bytes, data: bytes = b"", flood: bytes = b""
) -> Callable[[servers.Conversation], None]:
    """No TLS; `begin` after the StartupMessage, `data` after the first query."""

    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(8)
        client.say(b"N")
        size = int.from_bytes(client.hear_bytes(4), "big")
        client.hear_bytes(size - 4)
        client.say(begin)
        if data or flood:
            client.hear_bytes(5)
            client.say(data)
        if flood:
            client.flood(flood)
        client.hear()

    return handle


HOSTILE: dict[str, Callable[[servers.Conversation], object]] = {
    "endless rows": answering(LOGGED_IN, flood=ROW * 100),
    "endless empty rows": answering(LOGGED_IN, flood=message(b"D", b"\0\0") * 1000),
    "endless notices": answering(LOGGED_IN, flood=message(b"N", b"x") * 1000),
    "endless settings": answering(message(b"R", b"\0\0\0\0") + message(b"S", b"a\0b\0") * 9999),
    "a message of 4 GiB": answering(b"R\xff\xff\xff\xff"),
    "a negative length": answering(b"R\0\0\0\0"),
    "a short row": answering(LOGGED_IN, message(b"D", b"\xff\xff\0\0\0\x09a")),
    "a short description": answering(LOGGED_IN, message(b"T", b"\xff\xffa\0")),
    "an odd message": answering(LOGGED_IN, message(b"@", b"")),
    "silence": lambda client: client.hear(),
}

MESSAGES = {
    "endless rows": "more rows than asked for",
    "endless empty rows": "more rows than asked for",
    "endless notices": "never ends",
    "endless settings": "never becomes ready",
    "a message of 4 GiB": "a message of 4294967291 bytes",
    "a negative length": "a message of -4 bytes",
    "a short row": "DataRow that is too short",
    "a short description": "RowDescription that is too short",
    "an odd message": "unexpected message",
    "silence": "no answer within the time",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    seconds = 0.5 if kind == "silence" else 1.0
    limits = Limits(bytes=4_000_000, seconds=seconds)
    started = time.monotonic()
    with servers.fake(HOSTILE[kind]) as server, pytest.raises(ProtocolError, match=MESSAGES[kind]):
        probe("postgresql", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_busy_is_not_closed(probe: MakeProbe) -> None:
    busy = message(b"E", b"SFATAL\0C53300\0Mtoo many clients already\0\0")
    with servers.fake(answering(busy)) as server:
        proof = probe("postgresql", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert "53300" in proof.detail


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown\r\n", b"\x15"]
)
def test_another_service_is_not_postgresql(probe: MakeProbe, answer: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(8)
        client.say(answer)

    with servers.fake(handle) as server:
        assert probe("postgresql", server.host, server.port).prove() is None


def test_plaintext_before_tls_is_refused(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(8)
        client.say(b"S" + LOGGED_IN)
        client.hear()

    with servers.fake(handle) as server:
        proof = probe("postgresql", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED


@given(st.binary(max_size=200))
def test_any_body_is_a_row_or_an_error(body: bytes) -> None:
    for read in (wire.row_of, wire.columns_of):
        try:
            found = read(body)
        except ProtocolError:
            continue
        assert sum(len(value or b"") for value in found) <= len(body)
    assert len(wire.error_of(body).text) <= 200


@given(st.lists(st.one_of(st.none(), st.binary(max_size=20)), max_size=10))
def test_a_row_comes_back_as_it_was(values: list[bytes | None]) -> None:
    parts = (b"\xff\xff\xff\xff" if v is None else len(v).to_bytes(4, "big") + v for v in values)
    assert wire.row_of(len(values).to_bytes(2, "big") + b"".join(parts)) == tuple(values)
