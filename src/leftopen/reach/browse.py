"""Walks the folders of a file browser that answers in JSON, breadth first and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Evidence
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.api import Context
from leftopen.reach.listing import Entry
from leftopen.reach.walk import MAX_DEPTH, MAX_FILES, PROOF_FOLDERS, Tally, counted

LIST_FOLDERS: Final = 5000
FOLDER_BYTES: Final = 2_000_000

T = TypeVar("T")
Entries = tuple[Entry, ...]
Open = Callable[[str], Awaitable[tuple[Response, Entries | None]]]  # one folder, by its path
Read = Callable[[Entry], Awaitable[Evidence | None]]


@dataclass(frozen=True, slots=True)
class Folder:
    """The children that one folder names, and what of its answer could not be used."""

    entries: Entries = ()
    gaps: tuple[Gap, ...] = ()


async def breadth_first(
    context: Context,
    start: str,
    first: Folder,
    open_: Callable[[str], Awaitable[Folder]],
    *,
    folders: int,
) -> AsyncIterator[Entry | Gap]:
    """The files below `start`, which is `first`; at most `folders` are opened, each once."""
    waiting, seen, opened, files = deque[str](), {start}, 0, 0
    folder = first
    while True:
        for gap in folder.gaps:
            yield gap
        for child in folder.entries:
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
        folder = await open_(waiting.popleft())


async def answer_of(
    context: Context, start: str, folder: str, ask: Callable[[str], Awaitable[T]]
) -> T | Gap:
    """What a folder below `start` is answered with; a Gap where it is too deep, or misbehaves.

    Raises:
        BudgetSpent: the budget of the dialer ended first.
    """
    if folder.count("/") - start.count("/") > MAX_DEPTH:
        return context.gap(Reason.TOO_DEEP, folder, f"deeper than {MAX_DEPTH} folders")
    try:
        return await ask(folder)
    except BudgetSpent:
        raise
    except ProtocolError as e:
        return context.gap(Reason.MISBEHAVED, folder, str(e))


def unlisted(context: Context, folder: str, answer: Response, said: str) -> Gap:
    """The Gap of a folder whose answer is no listing; `said` puts it in words."""
    reason = Reason.REFUSED if answer.status in (401, 403) else Reason.UNPARSED
    return context.gap(reason, folder, f"{said} {answer.status}")


def walk(
    context: Context, start: str, entries: Entries, open_: Open, *, folders: int
) -> AsyncIterator[Entry | Gap]:
    """The files below `start`, whose own children are `entries`; each folder is opened once."""

    async def opened(folder: str) -> Folder:
        found = await answer_of(context, start, folder, open_)
        if isinstance(found, Gap):
            return Folder(gaps=(found,))
        answer, children = found
        if children is not None:
            return Folder(children)
        gap = unlisted(context, folder, answer, "no listing, answered with")
        return Folder(gaps=(gap,))

    return breadth_first(context, start, Folder(entries), opened, folders=folders)


async def take_stock(
    context: Context, start: str, entries: Entries, open_: Open, read: Read
) -> tuple[Tally, list[Gap], tuple[Evidence, ...]]:
    """Count what the folders hold, and read one of at most three files on the way.

    What was counted until an error stays counted; the error is a Gap.
    """

    async def sample(entry: Entry) -> tuple[Evidence, ...]:
        found = await read(entry)
        return (found,) if found else ()

    items = walk(context, start, entries, open_, folders=PROOF_FOLDERS)
    return await counted(context, start, items, sample)
