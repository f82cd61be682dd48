"""json-server: the whole file that it serves, to anybody.

It knows no login. Its own first page names it; /db is all it holds, an object of lists (tables)
and objects. Proof: /db is that object, a nonsense name is answered with 404, and one record of it
is there. A file with an index page of its own is left to the probe of web servers.
https://github.com/typicode/json-server/tree/v0.17.4
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.json_answer import parsed

ALL: Final = "/db"
PAGE_BYTES: Final = 2_000_000
MAX_TABLES: Final = 1000
_TITLE: Final = re.compile(rb"<title>JSON Server</title>")


def _recognise(answer: Response) -> bool:
    express = answer.headers.get("x-powered-by", "") == "Express"
    return express and answer.status == 200 and _TITLE.search(answer.body) is not None


def parse_tables(answer: Response) -> dict[str, int] | None:
    """Names (hostile) and how many records each holds; None when the answer is no such file."""
    said = parsed(answer, dict[str, Any]) if answer.status == 200 else None
    if said is None or not all(isinstance(v, list | dict) for v in said.values()):
        return None
    return {name: len(v) if isinstance(v, list) else 1 for name, v in said.items()}


async def _all(client: HttpClient) -> Response:
    return await client.request("GET", ALL, limit=PAGE_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        other = await web.nonsense(context, client, "/")
        answer = await _all(client)
        if refused := web.refusal(context, web.Landing(ALL, answer)):
            return refused
        tables = parse_tables(answer)
        cut = answer.status == 200 and not answer.complete and answer.body.lstrip()[:1] == b"{"
        if other.status != 404 or (tables is None and not cut):
            return None
        command = web.reproduce(context, ALL)
        shown = context.evidence(f"GET {ALL}", answer.body, command, content=True)
        records = sum((tables or {}).values())
        gaps = (_cut(context),) if cut else ()
        given = bool(records) or cut
        said = f"{len(tables)} tables of {records} records" if tables is not None else "a long file"
        return Proof(
            access=Access.GIVES_DATA if given else Access.LISTS,
            detail=f"json-server gives anybody all it holds: {said}",
            product="json-server",
            size=None
            if cut
            else Size(objects=records, bytes=len(answer.body), unit="records", basis=ALL),
            evidence=(shown,),
            containers=tuple(safe(name, 80) for name in list(tables or ())[:20]),
            gaps=gaps,
        )


def _cut(context: Context) -> Gap:
    return context.gap(Reason.TOO_LARGE, ALL, f"its tables were not counted: over {PAGE_BYTES} B")


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """Each table as one object; where the file is too long to be read for that, the file."""
    async with context.http() as client:
        answer = await _all(client)
    tables = parse_tables(answer)
    if tables is None and answer.complete:
        raise ProtocolError(f"{ALL} is answered with {answer.status}")
    if tables is None:
        yield _cut(context)
        yield ObjectRef(path=ALL, media_type="application/json")
        return
    for name in list(tables)[:MAX_TABLES]:
        try:
            path = f"/{quote(name, safe='')}"
        except UnicodeEncodeError:
            yield context.gap(Reason.UNPARSED, "", "a table whose name is no text")
            continue
        yield ObjectRef(path=path, group=name, media_type="application/json")
    if (left := len(tables) - MAX_TABLES) > 0:
        yield context.gap(Reason.BUDGET, "", f"more than {MAX_TABLES} tables", count=left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


JSON_SERVER = Protocol(
    name="json_server",
    ports=(3000,),
    sends="GET of /db, of a nonsense name and of its tables",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://github.com/typicode/json-server/tree/v0.17.4",
)
