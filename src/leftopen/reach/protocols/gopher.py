"""Gopher: menus and files, which are open to anybody by design.

Proof: the root menu parses as one, a file that it names gives bytes, and a nonsense selector is
answered differently. What a menu names at another host or port is said and never followed.
Searches are not asked. RFC 1436.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.documents import nobody
from leftopen.reach.greets import by_netcat, never, whole

MENU_BYTES: Final = 262_144
READ_BYTES: Final = 4096
PROOF_MENUS: Final = 3
MAX_MENUS: Final = 500
MAX_DEPTH: Final = 16
TRIES: Final = 3
# type, what is shown, selector, host, port, and what Gopher+ adds
_LINE: Final = re.compile(rb"([!-~])([^\t]*)\t([^\t]*)\t([^\t]*)\t(\d{1,5})(?:\t.*)?")
_FILES: Final = b"04569gIshdp;<"
_SELECTOR: Final = re.compile(rb"[0-9gIh]?/[^\r\n\t\0]{0,254}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu; `kind` is its type."""

    kind: bytes
    selector: bytes
    host: str
    port: int


def menu_of(said: bytes) -> list[Entry] | None:
    """The lines of a menu; None where anything in it is no line of one."""
    found: list[Entry] = []
    for line in said.split(b"\n"):
        text = line.rstrip(b"\r")
        if text == b".":
            break
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            return None
        kind, _, selector, host, port = match.groups()
        found.append(Entry(kind, selector, host.decode("latin-1"), int(port)))
    return found or None


async def _ask(context: Context, selector: bytes, limit: int) -> tuple[bytes, bool]:
    """What a selector gives, at most `limit` bytes, and whether that is all."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(selector + b"\r\n")
        said = b""
        while len(said) <= limit and (part := await connection.read_some(limit + 1)):
            said += part
        return said[:limit], len(said) <= limit


def _refused(said: bytes) -> bool:
    """Whether an answer is a menu that begins with an error."""
    menu = menu_of(said)
    return menu is not None and menu[0].kind == b"3"


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(b"\r\n")
        said = await whole(connection, MENU_BYTES)
    if menu_of(said) is None or _refused(said):
        return None
    nonsense, _ = await _ask(context, b"/" + nobody(context).encode(), READ_BYTES)
    if nonsense == said[:READ_BYTES]:
        return None  # it says the same to everything
    listed = context.evidence("(an empty line)", said, by_netcat(context, "\\r\\n"))
    names: list[ObjectRef] = []
    gaps: list[Gap] = []
    async for item in _walk(context, PROOF_MENUS):
        (gaps if isinstance(item, Gap) else names).append(item)  # type: ignore[arg-type]
    read = None
    for ref in names[:TRIES]:
        selector = ref.path.encode("latin-1")
        data, _ = await _ask(context, selector, READ_BYTES)
        if data and data != nonsense and not _refused(data):
            command = by_netcat(context, f"{safe(ref.path, 120)}\\r\\n")
            read = context.evidence(f"selector {safe(ref.path, 120)}", data, command, content=True)
            break
    complete = not any(gap.reason is Reason.BUDGET for gap in gaps)
    state = "the beginning of one was read" if read else "none could be read"
    return Proof(
        Access.GIVES_DATA if read else Access.LISTS,
        f"menus name {len(names)} files to anybody; {state}",
        "Gopher",
        size=Size(objects=len(names), unit="files", basis="menus, walked", complete=complete),
        evidence=(listed, read) if read else (listed,),
        containers=tuple(safe(ref.path, 80) for ref in names[:20]),
        gaps=tuple(gaps),
    )


async def _walk(context: Context, menus: int) -> AsyncIterator[ObjectRef | Gap]:
    """Files of all menus, each selector once."""
    endpoint = context.target.endpoint
    todo: list[tuple[bytes, int]] = [(b"", 0)]
    seen, away, asked = {b""}, 0, 0
    for selector, depth in todo:
        if asked >= menus:
            left = len(todo) - asked
            yield context.gap(Reason.BUDGET, "", f"more than {menus} menus", count=left)
            break
        asked += 1
        said, _ = await _ask(context, selector, MENU_BYTES)
        for entry in menu_of(said) or ():
            local = entry.port == endpoint.port and _SELECTOR.fullmatch(entry.selector)
            if entry.kind in b"i3" or entry.selector in seen:
                continue
            if not local or entry.host not in (endpoint.name, endpoint.address):
                away += entry.kind != b"7"
                continue
            seen.add(entry.selector)
            path = entry.selector.decode("latin-1")
            if entry.kind == b"1" and depth < MAX_DEPTH:
                todo.append((entry.selector, depth + 1))
            elif entry.kind in _FILES:
                yield ObjectRef(path=path, group=selector.decode("latin-1"))
    if away:
        detail = "entries that lead to another host or port, or to no path: not followed"
        yield context.gap(Reason.OUT_OF_SCOPE, "", detail, count=away)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async for item in _walk(context, MAX_MENUS):
        yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    data, complete = await _ask(context, ref.path.encode("latin-1"), limit)
    if _refused(data):
        raise ObjectRefused("answered with an error")
    return Fetched(data, complete)


GOPHER = Protocol(
    name="gopher",
    ports=(70,),
    sends="an empty line, selectors that menus name, a nonsense selector",
    allowed=(rb"(?:[0-9gIh]?/[^\r\n\t\0]{0,254})?\r\n\Z",),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=never,
    source="https://www.rfc-editor.org/rfc/rfc1436",
)
