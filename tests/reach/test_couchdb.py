"""CouchDB: PouchDB Server from npm open and closed, recorded answers of CouchDB itself."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.couchdb import PERSON, REFUSAL, REFUSED, WELCOME, pouchdb, serving, to_json
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.couchdb import _Info, _recognise, _Rows, _Welcome, parsed
from leftopen.reach.reach import object_name
from reaching import answer, exposure_of, look, reach_of, read_all, scope_of, web

IDS = ("a/b %41", "_design/views", "plain")


@pytest.mark.parametrize("admin", [False, True])
def test_a_real_open_one_gives_data(admin: bool) -> None:
    """An admin alone closes nothing: a database without members is everybody's."""
    with pouchdb(admin=admin) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "couchdb")
    assert (seen.product, seen.version) == ("pouchdb", "4.2.0")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (3, "documents", True)
    assert seen.size.bytes is None  # PouchDB does not say
    assert seen.containers == ("people",)
    assert "078-05-1120" not in repr(outcome)
    assert outcome.evidence[-1].reproduce.startswith("curl -s 'http://127.0.0.1:")
    assert {object_name(r, "couchdb") for r in refs} == {f"/people/{name}" for name in IDS}
    assert all(json.loads(f.data)["ssn"] == PERSON["ssn"] for f in fetched)
    assert (len(fetched), gaps) == (3, [])


def test_names_without_documents_are_only_names() -> None:
    with pouchdb(members=True, admin=True) as server:
        outcome = look(server.host, server.port)
        refs, _, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.LISTS, "couchdb")
    assert "1 of those tried refuse" in seen.detail
    assert seen.size is None
    assert refs == []
    assert [g.reason for g in gaps] == [Reason.REFUSED]


STATES: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "open": (serving(), Access.GIVES_DATA, "one document was read"),
    "default of 3.x": (serving(names=REFUSED), Access.ASKS_CREDENTIAL, "data does not"),
    "require_valid_user": (lambda path: REFUSED, Access.ASKS_CREDENTIAL, "401"),
    "documents refused": (serving(doc=REFUSED), Access.LISTS, "refuse"),
    "no database": (serving(names=["_users"]), Access.LISTS, "no document"),
    "empty document": (serving(doc={}), Access.LISTS, "no document"),
    "wiped": (serving(names=["read_me"]), Access.GIVES_DATA, "ransom"),
    "no list": (serving(names={"a": 1}), Access.UNDETERMINED, "something else"),
    "deep list": (
        serving(names=answer(b"[" * 200_000, kind="application/json")),
        Access.UNDETERMINED,
        "something else",
    ),
    "a mock that answers everything": (
        lambda path: to_json(["people"] if "_all_dbs" in path else {**WELCOME, "rows": []}),
        Access.UNDETERMINED,
        "nobody has",
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_recorded_answers(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol, seen.product) == (access, "couchdb", "couchdb")
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_couchdb_says_its_size() -> None:
    with web(serving()) as server:
        size = look(server.host, server.port).observation.size
        assert not any("_config" in r or "_users/" in r for r in server.requests)
        assert all(r.startswith("GET ") for r in server.requests)
    assert size is not None
    assert (size.objects, size.bytes, size.complete) == (41, 5000, True)


def test_the_same_page_again_and_again_ends() -> None:
    rows = [{"id": str(n)} for n in range(501)]
    full = to_json({"rows": rows})

    def reply(path: str) -> bytes:
        return full if "limit=501" in path else serving()(path)

    with web(reply) as server:
        outcome = look(server.host, server.port)
        listed = list(reach_of(scope_of(ports=(server.port,))).listing(exposure_of(outcome)))
        assert len(server.requests) < 20
    assert len(listed) == 501 + 500 + 1
    assert listed[-1].reason is Reason.MISBEHAVED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body", [b"<h1>couchdb Welcome</h1>", b'{"couchdb": 1}', b'{"version": "3"}', b'["couchdb"]']
)
def test_another_service_is_not_couchdb(body: bytes) -> None:
    with web(lambda path: answer(body)) as server:
        assert look(server.host, server.port).observation.protocol == "http"


def test_a_refusal_of_another_server_is_not_couchdb() -> None:
    with web(lambda path: answer(json.dumps(REFUSAL).encode(), "401 no")) as server:
        assert look(server.host, server.port).observation.protocol == "http"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["rows", "id", "doc", "doc_count", "couchdb"]), inner)
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()), st.integers(0, 599))
def test_fuzz_any_answer_is_parsed_or_refused(body: bytes, status: int) -> None:
    reply = Response(status, {"server": "CouchDB/3"}, body, complete=True, tls=False)
    for kind in (_Welcome, _Info, _Rows):
        found = parsed(reply, kind)
        assert found is None or isinstance(found, kind)
    assert _recognise(reply) in (True, False)
