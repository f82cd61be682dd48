"""Qdrant: answers of its source and API reference by version, all of them fakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.qdrant import REFUSALS, UUID, Reply, points, result, serving
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.qdrant import _has, _Listed, _recognise, _Scrolled
from probing import Probe
from reaching import answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]


@pytest.mark.parametrize("version", ["0.11.7", "1.4.0", "1.12.4"])
def test_an_open_one_gives_data(version: str) -> None:
    with web(serving(version)) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        posts = {r.split()[1] for r in server.requests if not r.startswith("GET ")}
    assert posts == {"/collections/people/points/scroll"}
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.version) == ("qdrant", Access.GIVES_DATA, version)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (2, True)
    assert seen.containers == ("people",)
    assert "078-05-1120" not in repr(outcome)
    assert {r.path.rpartition("/")[2] for r in refs} == {"1", UUID}
    assert (len(fetched), gaps) == (2, [])


def test_without_posts_one_point_is_tried_by_its_number(probe: MakeProbe) -> None:
    with web(serving()) as server:
        qdrant = probe("qdrant", server.host, server.port, rules="read_posts = false")
        proof = qdrant.prove()
        (gap,) = qdrant.objects()
        assert all(r.startswith("GET ") for r in server.requests)
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert [g.reason for g in proof.gaps] == [Reason.NOT_GIVEN]
    assert not isinstance(gap, ObjectRef)
    assert gap.reason is Reason.NOT_GIVEN


@pytest.mark.parametrize("kind", REFUSALS)
def test_one_with_a_key_is_closed_although_its_first_page_answers(kind: str) -> None:
    with web(serving(names=REFUSALS[kind])) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("qdrant", Access.ASKS_CREDENTIAL)
    assert (seen.version, outcome.gaps) == ("1.12.4", ())


LONG = "x" * 256
STATES: dict[str, tuple[Reply, Access, str]] = {
    "no collection": (
        serving(names=result({"collections": []})),
        Access.LISTS,
        "it is empty",
    ),
    "no payload": (serving(scroll=points(1)), Access.LISTS, "no document could be read"),
    "points refused": (
        serving(scroll=REFUSALS["up to 1.8"]),
        Access.LISTS,
        "1 of those tried refuse",
    ),
    "no count": (serving(count=None), Access.GIVES_DATA, "one document was read"),
    "garbage": (serving(names=result([1])), Access.UNDETERMINED, "no list of collections"),
    "a name too long": (
        serving(names=result({"collections": [{"name": LONG}]})),
        Access.UNDETERMINED,
        "no list of collections",
    ),
    "deep": (
        serving(names=answer(b'{"result":' + b"[" * 200_000)),
        Access.UNDETERMINED,
        "no list of collections",
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("qdrant", access)
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_a_server_that_has_every_collection_proves_nothing() -> None:
    any_of = result({"points_count": 1})
    with web(lambda path: any_of if "leftopen-" in path else serving()(path)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.protocol) == (Access.UNDETERMINED, "qdrant")


def test_the_same_page_again_and_again_ends(probe: MakeProbe) -> None:
    with web(serving(scroll=points(1, following=1))) as server:
        found = probe("qdrant", server.host, server.port).objects()
        assert len(server.requests) == 3
    assert not isinstance(found[-1], ObjectRef)
    assert found[-1].reason is Reason.MISBEHAVED


@pytest.mark.parametrize(
    "body", [b"<title>qdrant</title>", b'{"title": "qdrant"}', b'{"title": "x", "version": "1"}']
)
def test_strangers_are_not_qdrant(body: bytes) -> None:
    with web(lambda path: answer(body)) as server:
        assert look(server.host, server.port).observation.protocol == "http"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["result", "points", "id", "payload", "title"]), inner)
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_points_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    for kind in (_Listed, _Scrolled):
        found = parsed(reply, kind)
        assert found is None or isinstance(found, kind)
    assert not _has(reply) or b"payload" in body
    assert not _recognise(reply) or b"qdrant" in body
