"""FAKE Elasticsearch and OpenSearch: recorded answers where no server can be had.

The bodies are those of research/servers.md section 4 (elastic/elasticsearch #21399,
go-elasticsearch #279, opensearch-project/security HTTPBasicAuthenticator and SecurityFilter), and
of the reference of each major version (setup, "check that it is running"; cat indices; _stats).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from reaching import answer

JSON = "application/json; charset=UTF-8"
BANNER: dict[str, object] = {
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
_TAGLINE = "You Know, for Search"


def _version(number: str, *, cluster: bool = True, **more: object) -> dict[str, object]:
    named = {"cluster_name": "elasticsearch"} if cluster else {}
    version = {"number": number, "lucene_version": "4.10.4"}
    return {**more, "name": "Xavin", **named, "version": version, "tagline": _TAGLINE}


# The first pages of each major version; below 1.4 no cluster is named.
BANNERS: dict[str, dict[str, object]] = {
    "0.90.13": _version("0.90.13", cluster=False, ok=True, status=200),
    "1.1.2": _version("1.1.2", cluster=False, status=200),
    "1.7.6": _version("1.7.6", status=200),
    "2.4.6": _version("2.4.6"),
    "5.6.16": _version("5.6.16", cluster_uuid="u"),
    "6.8.23": _version("6.8.23", cluster_uuid="u"),
    "7.17.28": _version("7.17.28", cluster_uuid="u"),
    "8.15.3": BANNER,
    "9.1.0": _version("9.1.0", cluster_uuid="u"),
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
# As a dict holds a field once, the three of 7.13 and later differ in the case of their names.
REALMS = {
    "WWW-Authenticate": 'Basic realm="security" charset="UTF-8"',
    "Www-Authenticate": 'Bearer realm="security"',
    "www-authenticate": "ApiKey",
    "X-elastic-product": "Elasticsearch",
}


def _missing(reason: str, realm: object) -> dict[str, object]:
    cause = {"type": "security_exception", "reason": reason}
    headers = {"header": {"WWW-Authenticate": realm}}
    error = {"root_cause": [{**cause, **headers}], **cause, **headers}
    return {"error": error, "status": 401}


_TOKEN = "missing authentication token for REST request [/]"
_CREDENTIALS = "missing authentication credentials for REST request [/]"
REFUSALS: dict[str, tuple[object, Mapping[str, str]]] = {
    "1.x Shield": (
        {"error": f"AuthenticationException[{_TOKEN}]", "status": 401},
        {"WWW-Authenticate": 'Basic realm="shield"'},
    ),
    "2.x Shield": (
        _missing(_TOKEN, 'Basic realm="shield"'),
        {"WWW-Authenticate": 'Basic realm="shield"'},
    ),
    "5.x": (_missing(_TOKEN, REALM["WWW-Authenticate"]), REALM),
    "7.4": (_missing(_CREDENTIALS, REALM["WWW-Authenticate"]), REALM),
    "7.13": (_missing(_CREDENTIALS, [v for k, v in REALMS.items() if k[0] in "Ww"]), REALMS),
    "8.x": (_missing(_CREDENTIALS, [v for k, v in REALMS.items() if k[0] in "Ww"]), REALMS),
    "Search Guard": ({}, {"WWW-Authenticate": 'Basic realm="Search Guard"'}),
    "Open Distro": ({}, {"WWW-Authenticate": 'Basic realm="Open Distro Security"'}),
}


def to_json(body: object, status: str = "200 OK", more: Mapping[str, str] = {}) -> bytes:
    return answer(json.dumps(body).encode(), status, JSON, more)


def hits(*ids: str, source: object = None, old: bool = False) -> dict[str, object]:
    """An answer to _search; `old` is up to 6.x: a number in all, and each document has a type."""
    kind = {"_type": "person"} if old else {}
    found = [{"_index": "people", **kind, "_id": i, "_source": source} for i in ids]
    total = len(ids) if old else {"value": len(ids), "relation": "eq"}
    return {"took": 1, "hits": {"total": total, "hits": found}}


def closed(path: str) -> bytes:
    """401 everywhere: security is on and nobody is anonymous."""
    return to_json(MISSING_CREDENTIALS, "401 Unauthorized", REALM)


def refusing(kind: str) -> Callable[[str], bytes]:
    """401 everywhere, as that version says it."""
    body, fields = REFUSALS[kind]
    return lambda path: to_json(body, "401 Unauthorized", fields)


def opensearch_not_ready(path: str) -> bytes:
    """The security plugin before its index is there."""
    text = b"OpenSearch Security not initialized."
    return answer(text, "503 Service Unavailable", "text/plain; charset=UTF-8")


def opensearch_closed(path: str) -> bytes:
    """OpenSearch's security plugin: text, and a realm of its own."""
    realm = {"WWW-Authenticate": 'Basic realm="OpenSearch Security"'}
    return answer(b"Unauthorized", "401 Unauthorized", "text/plain", realm)


def forbidden() -> bytes:
    body = {"error": {"type": "security_exception", "reason": "no permissions for"}, "status": 403}
    return to_json(body, "403 Forbidden")


def anonymous_role(path: str) -> bytes:
    """The banner answers, the data is refused: an anonymous role without rights."""
    return to_json(BANNER) if path == "/" else forbidden()


def without_cat(banner: object, *, cat: bool = True) -> Callable[[str], bytes]:
    """1.x, whose _cat is text whatever is asked for, and 0.90, which has none."""
    part = {"docs": {"count": 2, "deleted": 0}, "store": {"size_in_bytes": 501}}
    stats = {"_all": {}, "indices": {"people": {"primaries": part, "total": part}}}

    def reply(path: str) -> bytes:
        if path == "/":
            return to_json(banner)
        if path.startswith("/_cat/"):
            lines = answer(b"people 2 501 \n", kind="text/plain; charset=UTF-8")
            return lines if cat else to_json({"error": "no handler", "status": 400}, "400 no")
        if path == "/_stats/docs,store":
            return to_json(stats)
        if path.startswith("/people/_search"):
            return to_json(hits("1", "2", source={"a": 1}, old=True))
        return to_json({"error": "IndexMissingException[[x] missing]", "status": 404}, "404 no")

    return reply


def partial_role(banner: object) -> Callable[[str], bytes]:
    """An anonymous role that may search what it names, and list nothing."""

    def reply(path: str) -> bytes:
        if path == "/":
            return to_json(banner)
        if path.startswith("/_search"):
            full = {"value": 10_000, "relation": "gte"}
            page = hits("1", source={"a": 1})
            return to_json({"hits": {**page["hits"], "total": full}})  # type: ignore[dict-item]
        return forbidden()

    return reply


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
