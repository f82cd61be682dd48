"""Walks what an NFS server opens, breadth first and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from leftopen.model.exposure import ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import nfs_wire as wire
from leftopen.reach.api import Context
from leftopen.reach.nfs_wire import Client, Node, Root, Status
from leftopen.reach.walk import mail_type

MAX_DEPTH: Final = 24
MAX_NAMES: Final = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """One name, where it stands, and its handle where the listing gave one."""

    path: bytes
    node: Node
    parent: bytes  # the handle of its folder


@dataclass(frozen=True, slots=True)
class Shut:
    """A root or folder that did not open."""

    path: bytes
    error: Status


@dataclass(frozen=True, slots=True)
class _Folder:
    path: bytes
    depth: int
    parent: bytes
    node: Node


async def walk(
    context: Context, client: Client, *, folders: int
) -> AsyncGenerator[Found | Shut | Gap, None]:
    """Everything below the roots; at most `folders` are opened, what a limit leaves out is a Gap.

    Raises:
        ProtocolError: the server misbehaves, or the budget ended.
    """
    waiting: deque[_Folder] = deque()
    for root in await client.roots(context.claims.nfs_exports):
        if isinstance(item := _start(context, root), _Folder):
            waiting.append(item)
        else:
            yield item
    seen: set[bytes] = set()
    opened = names = 0
    while waiting:
        if opened >= folders:
            detail = f"listing stopped after {opened} folders and {names} names"
            yield context.gap(Reason.BUDGET, "", detail, count=len(waiting))
            return
        folder = waiting.popleft()
        opened += 1
        try:
            handle = await _enter(client, folder)
            if handle in seen:
                continue
            seen.add(handle)
            async with aclosing(client.entries(handle)) as entries:
                async for node in entries:
                    names += 1
                    found = _child(context, folder, handle, node)
                    if isinstance(found, _Folder):
                        waiting.append(found)
                        found = Found(found.path, node, handle)
                    yield found
                    if names >= MAX_NAMES:
                        yield context.gap(Reason.BUDGET, "", f"more than {names} names")
                        return
        except Status as e:
            yield Shut(folder.path, e)


def _start(context: Context, root: Root) -> _Folder | Shut | Gap:
    if root.error is None:
        return _Folder(root.path, 0, b"", Node(b"", wire.FOLDER, handle=root.handle))
    if root.error.code:
        return Shut(root.path, root.error)
    return context.gap(Reason.BUDGET, _shown(root.path), "an export that was not asked for")


async def _enter(client: Client, folder: _Folder) -> bytes:
    return folder.node.handle or (await client.lookup(folder.parent, folder.node.name)).handle


def _child(context: Context, folder: _Folder, handle: bytes, node: Node) -> _Folder | Found | Gap:
    path = b"/".join(part for part in (folder.path.rstrip(b"/"), node.name) if part)
    if not wire.usable(node.name):
        return context.gap(Reason.UNSUPPORTED, _shown(path), "a name that no file can have")
    below = node.kind == wire.FOLDER or (not node.kind and folder.depth == 0)
    if not below:
        return Found(path, node, handle)
    if folder.depth >= MAX_DEPTH:
        return context.gap(Reason.TOO_DEEP, _shown(path), f"deeper than {MAX_DEPTH} folders")
    return _Folder(path, folder.depth + 1, handle, node)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def to_ref(found: Found) -> ObjectRef:
    """One file as an object of the store; its folder is the group."""
    path = found.path.decode("latin-1")
    return ObjectRef(
        path=path,
        group=path.rpartition("/")[0],
        size=found.node.size,
        time=found.node.time,
        media_type=mail_type(path) or "",
    )


async def open_path(client: Client, path: bytes, claimed: tuple[str, ...]) -> Node:
    """The file of a path that `walk` named.

    Raises:
        Status: it is not there, or not for us.
    """
    roots = [r for r in await client.roots(claimed) if r.error is None and _holds(r.path, path)]
    if not roots:
        raise Status(2)
    root = max(roots, key=lambda r: len(r.path))
    node = Node(b"", wire.FOLDER, handle=root.handle)
    for name in path[len(root.path) :].split(b"/"):
        if name:
            if not wire.usable(name):
                raise Status(2)
            node = await client.lookup(node.handle, name)
    return node


def _holds(root: bytes, path: bytes) -> bool:
    folder = root.rstrip(b"/")
    return not folder or path.startswith(folder + b"/")
