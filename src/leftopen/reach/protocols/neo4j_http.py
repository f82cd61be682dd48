"""Neo4j over HTTP: the discovery document, which comes before any login.

A query is a POST at the transaction endpoint that may write as well as read: none is sent. What
the graph gives is proved over Bolt (see `neo4j`), an address that the document names and that is
not followed. https://neo4j.com/docs/http-api/current/endpoints/
"""

from __future__ import annotations

from functools import partial

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Product, look
from leftopen.reach.json_answer import parsed


class _Discovery(msgspec.Struct):
    neo4j_version: str
    neo4j_edition: str
    bolt_direct: str


class _Old(msgspec.Struct):
    data: str
    management: str


def _version(answer: Response) -> str | None:
    if found := parsed(answer, _Discovery):
        return found.neo4j_version if found.bolt_direct.startswith("bolt") else None
    old = parsed(answer, _Old)
    of_neo4j = old and old.data.endswith("/db/data/") and old.management.endswith("/manage/")
    return "" if of_neo4j else None


NEO4J_HTTP = Protocol(
    name="neo4j_http",
    ports=(7474,),
    tls_ports=(7473,),
    sends="GET of the discovery document",
    allowed=METHODS,
    prove=partial(look, product=Product("Neo4j", (Info("/", _version),))),
    recognise_http=lambda answer: answer.status == 200 and _version(answer) is not None,
    source="https://neo4j.com/docs/http-api/current/endpoints/",
)
