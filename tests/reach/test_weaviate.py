"""Weaviate: answers of its source (middlewares.go, anonymous/middleware.go), all of them fakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.weaviate import _has, _Nodes, _recognise, _Schema
from reaching import answer, look, reach_of, read_all, scope_of, web

Reply = Callable[[str], bytes]
PERSON = {"class": "Person", "id": "u-1", "properties": {"ssn": "078-05-1120"}}


def as_json(value: object, status: str = "200 OK", more: Mapping[str, str] = {}) -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json", more)


LINK = {"href": "/v1", "name": "api v1", "documentationHref": "https://docs.weaviate.io/weaviate"}
FRONT = as_json({"links": LINK}, "301 Moved Permanently", {"Location": "/v1"})
NO_ANONYMOUS = {
    "code": 401,
    "message": "anonymous access not enabled, please provide an auth scheme such as OIDC",
}
REFUSED = as_json(NO_ANONYMOUS, "401 Unauthorized")
FORBIDDEN = as_json({"error": [{"message": "rbac: authorization, forbidden action"}]}, "403 no")
MISSING = answer(b"", "404 Not Found", "application/json")
SHARDS = [
    {"class": "Person", "name": "s1", "objectCount": 2},
    {"class": "Person", "name": "s2", "objectCount": 1},
    {"class": "Empty", "name": "e1", "objectCount": 0},
]
META = {"hostname": "http://[::]:8080", "version": "1.27.5", "modules": {}}


def serving(
    meta: bytes | None = None,
    schema: object = None,
    objects: bytes | None = None,
    nodes: object = None,
) -> Reply:
    """An open one of two nodes that both hold all shards."""
    classes = [{"class": "Person", "properties": []}, {"class": "Empty"}]
    listed = schema if schema is not None else {"classes": classes}
    shards = nodes or {"nodes": [{"shards": SHARDS}, {"shards": SHARDS}]}
    pages = {
        "/v1/meta": meta or as_json(META),
        "/v1/schema": listed if isinstance(listed, bytes) else as_json(listed),
        "/v1/nodes?output=verbose": as_json(shards),
    }

    def reply(path: str) -> bytes:
        if path == "/":
            return FRONT
        if path.startswith("/v1/objects?class=Person&limit=1&offset="):
            return objects or as_json({"objects": [PERSON], "totalResults": 1})
        return pages.get(path, MISSING)

    return reply


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
