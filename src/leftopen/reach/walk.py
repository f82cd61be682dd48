"""Walks the folders of directory listings, breadth first and bounded."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, reason_of
from leftopen.reach.listing import PAGE_BYTES, Entry, parse_listing

MAX_DEPTH: Final = 24
MAX_FILES: Final = 200_000
PROOF_FOLDERS: Final = 40  # opened to size the store while proving
TRIES: Final = 3  # files asked for, until one gives bytes
_MAILDIR: Final = re.compile(r"(?:^|/)(?:cur|new)/\d[^/]*$|/\d{9,}\.[^/]+[:;!]2,[A-Za-z]*$")
_MAIL_TYPES: Final = {".eml": "message/rfc822", ".mbox": "application/mbox", ".mbx": ""}


def mail_type(path: str) -> str | None:
    """The media type of a mail file by its name, None for any other file."""
    name = unquote(path).lower()
    for ending, media_type in _MAIL_TYPES.items():
        if name.endswith(ending):
            return media_type or "application/mbox"
    return "message/rfc822" if _MAILDIR.search(unquote(path)) else None


def to_ref(entry: Entry) -> ObjectRef:
    """One file of a listing as an object of the store; its folder is the group."""
    return ObjectRef(
        path=entry.path,
        group=entry.path.rsplit("/", 1)[0] + "/",
        size=entry.size,
        time=entry.time,
        media_type=mail_type(entry.path) or "",
    )


@dataclass(slots=True)
class Tally:
    """What a walk has counted so far."""

    files: int = 0
    bytes: int = 0
    messages: int = 0
    sized: bool = True
    rounded: bool = False
    complete: bool = True

    def add(self, entry: Entry) -> None:
        """One more file."""
        self.files += 1
        self.messages += mail_type(entry.path) == "message/rfc822"
        self.rounded = self.rounded or entry.rounded
        if entry.size is None:
            self.sized = False
        else:
            self.bytes += entry.size

    def size(self) -> Size:
        """The size of the store as far as the walk has come."""
        mail = self.messages * 2 > self.files
        basis = "directory listings" + (", sizes rounded by the server" if self.rounded else "")
        return Size(
            objects=self.files,
            bytes=self.bytes if self.sized else None,
            unit="messages" if mail else "files",
            basis=basis,
            complete=self.complete,
        )


async def take_stock(
    context: Context, client: HttpClient, start: str, entries: tuple[Entry, ...], other: Response
) -> tuple[Tally, list[Gap], tuple[Evidence, ...]]:
    """Count what the listings hold, and read the beginning of one file on the way.

    What was counted until an error stays counted; the error is a Gap.
    """

    async def read(entry: Entry) -> tuple[Evidence, ...]:
        return await web.sample(context, client, entry.path, other)

    items = walk(context, client, start, entries, folders=PROOF_FOLDERS)
    return await counted(context, start, items, read)


async def counted(
    context: Context,
    start: str,
    items: AsyncIterator[Entry | Gap],
    read: Callable[[Entry], Awaitable[tuple[Evidence, ...]]],
) -> tuple[Tally, list[Gap], tuple[Evidence, ...]]:
    """Count the files of a walk, and read one of the first `TRIES` that hold something.

    What was counted until an error stays counted; the error is a Gap.
    """
    tally, gaps, tries = Tally(), list[Gap](), TRIES
    found: tuple[Evidence, ...] = ()
    try:
        async for item in items:
            if isinstance(item, Gap):
                gaps.append(item)
                continue
            tally.add(item)
            if not found and tries and item.size != 0:
                tries -= 1
                found = await read(item)
    except (ProtocolError, TimeoutError) as e:
        gaps.append(context.gap(reason_of(e), start, f"counting stopped: {e}"))
    tally.complete = not gaps
    return tally, gaps, found


async def walk(
    context: Context,
    client: HttpClient,
    start: str,
    entries: tuple[Entry, ...],
    *,
    folders: int,
) -> AsyncIterator[Entry | Gap]:
    """The files below `start`, whose own children are `entries`; at most `folders` are opened.

    A folder that is refused, or answers with no listing, is a Gap; so is what a limit leaves out.

    Raises:
        BudgetSpent: the budget of the dialer ended first.
    """
    waiting: deque[str] = deque()
    opened = files = dropped = 0
    children: tuple[Entry, ...] = entries
    while True:
        for child in children:
            if child.folder:
                waiting.append(child.path)
            elif files < MAX_FILES:
                files += 1
                yield child
            else:
                dropped += 1
        if (waiting and opened >= folders) or dropped:
            limit = f"listing stopped after {opened + 1} folders and {files} files"
            yield context.gap(Reason.BUDGET, start, limit, count=len(waiting) + dropped)
            return
        if not waiting:
            return
        opened += 1
        children, gap = await _open(context, client, start, waiting.popleft())
        if gap:
            yield gap


async def _open(
    context: Context, client: HttpClient, start: str, folder: str
) -> tuple[tuple[Entry, ...], Gap | None]:
    """The children of one folder, and a Gap where not all of them could be had."""
    if folder.count("/") - start.count("/") > MAX_DEPTH:
        return (), context.gap(Reason.TOO_DEEP, folder, f"deeper than {MAX_DEPTH} folders")
    try:
        answer = await client.request("GET", folder, limit=PAGE_BYTES)
        listed = parse_listing(folder, answer)
    except BudgetSpent:
        raise
    except ProtocolError as e:
        return (), context.gap(Reason.MISBEHAVED, folder, str(e))
    if listed is None:
        reason = Reason.REFUSED if answer.status in (401, 403) else Reason.UNPARSED
        detail = f"no listing, answered with {answer.status}"
        return (), context.gap(reason, folder, detail)
    if answer.complete:
        return listed, None
    return listed, context.gap(Reason.TOO_LARGE, folder, f"a listing over {PAGE_BYTES} bytes")
