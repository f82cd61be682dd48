"""PouchDB Server, and a fake of CouchDB."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, with_tls
from lab.fakes import got, pages
from leftopen.model.exposure import Access
from reaching import NOT_FOUND, answer

PERSON = {"name": "Ada", "ssn": "078-05-1120"}


def owner(server: servers.Server, method: str, path: str, body: object = None) -> None:
    """What the server's owner asks for before anything is closed."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        content = json.dumps(body) if body is not None else None
        client.request(method, path, content, {"Content-Type": "application/json"})
        reply = client.getresponse()
        assert reply.status in (200, 201), reply.read()
        reply.read()
    finally:
        client.close()


@contextmanager
def pouchdb(*, members: bool = False, admin: bool = False) -> Iterator[servers.Server]:
    """PouchDB Server with one database of 3 documents.

    Who is no member is refused only where there is an admin, as in CouchDB up to 2.
    """
    node = servers.need("node")
    script = servers.from_npm("pouchdb-server")
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [node, str(script), "--in-memory", "--no-stdout-logs", "--host", servers.CLIENT]
        with servers.running([*argv, "--port", str(port)], folder, port) as server:
            owner(server, "PUT", "/people")
            for path in ("a%2Fb%20%2541", "_design/views", "plain"):
                owner(server, "PUT", f"/people/{path}", PERSON)
            if members:
                rule = {"members": {"names": ["bob"], "roles": []}, "admins": {"names": ["bob"]}}
                owner(server, "PUT", "/people/_security", rule)
            if admin:
                owner(server, "PUT", "/_config/admins/bob", "correct-horse")
            yield server


WELCOME = {"couchdb": "Welcome", "version": "3.3.3", "vendor": {"name": "The Apache Foundation"}}
REFUSAL = {"error": "unauthorized", "reason": "You are not a server admin."}
COUCH = {"Server": "CouchDB/3.3.3 (Erlang OTP/24)"}
ROW = {"id": "1", "key": "1", "value": {"rev": "1-a"}}


def to_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json", COUCH)


REFUSED = to_json(REFUSAL, "401 Unauthorized")


def serving(
    welcome: bytes | None = None, names: object = ("people", "_users"), doc: object = PERSON
) -> Callable[[str], bytes]:
    """CouchDB 3 as its documentation shows it."""

    def reply(path: str) -> bytes:
        if path == "/":
            return welcome or to_json(WELCOME)
        if path.startswith("/_all_dbs"):
            return names if isinstance(names, bytes) else to_json(names)
        if path.startswith(("/people/_all_docs", "/read_me/_all_docs")):
            return doc if isinstance(doc, bytes) else to_json({"rows": [{**ROW, "doc": doc}]})
        if path in ("/people", "/read_me"):
            return to_json({"doc_count": 41, "sizes": {"file": 9000, "active": 5000}})
        return NOT_FOUND

    return reply


def _updates(server: servers.Server) -> object:
    return got(server, "/people")


OPEN = Config(
    "PouchDB Server: open", "couchdb", Access.GIVES_DATA, pouchdb, 5984, objects=3, state=_updates
)
CLOSED = Config(
    "PouchDB Server: members",
    "couchdb",
    Access.LISTS,
    partial(pouchdb, members=True, admin=True),
    5984,
)
CONFIGS = (
    OPEN,
    CLOSED,
    *with_tls((OPEN, CLOSED), 6984),
    Config(
        "PouchDB Server: an admin and no members",
        "couchdb",
        Access.GIVES_DATA,
        partial(pouchdb, admin=True),
        5984,
        objects=3,
        state=_updates,
    ),
    *(
        Config(f"CouchDB (fake): {kind}", "couchdb", access, pages(reply), 5984, fake=True)
        for kind, access, reply in (
            ("open", Access.GIVES_DATA, serving()),
            ("default of 3.x", Access.ASKS_CREDENTIAL, serving(names=REFUSED)),
            ("require_valid_user", Access.ASKS_CREDENTIAL, lambda path: REFUSED),
            ("documents refused", Access.LISTS, serving(doc=REFUSED)),
        )
    ),
)
