"""Elasticsearch: a real compatible server open, recorded answers closed and lying."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from fake_elasticsearch import (
    BANNER,
    BANNERS,
    INDICES,
    REALM,
    REFUSALS,
    anonymous_role,
    closed,
    forbidden,
    hits,
    partial_role,
    refusing,
    serving,
    to_json,
    without_cat,
)
from lab.elasticsearch import PERSON, noida
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.elasticsearch import _recognise
from leftopen.reach.reach import object_name
from leftopen.reach.search_json import Banner, Found, Index, Stats, number
from reaching import answer, contacts, exposure_of, look, reach_of, read_all, scope_of, web


def test_a_real_open_one_gives_data() -> None:
    with noida() as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of(ports=(server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "elasticsearch")
    assert seen.version.startswith("8.")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (3, "documents", True)
    assert seen.size.bytes
    assert seen.containers == ("people",)
    assert PERSON["ssn"] not in repr(outcome)
    names = {object_name(r, "elasticsearch") for r in refs}
    assert names == {"/people/_doc/a/b %41", "/people/_doc/2", "/people/_doc/3"}
    assert [json.loads(f.data)["_source"] for f in fetched] == [PERSON] * 3
    assert gaps == []


CLOSED: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "401": (closed, Access.ASKS_CREDENTIAL, "401"),
    "anonymous role": (anonymous_role, Access.ASKS_CREDENTIAL, "the data does not"),
    "no index": (serving(indices=[]), Access.LISTS, "0 indices"),
    "no document": (serving(found=lambda path: to_json(hits())), Access.LISTS, "no document"),
    "documents without content": (
        serving(found=lambda path: to_json(hits("1", source={}))),
        Access.LISTS,
        "no document",
    ),
    "names only": (serving(found=lambda path: forbidden()), Access.LISTS, "are refused"),
    "wiped": (serving(), Access.GIVES_DATA, "ransom"),
    "meow": (
        serving(indices=[{"index": "h3ll0-meow"}, {"index": "meow-x", "docs.count": "1"}]),
        Access.LISTS,
        "ransom",
    ),
    "garbage list": (serving(indices={"a": 1}), Access.UNDETERMINED, "not with a list"),
    "deep list": (
        lambda path: (
            to_json(BANNER) if path == "/" else answer(b"[" * 200_000, kind="application/json")
        ),
        Access.UNDETERMINED,
        "not with a list",
    ),
    "no _cat and no _stats": (
        lambda path: to_json(BANNER) if path == "/" else to_json({"indices": [1]}, "400 no"),
        Access.UNDETERMINED,
        "answered with 400",
    ),
    "no master": (
        lambda path: to_json({**BANNER, "status": 503}, "503 Service Unavailable"),
        Access.UNDETERMINED,
        "503",
    ),
    "a part by search": (partial_role(BANNER), Access.GIVES_DATA, "anonymous role"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_recorded_answers(kind: str) -> None:
    reply, access, words = CLOSED[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (access, "elasticsearch")
    assert seen.product == "elasticsearch"
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


@pytest.mark.parametrize("version", BANNERS)
def test_every_major_version_open(version: str) -> None:
    old = int(version.split(".")[0]) < 7

    def found(path: str) -> bytes:
        return to_json(hits("1", "2", source={"ssn": PERSON["ssn"]}, old=old))

    banner = BANNERS[version]
    cat = version.startswith("0.")
    people = [{"index": "people", "docs.count": "2", "store.size": "501"}]
    reply = serving(banner, people, found)
    if version[0] in "01":
        reply = without_cat(banner, cat=not cat)
    with web(reply) as server:
        outcome = look(server.host, server.port)
        refs, _, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "elasticsearch")
    assert seen.version == version
    assert seen.size is not None
    assert (seen.size.objects, seen.size.bytes, seen.size.complete) == (2, 501, True)
    kind = "person" if old else "_doc"  # the part of an address that 7.0 did away with
    assert {r.path for r in refs} == {f"/people/{kind}/1", f"/people/{kind}/2"}
    assert {g.reason for g in gaps} <= {Reason.REFUSED}  # the fake serves no single document


@pytest.mark.parametrize("kind", REFUSALS)
def test_every_shape_of_401(kind: str) -> None:
    with web(refusing(kind)) as server:
        outcome = look(server.host, server.port)
        assert server.requests == ["GET / HTTP/1.1"]
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.ASKS_CREDENTIAL, "elasticsearch")
    assert (seen.product, outcome.gaps) == ("elasticsearch", ())


def test_a_proxy_in_front_is_not_elasticsearch() -> None:
    """nginx asks for a password itself, in HTML; and a realm of the same name is no proof."""
    page = b"<html><head><title>401 Authorization Required</title></head></html>"
    for body in (page, b'{"error": "x", "status": 401}', b'{"error": {"type": "a"}}'):
        with web(lambda path, body=body: answer(body, "401 no", more=REALM)) as server:  # type: ignore[misc]
            seen = look(server.host, server.port).observation
        assert (seen.protocol, seen.access) == ("http", Access.ASKS_CREDENTIAL)


def test_what_a_role_may_search_is_counted_and_listed() -> None:
    with web(partial_role(BANNER)) as server:
        outcome = look(server.host, server.port)
        listed = list(reach_of(scope_of(ports=(server.port,))).listing(exposure_of(outcome)))
    size = outcome.observation.size
    assert size is not None
    assert (size.objects, size.complete) == (10_000, False)  # "gte": there may be more
    assert [getattr(r, "path", "") for r in listed] == ["/people/_doc/1"]


def test_a_mock_that_answers_everything_is_not_open() -> None:
    with web(lambda path: to_json(BANNER)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED


def test_an_index_that_nobody_has_must_be_refused() -> None:
    def reply(path: str) -> bytes:
        if path == "/":
            return to_json(BANNER)
        return to_json(INDICES if "_cat" in path else hits("1", source={"a": 1}))

    with web(reply) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED


def test_banners_of_other_types_are_not_elasticsearch() -> None:
    for banner in ({**BANNER, "version": "8"}, {"version": {"number": 8}}, {"cluster_name": "x"}):
        with web(lambda path, banner=banner: to_json(banner)) as server:  # type: ignore[misc]
            assert look(server.host, server.port).observation.protocol == "http"


def test_addresses_of_nodes_are_never_asked() -> None:
    with servers.fake(lambda client: None, "127.0.99.1") as canary:
        nodes = {"x": {"http": {"publish_address": f"{canary.host}:{canary.port}"}}}
        with web(serving({**BANNER, "nodes": nodes})) as server:
            outcome = look(server.host, server.port)
            read_all(reach_of(scope_of(ports=(server.port,))), outcome)
            assert not any("_nodes" in request for request in server.requests)
        assert contacts(canary) == 0
    assert outcome.observation.access is Access.GIVES_DATA


def test_pages_end_at_the_window() -> None:
    full = to_json({"hits": {"hits": [{"_index": "people", "_id": str(n)} for n in range(500)]}})
    indices = [{"index": "people", "docs.count": "30000", "store.size": "1"}]
    with web(serving(indices=indices, found=lambda path: full)) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of(ports=(server.port,)))
        seen = outcome.observation
        assert seen.access is Access.LISTS  # ids without a document
        listed = list(reach.listing(exposure_of(outcome)))
        pages = [r for r in server.requests if "from=" in r]
    assert len(pages) == 20
    assert len(listed) == 10_001
    assert (listed[-1].reason, listed[-1].count) == (Reason.BUDGET, 20_000)  # type: ignore[union-attr]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["hits", "total", "value", "_id", "_index", "indices", "error"]), inner
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()), st.integers(0, 599))
def test_fuzz_any_answer_is_parsed_or_refused(body: bytes, status: int) -> None:
    fields = {"www-authenticate": REALM["WWW-Authenticate"]}
    reply = Response(status, fields, body, complete=True, tls=False)
    found = parsed(reply, Found)
    assert found is None or found.total[0] >= 0
    stats = parsed(reply, Stats)
    assert stats is None or all(number(row.docs) >= 0 for row in stats.rows())
    for kind in (Banner, Index):
        assert parsed(reply, kind) is None or body
    assert _recognise(reply) in (True, False)


@given(st.text(max_size=30) | st.integers().map(str))
def test_fuzz_a_count_is_a_number(text: str) -> None:
    assert 0 <= number(text) < 10**15
