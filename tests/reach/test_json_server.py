"""json-server: the real one, which knows no login, and answers that lie."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.json_server import HELD, json_server
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.json_server import parse_tables
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web


def test_the_real_one_gives_all() -> None:
    with json_server() as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "json_server")
    assert "2 tables of 3 records" in seen.detail
    assert seen.containers == ("people", "profile")
    assert "078-05-1120" not in repr(outcome)
    assert [r.path for r in refs] == ["/people", "/profile"]
    assert [json.loads(f.data) for f in fetched] == list(HELD.values())
    assert gaps == []


PAGE = answer(b"<title>JSON Server</title>", more={"X-Powered-By": "Express"})


@pytest.mark.parametrize("said", [b"[]", b'{"a": 1}', b"<html>", b"{"])
def test_a_stranger_with_its_page_is_left_to_http(said: bytes) -> None:
    pages = {"/": PAGE, "/db": answer(said, kind="application/json")}
    with web(lambda path: pages.get(path, NOT_FOUND)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.protocol == "http"


def test_a_fake_that_answers_everything_is_not_believed() -> None:
    held = answer(json.dumps(HELD).encode(), kind="application/json")
    with web(lambda path: PAGE if path == "/" else held) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.protocol == "http"


def test_a_long_file_is_one_object_and_a_gap() -> None:
    pages = {"/": PAGE, "/db": answer(b'{"a": ["' + b"x" * 2_100_000 + b'"]}')}
    with web(lambda path: pages.get(path, NOT_FOUND)) as server:
        outcome = look(server.host, server.port)
        refs, _, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert outcome.observation.access is Access.GIVES_DATA
    assert [r.path for r in refs] == ["/db"]
    assert Reason.TOO_LARGE in [g.reason for g in (*gaps, *outcome.gaps)]


def test_an_empty_one_only_lists() -> None:
    pages = {"/": PAGE, "/db": answer(b'{"a": []}')}
    with web(lambda path: pages.get(path, NOT_FOUND)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS


@given(st.binary(max_size=300))
def test_fuzz_tables(body: bytes) -> None:
    for said in (body, b'{"a": [' + body + b"]}"):
        found = parse_tables(Response(200, {}, said, True, False))
        assert found is None or all(count >= 0 for count in found.values())
