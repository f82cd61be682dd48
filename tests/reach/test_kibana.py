"""Kibana and OpenSearch Dashboards: recorded answers, all of them fakes.

The fields are those that scans of real ones show (kbn-name, osd-name, /login?next=, /app/login?).
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.kibana import (
    DASHBOARDS,
    FOUND,
    HOME,
    KIBANA,
    LOGIN,
    OLD,
    REFUSED,
    STATUS,
    STATUS_PAGE,
    Reply,
    as_json,
    moved,
    serving,
)
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.kibana import _recognise, _titles
from reaching import answer, look, web

OPEN: dict[str, tuple[Reply, str, str, str]] = {
    "7 and 8": (
        serving({**STATUS_PAGE, "/api/saved_objects/_find": as_json(FOUND)}, HOME),
        "kibana",
        "8.15.0",
        "people-*",
    ),
    "9, only data views": (
        serving(
            {
                **STATUS_PAGE,
                "/api/data_views": as_json({"data_view": [{"id": "v", "title": "v-*"}]}),
            },
            moved("/spaces/enter"),
        ),
        "kibana",
        "8.15.0",
        "v-*",
    ),
    "4": (
        serving(
            {
                "/api/status": as_json({"status": {"overall": {}}, "name": "k"}, more=OLD),
                "/elasticsearch/.kibana/index-pattern/_search": as_json(
                    {"hits": {"total": 1, "hits": [{"_index": ".kibana", "_id": "logs-*"}]}}
                ),
            },
            answer(b"<script>window.location='/app/kibana'</script>", more=OLD),
        ),
        "kibana",
        "4.6.6",
        "logs-*",
    ),
    "OpenSearch Dashboards": (
        serving(
            {
                "/api/status": as_json({**STATUS, "version": {"number": "2.17.0"}}),
                "/api/saved_objects/_find": as_json(FOUND, more=DASHBOARDS),
            },
            moved("/app/home", DASHBOARDS),
        ),
        "opensearch dashboards",
        "2.17.0",
        "people-*",
    ),
}


@pytest.mark.parametrize("kind", OPEN)
def test_open_ones_name_their_index_patterns(kind: str) -> None:
    reply, product, version, name = OPEN[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
        assert all(r.startswith("GET ") for r in server.requests)
        assert not any("console" in r for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("kibana", Access.LISTS)
    assert (seen.product, seen.version, seen.containers) == (product, version, (name,))
    assert [g.reason for g in outcome.gaps] == [Reason.UNSUPPORTED]  # the console proxy
    assert "write" in outcome.gaps[0].detail


CLOSED: dict[str, tuple[Reply, Access, str]] = {
    "302 everywhere": (lambda path: LOGIN, Access.ASKS_CREDENTIAL, "a login"),
    "401 of the API": (serving({"/api/": REFUSED}, LOGIN), Access.ASKS_CREDENTIAL, "401"),
    "status for strangers": (
        serving({**STATUS_PAGE, "/api/": REFUSED}, LOGIN),
        Access.ASKS_CREDENTIAL,
        "the status page answers, the data does not",
    ),
    "dashboards": (
        serving({"/api/": moved("/app/login?", DASHBOARDS)}, moved("/app/login?", DASHBOARDS)),
        Access.ASKS_CREDENTIAL,
        "a login",
    ),
    "status alone": (serving(STATUS_PAGE, HOME), Access.METADATA, "no list of index patterns"),
    "nothing saved": (
        serving({"/api/saved_objects": as_json({**FOUND, "total": 0, "saved_objects": []})}, HOME),
        Access.METADATA,
        "0 index patterns",
    ),
    "nothing": (serving({}, HOME), Access.UNDETERMINED, "404"),
    "a mirror": (lambda path: as_json(FOUND), Access.UNDETERMINED, "nobody has"),
    "deep": (
        serving({"/api/": answer(b'{"saved_objects":' + b"[" * 200_000, more=KIBANA)}, HOME),
        Access.UNDETERMINED,
        "no list of index patterns",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = CLOSED[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("kibana", access)
    assert words in seen.detail


def test_a_page_about_kibana_is_another_server() -> None:
    with web(lambda path: answer(b"<title>Kibana</title> kbn-name: x")) as server:
        assert look(server.host, server.port).observation.protocol == "http"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["saved_objects", "total", "attributes", "id", "data_view", "hits"]),
            inner,
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_names_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    names = _titles(reply)
    assert names is None or all(isinstance(name, str) for name in names)
    assert not _recognise(reply)
