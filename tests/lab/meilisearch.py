"""Fakes of Meilisearch."""

from __future__ import annotations

import json
from collections.abc import Callable

from lab.config import Config
from lab.fakes import pages
from leftopen.model.exposure import Access
from reaching import answer

Reply = Callable[[str], bytes]
PERSON = {"id": 1, "ssn": "078-05-1120"}


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json")


def refusal(code: str, status: str = "401 Unauthorized") -> bytes:
    return as_json({"message": "no", "code": code, "type": "auth", "link": "x"}, status)


REFUSED = refusal("missing_authorization_header")
MISSING = refusal("index_not_found", "404 Not Found")
LINE = as_json({"status": "Meilisearch is running"})
DASHBOARD = answer(b"<html><head><title>Mini-dashboard | Meilisearch</title></head></html>")
STATS = {"databaseSize": 447819776, "indexes": {"people": {"numberOfDocuments": 2}}}


def serving(
    front: bytes = DASHBOARD,
    indexes: bytes | None = None,
    docs: bytes | None = None,
    old: bool = False,
) -> Reply:
    """An open one; `old` is up to 0.27, where lists come bare."""
    uids = [{"uid": "people", "primaryKey": "id"}]
    pages = {
        "/health": as_json({"status": "available"}),
        "/version": as_json({"commitSha": "x", "commitDate": "y", "pkgVersion": "1.11.3"}),
        "/stats": as_json(STATS),
        "/indexes?": indexes or as_json(uids if old else {"results": uids, "total": 1}),
        "/indexes/people/documents?": docs or as_json([PERSON] if old else {"results": [PERSON]}),
    }

    def reply(path: str) -> bytes:
        if path == "/":
            return front
        return next((a for start, a in pages.items() if path.startswith(start)), MISSING)

    return reply


CONFIGS = (
    Config(
        "Meilisearch (fake): open",
        "meilisearch",
        Access.GIVES_DATA,
        pages(serving()),
        7700,
        objects=2,
        fake=True,
    ),
    Config(
        "Meilisearch (fake): a master key",
        "meilisearch",
        Access.ASKS_CREDENTIAL,
        pages(serving(LINE, REFUSED)),
        7700,
        fake=True,
    ),
)
