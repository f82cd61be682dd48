"""Elasticsearch: a real compatible server open, recorded answers closed and lying."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

import servers
from fake_elasticsearch import (
    BANNER,
    INDICES,
    OPENSEARCH,
    anonymous_role,
    closed,
    hits,
    opensearch_closed,
    serving,
    to_json,
)
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach.reach import object_name
from reaching import answer, contacts, exposure_of, look, reach_of, read_all, scope_of, web

PERSON = {"name": "Ada", "ssn": "078-05-1120"}


@contextmanager
def noida() -> Iterator[servers.Server]:
    """noida-db, an Elasticsearch-compatible server from PyPI, with one index of 3 documents."""
    package = find_spec("noida_db")
    folders = list(package.submodule_search_locations or []) if package else []
    binary = servers.need("noida-db", *folders)
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "start", "--data-dir", str(folder / "data"), "--host", servers.CLIENT]
        argv += ["--only", "elasticsearch", "--elasticsearch-port", str(port)]
        with servers.running(argv, folder, port) as server:
            client = http.client.HTTPConnection(server.host, port, timeout=10)
            for name in ("a/b %41", "2", "3"):
                uid = name.replace("/", "%2F").replace(" ", "%20").replace("%41", "%2541")
                client.request(
                    "PUT",
                    f"/people/_doc/{uid}?refresh=true",
                    json.dumps(PERSON),
                    {"Content-Type": "application/json"},
                )
                reply = client.getresponse()
                assert reply.status == 201, reply.read()
                reply.read()
            client.close()
            yield server


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
    "401": (closed, Access.ASKS_CREDENTIAL, "elasticsearch"),
    "401 of OpenSearch": (opensearch_closed, Access.ASKS_CREDENTIAL, "opensearch"),
    "anonymous role": (anonymous_role, Access.ASKS_CREDENTIAL, "elasticsearch"),
    "no index": (serving(indices=[]), Access.LISTS, "elasticsearch"),
    "no document": (
        serving(found=lambda path: to_json(hits())),
        Access.LISTS,
        "elasticsearch",
    ),
    "documents without content": (
        serving(found=lambda path: to_json(hits("1", source={}))),
        Access.LISTS,
        "elasticsearch",
    ),
    "garbage list": (serving(indices={"a": 1}), Access.UNDETERMINED, "elasticsearch"),
    "deep list": (
        lambda path: (
            to_json(BANNER) if path == "/" else answer(b"[" * 200_000, kind="application/json")
        ),
        Access.UNDETERMINED,
        "elasticsearch",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_recorded_answers(kind: str) -> None:
    reply, access, product = CLOSED[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol, seen.product) == (access, "elasticsearch", product)
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_an_open_opensearch_that_was_wiped() -> None:
    with web(serving(OPENSEARCH)) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.product) == (Access.GIVES_DATA, "opensearch")
    assert "ransom" in seen.detail
    assert seen.size is not None
    assert seen.size.objects == 3
    assert seen.containers == ("people", "read_me")


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
