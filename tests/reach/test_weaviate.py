"""Weaviate: answers of its source (middlewares.go, anonymous/middleware.go), all of them fakes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.weaviate import FORBIDDEN, LINK, MISSING, REFUSED, Reply, as_json, serving
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.weaviate import _has, _Nodes, _recognise, _Schema
from reaching import answer, look, reach_of, read_all, scope_of, web


def test_an_open_one_gives_data() -> None:
    with web(serving()) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.version) == ("weaviate", Access.GIVES_DATA, "1.27.5")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (3, True)  # replicas are counted once
    assert seen.containers == ("Person", "Empty")
    assert "078-05-1120" not in repr(outcome)
    assert (len(refs), len(fetched), gaps) == (3, 3, [])


STATES: dict[str, tuple[Reply, Access, str]] = {
    "no anonymous": (serving(meta=REFUSED), Access.ASKS_CREDENTIAL, "401"),
    "only meta": (serving(schema=FORBIDDEN), Access.METADATA, "version and modules"),
    "objects refused": (serving(objects=FORBIDDEN), Access.LISTS, "tried refuse"),
    "no class": (serving(schema={"classes": None}), Access.LISTS, "it is empty"),
    "no object": (serving(objects=as_json({"objects": []})), Access.LISTS, "no document"),
    "no counts": (serving(nodes=[1]), Access.GIVES_DATA, "one document was read"),
    "garbage": (serving(schema=[1]), Access.UNDETERMINED, "no schema"),
    "deep": (
        serving(schema=answer(b'{"classes":' + b"[" * 200_000)),
        Access.UNDETERMINED,
        "no schema",
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.product) == ("weaviate", access, "weaviate")
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_what_is_not_counted_is_a_gap() -> None:
    with web(serving(nodes=[1])) as server:
        outcome = look(server.host, server.port)
        refs, _, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert outcome.observation.size is None
    assert (refs, {g.reason for g in gaps}) == ([], {Reason.NO_COUNT})


def test_a_server_that_has_every_class_proves_nothing() -> None:
    any_of = as_json({"class": "x"})
    with web(lambda path: any_of if "Leftopen" in path else serving()(path)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.protocol) == (Access.UNDETERMINED, "weaviate")


STRANGERS = [
    answer(b"/v1 links weaviate"),
    as_json({"links": LINK}, "301 no", {"Location": "http://elsewhere.example/v2"}),
    as_json({"links": [LINK]}),
    as_json({"links": {"href": "/v1"}}),
    as_json({"links": LINK}),
]


@pytest.mark.parametrize("front", STRANGERS)
def test_strangers_are_not_weaviate(front: bytes) -> None:
    """The last one looks like Weaviate, but has no /v1/meta."""
    with web(lambda path: front if path == "/" else MISSING) as server:
        assert look(server.host, server.port).observation.protocol == "http"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["links", "href", "name", "classes", "class", "nodes", "objects"]),
            inner,
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_objects_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    for kind in (_Schema, _Nodes):
        found = parsed(reply, kind)
        assert found is None or isinstance(found, kind)
    assert not _has(reply) or b"properties" in body
    assert not _recognise(reply) or b"/v1" in body
