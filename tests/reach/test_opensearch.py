"""OpenSearch: recorded answers, all of them fakes; no server can be had from a package index."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fake_elasticsearch import (
    OPENSEARCH,
    forbidden,
    opensearch_closed,
    opensearch_not_ready,
    partial_role,
    serving,
    to_json,
)
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach import registry
from reaching import answer, look, reach_of, read_all, scope_of, web

AS_7 = {**OPENSEARCH, "version": {"distribution": "opensearch", "number": "7.10.2"}}
STATES: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "open": (serving(OPENSEARCH), Access.GIVES_DATA, "ransom"),
    "open, says 7.10.2": (serving(AS_7), Access.GIVES_DATA, "one document was read"),
    "401": (opensearch_closed, Access.ASKS_CREDENTIAL, "OpenSearch Security"),
    "not initialised": (opensearch_not_ready, Access.UNDETERMINED, "not initialised"),
    "role without rights": (
        lambda path: to_json(OPENSEARCH) if path == "/" else forbidden(),
        Access.ASKS_CREDENTIAL,
        "the data does not",
    ),
    "role that searches": (partial_role(OPENSEARCH), Access.GIVES_DATA, "anonymous role"),
    "a mirror": (lambda path: to_json(OPENSEARCH), Access.UNDETERMINED, "not with a list"),
    "empty": (serving(OPENSEARCH, indices=[]), Access.LISTS, "0 indices"),
}


@pytest.mark.parametrize("kind", STATES)
def test_recorded_answers(kind: str) -> None:
    reply, access, words = STATES[kind]
    with web(reply) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol, seen.product) == (access, "opensearch", "opensearch")
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_an_open_one_is_sized_and_listed() -> None:
    with web(serving(OPENSEARCH)) as server:
        outcome = look(server.host, server.port)
        refs, _, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert seen.size is not None
    assert (seen.version, seen.size.objects) == ("2.17.0", 3)
    assert seen.containers == ("people", "read_me")
    assert len(refs) == 2
    # The fake serves neither the documents nor a search of .kibana.
    assert {g.reason for g in gaps} == {Reason.UNPARSED, Reason.REFUSED}


def test_each_of_the_two_takes_its_own_answers_only() -> None:
    mine = registry.protocol("opensearch").recognise_http
    other = registry.protocol("elasticsearch").recognise_http
    assert mine is not None
    assert other is not None
    bodies = {
        200: b'{"version": {"number": "2.1", "distribution": "opensearch"}, "cluster_name": "x"}',
        401: b"Unauthorized",
        503: b"OpenSearch Security not initialized.",
    }
    for status, body in bodies.items():
        fields = {"www-authenticate": 'Basic realm="OpenSearch Security"'}
        reply = Response(status, fields, body, complete=True, tls=False)
        assert (mine(reply), other(reply)) == (True, False)


@pytest.mark.parametrize(
    "body", [b"<h1>The OpenSearch Project</h1>", b'{"tagline": "The OpenSearch Project"}', b"[]"]
)
def test_strangers_are_not_opensearch(body: bytes) -> None:
    for status in ("200 OK", "401 no", "503 no"):
        with web(lambda path, status=status: answer(body, status)) as server:  # type: ignore[misc]
            assert look(server.host, server.port).observation.protocol == "http"
