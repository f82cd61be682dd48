"""Datasette: the real one, open and closed, and answers that lie."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.datasette import DATASETTE, parse_tables, tilde
from leftopen.reach.reach import Limits
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

SLOW = Limits(seconds=8.0, greeting_seconds=0.1, answer_seconds=3.0, blind_seconds=0.5)


@contextmanager
def datasette(allow: bool) -> Iterator[servers.Server]:
    """datasette of PyPI; `allow` lets a stranger read."""
    binary = servers.from_pypi("datasette")
    port = servers.free_port()
    with servers.scratch() as folder:
        with closing(sqlite3.connect(folder / "staff.db")) as database, database:
            database.execute("create table [pay roll/1] (id integer primary key, ssn text)")
            database.execute("insert into [pay roll/1] values (1, '078-05-1120')")
            database.execute("create table empty (x)")
        (folder / "meta.json").write_text(json.dumps({} if allow else {"allow": False}))
        servers.give(folder)
        argv = [binary, "serve", "-h", servers.CLIENT, "-p", str(port), "staff.db"]
        with servers.running([*argv, "-m", "meta.json"], folder, port) as server:
            yield server


def test_a_real_open_one_gives_rows() -> None:
    with datasette(allow=True) as server:
        outcome = look(server.host, server.port, SLOW)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "datasette")
    assert seen.version
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit) == (1, "rows")
    assert set(seen.containers) == {"staff.empty", "staff.pay roll/1"}
    assert "078-05-1120" not in repr(outcome)
    assert {r.media_type for r in refs} == {"text/csv"}
    assert b"id,ssn\r\n1,078-05-1120\r\n" in {f.data for f in fetched}
    assert gaps == []


def test_a_real_closed_one_refuses() -> None:
    with datasette(allow=False) as server:
        outcome = look(server.host, server.port, SLOW)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.ASKS_CREDENTIAL, "datasette")
    assert "403" in seen.detail


PAGE = (
    b"<html>Powered by "
    b'<a href="https://datasette.io/" title="Datasette v0.65.5">Datasette</a></html>'
)


@pytest.mark.parametrize("said", [b"<html></html>", b"{}", b'[{"name": 1}]', b"[" * 100_000])
def test_a_fake_that_lists_nothing_proves_nothing(said: bytes) -> None:
    with web(lambda path: answer(PAGE if path == "/" else said)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED
    assert outcome.gaps


def test_a_fake_without_rows_only_lists() -> None:
    said = {
        "/-/databases.json": [{"name": "d", "route": "d", "is_memory": False}],
        "/d.json": {"database": "d", "tables": [{"name": "t", "columns": ["x"], "count": 7}]},
    }

    def reply(path: str) -> bytes:
        if path == "/":
            return answer(PAGE)
        return answer(json.dumps(said[path]).encode()) if path in said else NOT_FOUND

    with web(reply) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS


def test_a_page_about_it_is_a_stranger() -> None:
    known = DATASETTE.recognise_http
    assert known is not None
    assert known(Response(200, {}, PAGE, True, False))
    about = b'<a href="https://datasette.io/">Datasette</a> is a tool'
    assert not known(Response(200, {}, about, True, False))


def test_names_in_paths() -> None:
    assert tilde("a b/ü.~") == "a+b~2F~C3~BC~2E~7E"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "columns", "count"]), x, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_fuzz_tables(made: object) -> None:
    for said in (made, {"database": "d", "tables": made}):
        body = json.dumps(said).encode()
        found = parse_tables("d", Response(200, {}, body, True, False))
        assert found is None or all(s.address.startswith("/d/") for s in found)
