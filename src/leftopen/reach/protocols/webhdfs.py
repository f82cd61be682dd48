"""WebHDFS and HttpFS: files of a Hadoop cluster without a login.

Proof: LISTSTATUS of the root names files, and OPEN of one gives bytes. A name node sends whoever
opens a file to a data node: that address is said and never followed, so there the proof ends with
names. `user.name` is a claim and is never sent; what is asked is asked as the server's own
nobody. https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.dashboards import leads_to
from leftopen.reach.documents import REFUSED, get, nobody, shown
from leftopen.reach.json_answer import parsed

PROOF_FOLDERS: Final = 10
MAX_FOLDERS: Final = 2000
MAX_DEPTH: Final = 32
READ_BYTES: Final = 4096
_LATEST: Final = 4_102_444_800_000  # ms, the year 2100: a later time is none
_FRONT: Final = re.compile(rb"url=dfshealth\.(?:html|jsp)|base URL at /webhdfs/v1", re.IGNORECASE)


class _Status(msgspec.Struct, rename="camel"):
    path_suffix: str
    type: str
    length: int
    modification_time: int


class _Statuses(msgspec.Struct, rename={"found": "FileStatus"}):
    found: list[_Status]


class _Listing(msgspec.Struct, rename={"statuses": "FileStatuses"}):
    statuses: _Statuses


class _Summary(msgspec.Struct, rename="camel"):
    file_count: int
    length: int


class _Content(msgspec.Struct, rename={"summary": "ContentSummary"}):
    summary: _Summary


def _recognise(answer: Response) -> bool:
    page = answer.status == 200 and _FRONT.search(answer.body[:8192]) is not None
    return page or leads_to(answer, "/index.html")


def _address(path: str, op: str) -> str:
    return f"/webhdfs/v1{quote(path, safe='/')}?op={op}"


def _listing(answer: Response) -> list[_Status] | None:
    found = parsed(answer, _Listing) if answer.status == 200 else None
    return found.statuses.found if found else None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        path = _address("/", "LISTSTATUS")
        try:
            answer = await get(client, path)
            other = await get(client, _address(f"/{nobody(context)}", "LISTSTATUS"))
        except BudgetSpent:
            raise
        except ProtocolError:  # the first page may be any program's
            return None
        if _listing(other) is not None:
            return None  # it lists whatever is asked for
        if answer.status in REFUSED:
            return _refused(context, path, answer)
        names = _listing(answer)
        if names is None:
            return None
        return await _look(context, client, names, path, answer)


def _refused(context: Context, path: str, answer: Response) -> Proof | None:
    """Kerberos, or the permissions of the root; None where another program refuses."""
    kerberos = answer.headers.get("www-authenticate", "").startswith("Negotiate")
    if not kerberos and b'"RemoteException"' not in answer.body[:4096]:
        return None
    detail = f"LISTSTATUS of the root is refused with {answer.status}"
    seen = (shown(context, path, answer),)
    return Proof(Access.ASKS_CREDENTIAL, detail, product="Hadoop HDFS", evidence=seen)


async def _look(
    context: Context, client: HttpClient, names: list[_Status], path: str, answer: Response
) -> Proof:
    listed = shown(context, path, answer)
    gaps: list[Gap] = []
    files, read, state = 0, None, "no file was named"
    async for item in _walk(context, client, PROOF_FOLDERS):
        if isinstance(item, Gap):
            gaps.append(item)
            continue
        files += 1
        if read is None and files <= 3:
            asked = f"{item.path}&length={READ_BYTES}"
            opened = await client.request("GET", asked, limit=READ_BYTES)
            state = f"no file could be read ({opened.status})"
            if opened.status in web.REDIRECTS:
                state = _away(opened)
                gaps.append(context.gap(Reason.OUT_OF_SCOPE, item.path, state))
                files = max(files, 4)  # the others lead there as well
            elif opened.status == 200 and opened.body:
                command = web.reproduce(context, asked)
                read = context.evidence(f"GET {asked}", opened.body, command, content=True)
                state = "one of its files was read"
    return Proof(
        Access.GIVES_DATA if read else Access.LISTS,
        f"the root of HDFS is listed without a login; {state}",
        product="Hadoop HDFS",
        size=await _size(client),
        evidence=(listed, read) if read else (listed,),
        containers=tuple(safe(n.path_suffix, 80) for n in names if n.type == "DIRECTORY")[:20],
        gaps=tuple(gaps),
    )


def _away(answer: Response) -> str:
    to = safe(answer.headers.get("location", "").partition("?")[0], 100)
    return f"files are read at a data node, which is not followed: {to}"


async def _size(client: HttpClient) -> Size | None:
    """What GETCONTENTSUMMARY counts below the root; a cluster may refuse it."""
    answer = await get(client, _address("/", "GETCONTENTSUMMARY"))
    found = parsed(answer, _Content) if answer.status == 200 else None
    if found is None or min(found.summary.file_count, found.summary.length) < 0:
        return None
    sums = found.summary
    return Size(objects=sums.file_count, bytes=sums.length, unit="files", basis="GETCONTENTSUMMARY")


async def _walk(
    context: Context, client: HttpClient, folders: int
) -> AsyncIterator[ObjectRef | Gap]:
    """Files, folder by folder; links are not followed."""
    todo, asked = ["/"], 0
    while todo:
        if asked >= folders:
            yield context.gap(Reason.BUDGET, "", f"more than {folders} folders", count=len(todo))
            return
        folder = todo.pop(0)
        asked += 1
        answer = await get(client, _address(folder, "LISTSTATUS"))
        names = _listing(answer)
        if names is None:
            reason = Reason.REFUSED if answer.status in REFUSED else Reason.UNPARSED
            yield context.gap(reason, folder, f"no listing, answered with {answer.status}")
            continue
        for name in names:
            path = f"{folder.rstrip('/')}/{name.path_suffix}"
            if not name.path_suffix or "/" in name.path_suffix or name.path_suffix in (".", ".."):
                yield context.gap(Reason.MISBEHAVED, folder, "a name that is no file's name")
            elif name.type == "DIRECTORY" and path.count("/") <= MAX_DEPTH:
                todo.append(path)
            elif name.type == "FILE":
                yield _ref(folder, path, name)


def _ref(folder: str, path: str, status: _Status) -> ObjectRef:
    sane = 0 < status.modification_time < _LATEST
    return ObjectRef(
        path=_address(path, "OPEN"),
        group=folder,
        size=status.length if status.length >= 0 else None,
        time=datetime.fromtimestamp(status.modification_time / 1000, UTC) if sane else None,
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        async for item in _walk(context, client, MAX_FOLDERS):
            yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        answer = await client.request("GET", f"{ref.path}&length={limit + 1}", limit=limit + 1)
    if answer.status in web.REDIRECTS:
        raise ObjectRefused(_away(answer))
    if answer.status in (*REFUSED, 404):
        raise ObjectRefused(f"answered with {answer.status}")
    if answer.status != 200:
        raise ProtocolError(f"answered with {answer.status}")
    whole = answer.complete and len(answer.body) <= limit
    return Fetched(answer.body[:limit], whole, answer.media_type)


WEBHDFS = Protocol(
    name="webhdfs",
    ports=(9870, 50070, 14000),
    tls_ports=(9871, 50470, 14000),
    sends="GET of LISTSTATUS, GETCONTENTSUMMARY and OPEN, without user.name",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html",
)
