"""Chroma: the real server out of its PyPI package, and fakes of versions that cannot be had."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.chroma import FOLDER, SSN, V2, chroma, owner
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.chroma import _has, _recognise
from probing import Probe
from reaching import answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]
Reply = Callable[[str], bytes]
UID = "30032398-a9a8-4f0a-9355-7d7cefec253a"


def test_a_real_open_one_gives_data(probe: MakeProbe) -> None:
    with chroma() as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        asked = probe("chroma", server.host, server.port, rules="read_posts = false").prove()
        count = owner(server, f"{FOLDER}/{json.loads(owner(server, FOLDER))[0]['id']}/count")
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("chroma", Access.GIVES_DATA)
    assert seen.version
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete, seen.containers) == (2, True, ("people",))
    assert SSN not in repr(outcome)
    assert (len(refs), len(fetched), gaps, count) == (2, 2, [], b"2")
    assert any(SSN.encode() in f.data for f in fetched)
    assert asked is not None
    assert (asked.access, [g.reason for g in asked.gaps]) == (Access.LISTS, [Reason.NOT_GIVEN])


TRACE = {"chroma-trace-id": "00000000000000000000000000000000"}


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json", TRACE)


MISSING = as_json({"error": "NotFoundError", "message": "Collection [x] does not exist"}, "404 no")
NOWHERE = answer(b"", "404 Not Found", more=TRACE)
FAST = answer(b'{"detail":"Not Found"}', "404 Not Found", "application/json")
BEAT = as_json({"nanosecond heartbeat": 1795528578696191614})
GOT = {"ids": ["a"], "embeddings": None, "documents": [f"Ada {SSN}"], "metadatas": [{"x": 1}]}
REFUSALS = {
    "0.4": as_json({"error": "Unauthorized"}, "401 Unauthorized"),
    "0.5 and 0.6": as_json({"error": "ForbiddenError", "message": "Forbidden"}, "403 Forbidden"),
}
COLLECTIONS = [{"id": UID, "name": "people", "metadata": None}]


def serving(
    version: str = "0.6.3",
    databases: bytes | None = None,
    collections: bytes | None = None,
    got: bytes | None = None,
) -> Reply:
    """An open one; up to 0.5 only v1 is there, up to 0.4 without a field of its own."""
    new = version >= "0.6"
    folder = FOLDER if new else "/api/v1/collections"
    word = "v2" if new else "v1"
    pages = {
        f"/api/{word}/heartbeat": BEAT,
        f"/api/{word}/version": as_json(version),
        V2: databases or as_json([{"id": "0", "name": "default_database", "tenant": "t"}]),
        folder: collections or as_json(COLLECTIONS),
        f"{folder}/{UID}/count": as_json(1),
        f"{folder}/{UID}/get": got or as_json(GOT),
    }
    front = FAST if version < "0.5" else NOWHERE
    return lambda path: pages.get(path, front if path == "/" else MISSING)


@pytest.mark.parametrize("version", ["0.4.24", "0.5.23", "0.6.3", "1.0.0"])
def test_every_version_open(version: str) -> None:
    with web(serving(version)) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        posts = {r.split()[1].rpartition("/")[2] for r in server.requests if r[:4] == "POST"}
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.version) == ("chroma", Access.GIVES_DATA, version)
    assert (len(refs), len(fetched), gaps, posts) == (1, 1, [], {"get"})


STATES: dict[str, tuple[Reply, Access, str]] = {
    "401": (serving("0.4.24", collections=REFUSALS["0.4"]), Access.ASKS_CREDENTIAL, "401"),
    "403": (serving(databases=REFUSALS["0.5 and 0.6"]), Access.ASKS_CREDENTIAL, "403"),
    "documents refused": (serving(got=REFUSALS["0.5 and 0.6"]), Access.LISTS, "tried refuse"),
    "no collection": (serving(collections=as_json([])), Access.LISTS, "it is empty"),
    "vectors alone": (
        serving(got=as_json({"ids": ["a"], "documents": [None], "metadatas": [None]})),
        Access.LISTS,
        "no document could be read",
    ),
    "an id that is none": (
        serving(collections=as_json([{"id": "../reset", "name": "x"}])),
        Access.UNDETERMINED,
        "no list of collections",
    ),
    "deep": (serving(collections=answer(b"[" * 200_000)), Access.UNDETERMINED, "no list"),
}


@pytest.mark.parametrize("kind", STATES)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("chroma", access)
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_a_server_that_has_every_collection_proves_nothing() -> None:
    any_of = as_json(COLLECTIONS[0])
    with web(lambda path: any_of if "leftopen-" in path else serving()(path)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.protocol) == (Access.UNDETERMINED, "chroma")


def test_strangers_are_not_chroma(probe: MakeProbe) -> None:
    for front in (FAST, NOWHERE, answer(b"chroma-trace-id")):
        with web(lambda path, front=front: front) as server:  # type: ignore[misc]
            assert look(server.host, server.port).observation.protocol != "chroma"
    with servers.redis() as other, pytest.raises(ProtocolError, match="not HTTP"):
        probe("chroma", other.host, other.port).prove()


@pytest.mark.parametrize("path", [f"{FOLDER}/{UID}/delete?offset=0", "/api/v2/reset", "/x/get"])
def test_no_other_post_is_sent(probe: MakeProbe, path: str) -> None:
    with web(serving()) as server, pytest.raises(OutOfScope):
        probe("chroma", server.host, server.port).fetch(ObjectRef(path=path))


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ids", "documents", "metadatas", "detail"]), inner)
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()), st.integers(0, 599))
def test_fuzz_any_answer_is_a_document_or_not(body: bytes, status: int) -> None:
    reply = Response(status, {}, body, complete=True, tls=False)
    assert not _has(reply) or b"ids" in body
    assert not _recognise(reply) or status == 404
