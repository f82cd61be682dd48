"""Apache Solr: cores and documents without a login.

Proof: admin/cores names cores, select of one gives a document, and a core that nobody has is
refused. The admin pages may be open where a core is not. Solr carries out writes that come by GET
(UNLOAD of a core, update with stream.body), so what is asked is one of four paths.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import ObjectRef
from leftopen.model.gap import Gap
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import Store, Words
from leftopen.reach.json_answer import parsed

INFO: Final = "/solr/admin/info/system?wt=json"
CORES: Final = "/solr/admin/cores?action=STATUS&wt=json"
WORDS: Final = Words("cores", "admin/cores, numDocs and sizeInBytes")
_SELECT: Final = re.compile(
    r"/solr/[A-Za-z0-9_%~.-]{1,765}/select\?q=\*:\*&rows=1&start=[0-9]{1,5}&wt=json"
)


class _Lucene(msgspec.Struct):
    version: str = msgspec.field(name="solr-spec-version")


class _Info(msgspec.Struct):
    lucene: _Lucene


class _Index(msgspec.Struct, rename="camel"):
    num_docs: int | None = None
    size_in_bytes: int | None = None


class _Core(msgspec.Struct):
    index: _Index = msgspec.field(default_factory=_Index)


class _Cores(msgspec.Struct):
    status: dict[str, _Core]


class _Page(msgspec.Struct):
    docs: list[dict[str, Any]]


class _Found(msgspec.Struct):
    response: _Page


def _recognise(answer: Response) -> bool:
    """The first page sends every browser to /solr/, with a login or without."""
    try:
        leads = urlsplit(answer.headers.get("location", "")).path
    except ValueError:
        return False
    return answer.status in (301, 302) and leads in ("/solr", "/solr/")


def _select(store: Store, start: int) -> str:
    return f"/solr/{store.address}/select?q=*:*&rows=1&start={start}&wt=json"


def is_read(path: str) -> bool:
    """Whether this path is one of those that only read."""
    return path in (INFO, CORES) or _SELECT.fullmatch(path) is not None


def _has(answer: Response) -> bool:
    found = parsed(answer, _Found)
    return found is not None and any(found.response.docs)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await documents.get(client, "/")
        if not _recognise(front):
            return None
        answer = await documents.get(client, INFO)
        if refused := web.refusal(context, web.Landing(INFO, answer)):
            return replace(refused, product="solr")
        info = parsed(answer, _Info) if answer.status == 200 else None
        if info is None:
            return None
        proof = await _cores(context, client)
        return replace(proof, product="solr", version=info.lucene.version)


async def _cores(context: Context, client: HttpClient) -> Proof:
    answer = await documents.get(client, CORES)
    if refused := web.refusal(context, web.Landing(CORES, answer)):
        return replace(refused, detail=f"the system page answers, the rest not: {refused.detail}")
    stores = _stores(answer)
    evidence = documents.shown(context, CORES, answer)
    if stores is None:
        return documents.unproved(f"no list of cores, answered with {answer.status}", evidence)
    other = await documents.get(client, _select(Store("", documents.nobody(context)), 0))
    if other.status == 200:
        return documents.unproved("a core that nobody has is answered as well", evidence)
    return await documents.proof(
        stores, evidence, lambda s: documents.one(context, client, _select(s, 0), _has), WORDS
    )


def _stores(answer: Response) -> list[Store] | None:
    found = parsed(answer, _Cores) if answer.status == 200 else None
    if found is None:
        return None
    count = documents.count
    return [
        Store(
            name, quote(name, safe=""), count(core.index.num_docs), count(core.index.size_in_bytes)
        )
        for name, core in found.status.items()
    ]


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        stores = _stores(await documents.get(client, CORES))
    if stores is None:
        raise ProtocolError("the list of cores is no longer answered")
    for item in documents.numbered(context, stores, _select):
        yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    if not is_read(ref.path):
        raise OutOfScope("not one of the reading requests of Solr")
    async with context.http() as client:
        return await documents.fetch_one(client, ref.path, limit, _has)


SOLR = Protocol(
    name="solr",
    ports=(8983,),
    sends="GET of admin/info/system and admin/cores, and of one document by select?rows=1",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://solr.apache.org/guide/solr/latest/configuration-guide/coreadmin-api.html",
)
