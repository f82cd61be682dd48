"""Walks the folders of a file browser that answers in JSON, breadth first and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Evidence
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.api import Context, reason_of
from leftopen.reach.listing import Entry
from leftopen.reach.walk import MAX_DEPTH, MAX_FILES, PROOF_FOLDERS, TRIES, Tally

LIST_FOLDERS: Final = 5000
FOLDER_BYTES: Final = 2_000_000

Entries = tuple[Entry, ...]
Open = Callable[[str], Awaitable[tuple[Response, Entries | None]]]  # one folder, by its path
Read = Callable[[Entry], Awaitable[Evidence | None]]


async def walk(
    context: Context, start: str, entries: Entries, open_: Open, *, folders: int
) -> AsyncIterator[Entry | Gap]:
    """The files below `start`, whose own children are `entries`; each folder is opened once."""
    waiting, seen, opened, files = deque[str](), {start}, 0, 0
    children = entries
    while True:
        for child in children:
            if child.folder and child.path not in seen:
                seen.add(child.path)
                waiting.append(child.path)
            elif not child.folder and files < MAX_FILES:
                files += 1
                yield child
        if (waiting and opened >= folders) or files >= MAX_FILES:
            detail = f"stopped after {opened + 1} folders and {files} files"
            yield context.gap(Reason.BUDGET, start, detail, count=max(1, len(waiting)))
            return
        if not waiting:
            return
        opened += 1
        children = ()
        opening = await _opened(context, start, waiting.popleft(), open_)
        if isinstance(opening, Gap):
            yield opening
        else:
            children = opening


async def _opened(context: Context, start: str, folder: str, open_: Open) -> Entries | Gap:
    if folder.count("/") - start.count("/") > MAX_DEPTH:
        return context.gap(Reason.TOO_DEEP, folder, f"deeper than {MAX_DEPTH} folders")
    try:
        answer, entries = await open_(folder)
    except BudgetSpent:
        raise
    except ProtocolError as e:
        return context.gap(Reason.MISBEHAVED, folder, str(e))
    if entries is not None:
        return entries
    reason = Reason.REFUSED if answer.status in (401, 403) else Reason.UNPARSED
    return context.gap(reason, folder, f"no listing, answered with {answer.status}")


async def take_stock(
    context: Context, start: str, entries: Entries, open_: Open, read: Read
) -> tuple[Tally, list[Gap], tuple[Evidence, ...]]:
    """Count what the folders hold, and read one of at most three files on the way.

    What was counted until an error stays counted; the error is a Gap.
    """
    tally, gaps, tries = Tally(), list[Gap](), TRIES
    found: Evidence | None = None
    try:
        async for item in walk(context, start, entries, open_, folders=PROOF_FOLDERS):
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
    return tally, gaps, (found,) if found else ()
