"""Fakes of Weaviate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from lab.config import Config
from lab.fakes import pages
from leftopen.model.exposure import Access
from reaching import answer

Reply = Callable[[str], bytes]
PERSON = {"class": "Person", "id": "u-1", "properties": {"ssn": "078-05-1120"}}


def as_json(value: object, status: str = "200 OK", more: Mapping[str, str] = {}) -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json", more)


LINK = {"href": "/v1", "name": "api v1", "documentationHref": "https://docs.weaviate.io/weaviate"}
FRONT = as_json({"links": LINK}, "301 Moved Permanently", {"Location": "/v1"})
NO_ANONYMOUS = {
    "code": 401,
    "message": "anonymous access not enabled, please provide an auth scheme such as OIDC",
}
REFUSED = as_json(NO_ANONYMOUS, "401 Unauthorized")
FORBIDDEN = as_json({"error": [{"message": "rbac: authorization, forbidden action"}]}, "403 no")
MISSING = answer(b"", "404 Not Found", "application/json")
SHARDS = [
    {"class": "Person", "name": "s1", "objectCount": 2},
    {"class": "Person", "name": "s2", "objectCount": 1},
    {"class": "Empty", "name": "e1", "objectCount": 0},
]
META = {"hostname": "http://[::]:8080", "version": "1.27.5", "modules": {}}


def serving(
    meta: bytes | None = None,
    schema: object = None,
    objects: bytes | None = None,
    nodes: object = None,
) -> Reply:
    """An open one of two nodes that both hold all shards."""
    classes = [{"class": "Person", "properties": []}, {"class": "Empty"}]
    listed = schema if schema is not None else {"classes": classes}
    shards = nodes or {"nodes": [{"shards": SHARDS}, {"shards": SHARDS}]}
    pages = {
        "/v1/meta": meta or as_json(META),
        "/v1/schema": listed if isinstance(listed, bytes) else as_json(listed),
        "/v1/nodes?output=verbose": as_json(shards),
    }

    def reply(path: str) -> bytes:
        if path == "/":
            return FRONT
        if path.startswith("/v1/objects?class=Person&limit=1&offset="):
            return objects or as_json({"objects": [PERSON], "totalResults": 1})
        return pages.get(path, MISSING)

    return reply


CONFIGS = (
    Config(
        "Weaviate (fake): open",
        "weaviate",
        Access.GIVES_DATA,
        pages(serving()),
        8080,
        objects=3,
        fake=True,
    ),
    Config(
        "Weaviate (fake): no anonymous",
        "weaviate",
        Access.ASKS_CREDENTIAL,
        pages(serving(meta=REFUSED)),
        8080,
        fake=True,
    ),
)
