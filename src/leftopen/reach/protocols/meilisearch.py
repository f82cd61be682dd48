"""Meilisearch: indexes and documents without a key.

Proof: /indexes names indexes, one document of one comes back, and an index that nobody has is
index_not_found. /health answers everybody, with a master key or without.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import ObjectRef
from leftopen.model.gap import Gap
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import Store, Words
from leftopen.reach.json_answer import parsed

INDEXES: Final = "/indexes?limit=1000"
WORDS: Final = Words("indexes", "/stats, numberOfDocuments")
_DASHBOARD: Final = re.compile(rb"<title>Mini-dashboard \| MeiliSearch</title>", re.IGNORECASE)


class _State(msgspec.Struct):
    status: str


class _Index(msgspec.Struct):
    uid: str


class _Indexes(msgspec.Struct):
    results: list[_Index]


class _Documents(msgspec.Struct):
    results: list[dict[str, Any]]


class _Counted(msgspec.Struct, rename="camel"):
    number_of_documents: int | None = None


class _Stats(msgspec.Struct, rename="camel"):
    indexes: dict[str, _Counted]
    database_size: int | None = None


class _Package(msgspec.Struct, rename="camel"):
    pkg_version: str


class _Error(msgspec.Struct):
    """Since 0.30 the word is `code`, before that `errorCode`."""

    code: str = ""
    error_code: str = msgspec.field(name="errorCode", default="")


def _recognise(answer: Response) -> bool:
    """A line of JSON, or in development (where no key is needed) a page with a dashboard."""
    state = parsed(answer, _State)
    running = state is not None and state.status.lower() == "meilisearch is running"
    return answer.status == 200 and (running or _DASHBOARD.search(answer.body) is not None)


def _document(store: Store, start: int) -> str:
    return f"/indexes/{store.address}/documents?limit=1&offset={start}"


def _has(answer: Response) -> bool:
    """Up to 0.27 documents come as a bare list."""
    page = parsed(answer, _Documents)
    found = page.results if page else parsed(answer, list[dict[str, Any]])
    return found is not None and any(found)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await documents.get(client, "/")
        if not _recognise(front):
            return None
        health = parsed(await documents.get(client, "/health"), _State)
        if health is None or health.status != "available":
            return None
        answer = await documents.get(client, INDEXES)
        refused = web.refusal(context, web.Landing(INDEXES, answer))
        if refused:
            code = parsed(answer, _Error)
            word = (code.code or code.error_code) if code else ""
            known = word in ("missing_authorization_header", "invalid_api_key", "invalid_token")
            detail = f"{refused.detail}: {word}" if known else refused.detail
            return replace(refused, product="meilisearch", detail=detail)
        package = parsed(await documents.get(client, "/version"), _Package)
        proof = await _indexes(context, client, answer)
        version = package.pkg_version if package else ""
        return replace(proof, product="meilisearch", version=version)


async def _indexes(context: Context, client: HttpClient, answer: Response) -> Proof:
    stores, stored = await _stores(client, answer)
    evidence = documents.shown(context, INDEXES, answer)
    if stores is None:
        return documents.unproved(f"no list of indexes, answered with {answer.status}", evidence)
    other = await documents.get(client, _document(Store("", documents.nobody(context)), 0))
    if other.status == 200:
        return documents.unproved("an index that nobody has is answered as well", evidence)
    proof = await documents.proof(
        stores, evidence, lambda s: documents.one(context, client, _document(s, 0), _has), WORDS
    )
    size = msgspec.structs.replace(proof.size, bytes=stored) if proof.size else None
    return replace(proof, size=size)


async def _stores(client: HttpClient, answer: Response) -> tuple[list[Store] | None, int | None]:
    """The indexes with their counts, and the bytes of all; up to 0.27 the list is a bare one."""
    page = parsed(answer, _Indexes)
    found = page.results if page else parsed(answer, list[_Index])
    if answer.status != 200 or found is None:
        return None, None
    stats = parsed(await documents.get(client, "/stats"), _Stats)
    counts = stats.indexes if stats else {}
    empty = _Counted()
    stores = [
        Store(
            index.uid,
            quote(index.uid, safe=""),
            documents.count(counts.get(index.uid, empty).number_of_documents),
        )
        for index in found
    ]
    return stores, documents.count(stats.database_size) if stats else None


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        stores, _ = await _stores(client, await documents.get(client, INDEXES))
    if stores is None:
        raise ProtocolError("the list of indexes is no longer answered")
    for item in documents.numbered(context, stores, _document):
        yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await documents.fetch_one(client, ref.path, limit, _has)


MEILISEARCH = Protocol(
    name="meilisearch",
    ports=(7700,),
    sends="GET of /health, /version, /indexes, /stats and of one document",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://www.meilisearch.com/docs/reference/api/documents",
)
