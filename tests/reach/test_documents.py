"""Stores of documents over HTTP: what all of them must bear, against servers that lie (fakes)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach import documents
from leftopen.reach.api import ObjectRefused
from leftopen.reach.marked import post
from reaching import answer, look

FRONTS = {
    "elasticsearch": answer(
        b'{"cluster_name": "x", "version": {"number": "8.1.0"}, "tagline": "You Know, for Search"}'
    ),
    "opensearch": answer(b'{"version": {"number": "2.1.0", "distribution": "opensearch"}}'),
    "kibana": answer(b"", "302 Found", more={"kbn-name": "x", "Location": "/app/home"}),
    "solr": answer(b"", "302 Found", more={"Location": "/solr/"}),
    "meilisearch": answer(b'{"status": "Meilisearch is running"}'),
    "qdrant": answer(b'{"title": "qdrant - vector search engine", "version": "1.12.4"}'),
    "weaviate": answer(
        b'{"links": {"href": "/v1", "name": "api v1"}}', "301 Moved", more={"Location": "/v1"}
    ),
    "chroma": answer(b"", "404 Not Found", more={"chroma-trace-id": "0"}),
    "arangodb": answer(b"", "301 Moved", more={"Server": "ArangoDB", "Location": "/_db"}),
    "typesense": answer(b'{"message": "Not Found"}', "404 Not Found"),
    "influxdb": answer(b"", "404 Not Found", more={"X-Influxdb-Version": "1.8.10"}),
}


def endless(client: servers.Conversation) -> None:
    client.say(b"HTTP/1.1 200 OK\r\nX-Influxdb-Version: 1.8.10\r\n\r\n")
    client.flood(b"[" * 65_536)


def too_short(client: servers.Conversation) -> None:
    client.say(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n[{")


def garbage(client: servers.Conversation) -> None:
    client.say(b"\x00\x01 what is this\r\n\r\n")


LIES: dict[str, Callable[[servers.Conversation], None]] = {
    "endless": endless,
    "too short": too_short,
    "garbage": garbage,
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", FRONTS)
def test_a_liar_is_neither_open_nor_closed_and_ends_in_time(name: str, lie: str) -> None:
    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            while client.hear().strip():
                pass
            if line.split()[1] != b"/":
                return LIES[lie](client)
            client.say(FRONTS[name])
        return None

    started = time.monotonic()
    with servers.fake(handle) as server:
        seen = look(server.host, server.port).observation
    assert time.monotonic() - started < 8
    assert seen.access in (Access.UNDETERMINED, Access.MISBEHAVES, Access.SPEAKS)


def reply(status: int, body: bytes = b"{}") -> Response:
    return Response(status, {}, body, complete=True, tls=False)


def test_what_is_fetched_is_one_document_or_an_error() -> None:
    assert documents.taken(reply(200), lambda _: True).data == b"{}"
    for status in (200, 401, 403, 404):
        with pytest.raises(ObjectRefused):
            documents.taken(reply(status), lambda _: False)
    with pytest.raises(ProtocolError, match="500"):
        documents.taken(reply(500), lambda _: True)


def test_a_marked_read_allows_its_path_alone() -> None:
    rule = re.compile(post("/collections/*/points/scroll"), re.DOTALL)
    assert rule.match(b"POST /collections/a%20b/points/scroll HTTP/1.1\r\nHost: x")
    for line in (
        b"POST /collections/a/points/delete HTTP/1.1\r\n",
        b"POST /collections/a/points/scroll/x HTTP/1.1\r\n",
        b"POST /collections/a/b/points/scroll HTTP/1.1\r\n",
        b"POST /collections//points/scroll HTTP/1.1\r\n",
        b"POST /collections/a HTTP/1.1\r\n\r\nPOST /x/points/scroll HTTP/1.1\r\n",
        b"POST /collections/a/points/scroll?x=1 HTTP/1.1\r\n",
        b"PUT /collections/a/points/scroll HTTP/1.1\r\n",
    ):
        assert not rule.match(line)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9))
def test_fuzz_a_count_is_a_number_or_none(value: object) -> None:
    found = documents.count(value)
    assert found is None or (0 <= found < documents.MOST and found == value)
