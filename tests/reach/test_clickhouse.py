"""ClickHouse over HTTP: a real 18.16 open, closed and refusing; fakes of newer ones."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.clickhouse import MAIL, clickhouse, owner
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.api import ObjectRefused
from leftopen.reach.protocols.clickhouse import (
    CLICKHOUSE,
    PARTS,
    TABLES,
    Table,
    code_of,
    is_read,
    path_of,
)
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with clickhouse() as server:
        for sql in (
            "CREATE DATABASE shop",
            "CREATE TABLE shop.people (id UInt32, mail String, tags Array(String)) "
            "ENGINE = MergeTree ORDER BY id",
            f"INSERT INTO shop.people SELECT number, '{MAIL}', ['a','b'] FROM numbers(500)",
            "CREATE TABLE shop.`od d;DROP TABLE people ü` (x String) ENGINE = Log",
            "INSERT INTO shop.`od d;DROP TABLE people ü` VALUES ('ünï')",
            "CREATE TABLE shop.`back\\`tick` (x String) ENGINE = Log",
            "CREATE TABLE shop.elsewhere (x String) ENGINE = URL('http://127.0.0.1:9/', 'CSV')",
            "CREATE VIEW shop.seen AS SELECT * FROM shop.elsewhere",
        ):
            owner(server, sql)
        yield server


def test_an_open_one_gives_data(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("clickhouse", Access.GIVES_DATA)
    assert seen.version.startswith("18.16")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (500, "rows", False)
    assert (seen.size.bytes or 0) > 100
    assert seen.containers[0] == "shop.people"
    assert not {"shop.elsewhere", "shop.seen"} & set(seen.containers)
    assert MAIL not in repr(outcome)
    assert outcome.gaps == ()


def test_tables_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    house = probe("clickhouse", open_server.host, open_server.port)
    found = house.objects()
    refs = [item for item in found if isinstance(item, ObjectRef)]
    assert len(refs) == 2
    assert {ref.group for ref in refs} == {"shop"}
    assert [gap.reason for gap in found if isinstance(gap, Gap)] == [Reason.UNSUPPORTED]
    people = house.fetch(refs[0])
    assert people.data.startswith(f'"id","mail","tags"\n0,"{MAIL}","[\'a\''.encode())
    assert (people.complete, people.data.count(b"\n")) == (True, 501)
    assert house.fetch(refs[1]).data.decode() == '"x"\n"ünï"\n'
    cut = house.fetch(refs[0], limit=40)
    assert (len(cut.data), cut.complete) == (40, False)
    gone = path_of("SELECT * FROM `shop`.`gone` LIMIT 10 FORMAT CSVWithNames")
    with pytest.raises(ObjectRefused, match="code 60"):
        house.fetch(ObjectRef(path=gone))
    assert owner(open_server, "SELECT count() FROM shop.people") == b"500\n"


def test_closed_ones_although_the_health_check_says_ok() -> None:
    closed = [
        (("x", "::/0", "default"), Access.ASKS_CREDENTIAL, "code 194"),
        (("", "::/0", "other"), Access.ASKS_CREDENTIAL, "code 192"),
        (("", "192.0.2.1", "default"), Access.REFUSED_OR_ABSENT, "code 195"),
    ]
    for (password, network, user), access, word in closed:
        with clickhouse(password=password, network=network, user=user) as server:
            client = http.client.HTTPConnection(server.host, server.port, timeout=10)
            client.request("GET", "/ping")
            assert client.getresponse().read() == b"Ok.\n"
            client.close()
            seen = look(server.host, server.port).observation
        assert (seen.protocol, seen.access) == ("clickhouse", access)
        assert word in seen.detail


FORBIDDEN = [
    "DROP TABLE shop.people",
    "SELECT version(), 'x' FROM url('http://192.0.2.1/', CSV, 'a String')",
    "SELECT * FROM `a`.`b` LIMIT 1; DROP TABLE a FORMAT CSVWithNames",
    "SELECT * FROM `a`.`b` LIMIT 1 INTO OUTFILE 'x' FORMAT CSVWithNames",
    "SELECT * FROM `a`.`b\\` LIMIT 1 FORMAT CSVWithNames",
    "SELECT * FROM `a`.`b`` LIMIT 1 FORMAT CSVWithNames",
    "SELECT * FROM remote('192.0.2.1', a.b) LIMIT 1 FORMAT CSVWithNames",
    TABLES + "; DROP TABLE a",
    "SHOW DATABASES",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_no_other_statement_leaves(probe: MakeProbe, open_server: servers.Server, sql: str) -> None:
    house = probe("clickhouse", open_server.host, open_server.port)
    with pytest.raises(OutOfScope):
        house.fetch(ObjectRef(path=path_of(sql)))


@pytest.mark.parametrize("more", ["&user=root", "&password=x", "&readonly=0", "\n", "&query=DROP"])
def test_nothing_stands_behind_a_statement(more: str) -> None:
    assert is_read(path_of(TABLES))
    assert is_read(path_of(PARTS))
    assert not is_read(path_of(TABLES) + more)


OWN = {"X-ClickHouse-Server-Display-Name": "db-1"}
PLAIN = "text/plain; charset=UTF-8"
DENIED = (
    b"Code: 516. DB::Exception: default: Authentication failed: password is incorrect, or there is "
    b"no user with such name. (AUTHENTICATION_FAILED) (version 24.3.1.2672 (official build))\n"
)


def fake(**answers: bytes) -> Callable[[str], bytes]:
    """A fake ClickHouse 24: an answer by the kind of statement, Ok. for the rest."""

    def reply(path: str) -> bytes:
        sql = unquote(path.partition("query=")[2])
        if not sql:
            return answer(b"Ok.\n", kind="text/html; charset=UTF-8")
        kind = next((k for k, start in KINDS.items() if sql.startswith(start)), "rows")
        if kind == "version" and kind not in answers:
            word = sql.split("'")[1]
            return answer(f"24.3.1.2672\t{word}\n".encode(), kind=PLAIN, more=OWN)
        return answers.get(kind, answer(b"", kind=PLAIN, more=OWN))

    return reply


KINDS = {
    "version": "SELECT version()",
    "tables": "SELECT database, name",
    "parts": "SELECT database, table",
}


def listing(*rows: list[object]) -> bytes:
    return answer(json.dumps({"meta": [], "data": rows}).encode(), kind="application/json")


def test_a_fake_of_version_24_asks_for_a_password() -> None:
    more = {**OWN, "X-ClickHouse-Exception-Code": "516"}
    for status in ("403 Forbidden", "401 Unauthorized"):
        with web(fake(version=answer(DENIED, status, PLAIN, more))) as server:
            seen = look(server.host, server.port).observation
        assert (seen.protocol, seen.access) == ("clickhouse", Access.ASKS_CREDENTIAL)
        assert "code 516" in seen.detail


def test_a_fake_that_lets_in_and_grants_nothing() -> None:
    refused = answer(b"Code: 497. DB::Exception: Not enough privileges\n", "403 Forbidden", PLAIN)
    with web(fake(tables=refused)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.METADATA
    assert [gap.reason for gap in outcome.gaps] == [Reason.REFUSED]


def test_a_fake_whose_rows_are_refused_lists() -> None:
    refused = answer(b"Code: 497. DB::Exception: Not enough privileges\n", "403 Forbidden", PLAIN)
    tables = listing(["shop", "people"], ["shop", "x`.`y"])
    with web(fake(tables=tables, rows=refused)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.size) == (Access.LISTS, None)
    assert not any("x`.`y" in unquote(line) for line in server.requests)


def test_an_error_amid_an_answer_is_not_the_whole_table(probe: MakeProbe) -> None:
    """A fake: an exception after the first rows of a 200."""
    broke = answer(b'"a"\n1\nCode: 241. DB::Exception: Memory limit exceeded\n', kind="text/csv")
    path = Table("shop", "people").path(10)
    assert path
    with web(fake(rows=broke)) as server:
        got = probe("clickhouse", server.host, server.port).fetch(ObjectRef(path=path))
    assert not got.complete


STRANGERS: dict[str, Callable[[str], bytes]] = {
    "Ok. to everything": lambda path: answer(b"Ok.\n"),
    "a mirror": lambda path: answer(unquote(path).encode()) if "?" in path else answer(b"Ok.\n"),
    "a page": lambda path: answer(b"<html></html>"),
    "a version alone": fake(version=answer(b"24.3.1\tleftopen-other\n")),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_another_service_is_not_clickhouse(kind: str) -> None:
    with web(STRANGERS[kind]) as server:
        assert look(server.host, server.port).observation.protocol != "clickhouse"


HOSTILE = {
    "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100,
    "garbage": b"\0\1\2\3",
    "a huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\nx",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear()
        client.say(HOSTILE[kind])
        if kind == "endless":
            client.flood(b"x" * 10_000)
        client.hear_bytes(1_000_000)

    started = time.monotonic()
    limits = Limits(bytes=50_000, seconds=0.7)
    with servers.fake(handle) as server, pytest.raises(ProtocolError):
        probe("clickhouse", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("body", [b"[]", b'{"data": 3}', b'{"data": [[1, 2]]}', b"[" * 100_000])
def test_a_list_of_the_wrong_shape_is_no_table(body: bytes, probe: MakeProbe) -> None:
    with web(fake(tables=answer(body))) as server:
        house = probe("clickhouse", server.host, server.port)
        proof = house.prove()
        assert proof is not None
        assert (proof.access, proof.containers) == (Access.METADATA, ())
        with pytest.raises(ProtocolError, match="no list of tables"):
            house.objects()


@given(st.text(max_size=30), st.text(max_size=30))
def test_fuzz_a_name_never_leaves_its_quotes(database: str, name: str) -> None:
    path = Table(database, name).path(1)
    if path is not None:
        assert is_read(path)
        assert unquote(path).count("`") == 4
        assert re.fullmatch(r"[!-~]+", path)
    assert path is None or quote(database, safe="", errors="replace") in path


@given(st.binary(max_size=200), st.text(max_size=12))
def test_fuzz_codes(body: bytes, header: str) -> None:
    for said in (body, b"Code: " + body, b"Code: 194. DB::Exception" + body):
        code = code_of(Response(500, {"x-clickhouse-exception-code": header}, said, True, False))
        assert 0 <= code < 100_000


def test_recognised_by_its_own_words_only() -> None:
    recognise = CLICKHOUSE.recognise_http
    assert recognise
    assert recognise(Response(404, {"x-clickhouse-summary": "{}"}, b"", True, False))
    assert recognise(Response(200, {}, b"Ok.\n", True, False))
    for status, body in ((200, b"Ok."), (200, b"OK\n"), (404, b"Ok.\n"), (200, b"{}")):
        assert not recognise(Response(status, {}, body, True, False))
