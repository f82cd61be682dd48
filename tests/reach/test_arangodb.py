"""ArangoDB: answers of its HTTP reference, all of them fakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.arangodb import _Collections, _Databases, _recognise
from reaching import answer, look, web

Reply = Callable[[str], bytes]
NAMED = {"Server": "ArangoDB"}
REALM = {"WWW-Authenticate": 'Basic realm="ArangoDB"', "Server": ""}


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json; charset=utf-8", NAMED)


def error(number: int, status: str) -> bytes:
    return as_json({"error": True, "errorNum": number, "code": int(status[:3])}, status)


FRONT = answer(
    b"", "301 Moved", more={**NAMED, "Location": "/_db/_system/_admin/aardvark/index.html"}
)
REFUSED = error(11, "401 Unauthorized")
MISSING = error(1228, "404 Not Found")


def serving(
    databases: bytes | None = None, collections: bytes | None = None, count: object = 41
) -> Reply:
    """One without authentication, with a collection in one of two databases."""
    people = [{"id": "1", "name": "visitors", "type": 2}]
    pages = {
        "/": FRONT,
        "/_api/version": as_json({"server": "arango", "license": "c", "version": "3.11.8"}),
        "/_api/database/user": databases or as_json({"result": ["_system", "people"]}),
        "/_db/_system/_api/collection?excludeSystem=true": as_json({"result": []}),
        "/_db/people/_api/collection?excludeSystem=true": collections
        or as_json({"result": people}),
        "/_db/people/_api/collection/visitors/count": as_json({"count": count}),
    }
    return lambda path: pages.get(path, MISSING)


def test_an_open_one_names_its_collections() -> None:
    with web(serving()) as server:
        outcome = look(server.host, server.port)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.version) == ("arangodb", Access.LISTS, "3.11.8")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (41, True)
    assert seen.containers == ("people/visitors",)
    assert [g.reason for g in outcome.gaps] == [Reason.UNSUPPORTED]
    assert "write" in outcome.gaps[0].detail


STATES: dict[str, tuple[Reply, Access, str]] = {
    "401": (serving(REFUSED), Access.ASKS_CREDENTIAL, "401"),
    "401 without a name": (
        lambda path: answer(b"", "401 Unauthorized", more=REALM),
        Access.ASKS_CREDENTIAL,
        "ArangoDB",
    ),
    "collections refused": (serving(collections=REFUSED), Access.LISTS, "0 collections"),
    "no count": (serving(count="x"), Access.LISTS, "1 collections"),
    "garbage": (serving(as_json({"result": [1]})), Access.UNDETERMINED, "no list"),
    "deep": (serving(answer(b'{"result":' + b"[" * 200_000)), Access.UNDETERMINED, "no list"),
    "every database": (
        lambda path: as_json({"result": []}) if "leftopen-" in path else serving()(path),
        Access.UNDETERMINED,
        "nobody has",
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access, seen.product) == ("arangodb", access, "arangodb")
    assert words in seen.detail
    assert seen.size is None or seen.size.objects == (0 if "refused" in kind else 41)


def test_a_page_about_it_is_another_server() -> None:
    with web(lambda path: answer(b"Server: ArangoDB", more={"Server": "ArangoDB-fan"})) as server:
        assert look(server.host, server.port).observation.protocol == "http"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["result", "name"]), inner)
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_names_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    for kind in (_Databases, _Collections):
        found = parsed(reply, kind)
        assert found is None or isinstance(found, kind)
    assert not _recognise(reply)
