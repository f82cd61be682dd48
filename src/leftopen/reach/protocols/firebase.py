"""Firebase Realtime Database: nodes without a login.

Proof: the shallow root names its children, and the beginning of one child comes back. Rules that
refuse say "Permission denied" with 401. https://firebase.google.com/docs/database/rest/retrieve-data
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import TRIED, get, nobody, shown
from leftopen.reach.json_answer import parsed

_ROOT: Final = "/.json?shallow=true"
_CONSOLE: Final = "console.firebase.google.com"
READ_BYTES: Final = 4096


class _Error(msgspec.Struct):
    error: str


def _recognise(answer: Response) -> bool:
    """The way to the console, which is where a browser is sent."""
    try:
        host = urlsplit(answer.headers.get("location", "")).hostname
    except ValueError:
        return False
    return answer.status in web.REDIRECTS and host == _CONSOLE


def children_of(answer: Response) -> list[str] | None:
    """Names of the root's children; [] where it is empty or one bare value, None for no answer."""
    if answer.status != 200 or answer.media_type != "application/json":
        return None
    found = parsed(answer, dict[str, Any] | str | float | bool | None)  # type: ignore[arg-type]
    if isinstance(found, dict):
        return sorted(found) if all(shallow is not None for shallow in found.values()) else None
    return [] if answer.complete and answer.body.strip() == b"null" else None


def _address(name: str) -> str:
    return f"/{quote(name, safe='')}.json"


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await get(client, _ROOT)
            other = await get(client, _address(nobody(context)))
            page = await web.nonsense(context, client, "/")
        except BudgetSpent:
            raise
        except ProtocolError:  # the first page may be any program's
            return None
        seen = shown(context, _ROOT, answer)
        said = parsed(answer, _Error)
        if answer.status in (401, 403) and said is not None:
            detail = f"the root is refused: {safe(said.error, 80)}"
            return Proof(Access.ASKS_CREDENTIAL, detail, product="Firebase", evidence=(seen,))
        names = children_of(answer)
        # A node that nobody has is null for those who may read, and no address without .json.
        if names is None or other.body.strip() != b"null" or page.status == 200:
            return None
        if not names:
            detail = "the root may be read without a login, and it is empty"
            return Proof(Access.METADATA, detail, product="Firebase", evidence=(seen,))
        read = None
        for name in names[:TRIED]:
            path = _address(name)
            found = await client.request("GET", path, limit=READ_BYTES)
            if read is None and found.status == 200 and found.body.strip() not in (b"null", b""):
                command = web.reproduce(context, path)
                read = context.evidence(f"GET {path}", found.body, command, content=True)
        return Proof(
            Access.GIVES_DATA if read else Access.LISTS,
            f"{len(names)} nodes are named without a login; "
            f"{'the beginning of one was read' if read else 'none could be read'}",
            product="Firebase",
            size=Size(objects=len(names), unit="nodes", basis="shallow root"),
            evidence=(seen, read) if read else (seen,),
            containers=tuple(safe(name, 80) for name in names[:20]),
        )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        names = children_of(await get(client, _ROOT))
    if names is None:
        raise ProtocolError("the root is no longer named")
    for name in names:
        yield ObjectRef(path=_address(name), media_type="application/json")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


FIREBASE = Protocol(
    name="firebase",
    ports=(),
    sends="GET of the shallow root and of the beginning of one node",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://firebase.google.com/docs/database/rest/retrieve-data",
)
