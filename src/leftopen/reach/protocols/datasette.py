"""Datasette: tables that anybody may read.

Its pages end with a line that names it, also where "allow" keeps strangers out (403). Proof: the
databases are named, and one row of one table comes back. No SQL is ever sent.
https://docs.datasette.io/en/stable/json_api.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import msgspec
from msgspec import structs

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import documents, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import Store, Words, get
from leftopen.reach.json_answer import parsed

DATABASES: Final = "/-/databases.json"
MAX_DATABASES: Final = 100
PROVED: Final = 10  # databases asked for their tables while proving
_FOOTER: Final = re.compile(
    rb'<a href="https://datasette\.io/" title="Datasette v([\w.+-]{0,40})">Datasette</a>'
)
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_WORDS: Final = Words("tables", "count of /<database>.json")


class _Database(msgspec.Struct):
    name: str
    route: str
    is_memory: bool


class _Table(msgspec.Struct):
    name: str
    columns: list[str]
    count: int | None = None
    private: bool = False


class _Tables(msgspec.Struct):
    database: str
    tables: list[_Table]


def _version(answer: Response) -> str | None:
    """The version in the last line of a page, None where it is no Datasette's."""
    match = _FOOTER.search(answer.body) if answer.status in (200, 403) else None
    return match.group(1).decode() if match else None


def tilde(name: str) -> str:
    """Tilde-encoding, in which Datasette writes names into paths."""
    made = []
    for letter in name.encode("utf-8", "replace").decode("latin-1"):
        made.append(letter if letter in _PLAIN else "+" if letter == " " else f"~{ord(letter):02X}")
    return "".join(made)


def parse_tables(route: str, answer: Response) -> list[Store] | None:
    """The tables of one database, None when the answer is none."""
    said = parsed(answer, _Tables) if answer.status == 200 else None
    if said is None:
        return None
    return [
        Store(
            f"{said.database}.{table.name}",
            f"/{tilde(route)}/{tilde(table.name)}",
            documents.count(table.count),
        )
        for table in said.tables
    ]


def _has_row(answer: Response) -> bool:
    rows = parsed(answer, list[dict[str, Any]])
    return bool(rows)


async def _stores(
    context: Context, client: HttpClient, databases: list[_Database], most: int
) -> tuple[list[Store], list[Gap]]:
    stores: list[Store] = []
    gaps: list[Gap] = []
    for database in databases[:most]:
        answer = await get(client, f"/{tilde(database.route)}.json")
        found = parse_tables(database.route, answer)
        if found is None:
            refused = answer.status in documents.REFUSED
            reason = Reason.REFUSED if refused else Reason.UNPARSED
            gaps.append(context.gap(reason, database.name, f"answered with {answer.status}"))
        stores += found or ()
    if (left := len(databases) - most) > 0:
        gaps.append(context.gap(Reason.BUDGET, "", f"more than {most} databases", count=left))
    return stores, gaps


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        version = _version(context.front or await get(client, "/"))
        if version is None:
            return None
        answer = await get(client, DATABASES)
        if refused := web.refusal(context, web.Landing(DATABASES, answer)):
            return replace(refused, product="datasette", version=version)
        shown = documents.shown(context, DATABASES, answer)
        databases = parsed(answer, list[_Database]) if answer.status == 200 else None
        if databases is None:
            detail = f"says it is Datasette; {DATABASES} is answered with {answer.status}"
            return replace(documents.unproved(detail, shown), product="datasette", version=version)
        stores, gaps = await _stores(context, client, databases, PROVED)

        async def read(store: Store) -> Evidence | None:
            path = f"{store.address}.json?_size=1&_shape=array"
            return await documents.one(context, client, path, _has_row)

        proof = await documents.proof(stores, shown, read, _WORDS)
        size = structs.replace(proof.size, unit="rows") if proof.size else None
        return replace(proof, product="datasette", version=version, size=size, gaps=tuple(gaps))


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """Each table as one file of comma-separated values, which Datasette streams."""
    async with context.http() as client:
        answer = await get(client, DATABASES)
        databases = parsed(answer, list[_Database]) if answer.status == 200 else None
        if databases is None:
            raise ProtocolError(f"{DATABASES} is answered with {answer.status}")
        stores, gaps = await _stores(context, client, databases, MAX_DATABASES)
    for gap in gaps:
        yield gap
    for store in stores[: documents.MAX_STORES]:
        path = f"{store.address}.csv?_stream=on"
        yield ObjectRef(path=path, group=store.name.partition(".")[0], media_type="text/csv")
    if (left := len(stores) - documents.MAX_STORES) > 0:
        yield context.gap(Reason.BUDGET, "", "more tables than are listed", count=left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


DATASETTE = Protocol(
    name="datasette",
    ports=(8001,),
    sends="GET of the databases, of their tables and of one row",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=lambda answer: _version(answer) is not None,
    encoded_names=True,
    source="https://docs.datasette.io/en/stable/json_api.html",
)
