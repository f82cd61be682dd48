"""HBase REST: no real one can be had here, so fakes of its documented answers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.hbase_rest import _has_row, _recognise
from probing import Probe
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]
VERSION = answer(
    b'{"JVM":"Oracle 1.8","Jersey":"","OS":"Linux","REST":"0.0.3","Server":"jetty/9.4"}'
)
TABLES = b'{"table":[{"name":"users"},{"name":"ns:log"}]}'
ROW = (
    b'{"Row":[{"key":"cm93LTE=","Cell":[{"column":"Y2Y6YQ==","timestamp":1,'
    b'"$":"Y29ycmVjdC1ob3JzZQ=="}]}]}'
)
DENIED = answer(b"Forbidden", "403 Forbidden")


def fake(rows: bytes, tables: bytes = TABLES) -> Callable[[str], bytes]:
    asked: list[str] = []

    def reply(path: str) -> bytes:
        if path == "/":
            asked.append(path)
            plain = len(asked) == 1  # the look asks without saying which form it takes
            return answer(b"users\nns:log\n", kind="text/plain") if plain else answer(tables)
        if path == "/version":
            return VERSION
        return rows if path.startswith("/users/*?limit=") else NOT_FOUND

    return reply


def test_a_fake_open_one_gives_a_row() -> None:
    with web(fake(answer(ROW))) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of((f"{server.host}/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("hbase_rest", Access.GIVES_DATA)
    assert (seen.product, seen.version) == ("HBase REST", "0.0.3")
    assert seen.containers == ("users", "ns:log")
    assert "Y29ycmVjdC1ob3JzZQ" not in repr(outcome)
    assert [r.path for r in refs] == ["/users/*?limit=100", "/ns:log/*?limit=100"]
    assert [f.data for f in fetched] == [ROW]
    assert len(gaps) == 1  # the other table has gone
    assert all(line.startswith("GET ") for line in server.requests)


@pytest.mark.parametrize("rows", [DENIED, NOT_FOUND, answer(b'{"Row":[]}'), answer(b"[" * 100_000)])
def test_a_fake_that_keeps_rows_back_lists(rows: bytes) -> None:
    with web(fake(rows)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("hbase_rest", Access.LISTS)
    assert "no document could be read" in seen.detail


def test_a_fake_without_tables_is_metadata() -> None:
    with web(fake(NOT_FOUND, b'{"table":[]}')) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("hbase_rest", Access.METADATA)


def test_a_fake_without_a_list_is_undetermined() -> None:
    with web(fake(NOT_FOUND, b"<html>")) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED
    assert outcome.gaps


@pytest.mark.parametrize("body", [b"hello", b"", b'{"REST": 1}'])
def test_strangers_are_not_hbase(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: answer(body, kind="text/plain")) as server:
        assert probe("hbase_rest", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol != "hbase_rest"
    with web(lambda path: VERSION) as server:  # it says the same of every name
        assert probe("hbase_rest", server.host, server.port).prove() is None


def test_a_long_first_page_costs_no_time() -> None:
    page = Response(200, {"content-type": "text/plain"}, b"a" * 1_000_000 + b"!", True, False)
    started = time.monotonic()
    assert not _recognise(page)
    assert time.monotonic() - started < 0.5


@given(st.binary(max_size=80))
def test_fuzz_a_row_and_a_first_page(body: bytes) -> None:
    assert not _has_row(Response(200, {}, body, True, False))
    assert not _recognise(Response(404, {"content-type": "text/plain"}, body, True, False))
