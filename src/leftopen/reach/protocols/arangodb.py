"""ArangoDB: databases and collections without a login.

Proof of names: the databases and their collections, with counts, and a database that nobody has
is an error. A document is read by AQL, a POST that can write as well: it is never sent, and a
Gap says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.exposure import Access, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import count, get, nobody, shown, unproved
from leftopen.reach.json_answer import parsed

VERSION: Final = "/_api/version"
DATABASES: Final = "/_api/database/user"  # those that the caller may see
MAX_DATABASES: Final = 10
COUNTED: Final = 20  # collections whose documents are counted
_AQL: Final = "documents are read by AQL, a POST that can write as well, which is never sent"


class _Version(msgspec.Struct):
    server: str
    version: str


class _Databases(msgspec.Struct):
    result: list[str]


class _Collection(msgspec.Struct):
    name: str


class _Collections(msgspec.Struct):
    result: list[_Collection]


class _Count(msgspec.Struct):
    count: int


def _recognise(answer: Response) -> bool:
    """It names itself, unless told not to; its refusal names its realm."""
    named = answer.headers.get("server", "").strip() == "ArangoDB"
    return named or 'realm="ArangoDB"' in answer.headers.get("www-authenticate", "")


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await get(client, "/")
        if not _recognise(front):
            return None
        answer = await get(client, VERSION)
        found = parsed(answer, _Version) if answer.status == 200 else None
        version = found.version if found and found.server == "arango" else ""
        listed = await get(client, DATABASES)
        refused = web.refusal(context, web.Landing(DATABASES, listed))
        proof = refused or await _databases(context, client, listed)
        return replace(proof, product="arangodb", version=version)


async def _databases(context: Context, client: HttpClient, listed: Response) -> Proof:
    found = parsed(listed, _Databases) if listed.status == 200 else None
    evidence = shown(context, DATABASES, listed)
    if found is None:
        return unproved(f"no list of databases, answered with {listed.status}", evidence)
    if (await get(client, _collections_of(nobody(context)))).status == 200:
        return unproved("a database that nobody has is answered as well", evidence)
    names: list[str] = []
    for database in found.result[:MAX_DATABASES]:
        answer = await get(client, _collections_of(database))
        inside = parsed(answer, _Collections) if answer.status == 200 else None
        names += [f"{database}/{c.name}" for c in inside.result] if inside else []
    databases = len(found.result)
    return Proof(
        access=Access.LISTS,
        detail=f"{databases} databases and {len(names)} collections are named without a login",
        size=await _size(client, names, complete=databases <= MAX_DATABASES),
        evidence=(evidence,),
        containers=tuple(safe(name, 80) for name in (names or found.result)[:20]),
        gaps=(context.gap(Reason.UNSUPPORTED, "/_api/cursor", _AQL),),
    )


def _collections_of(database: str) -> str:
    return f"/_db/{quote(database, safe='')}/_api/collection?excludeSystem=true"


async def _size(client: HttpClient, names: list[str], *, complete: bool) -> Size | None:
    documents, known = 0, 0
    for name in names[:COUNTED]:
        database, _, collection = (quote(part, safe="") for part in name.partition("/"))
        answer = await get(client, f"/_db/{database}/_api/collection/{collection}/count")
        found = parsed(answer, _Count) if answer.status == 200 else None
        number = count(found.count) if found else None
        if number is not None:
            documents, known = documents + number, known + 1
    if names and not known:
        return None
    basis = f"count of {known} collections"
    whole = complete and known == len(names)
    return Size(objects=documents, unit="documents", basis=basis, complete=whole)


ARANGODB = Protocol(
    name="arangodb",
    ports=(8529,),
    sends="GET of the version, of databases, collections and their counts",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://docs.arango.ai/arangodb/stable/develop/http-api/collections/",
)
