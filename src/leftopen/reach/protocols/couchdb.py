"""CouchDB and its kin (PouchDB Server): databases and documents without a login.

Proof: _all_dbs names databases, _all_docs with a limit of 1 gives a document of one, and a database
that nobody has is answered with not_found. The welcome proves nothing, and neither do the names
alone: databases with members are named to anybody by some servers and refuse every document.
https://docs.couchdb.org/en/stable/api/database/bulk-api.html
"""

from __future__ import annotations

import json
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

ANSWER_BYTES: Final = 1_000_000
PAGE: Final = 500
MAX_PAGES: Final = 400  # of one database
MAX_DATABASES: Final = 2000
TRIED: Final = 5  # databases until one gives a document
COUNTED: Final = 20  # databases whose size is asked for
_DATABASES: Final = f"/_all_dbs?limit={MAX_DATABASES}"
_WIPED: Final = ("meow", "read_me", "readme", "read-me", "warning", "recover", "ransom")
_REFUSED: Final = (401, 403)


class _Vendor(msgspec.Struct):
    name: str
    version: str = ""


class _Welcome(msgspec.Struct):
    couchdb: str = ""
    pouchdb: str = msgspec.field(name="express-pouchdb", default="")
    version: str = ""
    vendor: _Vendor | None = None


class _Refusal(msgspec.Struct):
    error: str
    reason: str | None = None


class _Sizes(msgspec.Struct):
    file: int | None = None
    active: int | None = None


class _Info(msgspec.Struct):
    documents: int = msgspec.field(name="doc_count")
    sizes: _Sizes | None = None
    data_size: int | None = None  # before 3.0


class _Row(msgspec.Struct):
    id: str
    doc: Any = None


class _Rows(msgspec.Struct):
    rows: list[_Row]


def _recognise(answer: Response) -> bool:
    if answer.status in _REFUSED:  # require_valid_user: the welcome is refused as well
        said = parsed(answer, _Refusal)
        server = web.server_of(answer)[0].lower()
        return server == "couchdb" and said is not None and said.error == "unauthorized"
    welcome = parsed(answer, _Welcome)
    return answer.status == 200 and welcome is not None and bool(_product(welcome))


def _product(welcome: _Welcome) -> str:
    if welcome.couchdb == "Welcome":
        return "couchdb"
    return "pouchdb" if welcome.pouchdb.startswith("Welcome") else ""


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=ANSWER_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await _get(client, "/")
        if not _recognise(front):
            return None
        welcome = parsed(front, _Welcome) or _Welcome()
        product = _product(welcome) or "couchdb"
        refused = web.refusal(context, web.Landing("/", front))
        proof = refused or await _data(context, client)
        return replace(proof, product=product, version=welcome.version)


async def _data(context: Context, client: HttpClient) -> Proof:
    answer = await _get(client, _DATABASES)
    if refused := web.refusal(context, web.Landing(_DATABASES, answer)):
        return replace(refused, detail=f"the welcome answers, data does not: {refused.detail}")
    names = parsed(answer, list[str])
    shown = context.evidence(f"GET {_DATABASES}", answer.body, web.reproduce(context, _DATABASES))
    if answer.status != 200 or names is None:
        detail = f"_all_dbs was answered with {answer.status} and something else than a list"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    nobody = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    if (await _get(client, f"/{nobody}/_all_docs?limit=1")).status not in (404, *_REFUSED):
        detail = "a database that nobody has is answered as well, so the list proves little"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    ours = [name for name in names[:MAX_DATABASES] if name and not name.startswith("_")]
    read: tuple[Evidence, ...] = ()
    refusals = 0
    for name in ours[:TRIED]:
        if not read:
            status, read = await _document(context, client, name)
            refusals += status in _REFUSED
    wiped = any(name.startswith(_WIPED) for name in ours)
    note = "; one is named like a ransom note, data may have been wiped before" if wiped else ""
    closed = f"; {refusals} of those tried refuse their documents" if refusals else ""
    state = "one document was read" if read else "no document could be read"
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"{len(names)} databases are named without a login; {state}{closed}{note}",
        size=await _size(client, ours, complete=len(names) < MAX_DATABASES) if read else None,
        evidence=(shown, *read),
        containers=tuple(safe(name, 80) for name in ours[:20]),
    )


def _path(name: str) -> str:
    return f"/{quote(name, safe='')}"


async def _document(
    context: Context, client: HttpClient, name: str
) -> tuple[int, tuple[Evidence, ...]]:
    """The status of asking for one document, and the evidence where one came."""
    path = f"{_path(name)}/_all_docs?limit=1&include_docs=true"
    answer = await _get(client, path)
    found = parsed(answer, _Rows)
    if answer.status != 200 or found is None:
        return answer.status, ()
    if not any(isinstance(row.doc, dict) and row.doc for row in found.rows):
        return answer.status, ()
    command = web.reproduce(context, path)
    return 200, (context.evidence(f"GET {path}", answer.body, command, content=True),)


async def _size(client: HttpClient, names: list[str], *, complete: bool) -> Size:
    """Documents and bytes as the databases themselves say; one that is refused is left out."""
    documents, stored = 0, list[int | None]()
    for name in names[:COUNTED]:
        answer = await _get(client, _path(name))
        info = parsed(answer, _Info) if answer.status == 200 else None
        if info and info.documents >= 0:
            documents += info.documents
            stored.append(info.sizes.active if info.sizes else info.data_size)
    known = [size for size in stored if size is not None and size >= 0]
    return Size(
        objects=documents if stored else None,
        bytes=sum(known) if known and len(known) == len(stored) else None,
        unit="documents",
        basis=f"doc_count of {len(stored)} databases",
        complete=complete and len(stored) == len(names),
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        answer = await _get(client, _DATABASES)
        names = parsed(answer, list[str])
        if answer.status != 200 or names is None:
            raise ProtocolError(f"_all_dbs was answered with {answer.status}")
        for name in names[:MAX_DATABASES]:
            if name and not name.startswith("_"):
                async for item in _documents(context, client, name):
                    yield item
        if len(names) >= MAX_DATABASES:
            yield context.gap(Reason.BUDGET, "", f"no more than {MAX_DATABASES} databases")


async def _documents(
    context: Context, client: HttpClient, name: str
) -> AsyncIterator[ObjectRef | Gap]:
    """Addresses of one database's documents; a page begins with the last id of the one before."""
    base, last = f"{_path(name)}/_all_docs?limit={PAGE + 1}", ""
    for _ in range(MAX_PAGES):
        start = f"&startkey={quote(json.dumps(last), safe='')}" if last else ""
        answer = await _get(client, base + start)
        page = parsed(answer, _Rows)
        if answer.status != 200 or page is None:
            reason = Reason.REFUSED if answer.status in _REFUSED else Reason.UNPARSED
            detail = f"no page of documents, answered with {answer.status}"
            yield context.gap(reason, name, detail)
            return
        for row in page.rows[: PAGE + 1]:
            if row.id and row.id != last:
                kind = "application/json"
                yield ObjectRef(path=_address(name, row.id), group=name, media_type=kind)
        if len(page.rows) <= PAGE:
            return
        if page.rows[PAGE].id == last:
            yield context.gap(Reason.MISBEHAVED, name, "the same page again and again")
            return
        last = page.rows[PAGE].id
    yield context.gap(Reason.BUDGET, name, f"documents were listed for {MAX_PAGES} pages")


def _address(name: str, uid: str) -> str:
    """Path of a document; those of design and of one node have a slash that must stay one."""
    for special in ("_design/", "_local/"):
        if uid.startswith(special):
            return f"{_path(name)}/{special}{quote(uid.removeprefix(special), safe='')}"
    return f"{_path(name)}/{quote(uid, safe='')}"


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


COUCHDB = Protocol(
    name="couchdb",
    ports=(5984,),
    tls_ports=(6984,),
    sends="GET of the welcome, of _all_dbs, of one document by _all_docs?limit=1",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.couchdb.org/en/stable/api/server/common.html",
)
