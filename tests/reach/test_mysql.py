"""MySQL: MariaDB and Sphinx, real, with each kind of account; fakes of others; servers that lie."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.mysql import ANYBODY, OPEN, SHOP, mariadb, owner, sphinx
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import mysql_wire as wire
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.mysql import MYSQL, TABLES, _select
from probing import Limits, Probe
from reaching import look

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with mariadb(OPEN) as server:
        yield server


def test_the_anonymous_account_gives_a_row(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("mysql", Access.GIVES_DATA)
    assert seen.product == "mariadb"
    assert seen.version.startswith("10.")
    assert "shop/people" in seen.containers
    assert not any("hidden" in name or "looked" in name for name in seen.containers)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (503, "rows", True)
    assert seen.size.bytes is not None
    assert seen.size.bytes > 3_000_000
    assert "Ann" not in repr(outcome)
    assert "078-05" not in repr(outcome)
    assert outcome.gaps == ()


def test_only_reads_by_nobody_are_in_the_log_of_the_server(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    checksum = "CHECKSUM TABLE shop.people, shop.`blob`"
    before = owner(open_server, checksum)
    log = open_server.folder / "queries.log"
    start = log.stat().st_size
    shop = probe("mysql", open_server.host, open_server.port)
    assert shop.prove()
    for ref in shop.objects():
        if isinstance(ref, ObjectRef):
            shop.fetch(ref, 10_000)
    said = log.read_bytes()[start:].decode()
    queries = re.findall(r"\tQuery\t|  Query\t(.*)|Query\s+(.*)", said)
    assert len(queries) >= 6
    assert all(re.match("SELECT |SHOW ", a or b) for a, b in queries)
    connects = re.findall(r"Connect\s+(.*)", said)
    assert connects
    assert all(line.startswith("@127.0.0.1 ") for line in connects)
    assert owner(open_server, checksum) == before


def test_tables_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    shop = probe("mysql", open_server.host, open_server.port)
    found = shop.objects()
    refs = {item.path: item for item in found if isinstance(item, ObjectRef)}
    odd = "shop/we%22ird%2Ftab%25le %C3%BC"
    assert set(refs) == {"shop/people", "shop/blob", odd}
    assert {ref.group for ref in refs.values()} == {"shop"}
    (gap,) = (item for item in found if isinstance(item, Gap))
    assert (gap.reason, "back" in gap.place) == (Reason.UNSUPPORTED, True)
    people = shop.fetch(refs["shop/people"])
    rows = list(csv.reader(io.StringIO(people.data.decode())))
    assert rows[:2] == [["id", "name", "ssn"], ["1", 'Ann, "the" 1', "078-05-1001"]]
    assert (rows[-1], len(rows)) == (["501", "", ""], 502)
    assert (people.complete, people.media_type) == (True, "text/csv")
    assert shop.fetch(refs[odd]).data.decode() == "x\r\nünï\r\n"
    cut = shop.fetch(refs["shop/people"], 1000)
    assert (cut.complete, len(cut.data) <= 1000) == (False, True)
    assert cut.data.startswith(b"id,name,ssn\r\n1,")
    blob = shop.fetch(refs["shop/blob"], 10_000)
    assert (blob.data.rstrip()[:6], blob.complete) == (b"b\r\nxxx", False)
    assert len(blob.data) > 9_000
    with pytest.raises(ObjectRefused, match="1142"):
        shop.fetch(ObjectRef(path="secretdb/hidden"))
    with pytest.raises(ObjectRefused, match="backtick"):
        shop.fetch(ObjectRef(path="shop/a` LIMIT 1;DROP TABLE `people"))


def test_a_read_table_of_another_server_is_left_alone() -> None:
    """Reading it would make the server connect to where its definition says."""
    assert b"FEDERATED" not in TABLES
    assert b"CONNECT" not in TABLES
    assert b"ENGINE) IN (" in TABLES


CLOSED = {
    "a password": (
        "DROP USER ''@'%';\nCREATE USER shop@'%' IDENTIFIED BY 'x';\n",
        Access.ASKS_CREDENTIAL,
        "1045",
    ),
    "no matching host": (
        "DROP USER ''@'%', root@'127.0.0.1';\nFLUSH PRIVILEGES;\n",
        Access.REFUSED_OR_ABSENT,
        "1130",
    ),
    "root without a password": (
        "DROP USER ''@'%';\nCREATE USER root@'%';\nGRANT ALL ON *.* TO root@'%';\n",
        Access.ASKS_CREDENTIAL,
        "accounts with a name were not tried",
    ),
    "nobody has a password": (
        "SET PASSWORD FOR ''@'%' = PASSWORD('x');\n",
        Access.ASKS_CREDENTIAL,
        "1045",
    ),
    "ed25519": (
        "INSTALL SONAME 'auth_ed25519';\n"
        "ALTER USER ''@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x');\n",
        Access.ASKS_CREDENTIAL,
        "1045",
    ),
    "locked": ("ALTER USER ''@'%' ACCOUNT LOCK;\n", Access.ASKS_CREDENTIAL, "4151"),
}
REOPEN = (
    "CREATE OR REPLACE USER ''@'%';\nDROP USER IF EXISTS root@'%';\nDROP USER IF EXISTS shop@'%';\n"
)


@pytest.fixture(scope="module")
def changing() -> Iterator[servers.Server]:
    """A server whose accounts each test sets anew."""
    with mariadb(ANYBODY) as server:
        yield server


@pytest.mark.parametrize("kind", CLOSED)
def test_closed(changing: servers.Server, kind: str) -> None:
    sql, access, word = CLOSED[kind]
    owner(changing, REOPEN + sql)
    seen = look(changing.host, changing.port).observation
    assert (seen.protocol, seen.access) == ("mysql", access)
    assert word in seen.detail
    assert seen.size is None
    assert "Connect\troot@127" not in (changing.folder / "queries.log").read_text()


def test_let_in_and_nothing_to_see(changing: servers.Server) -> None:
    owner(changing, REOPEN)
    seen = look(changing.host, changing.port).observation
    assert (seen.access, seen.containers) == (Access.METADATA, ())
    assert "may see no database" in seen.detail


def test_databases_without_a_table_are_names(changing: servers.Server) -> None:
    owner(changing, REOPEN + "CREATE DATABASE bare; GRANT SELECT ON bare.* TO ''@'%';")
    seen = look(changing.host, changing.port).observation
    owner(changing, "DROP DATABASE bare")
    assert (seen.access, seen.containers) == (Access.LISTS, ("bare",))


def test_tls_where_the_account_requires_it() -> None:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        sql = SHOP + "CREATE USER ''@'%' REQUIRE SSL;\nGRANT SELECT ON shop.* TO ''@'%';\n"
        with mariadb(sql, f"--ssl-cert={cert}", f"--ssl-key={key}") as server:
            seen = look(server.host, server.port).observation
    assert (seen.access, seen.tls) == (Access.GIVES_DATA, True)


def test_without_grant_tables_everybody_is_let_in(open_server: servers.Server) -> None:
    with mariadb("", "--skip-grant-tables", "--skip-networking=0") as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("mysql", Access.METADATA)
    assert "is let in without a password" in seen.detail


def test_sphinx_knows_no_login(probe: MakeProbe) -> None:
    with sphinx() as server:
        way = ("-h", server.host, "-P", str(server.port))
        owner(server, "INSERT INTO people (id, content, name) VALUES (1, 'x', 'Ada')", *way)
        seen = look(server.host, server.port).observation
        search = probe("mysql", server.host, server.port)
        (ref,) = search.objects()
        assert isinstance(ref, ObjectRef)
        got = search.fetch(ref)
    assert (seen.protocol, seen.product, seen.access) == ("mysql", "sphinx", Access.GIVES_DATA)
    assert seen.version.startswith("2.2.11")
    assert seen.containers == ("people",)
    assert got.data == b"id,name\r\n1,Ada\r\n"


FORBIDDEN = (
    b"DROP TABLE people",
    b"SHOW DATABASES; DROP TABLE people",
    b"SHOW TABLES ",
    b"SELECT SLEEP(9)",
    b"SELECT * FROM `a`.`b` LIMIT 1 INTO OUTFILE '/tmp/x'",
    b"SELECT * FROM `a`.`b`` LIMIT 1",
    b"SELECT * FROM `a`.`b`.`c` LIMIT 1",
    b"SELECT * FROM a LIMIT 1",
    b"SELECT * FROM `a` LIMIT 1 FOR UPDATE",
    TABLES + b";DROP TABLE people",
    b"LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE a",
)


def send(probe: MakeProbe, server: servers.Server, data: bytes) -> None:
    async def write(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(data)

    probe("mysql", server.host, server.port).run(write)


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_no_other_statement_leaves(
    probe: MakeProbe, open_server: servers.Server, sql: bytes
) -> None:
    with pytest.raises(OutOfScope):
        send(probe, open_server, wire.query(sql))


def test_no_other_account_leaves(probe: MakeProbe, open_server: servers.Server) -> None:
    named = wire.RESPONSE.replace(b"\0\0mysql", b"root\0\0mysql")
    secret = wire.RESPONSE.replace(b"\0\0mysql", b"\0\x01xmysql")
    for data in (named, secret, wire.packet(3, b"secret"), wire.packet(0, b"\x02shop")):
        assert data != wire.RESPONSE
        with pytest.raises(OutOfScope):
            send(probe, open_server, data)


MYSQL8 = (
    b"\x0a8.0.36\0" + b"\x01\0\0\0" + b"abcdefgh\0" + b"\xff\xff\xff\x02\0"
    b"\xff\xdf\x15" + bytes(10) + b"abcdefghijkl\0caching_sha2_password\0"
)
CLEAR = MYSQL8.replace(b"\xff\xff\xff", b"\xff\xf7\xff")
OLD = b"\x0a3.23.58\0" + b"\x01\0\0\0" + b"abcdefgh\0" + b"\x2c\0\x08\x02\0" + bytes(13)
OK = b"\0\0\0\x02\0\0\0"
DENIED = b"\xff\x15\x04#28000Access denied for user ''@'127.0.0.1' (using password: NO)"
SWITCH = b"\xfecaching_sha2_password\0abcdefghijklabcdefgh\0"
COLUMN = b"\x03def\0\0\0\x01a\x01a\x0c\x2d\0\xff\xff\0\0\xfd\0\0\0\0\0"
END = b"\xfe\0\0\x02\0"


def pack(*bodies: bytes, first: int = 1) -> bytes:
    """Packets with running numbers."""
    return b"".join(wire.packet((first + i) % 256, body) for i, body in enumerate(bodies))


def answering(
    greeting: bytes, *answers: bytes, flood: bytes = b"", got: list[bytes] | None = None
) -> Callable[[servers.Conversation], None]:
    """A fake: a greeting, and one answer to each packet that comes."""

    def handle(client: servers.Conversation) -> None:
        client.say(wire.packet(0, greeting))
        for answer in answers:
            head = client.hear_bytes(4)
            body = client.hear_bytes(int.from_bytes(head[:3], "little"))
            if got is not None:
                got.append(body)
            client.say(answer)
        if flood:
            client.flood(flood)
        rest = client.hear_bytes(1_000_000)  # until the client has gone
        if got is not None and rest:
            got.append(rest)

    return handle


def test_a_fake_mysql_8_asks_for_a_password_by_caching_sha2(probe: MakeProbe) -> None:
    got: list[bytes] = []
    replies = (pack(SWITCH, first=2), pack(b"\x01\x04", first=4))
    with servers.fake(answering(CLEAR, *replies, got=got)) as server:
        proof = probe("mysql", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.version) == (Access.ASKS_CREDENTIAL, "8.0.36")
    assert got[1:] == [b""]  # the switch was answered with nothing, and then no more


TIDB = CLEAR.replace(b"8.0.36", b"8.0.11-TiDB-v7.5.0")


def test_fakes_of_tidb_and_of_a_refusal(probe: MakeProbe) -> None:
    with servers.fake(answering(TIDB, pack(DENIED, first=2))) as server:
        proof = probe("mysql", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.product) == (Access.ASKS_CREDENTIAL, "tidb")
    assert "1045" in proof.detail


@pytest.mark.parametrize("code", [1040, 1129])
def test_busy_or_blocked_is_not_closed(code: int) -> None:
    error = b"\xff" + code.to_bytes(2, "little") + b"#08004Too many connections"
    with servers.fake(answering(error)) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("mysql", Access.UNDETERMINED)
    assert str(code) in seen.detail
    assert outcome.gaps


def test_tls_that_fails_is_a_gap_and_the_account_is_tried_in_clear() -> None:
    """A fake whose TLS is broken; the second connection goes on in clear."""

    def handle(client: servers.Conversation) -> None:
        client.say(wire.packet(0, MYSQL8))
        head = client.hear_bytes(4)
        body = client.hear_bytes(int.from_bytes(head[:3], "little"))
        client.say(b"no TLS here" if len(body) == 32 else pack(DENIED, first=2))
        client.hear_bytes(1)

    with servers.fake(handle) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.ASKS_CREDENTIAL
    assert [gap.reason for gap in outcome.gaps] == [Reason.MISBEHAVED]


LOGGED_IN = pack(OK, first=2)
HOSTILE: dict[str, tuple[Callable[[servers.Conversation], object], str]] = {
    "a local file": (answering(CLEAR, LOGGED_IN, pack(b"\xfb/etc/passwd")), "file of ours"),
    "endless rows": (
        answering(CLEAR, LOGGED_IN, pack(b"\x01", COLUMN, END), flood=pack(b"\x01x") * 999),
        "more rows than asked for",
    ),
    "endless switches": (answering(CLEAR, *[pack(SWITCH)] * 20), "never ends"),
    "a packet of 16 MiB": (answering(CLEAR, b"\xff\xff\xff\x02"), "limit"),
    "endless columns": (
        answering(CLEAR, LOGGED_IN, pack(b"\xfd\xff\xff\xff")),
        "impossible number",
    ),
    "a short column": (answering(CLEAR, LOGGED_IN, pack(b"\x01", b"\x09def")), "too short"),
    "a short row": (
        answering(CLEAR, LOGGED_IN, pack(b"\x01", COLUMN, END, b"\x09a")),
        "too short",
    ),
    "no end of columns": (answering(CLEAR, LOGGED_IN, pack(b"\x01", COLUMN, b"\x01x")), "end"),
    "an odd packet": (answering(CLEAR, pack(b"@", first=2)), "unexpected packet"),
    "a broken error": (answering(CLEAR, pack(b"\xff\x01", first=2)), "broken"),
    "no answer": (answering(CLEAR), "no answer within the time"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(bytes=2_000_000, seconds=0.7)
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=message):
        probe("mysql", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_no_byte_of_a_file_goes_to_a_server_that_asks_for_it(probe: MakeProbe) -> None:
    got: list[bytes] = []
    handle = answering(CLEAR, LOGGED_IN, pack(b"\xfb/etc/passwd"), got=got)
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match="refused"):
        probe("mysql", server.host, server.port).prove()
    assert got[1:] == [b"\x03SHOW DATABASES"]
    assert not int.from_bytes(got[0][:4], "little") & 0x80  # CLIENT_LOCAL_FILES


@pytest.mark.parametrize(
    "said", [b"220 ftp ready\r\n", b"+OK pop\r\n", wire.packet(0, OLD), b"\0" * 200]
)
def test_another_service_is_not_mysql(probe: MakeProbe, said: bytes) -> None:
    assert not wire.recognise(said)
    with servers.fake(lambda client: client.say(said.ljust(200, b"\0"))) as server:
        try:
            assert probe("mysql", server.host, server.port).prove() is None
        except ProtocolError as e:
            assert "limit" in str(e)  # noqa: PT017  the length of what is no packet


@given(st.binary(max_size=300))
def test_fuzz_greetings_and_errors(body: bytes) -> None:
    for said in (body, wire.packet(0, b"\x0a" + body), wire.packet(0, b"\xff" + body)):
        whole = len(said) >= 12 and len(said) - 4 == int.from_bytes(said[:3], "little")
        known = wire.greeting_of(said[4:]) or wire.error_of(said[4:])
        assert not wire.recognise(said) or not whole or known


@given(st.binary(max_size=200), st.integers(0, 20), st.booleans())
def test_fuzz_rows(body: bytes, columns: int, cut: bool) -> None:
    try:
        found = wire.row_of(body, columns, cut=cut)
    except ProtocolError:
        return
    assert len(found) == columns or cut
    assert sum(len(value or b"") for value in found) <= len(body)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=300)), max_size=10))
def test_a_row_comes_back_as_it_was(values: list[bytes | None]) -> None:
    def part(value: bytes | None) -> bytes:
        if value is None:
            return b"\xfb"
        size = len(value)
        return (bytes((size,)) if size < 251 else b"\xfc" + size.to_bytes(2, "little")) + value

    assert wire.row_of(b"".join(map(part, values)), len(values)) == tuple(values)


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_fuzz_a_name_never_leaves_its_quotes(schema: bytes, name: bytes) -> None:
    sql = _select((schema, name), 1)
    if sql is not None:
        assert sql.count(b"`") == 4
        assert any(re.match(rule, wire.query(sql), re.DOTALL) for rule in MYSQL.allowed)
