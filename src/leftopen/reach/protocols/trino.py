"""Trino and Presto: what the coordinator says of itself.

A query names a user in X-Trino-User, which is a claim, and is a POST: none is ever sent.
https://trino.io/docs/current/develop/client-protocol.html
"""

from __future__ import annotations

from functools import partial

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Product, leads_to, look
from leftopen.reach.json_answer import parsed


class _Version(msgspec.Struct):
    version: str


class _Node(msgspec.Struct, rename="camel"):
    node_version: _Version
    environment: str
    coordinator: bool


def _node(answer: Response) -> str | None:
    found = parsed(answer, _Node)
    return found.node_version.version if found else None


TRINO = Protocol(
    name="trino",
    ports=(8080,),
    tls_ports=(8443,),
    sends="GET of /v1/info",
    allowed=METHODS,
    prove=partial(look, product=Product("Trino", (Info("/v1/info", _node),))),
    recognise_http=lambda answer: leads_to(answer, "/ui/", "/ui"),
    source="https://trino.io/docs/current/develop/client-protocol.html",
)
