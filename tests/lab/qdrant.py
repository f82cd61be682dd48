"""Fakes of Qdrant."""

from __future__ import annotations

import json
from collections.abc import Callable

from lab.config import Config
from lab.fakes import pages
from leftopen.model.exposure import Access
from reaching import answer

Reply = Callable[[str], bytes]
PAYLOAD = {"text": "Ada", "ssn": "078-05-1120"}
UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json")


def result(value: object) -> bytes:
    return as_json({"result": value, "status": "ok", "time": 0.0001})


def text(body: bytes, status: str) -> bytes:
    return answer(body, status, "text/plain; charset=utf-8")


MISSING = as_json({"status": {"error": "Not found: Collection `x` doesn't exist!"}}, "404 no")
REFUSALS = {
    "1.9 and later": text(b"Must provide an API key or an Authorization bearer token", "401 no"),
    "up to 1.8": text(b"Invalid api-key", "403 Forbidden"),
}


def points(*ids: object, following: object = None, payload: object = None) -> bytes:
    found = [{"id": i, "payload": payload, "vector": None} for i in ids]
    return result({"points": found, "next_page_offset": following})


def serving(
    version: str = "1.12.4",
    names: bytes | None = None,
    scroll: bytes | None = None,
    count: object = 2,
) -> Reply:
    """An open one with one collection of two points."""
    pages = {
        "/": as_json({"title": "qdrant - vector search engine", "version": version}),
        "/collections": names or result({"collections": [{"name": "people"}]}),
        "/collections/people": result({"status": "green", "points_count": count}),
        "/collections/people/points/scroll": scroll or points(1, UUID, payload=PAYLOAD),
        "/collections/people/points/1": result({"id": 1, "payload": PAYLOAD, "vector": [0.5]}),
        f"/collections/people/points/{UUID}": result({"id": UUID, "payload": PAYLOAD}),
    }
    return lambda path: pages.get(path, MISSING)


CONFIGS = (
    Config(
        "Qdrant (fake): open",
        "qdrant",
        Access.GIVES_DATA,
        pages(serving()),
        6333,
        objects=2,
        fake=True,
    ),
    Config(
        "Qdrant (fake): a key",
        "qdrant",
        Access.ASKS_CREDENTIAL,
        pages(serving(names=REFUSALS["1.9 and later"])),
        6333,
        fake=True,
    ),
)
