"""InfluxDB: a real 1.x open and with auth-enabled; 2.x and 3.x are fakes of what theirs say."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.influxdb import MAIL, ODD, influxd, post
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach import influxdb3
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.influxdb import _Answer, _points, is_read
from probing import Limits, Probe
from reaching import answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with influxd() as server:
        post(server, "/query", "CREATE DATABASE people")
        post(server, "/query", "CREATE DATABASE empty")
        point = f'visits,country=gb email="{MAIL}"'
        escaped = ODD.replace(" ", "\\ ")
        post(server, "/write?db=people", points=f"{point}\n{escaped} value=1\n")
        yield server


def test_an_open_one_gives_data(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("influxdb", Access.GIVES_DATA)
    assert seen.version.startswith("1.")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (2, "series", True)
    assert set(seen.containers) == {"people", "empty"}
    assert MAIL not in repr(outcome)
    assert outcome.gaps == ()


def test_measurements_are_listed_and_read_whatever_their_name(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    influx = probe("influxdb", open_server.host, open_server.port)
    found = influx.objects()
    refs = [r for r in found if isinstance(r, ObjectRef)]
    assert len(refs) == len(found) == 2
    assert {r.group for r in refs} == {"people"}
    texts = [influx.fetch(ref) for ref in refs]
    assert all(text.complete for text in texts)
    names = {json.loads(t.data)["results"][0]["series"][0]["name"] for t in texts}
    assert names == {"visits", ODD}
    assert any(MAIL.encode() in t.data for t in texts)
    cut = influx.fetch(refs[0], limit=20)
    assert (len(cut.data), cut.complete) == (20, False)
    assert b"people" in post(open_server, "/query", "SHOW DATABASES")  # nothing was dropped


def test_a_real_one_with_a_login_is_closed_although_ping_answers() -> None:
    with influxd(auth=True) as server:
        client = http.client.HTTPConnection(server.host, server.port, timeout=10)
        client.request("GET", "/debug/vars")
        assert client.getresponse().status == 200
        client.close()
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("influxdb", Access.ASKS_CREDENTIAL)
    assert seen.version.startswith("1.")
    assert "InfluxDB" in seen.detail


def test_a_database_dropped_by_get_is_why_statements_are_few(open_server: servers.Server) -> None:
    """The trap itself: 1.x carries out a DROP that comes by GET."""
    post(open_server, "/query", "CREATE DATABASE victim")
    client = http.client.HTTPConnection(open_server.host, open_server.port, timeout=10)
    client.request("GET", f"/query?q={quote('DROP DATABASE victim')}")
    response = client.getresponse()
    assert response.status == 200
    assert b"error" not in response.read()  # to its end: the status is sent before the statement
    client.close()
    assert b"victim" not in post(open_server, "/query", "SHOW DATABASES")


FORBIDDEN = [
    "/query?q=DROP%20DATABASE%20people",
    "/query?q=SHOW%20DATABASES%3BDROP%20DATABASE%20people",
    "/query?q=SHOW%20DATABASES&q=DROP%20DATABASE%20people",
    "/query?db=people&q=SELECT%20%2A%20INTO%20%22y%22%20FROM%20%22x%22",
    "/query?db=people&q=SELECT%20%2A%20FROM%20%22x%22%3BDROP%20DATABASE%20people%20LIMIT%201",
    "/query?db=people&q=SELECT%20%2A%20FROM%20%22x%22%20LIMIT%201%3BDROP%20DATABASE%20people",
    "/query?db=people&q=SELECT%20%2A%20FROM%20%22x%5C%5C%22%3BDROP%20DATABASE%20people%20LIMIT%201",
    "/query?db=a&u=root&p=root&q=SHOW%20MEASUREMENTS%20LIMIT%201",
    "/query?db=a&q=SHOW%20MEASUREMENTS%20LIMIT%201\n",
    "/write?db=people",
]


@pytest.mark.parametrize("path", FORBIDDEN)
def test_no_other_statement_is_asked(
    probe: MakeProbe, open_server: servers.Server, path: str
) -> None:
    with pytest.raises(OutOfScope):
        probe("influxdb", open_server.host, open_server.port).fetch(ObjectRef(path=path))


MARKS = {"X-Influxdb-Version": "2.7.1", "X-Influxdb-Build": "OSS"}


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json", MARKS)


def rows(*values: object) -> bytes:
    return as_json(
        {"results": [{"series": [{"name": "x", "columns": ["name"], "values": values}]}]}
    )


ERROR = as_json({"results": [{"error": "database not found"}]})
LYING: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "2.x": (
        {"DATABASES": as_json({"code": "unauthorized"}, "401 Unauthorized")},
        Access.ASKS_CREDENTIAL,
        "401",
    ),
    "an error in a 200": ({"DATABASES": ERROR}, Access.UNDETERMINED, "database not found"),
    "garbage": ({"DATABASES": as_json([1])}, Access.UNDETERMINED, "something else"),
    "deep": (
        {"DATABASES": answer(b'{"results":' + b"[" * 200_000, more=MARKS)},
        Access.UNDETERMINED,
        "something else",
    ),
    "every database": (
        {"DATABASES": rows(["a"]), "SELECT": rows(["t", 1])},
        Access.UNDETERMINED,
        "nobody has",
    ),
    "no database": ({"DATABASES": rows()}, Access.LISTS, "it is empty"),
    "no point": (
        {"DATABASES": rows(["a"], [7], []), "MEASUREMENTS": rows(["m"])},
        Access.LISTS,
        "no point could be read",
    ),
}


@pytest.mark.parametrize("kind", LYING)
def test_answers_that_prove_less(kind: str) -> None:
    answers, access, words = LYING[kind]

    def reply(path: str) -> bytes:
        said = next((a for word, a in answers.items() if word in path), None)
        return said or (ERROR if "/query" in path else answer(b"", more=MARKS))

    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("influxdb", access)
    assert words in seen.detail


@pytest.mark.parametrize("allowed", [False, True])
def test_a_2_x_that_nobody_has_set_up_says_so(allowed: bool) -> None:
    refused = as_json({"code": "unauthorized", "message": "unauthorized access"}, "401 no")

    def reply(path: str) -> bytes:
        if path == "/api/v2/setup":
            return as_json({"allowed": allowed})
        return answer(b"", more=MARKS) if path in ("/", "/ping") else refused

    with web(reply) as server:
        outcome = look(server.host, server.port)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("influxdb", Access.ASKS_CREDENTIAL)
    assert ("whoever comes first" in seen.detail) is allowed
    assert (seen.version, outcome.gaps) == ("2.7.1", ())


BARE = answer(b"not found", "404 Not Found", "text/plain")
ODD_TABLE = 'a "b"; DROP TABLE x'


def three(
    databases: bytes | None = None, rows: bytes | None = None, token: bool = False
) -> Callable[[str], bytes]:
    """InfluxDB 3 Core: with a token nothing names it, without only /ping does."""
    marks = {"x-influxdb-version": "3.11.0", "x-influxdb-build": "Core"}
    listed = [{"iox::database": "_internal"}, {"iox::database": "people"}]
    gone = {"iox::database": "gone", "deleted": True}

    def reply(path: str) -> bytes:
        if token:
            return answer(b"", "401 Unauthorized")
        if path == "/ping":
            return answer(b'{"version":"3.11.0"}', kind="application/json", more=marks)
        if path == influxdb3.DATABASES:
            return databases or as_plain([*listed, gone])
        if path.startswith("/api/v3/query_sql?db=people&format=json&q=SELECT%20table_name"):
            return as_plain([{"table_name": "visits"}, {"table_name": ODD_TABLE}])
        if path.startswith("/api/v3/query_sql?db=people&"):
            return rows or as_plain([{"email": MAIL, "time": "2026-01-01T00:00:00"}])
        known = path.startswith("/api/v3/query_sql?db=_internal&")
        return as_plain([]) if known else answer(b"database not found", "404 Not Found")

    return lambda path: reply(path) if path != "/" or token else BARE


def as_plain(value: object) -> bytes:
    return answer(json.dumps(value).encode(), kind="application/json")


def test_a_3_x_without_auth_gives_data() -> None:
    with web(three()) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("influxdb", Access.GIVES_DATA)
    assert (seen.version, seen.containers) == ("3.11.0", ("people",))
    assert MAIL not in repr(outcome)
    assert [r.group for r in refs] == ["people", "people"]
    assert (len(fetched), gaps) == (2, [])


def test_a_3_x_with_a_token_cannot_be_told_from_others() -> None:
    with web(three(token=True)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("http", Access.ASKS_CREDENTIAL)


THREES: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "garbage": (three(as_plain({"a": 1})), Access.UNDETERMINED, "no list of databases"),
    "refused": (three(answer(b"", "403 Forbidden")), Access.ASKS_CREDENTIAL, "403"),
    "no row": (three(rows=as_plain([])), Access.LISTS, "no row could be read"),
    "empty": (three(as_plain([])), Access.LISTS, "it is empty"),
    "every database": (
        lambda path: as_plain([{"a": 1}]) if "leftopen-" in path else three()(path),
        Access.UNDETERMINED,
        "nobody has",
    ),
}


@pytest.mark.parametrize("kind", THREES)
def test_answers_of_3_x_that_prove_less(kind: str) -> None:
    reply, access, words = THREES[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("influxdb", access)
    assert words in seen.detail


SQL = "/api/v3/query_sql?db=people&format=json&q="


@pytest.mark.parametrize(
    "path",
    [
        f"{SQL}DROP%20TABLE%20x",
        f"{SQL}SELECT%20%2A%20FROM%20%22x%22%3BDROP%20TABLE%20y%20LIMIT%201",
        f"{SQL}SELECT%20%2A%20FROM%20%22x%22%20LIMIT%201%3BDROP%20TABLE%20y",
        f"{SQL}SELECT%20%2A%20FROM%20%22x%22%20LIMIT%201&q=DROP%20TABLE%20y",
        "/api/v3/configure/token/admin",
    ],
)
def test_no_other_sql_is_asked(probe: MakeProbe, path: str) -> None:
    with web(three()) as server:
        with pytest.raises(OutOfScope):
            probe("influxdb", server.host, server.port).fetch(ObjectRef(path=path))
        assert server.requests == []


def test_a_bare_404_of_another_program_is_not_influxdb() -> None:
    for ping in (BARE, b"garbage\r\n\r\n"):
        with web(lambda path, ping=ping: ping if path == "/ping" else BARE) as server:  # type: ignore[misc]
            assert look(server.host, server.port).observation.protocol == "http"


def test_what_was_read_stands_when_counting_breaks_off() -> None:
    def reply(path: str) -> bytes:
        if "leftopen-" in path:
            return ERROR
        names = {"DATABASES": ["a"], "MEASUREMENTS": ["m"], "SELECT": ["t", 1]}
        said = next((rows(row) for word, row in names.items() if word in path), None)
        return said or (b"garbage\r\n\r\n" if "CARDINALITY" in path else answer(b"", more=MARKS))

    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.size) == (Access.GIVES_DATA, None)
    assert [g.reason for g in outcome.gaps] == [Reason.MISBEHAVED]


def test_strangers_are_not_influxdb(probe: MakeProbe) -> None:
    with web(lambda path: answer(b"X-Influxdb-Version: 1.6.7")) as server:
        assert probe("influxdb", server.host, server.port).prove() is None
    with servers.redis() as other, pytest.raises(ProtocolError, match="not HTTP"):
        probe("influxdb", other.host, other.port).prove()


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        while b"/query" not in client.hear():
            client.say(b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\n\r\n")
            while client.hear().strip():
                pass
        client.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.flood(b"[" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        proof = probe("influxdb", server.host, server.port, limits=limits).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert time.monotonic() - started < 3


@given(
    st.binary(max_size=80)
    | st.lists(st.lists(st.integers() | st.text() | st.none())).map(
        lambda v: json.dumps({"results": [{"series": [{"columns": [], "values": v}]}]}).encode()
    )
)
def test_fuzz_any_answer_is_rows_or_none(body: bytes) -> None:
    found = parsed(Response(200, {}, body, True, False), _Answer)
    assert found is None or all(isinstance(row, list) for row in found.rows)


@given(st.text(), st.text(min_size=1))
def test_fuzz_any_name_stays_inside_of_its_quotes(database: str, measurement: str) -> None:
    try:
        path = _points(database, measurement, 1)
    except UnicodeEncodeError:  # half a surrogate pair: no JSON gives one
        return
    assert is_read(path)


@given(st.text(min_size=1), st.text(min_size=1))
def test_fuzz_any_name_of_sql_stays_inside_of_its_quotes(database: str, table: str) -> None:
    try:
        path = influxdb3.rows_of(database, table, 1)
    except UnicodeEncodeError:  # half a surrogate pair: no JSON gives one
        return
    assert influxdb3.is_read(path)
