"""Meilisearch: answers of its source and reference by version, all of them fakes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.meilisearch import DASHBOARD, LINE, PERSON, REFUSED, Reply, as_json, refusal, serving
from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.meilisearch import _has, _recognise
from reaching import answer, look, reach_of, read_all, scope_of, web


@pytest.mark.parametrize("front", [LINE, DASHBOARD], ids=["line", "dashboard"])
@pytest.mark.parametrize("old", [False, True])
def test_an_open_one_gives_data(front: bytes, old: bool) -> None:
    with web(serving(front, old=old)) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("meilisearch", Access.GIVES_DATA)
    assert (seen.version, seen.containers) == ("1.11.3", ("people",))
    assert seen.size is not None
    assert (seen.size.objects, seen.size.bytes, seen.size.complete) == (2, 447819776, True)
    assert "078-05-1120" not in repr(outcome)
    assert (len(refs), len(fetched), gaps) == (2, 2, [])


STATES: dict[str, tuple[Reply, Access, str]] = {
    "401": (serving(LINE, REFUSED), Access.ASKS_CREDENTIAL, "missing_authorization_header"),
    "403": (
        serving(LINE, refusal("invalid_api_key", "403 Forbidden")),
        Access.ASKS_CREDENTIAL,
        "invalid_api_key",
    ),
    "401 of old": (
        serving(LINE, as_json({"errorCode": "missing_authorization_header"}, "401 no")),
        Access.ASKS_CREDENTIAL,
        "missing_authorization_header",
    ),
    "401 of somebody in front": (
        serving(LINE, answer(b"<b>no</b>", "401 no")),
        Access.ASKS_CREDENTIAL,
        "401",
    ),
    "documents refused": (serving(docs=REFUSED), Access.LISTS, "tried refuse"),
    "no index": (serving(indexes=as_json({"results": []})), Access.LISTS, "it is empty"),
    "no document": (
        serving(docs=as_json({"results": []})),
        Access.LISTS,
        "no document could be read",
    ),
    "garbage": (serving(indexes=as_json({"results": 7})), Access.UNDETERMINED, "no list"),
    "deep": (serving(indexes=answer(b"[" * 200_000)), Access.UNDETERMINED, "no list"),
}


@pytest.mark.parametrize("kind", STATES)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("meilisearch", access)
    assert seen.product == "meilisearch"
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_a_server_that_has_every_index_proves_nothing() -> None:
    found = as_json({"results": [PERSON]})
    with web(lambda path: found if "/documents" in path else serving()(path)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.protocol) == (Access.UNDETERMINED, "meilisearch")


@pytest.mark.parametrize("front", [LINE, DASHBOARD, answer(b"<title>Meilisearch demo</title>")])
def test_a_page_for_every_path_is_another_server(front: bytes) -> None:
    with web(lambda path: front) as server:
        assert look(server.host, server.port).observation.protocol == "http"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "results", "uid", "id"]), inner)
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_documents_or_not(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    assert _has(reply) in (True, False)
    assert not _recognise(reply) or b"meilisearch" in body.lower()
