"""Indices and documents of Elasticsearch and OpenSearch: what both are asked, and how it is read.

Answers since 0.90 are understood: up to 1.x _cat speaks text only and counts come from _stats;
up to 6.x hits.total is a number, later an object. Addresses of other nodes are never asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof
from leftopen.reach.json_answer import parsed

PAGE: Final = 500
WINDOW: Final = 10_000  # index.max_result_window: from + size beyond it is an error
MAX_INDICES: Final = 2000
TRIED: Final = 3  # indices of which a document is asked for
ANSWER_BYTES: Final = 1_000_000
INDICES: Final = "/_cat/indices?format=json&bytes=b&h=index,docs.count,store.size,status"
STATS: Final = "/_stats/docs,store"
ANYTHING: Final = "/_search?size=1"
_NO_CAT: Final = (400, 404, 405, 406)  # before 1.0 there is no _cat at all
_WIPED: Final = ("meow", "read_me", "readme", "read-me", "warning", "recover", "ransom")


class Version(msgspec.Struct):
    """The part of a banner that names the version; `distribution` is OpenSearch's."""

    number: str
    distribution: str = ""


class Banner(msgspec.Struct):
    """The answer to GET /; before 1.4 it names no cluster."""

    version: Version
    tagline: str = ""
    cluster_name: str = ""

    @property
    def opensearch(self) -> bool:
        """Whether it is OpenSearch's; a version number alone may be set to lie (7.10.2)."""
        return self.version.distribution == "opensearch" or "OpenSearch Project" in self.tagline


class Index(msgspec.Struct, rename={"docs": "docs.count", "bytes": "store.size"}):
    """A row of _cat/indices; a closed index has no counts."""

    index: str
    docs: str | None = None
    bytes: str | None = None


class _Count(msgspec.Struct):
    count: int = 0


class _Store(msgspec.Struct):
    size_in_bytes: int = 0


class _Part(msgspec.Struct):
    docs: _Count = msgspec.field(default_factory=_Count)
    store: _Store = msgspec.field(default_factory=_Store)


class _IndexStats(msgspec.Struct):
    primaries: _Part
    total: _Part


class Stats(msgspec.Struct):
    """The answer to _stats, the same from 0.90 on."""

    indices: dict[str, _IndexStats]

    def rows(self) -> list[Index]:
        """The same rows that _cat/indices would give."""
        return [
            Index(name, str(part.primaries.docs.count), str(part.total.store.size_in_bytes))
            for name, part in self.indices.items()
        ]


class Hit(msgspec.Struct):
    """One document of an answer to _search."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    type: str = msgspec.field(name="_type", default="_doc")  # before 7.0 a document has a type
    source: Any = msgspec.field(name="_source", default=None)


class _Total(msgspec.Struct):
    value: int
    relation: str = "eq"


class _Hits(msgspec.Struct):
    hits: list[Hit]
    total: int | _Total | None = None


class Found(msgspec.Struct):
    """The answer to _search."""

    hits: _Hits

    @property
    def total(self) -> tuple[int, bool]:
        """How many documents match, and whether that is exact."""
        total = self.hits.total
        if isinstance(total, _Total):
            return max(total.value, 0), total.relation == "eq"
        return max(total or 0, 0), total is not None

    @property
    def document(self) -> bool:
        """Whether a document with content is among the hits."""
        return any(isinstance(hit.source, dict) and hit.source for hit in self.hits.hits)


@dataclass(frozen=True, slots=True)
class Listed:
    """The indices that a stranger may name, or the answer that refused them."""

    answer: Response
    path: str
    indices: list[Index] | None


async def get(client: HttpClient, path: str) -> Response:
    """GET of a path, bounded."""
    return await client.request("GET", path, limit=ANSWER_BYTES)


async def indices_of(client: HttpClient) -> Listed:
    """The indices by _cat, or by _stats where _cat has no JSON yet (up to 1.x)."""
    answer = await get(client, INDICES)
    found = parsed(answer, list[Index]) if answer.status == 200 else None
    text = answer.status == 200 and answer.media_type == "text/plain"
    if found is not None or not (text or answer.status in _NO_CAT):
        return Listed(answer, INDICES, found)
    stats = await get(client, STATS)
    counted = parsed(stats, Stats) if stats.status == 200 else None
    return Listed(stats, STATS, counted.rows() if counted else None)


async def data(context: Context, client: HttpClient) -> Proof:
    """What a stranger is given after the banner: documents, names, or a refusal.

    Raises the errors of the dialer.
    """
    listed = await indices_of(client)
    answer, path = listed.answer, listed.path
    if refused := web.refusal(context, web.Landing(path, answer)):
        return await _unnamed(context, client, refused)
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
    if listed.indices is None:
        detail = f"{path.split('?')[0]} was answered with {answer.status}, not with a list"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    if await _catches_all(context, client):
        detail = "an index that nobody has is answered too, so the list of indices proves little"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    return await _named(context, client, listed.indices, shown)


async def _catches_all(context: Context, client: HttpClient) -> bool:
    nobody = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    return (await get(client, f"/{nobody}/_search?size=1")).status not in (401, 403, 404)


async def _named(
    context: Context, client: HttpClient, found: list[Index], shown: Evidence
) -> Proof:
    indices = sorted(found[:MAX_INDICES], key=lambda i: -number(i.docs))
    ours = [i for i in indices if not i.index.startswith(".")] or indices
    read: tuple[Evidence, ...] = ()
    refused = 0
    for index in ours[:TRIED]:
        path = f"/{quote(index.index, safe='')}/_search?size=1&terminate_after=1"
        answer = await get(client, path)
        refused += answer.status in (401, 403)
        page = parsed(answer, Found) if answer.status == 200 else None
        if page and page.document:
            command = web.reproduce(context, path)
            read = (context.evidence(f"GET {path}", answer.body, command, content=True),)
            break
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=_words(indices, read=bool(read), refused=refused),
        size=_size(ours, complete=len(found) <= MAX_INDICES),
        evidence=(shown, *read),
        containers=tuple(safe(i.index, 80) for i in ours[:20]),
    )


def _words(indices: list[Index], *, read: bool, refused: int) -> str:
    if not indices:
        return "open without a login, and empty: 0 indices"
    state = "one document was read" if read else "no document could be read"
    if refused:
        state += f", {refused} of the indices tried are refused"
    if any(i.index.lower().startswith(_WIPED) for i in indices):
        state += "; an index is named like a ransom note, data may have been wiped before"
    return f"{len(indices)} indices are named without a login; {state}"


async def _unnamed(context: Context, client: HttpClient, refused: Proof) -> Proof:
    """The list is refused; an anonymous role may still read what it names itself."""
    answer = await get(client, ANYTHING)
    found = parsed(answer, Found) if answer.status == 200 else None
    if found is None or not found.document or await _catches_all(context, client):
        return replace(refused, detail=f"the banner answers, the data does not: {refused.detail}")
    total, exact = found.total
    shown = context.evidence(
        f"GET {ANYTHING}", answer.body, web.reproduce(context, ANYTHING), content=True
    )
    return Proof(
        access=Access.GIVES_DATA,
        detail="the list of indices is refused, a search gives a document: an anonymous role",
        size=Size(objects=total, unit="documents", basis="_search, hits.total", complete=exact),
        evidence=(*refused.evidence, shown),
        containers=tuple({safe(hit.index, 80): None for hit in found.hits.hits[:20]}),
    )


def _size(indices: list[Index], *, complete: bool) -> Size:
    stored = [i.bytes for i in indices]
    return Size(
        objects=sum(number(i.docs) for i in indices),
        bytes=sum(map(number, stored)) if None not in stored else None,
        unit="documents",
        basis=f"docs.count and store.size of {len(indices)} indices",
        complete=complete and all(i.docs is not None for i in indices),
    )


def number(text: str | None) -> int:
    """A count as _cat writes it; 0 for what is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0


async def objects(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """Addresses of documents, index by index, or of all that a search gives."""
    async with context.http() as client:
        listed = await indices_of(client)
        if listed.answer.status in (401, 403):
            async for item in _documents(context, client, None):
                yield item
            return
        if listed.indices is None:
            raise ProtocolError(f"the list of indices was answered with {listed.answer.status}")
        for index in sorted(listed.indices, key=lambda i: i.index)[:MAX_INDICES]:
            async for item in _documents(context, client, index):
                yield item
        if (left := len(listed.indices) - MAX_INDICES) > 0:
            yield context.gap(Reason.BUDGET, "", f"more than {MAX_INDICES} indices", count=left)


async def _documents(
    context: Context, client: HttpClient, index: Index | None
) -> AsyncIterator[ObjectRef | Gap]:
    """Addresses of one index's documents, as many as from + size may reach."""
    place = index.index if index else ""
    base = f"/{quote(place, safe='')}" if index else ""
    base += "/_search?sort=_doc&preference=leftopen&_source=false"
    total = number(index.docs) if index else 0
    for start in range(0, WINDOW, PAGE):
        answer = await get(client, f"{base}&size={PAGE}&from={start}")
        page = parsed(answer, Found) if answer.status == 200 else None
        if page is None:
            refused = answer.status in (401, 403)
            detail = f"no page of documents from {start} on, answered with {answer.status}"
            yield context.gap(Reason.REFUSED if refused else Reason.UNPARSED, place, detail)
            return
        total = total if index else page.total[0]
        for hit in page.hits.hits[:PAGE]:
            names = (quote(part, safe="") for part in (hit.index, hit.type, hit.id))
            path = "/" + "/".join(names)
            yield ObjectRef(path=path, group=hit.index, media_type="application/json")
        if len(page.hits.hits) < PAGE:
            return
    if (left := total - WINDOW) > 0 or not index:
        detail = f"from + size reach no further than {WINDOW} documents"
        yield context.gap(Reason.BUDGET, place, detail, count=max(left, 0))


async def fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    """One document by its address."""
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)
