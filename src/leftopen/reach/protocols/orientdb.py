"""OrientDB: names of databases without a login.

/listDatabases is open to the user `guest` of the server's configuration; no database is opened,
since each asks for a name and a password. https://orientdb.org/docs/3.2.x/misc/OrientDB-REST.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Names, Product, leads_to, look
from leftopen.reach.json_answer import parsed

_LIST: Final = "/listDatabases"


class _Databases(msgspec.Struct):
    databases: list[str]


def _names(answer: Response) -> Sequence[str] | None:
    found = parsed(answer, _Databases)
    return None if found is None else found.databases


def _version(answer: Response) -> str | None:
    return None if _names(answer) is None else ""


def _asks(answer: Response) -> bool:
    return "OrientDB" in answer.headers.get("www-authenticate", "")


_PRODUCT = Product(
    "OrientDB", (Info(_LIST, _version, _asks),), (Names(_LIST, "databases", _names),)
)

ORIENTDB = Protocol(
    name="orientdb",
    ports=(2480,),
    tls_ports=(2480,),
    sends="GET of /listDatabases",
    allowed=METHODS,
    prove=partial(look, product=_PRODUCT),
    recognise_http=lambda answer: leads_to(answer, "/studio/index.html", "/studio/"),
    source="https://orientdb.org/docs/3.2.x/misc/OrientDB-REST.html",
)
