"""HBase REST: tables and rows without a login.

Proof: `/` names tables, and one row of one of them comes back. The row is asked for by GET of
/<table>/*, which makes no scanner on the server (a scanner is made by PUT).
https://hbase.apache.org/book.html#_rest
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef
from leftopen.model.gap import Gap
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import Store, Words
from leftopen.reach.json_answer import parsed

_JSON: Final = {"Accept": "application/json"}
_NAME: Final = re.compile(rb"[\w.:-]{1,255}\r?")
ROWS: Final = 100  # of one table that a listing hands out as one object


class _Version(msgspec.Struct, rename={"rest": "REST", "server": "Server", "jvm": "JVM"}):
    rest: str
    server: str
    jvm: str


class _Table(msgspec.Struct):
    name: str


class _Tables(msgspec.Struct):
    table: list[_Table]


class _Row(msgspec.Struct, rename={"cells": "Cell"}):
    key: str
    cells: list[msgspec.Raw]


class _Rows(msgspec.Struct, rename={"rows": "Row"}):
    rows: list[_Row]


def _recognise(answer: Response) -> bool:
    """The names of tables, one a line, where no other form was asked for; a hint only."""
    if answer.status != 200 or answer.media_type != "text/plain":
        return False
    lines = answer.body.splitlines()
    return len(lines) <= documents.WINDOW and all(_NAME.fullmatch(line) for line in lines)


def _has_row(answer: Response) -> bool:
    found = parsed(answer, _Rows)
    return found is not None and any(row.key and row.cells for row in found.rows)


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, headers=_JSON, limit=documents.ANSWER_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            version = await _get(client, "/version")
            other = await _get(client, f"/{documents.nobody(context)}/exists")
        except BudgetSpent:
            raise
        except ProtocolError:  # the first page may be any program's
            return None
        known = parsed(version, _Version) if version.status == 200 else None
        if known is None or other.status == 200:
            return None
        proof = await _tables(context, client)
        return replace(proof, product="HBase REST", version=known.rest)


async def _tables(context: Context, client: HttpClient) -> Proof:
    answer = await _get(client, "/")
    seen = documents.shown(context, "/", answer)
    found = _stores(answer)
    if found is None:
        return documents.unproved(f"no list of tables, answered with {answer.status}", seen)
    if not found:
        return Proof(Access.METADATA, "it has no table", evidence=(seen,))

    async def read(store: Store) -> Evidence | None:
        path = f"/{store.address}/*?limit=1"
        answer = await _get(client, path)
        if answer.status in documents.REFUSED or not _has_row(answer):
            return None
        command = web.reproduce(context, path)
        return context.evidence(f"GET {path}", answer.body, command, content=True)

    return await documents.proof(found, seen, read, Words("tables", "rows"))


def _stores(answer: Response) -> list[Store] | None:
    found = parsed(answer, _Tables) if answer.status == 200 else None
    if found is None:
        return None
    return [Store(t.name, quote(t.name, safe=":")) for t in found.table if t.name]


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        found = _stores(await _get(client, "/"))
        if found is None:
            raise ProtocolError("no list of tables")
        for store in found[: documents.MAX_STORES]:
            path = f"/{store.address}/*?limit={ROWS}"
            yield ObjectRef(path=path, group=store.name, media_type="application/json")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        answer = await client.request("GET", ref.path, headers=_JSON, limit=limit)
    return documents.taken(answer, _has_row)


HBASE_REST = Protocol(
    name="hbase_rest",
    ports=(8080,),
    sends="GET of /version, of the list of tables and of one row",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://hbase.apache.org/book.html#_rest",
)
