"""copyparty: files of volumes that anybody may read.

/ and /?ls answer everybody with 200; the empty lists of a closed volume come with an empty
"perms", and only "read" among them opens it. Proof: a file that /?ls names gives bytes.
https://github.com/9001/copyparty/blob/hovudstraum/docs/devnotes.md#http-api
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import structs

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import browse, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, start_of
from leftopen.reach.json_answer import parsed
from leftopen.reach.listing import Entry
from leftopen.reach.walk import to_ref

MAX_NAME: Final = 4096


class _Item(msgspec.Struct):
    href: str
    sz: int
    ts: int


class _Listing(msgspec.Struct):
    dirs: list[_Item]
    files: list[_Item]
    acct: str
    perms: list[str]


@dataclass(frozen=True, slots=True)
class Folder:
    """What /?ls says of one folder: its children, and what a stranger may do there."""

    entries: tuple[Entry, ...]
    perms: tuple[str, ...]


def _recognise(answer: Response) -> bool:
    """It varies by a header PW, which is its own."""
    return "PW" in [word.strip() for word in answer.headers.get("vary", "").split(",")]


def parse_folder(path: str, answer: Response) -> Folder | None:
    """A listing, or None when the answer is none; a name that could climb is left out."""
    said = parsed(answer, _Listing) if answer.status == 200 else None
    if said is None:
        return None
    made = [_entry(path, x, folder=True) for x in said.dirs]
    made += [_entry(path, x, folder=False) for x in said.files]
    return Folder(tuple(e for e in made if e), tuple(said.perms))


def _entry(path: str, item: _Item, *, folder: bool) -> Entry | None:
    href = item.href.partition("?")[0]
    name = unquote(href.removesuffix("/"))
    bad = not name or name in (".", "..") or "/" in name or "\0" in name
    if bad or len(href) > MAX_NAME or not href.isascii() or not href.isprintable() or " " in href:
        return None
    child = path + href.rstrip("/") + "/" * folder
    size = item.sz if item.sz >= 0 and not folder else None
    return Entry(child, folder, size, time=_time(item.ts))


def _time(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def _ls(client: HttpClient, path: str) -> tuple[Response, Folder | None]:
    answer = await client.request("GET", f"{path}?ls", limit=browse.FOLDER_BYTES)
    return answer, parse_folder(path, answer)


def _opener(client: HttpClient) -> browse.Open:
    async def open_(path: str) -> tuple[Response, tuple[Entry, ...] | None]:
        answer, folder = await _ls(client, path)
        return answer, folder.entries if folder and "read" in folder.perms else None

    return open_


def _start(context: Context) -> str:
    return start_of(context.target).rstrip("/") + "/"


async def _prove(context: Context) -> Proof | None:
    start = _start(context)
    async with context.http() as client:
        answer, folder = await _ls(client, start)
        if folder is None:
            return None
        asked = f"{start}?ls"
        shown = context.evidence(f"GET {asked}", answer.body, web.reproduce(context, asked))
        if "read" not in folder.perms and not folder.entries:
            detail = "copyparty lets a stranger read nothing here; its empty lists mean a login"
            return Proof(Access.ASKS_CREDENTIAL, detail, "copyparty", evidence=(shown,))
        return await _stock(context, client, folder, shown)


async def _stock(context: Context, client: HttpClient, folder: Folder, shown: Evidence) -> Proof:
    start, entries = _start(context), folder.entries
    other = await web.nonsense(context, client, start)

    async def read(entry: Entry) -> Evidence | None:
        return next(iter(await web.sample(context, client, entry.path, other)), None)

    tally, gaps, found = await browse.take_stock(context, start, entries, _opener(client), read)
    state = "one file was read" if found else "no file could be read"
    state = state if entries else "it is empty"
    return Proof(
        access=Access.GIVES_DATA if found else Access.LISTS,
        detail=f"copyparty lists its files without a login; {state}",
        product="copyparty",
        size=structs.replace(tally.size(), basis="sizes in ?ls"),
        evidence=(shown, *found),
        containers=tuple(safe(e.path, 80) for e in entries if e.folder)[:20],
        gaps=tuple(gaps),
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    start = _start(context)
    async with context.http() as client:
        answer, folder = await _ls(client, start)
        if folder is None:
            raise ProtocolError(f"{start}?ls is answered with {answer.status}")
        walked = browse.walk(
            context, start, folder.entries, _opener(client), folders=browse.LIST_FOLDERS
        )
        async for item in walked:
            yield item if isinstance(item, Gap) else to_ref(item)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


COPYPARTY = Protocol(
    name="copyparty",
    ports=(3923,),
    sends="GET of folders with ?ls, of a nonsense name and of one file",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://github.com/9001/copyparty/blob/hovudstraum/docs/devnotes.md#http-api",
)
