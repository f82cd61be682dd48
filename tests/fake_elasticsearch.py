"""FAKE Elasticsearch and OpenSearch: recorded answers where no server can be had.

The bodies are those of research/servers.md section 4 (elastic/elasticsearch #21399,
go-elasticsearch #279, opensearch-project/security HTTPBasicAuthenticator and SecurityFilter).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from reaching import answer

JSON = "application/json; charset=UTF-8"
BANNER = {
    "name": "node-1",
    "cluster_name": "docker-cluster",
    "cluster_uuid": "uuid",
    "version": {"number": "8.15.3", "build_flavor": "default"},
    "tagline": "You Know, for Search",
}
OPENSEARCH = {
    **BANNER,
    "version": {"distribution": "opensearch", "number": "2.17.0"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
INDICES = [
    {"index": "people", "docs.count": "2", "store.size": "501"},
    {"index": ".kibana", "docs.count": "9", "store.size": "900"},
    {"index": "read_me", "docs.count": "1", "store.size": "20"},
]
MISSING_CREDENTIALS = {
    "error": {
        "root_cause": [{"type": "security_exception", "reason": "missing authentication"}],
        "type": "security_exception",
    },
    "status": 401,
}
REALM = {"WWW-Authenticate": 'Basic realm="security" charset="UTF-8"'}


def to_json(body: object, status: str = "200 OK", more: Mapping[str, str] = {}) -> bytes:
    return answer(json.dumps(body).encode(), status, JSON, more)


def hits(*ids: str, source: object = None) -> dict[str, object]:
    found = [{"_index": "people", "_id": i, "_source": source} for i in ids]
    return {"took": 1, "hits": {"total": {"value": len(ids)}, "hits": found}}


def closed(path: str) -> bytes:
    """401 everywhere: security is on and nobody is anonymous."""
    return to_json(MISSING_CREDENTIALS, "401 Unauthorized", REALM)


def opensearch_closed(path: str) -> bytes:
    """OpenSearch's security plugin: text, and a realm of its own."""
    realm = {"WWW-Authenticate": 'Basic realm="OpenSearch Security"'}
    return answer(b"Unauthorized", "401 Unauthorized", "text/plain", realm)


def anonymous_role(path: str) -> bytes:
    """The banner answers, the data is refused: an anonymous role without rights."""
    if path == "/":
        return to_json(BANNER)
    body = {"error": {"type": "security_exception", "reason": "no permissions for"}, "status": 403}
    return to_json(body, "403 Forbidden")


def serving(
    banner: object = BANNER,
    indices: object = INDICES,
    found: Callable[[str], bytes] = lambda path: to_json(hits("1", source={"a": 1})),
) -> Callable[[str], bytes]:
    """An open one; `found` answers searches of indices that are there."""

    def reply(path: str) -> bytes:
        if path == "/":
            return to_json(banner)
        if path.startswith("/_cat/indices"):
            return to_json(indices)
        if path.startswith(("/people/_search", "/read_me/_search")):
            return found(path)
        body = {"error": {"type": "index_not_found_exception"}, "status": 404}
        return to_json(body, "404 Not Found")

    return reply
