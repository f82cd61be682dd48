"""Fakes of Apache Solr."""

from __future__ import annotations

import json
from collections.abc import Callable

from lab.config import Config
from lab.fakes import pages
from leftopen.model.exposure import Access
from reaching import NOT_FOUND, answer

Reply = Callable[[str], bytes]
PERSON = {"id": "1", "ssn": "078-05-1120"}


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json;charset=utf-8")


FRONT = answer(b"", "302 Found", more={"Location": "http://127.0.0.1:8983/solr/"})
JETTY = b"<html><body><h2>HTTP ERROR 401</h2> Reason: require authentication</body></html>"
REFUSED = answer(JETTY, "401 require authentication", more={"WWW-Authenticate": 'Basic realm="s"'})
CORE = {"name": "people", "index": {"numDocs": 3, "sizeInBytes": 9000, "current": True}}
EMPTY = {"name": "empty", "index": {"numDocs": 0, "sizeInBytes": 69}}


def serving(
    version: str = "9.6.1",
    cores: object = None,
    docs: bytes | None = None,
    info: bytes | None = None,
) -> Reply:
    """A standalone Solr with a core of three documents and an empty one."""
    named = cores if cores is not None else {"people": CORE, "empty": EMPTY}
    system = {"responseHeader": {"status": 0}, "mode": "std"}
    page = {"numFound": 3, "start": 0, "docs": [PERSON]}

    def reply(path: str) -> bytes:
        if path == "/":
            return FRONT
        if path.startswith("/solr/admin/info/system"):
            return info or as_json({**system, "lucene": {"solr-spec-version": version}})
        if path.startswith("/solr/admin/cores?action=STATUS"):
            if isinstance(named, bytes):
                return named
            return as_json({"responseHeader": {}, "initFailures": {}, "status": named})
        if path.startswith("/solr/people/select?"):
            return docs or as_json({"responseHeader": {}, "response": page})
        return NOT_FOUND

    return reply


CONFIGS = (
    Config(
        "Solr (fake): open", "solr", Access.GIVES_DATA, pages(serving()), 8983, objects=3, fake=True
    ),
    Config(
        "Solr (fake): 401 of Jetty",
        "solr",
        Access.ASKS_CREDENTIAL,
        pages(serving(info=REFUSED)),
        8983,
        fake=True,
    ),
    Config(
        "Solr (fake): documents refused",
        "solr",
        Access.LISTS,
        pages(serving(docs=REFUSED)),
        8983,
        fake=True,
    ),
)
