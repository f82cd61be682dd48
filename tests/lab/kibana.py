"""Fakes of Kibana and OpenSearch Dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable

from lab.config import Config
from lab.fakes import pages
from leftopen.model.exposure import Access
from reaching import answer

KIBANA = {"kbn-name": "node-1", "kbn-license-sig": "aa"}
OLD = {"kbn-name": "kibana", "kbn-version": "4.6.6"}
DASHBOARDS = {"osd-name": "dash"}
Reply = Callable[[str], bytes]


def as_json(value: object, status: str = "200 OK", more: dict[str, str] = KIBANA) -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json; charset=utf-8", more)


def moved(to: str, more: dict[str, str] = KIBANA) -> bytes:
    return answer(b"", "302 Found", more={**more, "location": to})


NOT_FOUND = as_json({"statusCode": 404, "error": "Not Found", "message": "Not Found"}, "404 no")
REFUSED = as_json({"statusCode": 401, "error": "Unauthorized", "message": "Unauthorized"}, "401 no")
STATUS = {
    "name": "node-1",
    "uuid": "u",
    "version": {"number": "8.15.0", "build_number": 76360},
    "status": {"overall": {"level": "available"}},
}
PATTERN = {"type": "index-pattern", "id": "p1", "attributes": {"title": "people-*"}}
FOUND = {"page": 1, "per_page": 100, "total": 1, "saved_objects": [PATTERN]}


def serving(pages: dict[str, bytes], front: bytes) -> Reply:
    """Answers by the beginning of the path; everything else is not found."""

    def reply(path: str) -> bytes:
        if path == "/":
            return front
        return next((a for start, a in pages.items() if path.startswith(start)), NOT_FOUND)

    return reply


HOME = moved("/app/home")
STATUS_PAGE = {"/api/status": as_json(STATUS)}
LOGIN = moved("/login?next=%2F")


NAMES = {**STATUS_PAGE, "/api/saved_objects/_find": as_json(FOUND)}
CONFIGS = (
    Config(
        "Kibana (fake): open",
        "kibana",
        Access.LISTS,
        pages(serving(NAMES, HOME)),
        5601,
        fake=True,
    ),
    Config(
        "Kibana (fake): a login",
        "kibana",
        Access.ASKS_CREDENTIAL,
        pages(lambda path: LOGIN),
        5601,
        fake=True,
    ),
    Config(
        "Kibana (fake): the status alone is open",
        "kibana",
        Access.ASKS_CREDENTIAL,
        pages(serving({**STATUS_PAGE, "/api/": REFUSED}, LOGIN)),
        5601,
        fake=True,
    ),
)
