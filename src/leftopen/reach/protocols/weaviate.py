"""Weaviate: classes and objects without a key.

Proof: /v1/schema names classes, /v1/objects?limit=1 gives an object, and a class that nobody has
is refused. /v1/meta is version and modules, no data. Anonymous access is on by default.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import Store, Words
from leftopen.reach.json_answer import parsed

META: Final = "/v1/meta"
SCHEMA: Final = "/v1/schema"
NODES: Final = "/v1/nodes?output=verbose"
WORDS: Final = Words("classes", "/v1/nodes, objectCount")


class _Link(msgspec.Struct):
    href: str
    name: str


class _Front(msgspec.Struct):
    """One link at the first page, which leads to /v1; a list of them there."""

    links: _Link | list[_Link]


class _Meta(msgspec.Struct):
    version: str
    hostname: str = ""


class _Class(msgspec.Struct):
    name: str = msgspec.field(name="class")


class _Schema(msgspec.Struct):
    classes: list[_Class] | None


class _Object(msgspec.Struct):
    id: str
    name: str = msgspec.field(name="class")
    properties: dict[str, Any] | None = None


class _Objects(msgspec.Struct):
    objects: list[_Object]


class _Shard(msgspec.Struct):
    name: str
    kind: str = msgspec.field(name="class")
    objects: int = msgspec.field(name="objectCount", default=0)


class _Node(msgspec.Struct):
    shards: list[_Shard] | None = None


class _Nodes(msgspec.Struct):
    nodes: list[_Node]


def _recognise(answer: Response) -> bool:
    """The redirect to /v1 whose body says what that is (middlewares.go, addHandleRoot)."""
    front = parsed(answer, _Front)
    if front is None or not isinstance(front.links, _Link) or front.links.href != "/v1":
        return False
    try:
        leads = urlsplit(answer.headers.get("location", "/v1")).path
    except ValueError:
        return False
    return answer.status in (200, 301) and leads == "/v1"


def _object(store: Store, start: int) -> str:
    kind = f"class={store.address}&" if store.address else ""
    return f"/v1/objects?{kind}limit=1&offset={start}"


def _has(answer: Response) -> bool:
    found = parsed(answer, _Objects)
    return found is not None and any(item.properties for item in found.objects)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await documents.get(client, "/")
        if not _recognise(front):
            return None
        answer = await documents.get(client, META)
        meta = parsed(answer, _Meta) if answer.status == 200 else None
        proof = web.refusal(context, web.Landing(META, answer))
        if proof is None and meta is None:
            return None
        proof = proof or await _classes(context, client, answer)
        return replace(proof, product="weaviate", version=meta.version if meta else "")


async def _classes(context: Context, client: HttpClient, meta: Response) -> Proof:
    answer = await documents.get(client, SCHEMA)
    if answer.status in documents.REFUSED:
        evidence = documents.shown(context, META, meta)
        detail = f"version and modules without a login; the schema is refused ({answer.status})"
        return Proof(Access.METADATA, detail, evidence=(evidence,))
    evidence = documents.shown(context, SCHEMA, answer)
    stores = await _stores(client, answer)
    if stores is None:
        return documents.unproved(f"no schema, answered with {answer.status}", evidence)
    nobody = documents.nobody(context).replace("leftopen-", "Leftopen")
    if (await documents.get(client, f"{SCHEMA}/{nobody}")).status == 200:
        return documents.unproved("a class that nobody has is answered as well", evidence)
    return await documents.proof(
        stores, evidence, lambda s: documents.one(context, client, _object(s, 0), _has), WORDS
    )


async def _stores(client: HttpClient, answer: Response) -> list[Store] | None:
    """The classes; replicas of a shard are counted once."""
    found = parsed(answer, _Schema) if answer.status == 200 else None
    if found is None:
        return None
    nodes = parsed(await documents.get(client, NODES), _Nodes)
    shards: dict[tuple[str, str], int] = {}
    for node in nodes.nodes if nodes else []:
        for shard in node.shards or []:
            key = (shard.kind, shard.name)
            shards[key] = max(shards.get(key, 0), documents.count(shard.objects) or 0)
    counts: dict[str, int] = {}
    for (kind, _), objects in shards.items():
        counts[kind] = counts.get(kind, 0) + objects
    names = [item.name for item in found.classes or []]
    return [Store(name, quote(name, safe=""), counts.get(name)) for name in names]


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        stores = await _stores(client, await documents.get(client, SCHEMA))
    if stores is None:
        raise ProtocolError("the schema is no longer answered")
    for item in documents.numbered(context, stores, _object):
        yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await documents.fetch_one(client, ref.path, limit, _has)


WEAVIATE = Protocol(
    name="weaviate",
    ports=(8080,),
    sends="GET of /v1/meta, /v1/schema, /v1/nodes and of one object",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.weaviate.io/weaviate/api/rest",
)
