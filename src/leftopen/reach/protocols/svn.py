"""Subversion (svnserve): files of a repository without a login.

Proof: the mechanism ANONYMOUS, which the server offers, the names in the newest revision, and the
first bytes of one file. Only a repository at the root of the server can be looked at: names of
others cannot be listed and are not guessed. The address that the server names is not followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.svn_wire import (
    ALLOWED,
    AUTHORIZATION,
    NO_REPOSITORY,
    Entry,
    Refused,
    Session,
    session,
)

READ_BYTES: Final = 4096
PROOF_FOLDERS: Final = 10
MAX_FOLDERS: Final = 2000
MAX_DEPTH: Final = 32
TRIES: Final = 3


def _url(context: Context) -> bytes:
    endpoint = context.target.endpoint
    host = endpoint.name or endpoint.address
    shown = f"[{host}]" if ":" in host else host
    return f"svn://{shown}:{endpoint.port}".encode()


async def _prove(context: Context) -> Proof | None:
    async with session(context) as opened:
        if opened is None:
            return None
        url = _url(context)
        command = f"svn ls --non-interactive {url.decode()}"
        try:
            await opened.enter(url)
            revision = await opened.latest()
        except Refused as e:
            seen = context.evidence("greeting, repository at the root", str(e).encode(), command)
            return _closed(context, e, seen)
        return await _look(context, opened, revision, command)


def _closed(context: Context, refusal: Refused, seen: Evidence) -> Proof:
    """No way in as nobody, or no repository at the root."""
    if refusal.code == NO_REPOSITORY:
        detail = "no repository at the root of the server; the names of others are not guessed"
        gap = context.gap(Reason.NOT_GIVEN, "repositories", "a name of one is not known")
        return Proof(Access.REFUSED_OR_ABSENT, detail, "svnserve", evidence=(seen,), gaps=(gap,))
    asks = refusal.code in (0, AUTHORIZATION)
    access = Access.ASKS_CREDENTIAL if asks else Access.UNDETERMINED
    return Proof(access, safe(f"refused: {refusal}", 160), "svnserve", evidence=(seen,))


async def _look(context: Context, opened: Session, revision: int, command: str) -> Proof:
    files, tried, complete = 0, 0, True
    folders: list[str] = []
    read: Evidence | None = None
    gaps: list[Gap] = []
    async for item in _walk(context, opened, revision, PROOF_FOLDERS, folders):
        if isinstance(item, Gap):
            complete = False
            gaps.append(item)
            continue
        files += 1
        if read is None and tried < TRIES and item.size:
            tried += 1
            try:
                data, _ = await opened.file(item.path, revision, READ_BYTES)
            except Refused:
                continue
            asked = f"get-file {safe(item.path, 120)}"
            read = context.evidence(asked, data, f"{command} -R", content=True) if data else None
            if read:
                break  # what is left of a long file would have to be read first
    listed = tuple(safe(name, 80) for name in folders[:20])
    seen = context.evidence(f"get-dir at revision {revision}", "\n".join(listed).encode(), command)
    named = read is not None or files > 0 or bool(folders)
    if not named and gaps:
        return Proof(
            Access.ASKS_CREDENTIAL, "its root is refused to nobody", "svnserve", evidence=(seen,)
        )
    state = "the beginning of a file was read" if read else "no file could be read"
    state = state if named else "the repository is empty"
    return Proof(
        Access.GIVES_DATA if read else Access.LISTS if named else Access.METADATA,
        f"revision {revision} is open without a login; {state}",
        "svnserve",
        size=Size(objects=files, unit="files", basis="get-dir", complete=complete and not read),
        evidence=(seen, read) if read else (seen,),
        containers=listed,
        gaps=tuple(gaps),
    )


async def _walk(
    context: Context, opened: Session, revision: int, most: int, folders: list[str]
) -> AsyncIterator[ObjectRef | Gap]:
    """Files folder by folder; the names of folders are added to `folders`."""
    todo, asked = [""], 0
    while todo:
        if asked >= most:
            yield context.gap(Reason.BUDGET, "", f"more than {most} folders", count=len(todo))
            return
        folder = todo.pop(0)
        asked += 1
        try:
            entries = await opened.names(folder, revision)
        except Refused as e:
            yield context.gap(Reason.REFUSED, folder, str(e))
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.name or "/" in entry.name or entry.name in (".", ".."):
                yield context.gap(Reason.MISBEHAVED, folder, "a name that is no file's name")
            elif entry.kind == "dir" and path.count("/") < MAX_DEPTH:
                folders.append(path)
                todo.append(path)
            elif entry.kind == "file":
                yield ObjectRef(path=path, group=folder, size=entry.size, time=_time(entry))


def _time(entry: Entry) -> datetime | None:
    try:
        return datetime.strptime(entry.time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with session(context) as opened:
        if opened is None:
            raise ProtocolError("it no longer greets as svnserve")
        await opened.enter(_url(context))
        async for item in _walk(context, opened, await opened.latest(), MAX_FOLDERS, []):
            yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with session(context) as opened:
        if opened is None:
            raise ProtocolError("it no longer greets as svnserve")
        await opened.enter(_url(context))
        data, complete = await opened.file(ref.path, await opened.latest(), limit)
        return Fetched(data, complete)


SVN = Protocol(
    name="svn",
    ports=(3690,),
    sends="the repository's address, ANONYMOUS, get-latest-rev, get-dir, get-file",
    allowed=ALLOWED,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda said: said.startswith(b"( success ( 1 2 ") or said[:16] == b"( success ( 2 2 ",
    examples=(b"( success ( 2 2 ( ) ( edit-pipeline ) ) ) ", b"( success ( 1 2 ( ANONYMOUS ) ( "),
    counterexamples=(b"( failure ( ) ) ", b"SSH-2.0-x\r\n", b"( success", b"220 ready\r\n"),
    source="https://svn.apache.org/repos/asf/subversion/trunk/subversion/libsvn_ra_svn/protocol",
)
