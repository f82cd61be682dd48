"""Elasticsearch and OpenSearch: indices and documents without a login.

Proof: _cat/indices names indices, _search of one gives a document, and an index that nobody has
is answered with index_not_found. The banner proves nothing: an anonymous role may see it and be
refused all data. Addresses of other nodes are never asked for and never followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.json_answer import parsed

PAGE: Final = 500
WINDOW: Final = 10_000  # index.max_result_window: from + size beyond it is an error
MAX_INDICES: Final = 2000
ANSWER_BYTES: Final = 1_000_000
_INDICES: Final = "/_cat/indices?format=json&bytes=b&h=index,docs.count,store.size,status"
_WIPED: Final = ("meow", "read_me", "readme", "read-me", "warning", "recover", "ransom")
_REALMS: Final = ('realm="security"', 'realm="opensearch security"')


class _Version(msgspec.Struct):
    number: str
    distribution: str = ""


class _Banner(msgspec.Struct):
    cluster_name: str
    version: _Version
    tagline: str = ""


class _Index(msgspec.Struct, rename={"docs": "docs.count", "bytes": "store.size"}):
    index: str
    docs: str | None = None
    bytes: str | None = None


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    type: str = msgspec.field(name="_type", default="_doc")  # before 7.0 a document has a type
    source: Any = msgspec.field(name="_source", default=None)


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Found(msgspec.Struct):
    hits: _Hits


def _recognise(answer: Response) -> bool:
    asks = answer.headers.get("www-authenticate", "").lower()
    if answer.status in (401, 403):
        return "x-elastic-product" in answer.headers or any(r in asks for r in _REALMS)
    return answer.status == 200 and parsed(answer, _Banner) is not None


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=ANSWER_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await _get(client, "/")
        if not _recognise(front):
            return None
        banner = parsed(front, _Banner)
        version = banner.version.number if banner else ""
        marks = f"{banner.version.distribution} {banner.tagline}" if banner else str(front.headers)
        product = "opensearch" if "opensearch" in marks.lower() else "elasticsearch"
        refused = web.refusal(context, web.Landing("/", front))
        proof = refused or await _data(context, client)
        return replace(proof, product=product, version=version)


async def _data(context: Context, client: HttpClient) -> Proof:
    answer = await _get(client, _INDICES)
    if refused := web.refusal(context, web.Landing(_INDICES, answer)):
        return replace(refused, detail=f"the banner answers, the data does not: {refused.detail}")
    found = parsed(answer, list[_Index])
    shown = context.evidence(f"GET {_INDICES}", answer.body, web.reproduce(context, _INDICES))
    if answer.status != 200 or found is None:
        detail = f"_cat/indices was answered with {answer.status} and something else than a list"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    indices = sorted(found[:MAX_INDICES], key=lambda i: -_number(i.docs))
    ours = [i for i in indices if not i.index.startswith(".")] or indices
    nobody = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    read: tuple[Evidence, ...] = ()
    if (await _get(client, f"/{nobody}/_search?size=1")).status != 404:
        detail = (
            "an index that nobody has is answered as well, so the list of indices proves little"
        )
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    for index in ours[:3]:
        read = read or await _document(context, client, index.index)
    wiped = any(i.index.lower().startswith(_WIPED) for i in indices)
    note = (
        "; an index is named like a ransom note, data may have been wiped before" if wiped else ""
    )
    state = "one document was read" if read else "no document could be read"
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"{len(indices)} indices are named without a login; {state}{note}",
        size=_size(ours, complete=len(found) <= MAX_INDICES),
        evidence=(shown, *read),
        containers=tuple(safe(i.index, 80) for i in ours[:20]),
    )


async def _document(context: Context, client: HttpClient, index: str) -> tuple[Evidence, ...]:
    path = f"/{quote(index, safe='')}/_search?size=1&terminate_after=1"
    answer = await _get(client, path)
    found = parsed(answer, _Found)
    if answer.status != 200 or not found:
        return ()
    if not any(isinstance(hit.source, dict) and hit.source for hit in found.hits.hits):
        return ()
    command = web.reproduce(context, path)
    return (context.evidence(f"GET {path}", answer.body, command, content=True),)


def _size(indices: list[_Index], *, complete: bool) -> Size:
    stored = [i.bytes for i in indices]
    return Size(
        objects=sum(_number(i.docs) for i in indices),
        bytes=sum(map(_number, stored)) if None not in stored else None,
        unit="documents",
        basis=f"_cat/indices, docs.count and store.size of {len(indices)} indices",
        complete=complete and all(i.docs is not None for i in indices),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        answer = await _get(client, _INDICES)
        found = parsed(answer, list[_Index])
        if answer.status != 200 or found is None:
            raise ProtocolError(f"_cat/indices was answered with {answer.status}")
        for index in sorted(found, key=lambda i: i.index)[:MAX_INDICES]:
            async for item in _documents(context, client, index):
                yield item
        if (left := len(found) - MAX_INDICES) > 0:
            yield context.gap(Reason.BUDGET, "", f"more than {MAX_INDICES} indices", count=left)


async def _documents(
    context: Context, client: HttpClient, index: _Index
) -> AsyncIterator[ObjectRef | Gap]:
    """Addresses of one index's documents, as many as from + size may reach."""
    base = f"/{quote(index.index, safe='')}/_search?sort=_doc&preference=leftopen&_source=false"
    for start in range(0, WINDOW, PAGE):
        answer = await _get(client, f"{base}&size={PAGE}&from={start}")
        page = parsed(answer, _Found)
        if answer.status != 200 or page is None:
            detail = f"no page of documents from {start} on, answered with {answer.status}"
            yield context.gap(Reason.UNPARSED, index.index, detail)
            return
        for hit in page.hits.hits[:PAGE]:
            names = (quote(part, safe="") for part in (hit.index, hit.type, hit.id))
            path = "/" + "/".join(names)
            yield ObjectRef(path=path, group=index.index, media_type="application/json")
        if len(page.hits.hits) < PAGE:
            return
    if (left := _number(index.docs) - WINDOW) > 0:
        detail = f"from + size reach no further than {WINDOW} documents"
        yield context.gap(Reason.BUDGET, index.index, detail, count=left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


ELASTICSEARCH = Protocol(
    name="elasticsearch",
    ports=(9200,),
    sends="GET of the banner, of _cat/indices, of one document by _search?size=1",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-cat-indices",
)
