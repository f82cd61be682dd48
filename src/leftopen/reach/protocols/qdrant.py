"""Qdrant: collections and points without an API key.

Proof: /collections names collections, scroll gives a point with its payload, and a collection
that nobody has is an error. /, /healthz and the like answer everybody. A scroll is a POST that
only reads: it is sent where the scope file allows such reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.documents import Store, Words
from leftopen.reach.json_answer import parsed
from leftopen.reach.marked import post

COLLECTIONS: Final = "/collections"
WORDS: Final = Words("collections", "points_count")
COUNTED: Final = 20  # collections whose points are counted for the proof
PAGE: Final = 250
_NO_POST: Final = "a scroll is a POST, and read_posts is off"


class _Front(msgspec.Struct):
    title: str
    version: str


class _Named(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]  # Qdrant's own limit


class _Names(msgspec.Struct):
    collections: list[_Named]


class _Listed(msgspec.Struct):
    result: _Names


class _Count(msgspec.Struct):
    points_count: int | None = None


class _Counted(msgspec.Struct):
    result: _Count


class _Point(msgspec.Struct):
    id: int | str
    payload: dict[str, Any] | None = None


class _Points(msgspec.Struct):
    points: list[_Point]
    next_page_offset: int | str | None = None


class _Scrolled(msgspec.Struct):
    result: _Points


class _One(msgspec.Struct):
    result: _Point


def _recognise(answer: Response) -> bool:
    front = parsed(answer, _Front) if answer.status == 200 else None
    return front is not None and front.title.startswith("qdrant")


def _scroll(store: Store) -> str:
    return f"{COLLECTIONS}/{store.address}/points/scroll"


def _has(answer: Response) -> bool:
    found = parsed(answer, _One)
    return found is not None and bool(found.result.payload)


def _is_point(answer: Response) -> bool:
    return parsed(answer, _One) is not None


async def _page(client: HttpClient, store: Store, limit: int, offset: int | str | None) -> Response:
    """One page of points by the marked read, from `offset` (a point's id) on."""
    asked = {"limit": limit, "offset": offset, "with_payload": limit == 1, "with_vector": False}
    return await client.request(
        "POST",
        _scroll(store),
        headers={"Content-Type": "application/json"},
        body=msgspec.json.encode(asked),
        limit=documents.ANSWER_BYTES,
    )


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await documents.get(client, "/")
        if not _recognise(front):
            return None
        answer = await documents.get(client, COLLECTIONS)
        refused = web.refusal(context, web.Landing(COLLECTIONS, answer))
        proof = refused or await _collections(context, client, answer)
        said = parsed(front, _Front)
        return replace(proof, product="qdrant", version=said.version if said else "")


async def _collections(context: Context, client: HttpClient, answer: Response) -> Proof:
    found = parsed(answer, _Listed) if answer.status == 200 else None
    evidence = documents.shown(context, COLLECTIONS, answer)
    if found is None:
        detail = f"no list of collections, answered with {answer.status}"
        return documents.unproved(detail, evidence)
    other = await documents.get(client, f"{COLLECTIONS}/{documents.nobody(context)}")
    if other.status == 200:
        return documents.unproved("a collection that nobody has is answered as well", evidence)
    named = found.result.collections
    stores = [await _counted(client, item.name) for item in named[:COUNTED]]
    stores += [_store(item.name) for item in named[COUNTED:]]
    proof = await documents.proof(
        stores, evidence, lambda store: _first(context, client, store), WORDS
    )
    gap = context.gap(Reason.NOT_GIVEN, "points/scroll", _NO_POST)
    return proof if context.posts or not stores else replace(proof, gaps=(gap,))


def _store(name: str, points: int | None = None) -> Store:
    return Store(name, quote(name, safe=""), documents.count(points))


async def _counted(client: HttpClient, name: str) -> Store:
    answer = await documents.get(client, f"{COLLECTIONS}/{quote(name, safe='')}")
    found = parsed(answer, _Counted) if answer.status == 200 else None
    return _store(name, found.result.points_count if found else None)


async def _first(context: Context, client: HttpClient, store: Store) -> Evidence | None:
    """One point: by a scroll, or where no POST may be sent the one whose id is 1 or 0."""
    if not context.posts:
        for uid in (1, 0):
            path = f"{COLLECTIONS}/{store.address}/points/{uid}"
            if evidence := await documents.one(context, client, path, _has):
                return evidence
        return None
    answer = await _page(client, store, 1, None)
    if answer.status in documents.REFUSED:
        raise ObjectRefused(f"answered with {answer.status}")
    found = parsed(answer, _Scrolled) if answer.status == 200 else None
    if found is None or not any(point.payload for point in found.result.points):
        return None
    path = _scroll(store)
    command = f"{web.reproduce(context, path)} --json '{{\"limit\": 1}}'"
    asked = f'POST {path} {{"limit": 1, "with_payload": true}}'
    return context.evidence(asked, answer.body, command, content=True)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    if not context.posts:
        yield context.gap(Reason.NOT_GIVEN, "points/scroll", _NO_POST)
        return
    async with context.http() as client:
        found = parsed(await documents.get(client, COLLECTIONS), _Listed)
        if found is None:
            raise ProtocolError("the list of collections is no longer answered")
        named = found.result.collections
        for item in named[: documents.MAX_STORES]:
            async for point in _points(context, client, _store(item.name)):
                yield point
        if (left := len(named) - documents.MAX_STORES) > 0:
            yield context.gap(Reason.BUDGET, "", "more collections", count=left)


async def _points(
    context: Context, client: HttpClient, store: Store
) -> AsyncIterator[ObjectRef | Gap]:
    """Addresses of a collection's points; pages go on from the id that the last one names."""
    offset: int | str | None = None
    for _ in range(documents.WINDOW // PAGE):
        answer = await _page(client, store, PAGE, offset)
        found = parsed(answer, _Scrolled) if answer.status == 200 else None
        if found is None:
            detail = f"no page of points, answered with {answer.status}"
            yield context.gap(Reason.UNPARSED, store.name, detail)
            return
        for point in found.result.points[:PAGE]:
            path = f"{COLLECTIONS}/{store.address}/points/{quote(str(point.id), safe='')}"
            yield ObjectRef(path=path, group=store.name, media_type="application/json")
        following = found.result.next_page_offset
        if following is None:
            return
        if following == offset:
            yield context.gap(Reason.MISBEHAVED, store.name, "the same page again and again")
            return
        offset = following
    yield context.gap(Reason.BUDGET, store.name, f"points after the first {documents.WINDOW}")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await documents.fetch_one(client, ref.path, limit, _is_point)


QDRANT = Protocol(
    name="qdrant",
    ports=(6333,),
    sends="GET of /collections and of their counts, a POST of points/scroll that reads one point",
    allowed=(*METHODS, post("/collections/*/points/scroll")),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://api.qdrant.tech/api-reference/points/scroll-points",
)
