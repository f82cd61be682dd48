"""Jupyter: files and notebooks without a token.

/ and /api answer everybody, also where a token is asked for. Proof: /api/contents lists the root
folder, a nonsense name beside its children does not, and one file comes back with its content.
Kernels and terminals, which run what they are told, are never asked for.
https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import structs

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import browse, web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.json_answer import parsed
from leftopen.reach.listing import Entry
from leftopen.reach.walk import to_ref

ROOT: Final = "/api/contents"
MAX_NAME: Final = 1024
PROOF_BYTES: Final = 65_536
_CONTENT: Final = "?type=file&format=base64&content=1"
_VALUE: Final = re.compile(rb'"content": ?"([A-Za-z0-9+/=\\n]*)')
_VERSION: Final = re.compile(r"\d{1,3}\.[\w.+-]{1,40}")


class _Version(msgspec.Struct):
    version: str


class _Item(msgspec.Struct):
    name: str
    path: str
    type: str
    last_modified: str | None = None
    size: int | None = None


class _Folder(msgspec.Struct):
    type: str
    format: str
    content: list[_Item]


def _recognise(answer: Response) -> bool:
    """Its address for breaches of the content security policy, in every answer of it."""
    policy = answer.headers.get("content-security-policy", "")
    directives = [d.split() for d in policy.split(";")]
    reports = [d[1] for d in directives if d[:1] == ["report-uri"] and len(d) == 2]
    tornado = answer.headers.get("server", "").startswith("TornadoServer/")
    return tornado and any(r.endswith("/api/security/csp-report") for r in reports)


def parse_folder(path: str, answer: Response) -> tuple[Entry, ...] | None:
    """The children of a folder as request paths below /api/contents, None when it is none.

    A name that could climb, or has a slash, is left out.
    """
    said = parsed(answer, _Folder) if answer.status == 200 else None
    if said is None or (said.type, said.format) != ("directory", "json"):
        return None
    made = (_entry(path, item) for item in said.content)
    return tuple(entry for entry in made if entry)


def _entry(path: str, item: _Item) -> Entry | None:
    name = item.name
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(name) > MAX_NAME:
        return None
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError:
        return None
    folder = item.type == "directory"
    size = item.size if item.size is not None and item.size >= 0 and not folder else None
    return Entry(
        f"{path.rstrip('/')}/{encoded}{'/' * folder}", folder, size, time=_time(item.last_modified)
    )


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None


def _opener(client: HttpClient) -> browse.Open:
    async def open_(path: str) -> tuple[Response, tuple[Entry, ...] | None]:
        answer = await client.request("GET", path.rstrip("/"), limit=browse.FOLDER_BYTES)
        return answer, parse_folder(path, answer)

    return open_


async def _version(client: HttpClient) -> str:
    """What /api says, "" where this is no Jupyter."""
    try:
        said = parsed(await client.request("GET", "/api", limit=4096), _Version)
    except BudgetSpent:
        raise
    except ProtocolError:
        return ""
    return said.version if said and _VERSION.fullmatch(said.version) else ""


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        version = await _version(client)
        if not version:
            return None
        answer, entries = await _opener(client)(ROOT)
        if refused := web.refusal(context, web.Landing(ROOT, answer)):
            return replace(refused, product="jupyter", version=version)
        shown = context.evidence(f"GET {ROOT}", answer.body, web.reproduce(context, ROOT))
        other = await web.nonsense(context, client, f"{ROOT}/")
        if entries is None or other.status == 200:
            detail = (
                f"says it is Jupyter; {ROOT} is answered with {answer.status} and lists nothing"
            )
            access = Access.UNDETERMINED if answer.status == 200 else Access.SPEAKS
            return Proof(access, detail, "jupyter", version, evidence=(shown,))
        return replace(await _stock(context, client, entries, shown), version=version)


async def _stock(
    context: Context, client: HttpClient, entries: tuple[Entry, ...], shown: Evidence
) -> Proof:
    async def read(entry: Entry) -> Evidence | None:
        path = entry.path + _CONTENT
        answer = await client.request("GET", path, limit=PROOF_BYTES)
        if answer.status != 200 or not _content(answer):
            return None
        command = web.reproduce(context, path)
        return context.evidence(f"GET {path}", answer.body, command, content=True)

    tally, gaps, found = await browse.take_stock(context, ROOT, entries, _opener(client), read)
    state = "one file was read" if found else "no file could be read"
    state = state if entries else "it is empty"
    return Proof(
        access=Access.GIVES_DATA if found else Access.LISTS,
        detail=f"Jupyter lists its files without a token; {state}",
        product="jupyter",
        size=structs.replace(tally.size(), basis=f"sizes in {ROOT}"),
        evidence=(shown, *found),
        containers=tuple(safe(e.path[len(ROOT) :], 80) for e in entries if e.folder)[:20],
        gaps=tuple(gaps),
    )


def _content(answer: Response) -> bytes:
    """The bytes of a file out of an answer that may be cut."""
    match = _VALUE.search(answer.body)
    coded = match.group(1).replace(b"\\n", b"") if match else b""
    try:
        return base64.b64decode(coded[: len(coded) // 4 * 4], validate=True)
    except binascii.Error:
        raise ProtocolError("the content of a file is not base64") from None


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        answer, entries = await _opener(client)(ROOT)
        if entries is None:
            raise ProtocolError(f"{ROOT} is answered with {answer.status}")
        walked = browse.walk(context, ROOT, entries, _opener(client), folders=browse.LIST_FOLDERS)
        async for item in walked:
            yield item if isinstance(item, Gap) else to_ref(item)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        wanted = limit // 3 * 4 + 4096
        answer = await client.request("GET", ref.path + _CONTENT, limit=wanted)
    if answer.status in (400, 401, 403, 404):
        raise ObjectRefused(f"answered with {answer.status}")
    if answer.status != 200 or not _VALUE.search(answer.body):
        raise ProtocolError(f"answered with {answer.status}, and no content")
    data = _content(answer)
    return Fetched(data[:limit], answer.complete and len(data) <= limit)


JUPYTER = Protocol(
    name="jupyter",
    ports=(8888,),
    tls_ports=(8888,),
    sends="GET of /api, of folders below /api/contents, of a nonsense name and of one file",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html",
)
