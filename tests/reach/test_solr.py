"""Apache Solr: recorded answers (ckan/ckan #4089, the reference guide), all of them fakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.solr import CORE, FRONT, PERSON, REFUSED, Reply, as_json, serving
from leftopen.model.errors import OutOfScope
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.solr import _has, _recognise, _stores, is_read
from probing import Probe
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]


@pytest.mark.parametrize("version", ["3.6.2", "4.10.4", "6.6.6", "8.11.4", "9.6.1"])
def test_an_open_one_gives_data(version: str) -> None:
    with web(serving(version)) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        asked = [r.split()[1] for r in server.requests]
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.version) == ("solr", Access.GIVES_DATA, version)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.bytes, seen.size.complete) == (3, 9069, True)
    assert seen.containers == ("people", "empty")
    assert PERSON["ssn"] not in repr(outcome)
    assert (len(refs), len(fetched), gaps) == (3, 3, [])
    assert all(is_read(p) or "leftopen-" in p or p == "/" for p in asked)


STATES: dict[str, tuple[Reply, Access, str]] = {
    "401 of Jetty": (serving(info=REFUSED), Access.ASKS_CREDENTIAL, "401"),
    "cores refused": (serving(cores=REFUSED), Access.ASKS_CREDENTIAL, "the rest not"),
    "admin open, core protected": (serving(docs=REFUSED), Access.LISTS, "tried refuse"),
    "no core": (serving(cores={}), Access.LISTS, "it is empty"),
    "cloud": (
        serving(cores={"people_shard1_replica_n1": CORE}),
        Access.LISTS,
        "no document could be read",
    ),
    "no document": (
        serving(docs=as_json({"response": {"docs": []}})),
        Access.LISTS,
        "no document could be read",
    ),
    "garbage": (serving(cores=as_json([1])), Access.UNDETERMINED, "no list of cores"),
    "deep": (serving(cores=answer(b"[" * 200_000)), Access.UNDETERMINED, "no list of cores"),
}


@pytest.mark.parametrize("kind", STATES)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.product) == ("solr", access, "solr")
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_a_server_that_has_every_core_proves_nothing() -> None:
    found = as_json({"response": {"docs": [PERSON]}})
    with web(lambda path: found if "select" in path else serving()(path)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.protocol) == (Access.UNDETERMINED, "solr")


def test_a_redirect_of_another_server_is_not_solr() -> None:
    pages = {"/": FRONT, "/solr/": answer(b"<h1>our page about Solr</h1>")}
    with web(lambda path: pages.get(path, NOT_FOUND)) as server:
        assert look(server.host, server.port).observation.protocol == "http"
    away = answer(b"", "302 Found", more={"Location": "http://[broken/solr/"})
    assert not _recognise(Response(302, {"location": "http://[broken/solr/"}, away, True, False))


def test_a_huge_core_ends_with_a_gap(probe: MakeProbe) -> None:
    huge = {"people": {"index": {"numDocs": 10**15, "sizeInBytes": -1}}, "x": {"index": {}}}
    with web(serving(cores=huge)) as server:
        found = probe("solr", server.host, server.port).objects()
    gaps = {g.reason: g.count for g in found if not isinstance(g, ObjectRef)}
    assert len(found) == 10_002
    assert gaps == {Reason.BUDGET: 10**15 - 10_000, Reason.NO_COUNT: 1}


FORBIDDEN = [
    "/solr/admin/cores?action=UNLOAD&core=people",
    "/solr/people/update?commit=true&stream.body=<delete/>",
    "/solr/people/select?q=*:*&rows=1&start=0&wt=json&stream.url=http://x",
    "/solr/people/select?q=*:*&rows=1&start=0&wt=json\n",
    "/solr/a/b/select?q=*:*&rows=1&start=0&wt=json",
]


@pytest.mark.parametrize("path", FORBIDDEN)
def test_no_other_request_is_sent(probe: MakeProbe, path: str) -> None:
    with web(serving()) as server:
        with pytest.raises(OutOfScope):
            probe("solr", server.host, server.port).fetch(ObjectRef(path=path))
        assert server.requests == []


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "index", "numDocs", "response", "docs"]), inner
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_cores_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    stores = _stores(reply)
    assert stores is None or all((s.documents or 0) >= 0 for s in stores)
    assert _has(reply) in (True, False)
