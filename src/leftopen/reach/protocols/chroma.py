"""Chroma: collections and documents without a token.

Proof: the list of collections of the default tenant names them, get of one gives a document, and
a collection that nobody has is an error. The heartbeat answers everybody. A get is a POST that
only reads: it is sent where the scope file allows such reads.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import msgspec

from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.model.exposure import Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.documents import Store, Words
from leftopen.reach.json_answer import parsed
from leftopen.reach.marked import post

TENANT: Final = "/api/v2/tenants/default_tenant/databases"
MAX_DATABASES: Final = 20
COUNTED: Final = 20  # collections whose documents are counted
WORDS: Final = Words("collections", "count")
_NO_POST: Final = "a get is a POST, and read_posts is off"
_ADDRESS: Final = re.compile(r"(/api/v[12]/[A-Za-z0-9_%~./-]{1,900}/get)\?offset=([0-9]{1,5})")


class _Heartbeat(msgspec.Struct):
    beat: int = msgspec.field(name="nanosecond heartbeat")


class _Detail(msgspec.Struct):
    detail: str


class _Named(msgspec.Struct):
    name: str


class _Collection(msgspec.Struct):
    id: UUID
    name: str


class _Got(msgspec.Struct):
    ids: list[str]
    documents: list[str | None] | None = None
    metadatas: list[dict[str, Any] | None] | None = None


@dataclass(frozen=True, slots=True)
class _Api:
    """The version of the API that is spoken, and the folders of its collections."""

    folders: tuple[str, ...]
    version: str
    refused: Proof | None = None


def _recognise(answer: Response) -> bool:
    """A 404 that carries Chroma's own field; before 0.5 it is the one of any FastAPI program."""
    if answer.status != 404:
        return False
    detail = parsed(answer, _Detail)
    plain = detail is not None and detail.detail == "Not Found"
    return "chroma-trace-id" in answer.headers or plain


async def _beats(client: HttpClient, version: str) -> bool:
    try:
        answer = await documents.get(client, f"/api/{version}/heartbeat")
    except BudgetSpent:
        raise
    except ProtocolError:  # that first page may be any program's
        return False
    return answer.status == 200 and parsed(answer, _Heartbeat) is not None


async def _api(context: Context, client: HttpClient) -> _Api | None:
    """v2 with each database of the default tenant, or v1; None where neither beats."""
    for word in ("v2", "v1"):
        if not await _beats(client, word):
            continue
        version = parsed(await documents.get(client, f"/api/{word}/version"), str) or ""
        if word == "v1":
            return _Api(("/api/v1/collections",), version)
        answer = await documents.get(client, TENANT)
        refused = web.refusal(context, web.Landing(TENANT, answer))
        named = parsed(answer, list[_Named]) if answer.status == 200 else None
        names = [item.name for item in named or []] or ["default_database"]
        folders = (f"{TENANT}/{quote(n, safe='')}/collections" for n in names[:MAX_DATABASES])
        return _Api(tuple(folders), version, refused)
    return None


def _has(answer: Response) -> bool:
    """Whether a document's text or its metadata came back."""
    found = parsed(answer, _Got)
    return found is not None and any((*(found.documents or []), *(found.metadatas or [])))


def _is_one(answer: Response) -> bool:
    found = parsed(answer, _Got)
    return found is not None and bool(found.ids)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await documents.get(client, "/")
        if not _recognise(front):
            return None
        api = await _api(context, client)
        if api is None:
            return None
        proof = api.refused or await _collections(context, client, api)
        return replace(proof, product="chroma", version=api.version)


async def _collections(context: Context, client: HttpClient, api: _Api) -> Proof:
    stores: list[Store] = []
    for folder in api.folders:
        answer = await documents.get(client, folder)
        if refused := web.refusal(context, web.Landing(folder, answer)):
            return refused
        found = parsed(answer, list[_Collection]) if answer.status == 200 else None
        evidence = documents.shown(context, folder, answer)
        if found is None:
            detail = f"no list of collections, answered with {answer.status}"
            return documents.unproved(detail, evidence)
        stores += [Store(c.name, f"{folder}/{c.id}") for c in found]
    other = await documents.get(client, f"{api.folders[0]}/{documents.nobody(context)}")
    if other.status == 200:
        return documents.unproved("a collection that nobody has is answered as well", evidence)
    stores = [await _counted(client, s) for s in stores[:COUNTED]] + stores[COUNTED:]
    proof = await documents.proof(stores, evidence, lambda s: _first(context, client, s), WORDS)
    gap = context.gap(Reason.NOT_GIVEN, "get", _NO_POST)
    return proof if context.posts or not stores else replace(proof, gaps=(gap,))


async def _counted(client: HttpClient, store: Store) -> Store:
    answer = await documents.get(client, f"{store.address}/count")
    number = parsed(answer, int) if answer.status == 200 else None
    return replace(store, documents=documents.count(number))


async def _get(client: HttpClient, path: str, start: int, limit: int) -> Response:
    """One document by the marked read."""
    asked = {"limit": 1, "offset": start, "include": ["documents", "metadatas"]}
    return await client.request(
        "POST",
        path,
        headers={"Content-Type": "application/json"},
        body=msgspec.json.encode(asked),
        limit=limit,
    )


async def _first(context: Context, client: HttpClient, store: Store) -> Evidence | None:
    if not context.posts:
        return None
    path = f"{store.address}/get"
    answer = await _get(client, path, 0, documents.ANSWER_BYTES)
    if answer.status in documents.REFUSED:
        raise ObjectRefused(f"answered with {answer.status}")
    if answer.status != 200 or not _has(answer):
        return None
    command = f"{web.reproduce(context, path)} --json '{{\"limit\": 1}}'"
    return context.evidence(f'POST {path} {{"limit": 1}}', answer.body, command, content=True)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    if not context.posts:
        yield context.gap(Reason.NOT_GIVEN, "get", _NO_POST)
        return
    async with context.http() as client:
        api = await _api(context, client)
        if api is None:
            raise ProtocolError("the heartbeat is no longer answered")
        for folder in api.folders:
            found = parsed(await documents.get(client, folder), list[_Collection])
            if found is None:
                yield context.gap(Reason.UNPARSED, folder, "no list of its collections")
                continue
            some = found[: documents.MAX_STORES]
            stores = [Store(c.name, f"{folder}/{c.id}") for c in some]
            counted = [await _counted(client, store) for store in stores]
            for item in documents.numbered(context, counted, _address):
                yield item


def _address(store: Store, start: int) -> str:
    return f"{store.address}/get?offset={start}"


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    match = _ADDRESS.fullmatch(ref.path)
    if match is None:
        raise OutOfScope("not the address of a document of Chroma")
    async with context.http() as client:
        answer = await _get(client, match[1], int(match[2]), limit)
        return documents.taken(answer, _is_one)


CHROMA = Protocol(
    name="chroma",
    ports=(8000,),
    sends="GET of the heartbeat, of collections and counts, a POST of get that reads one document",
    allowed=(
        *METHODS,
        post("/api/v2/tenants/default_tenant/databases/*/collections/*/get"),
        post("/api/v1/collections/*/get"),
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.trychroma.com/reference",
)
