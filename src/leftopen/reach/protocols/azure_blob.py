"""Azure Blob Storage: a container that anybody can list or read.

The container comes from the scope file; names are never guessed. Azure answers a private
container, an absent one and one whose blobs alone are public with the same 404 by design, so a
refusal is "refused or absent", and a Gap says that single blobs may still be readable by name. A
store URL that names a blob is asked for that blob too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote, urlencode

from lxml import etree

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import paging, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, start_of
from leftopen.reach.paging import Page

PAGE: Final = 1000
PAGE_BYTES: Final = 2_000_000
_VERSION: Final = {"x-ms-version": "2021-08-06"}
_EMULATOR: Final = "devstoreaccount1"


def _place(context: Context) -> tuple[str, str]:
    """Request path of the container, and of the blob that the store URL names ("" for none).

    The emulator, and any endpoint that is an address, has the account as first segment.
    """
    parts = [p for p in start_of(context.target).split("/") if p]
    host = context.target.endpoint.name or context.target.endpoint.address
    try:
        styled = bool(ip_address(host))
    except ValueError:
        styled = host == "localhost" or parts[:1] == [_EMULATOR]
    depth = 2 if styled else 1
    if len(parts) < depth:
        raise ProtocolError("the store URL names no container")
    container = "/" + "/".join(parts[:depth])
    return container, f"{container}/{'/'.join(parts[depth:])}" if parts[depth:] else ""


def _list_path(container: str, marker: str = "") -> str:
    query = {"restype": "container", "comp": "list", "maxresults": str(PAGE)}
    return f"{container}?{urlencode({**query, **({'marker': marker} if marker else {})})}"


async def _page(client: HttpClient, container: str, marker: str = "") -> tuple[str, Response]:
    path = _list_path(container, marker)
    return path, await client.request("GET", path, headers=_VERSION, limit=PAGE_BYTES)


def _parsed(container: str, answer: Response) -> Page | None:
    """EnumerationResults of List Blobs; entities and document types are never resolved."""
    if answer.status != 200 or not answer.complete or b"<!DOCTYPE" in answer.body[:1024]:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf"), parser)
    except etree.XMLSyntaxError:
        return None
    if root.tag != "EnumerationResults":
        return None
    made = [_ref(container, blob) for blob in root.iterfind("Blobs/Blob")]
    refs = tuple(ref for ref in made if ref)
    return Page(refs, root.findtext("NextMarker") or "", len(made) - len(refs))


def _ref(container: str, blob: etree._Element) -> ObjectRef | None:
    element = blob.find("Name")
    name = (element.text or "") if element is not None else ""
    if element is not None and element.get("Encoded") == "true":
        name = unquote(name)
    if not name or len(name) > 1024:
        return None
    length = blob.findtext("Properties/Content-Length") or ""
    return ObjectRef(
        path=f"{container}/{quote(name)}",
        group=name.rsplit("/", 1)[0] if "/" in name else "",
        size=int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None,
        time=_time(blob.findtext("Properties/Last-Modified") or ""),
        media_type=(blob.findtext("Properties/Content-Type") or "")[:100],
    )


def _time(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def _prove(context: Context) -> Proof | None:
    container, blob = _place(context)
    async with context.http() as client:
        path, answer = await _page(client, container)
        page = _parsed(container, answer)
        if page is not None:
            return await _listed(context, client, container, path, answer, page)
        azure = "x-ms-request-id" in answer.headers or "x-ms-error-code" in answer.headers
        if not azure or answer.status not in (401, 403, 404, 409):
            return None
        return await _refused(context, client, path, answer, blob)


async def _listed(
    context: Context, client: HttpClient, container: str, path: str, answer: Response, page: Page
) -> Proof:
    listed = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
    other = await web.nonsense(context, client, f"{container}/")
    read = [
        shown
        for ref in page.refs[:3]
        if ref.size != 0
        for shown in await web.sample(context, client, ref.path, other)
    ]

    async def following(marker: str) -> Page | None:
        return _parsed(container, (await _page(client, container, marker))[1])

    stock = await paging.take_stock(page, following)
    state = stock.state(read=bool(read))
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"the container lists {len(stock.refs)} blobs to anybody; {state}",
        product="Azure Blob Storage",
        size=stock.size("blobs", "List Blobs"),
        evidence=(listed, *read[:1]),
        containers=stock.folders(),
    )


async def _refused(
    context: Context, client: HttpClient, path: str, answer: Response, blob: str
) -> Proof:
    code = safe(answer.headers.get("x-ms-error-code", ""), 60)
    shown = context.evidence(
        f"GET {path}", f"{answer.status} {code}".encode(), web.reproduce(context, path)
    )
    gap = context.gap(Reason.NOT_GIVEN, "", "other blobs may be public; that needs their names")
    read = await web.sample(context, client, blob, answer) if blob else ()
    if read:
        detail = "the blob of the store URL is public, though its container cannot be listed"
        return Proof(
            access=Access.GIVES_DATA,
            detail=detail,
            product="Azure Blob Storage",
            evidence=(shown, *read),
            gaps=(gap,),
        )
    absent = "refused or absent, Azure answers both alike" if answer.status == 404 else "refused"
    return Proof(
        access=Access.SPEAKS if answer.status == 404 else Access.ASKS_CREDENTIAL,
        detail=f"List Blobs is answered with {answer.status} {code}: {absent}",
        product="Azure Blob Storage",
        evidence=(shown,),
        gaps=() if answer.status == 409 else (gap,),  # 409: the account allows no public access
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    container, blob = _place(context)
    async with context.http() as client:

        async def ask(marker: str) -> tuple[str, Response, Page | None]:
            path, answer = await _page(client, container, marker)
            return path, answer, _parsed(container, answer)

        unnamed = "blobs without a usable name"
        async for item in paging.every_object(context, container, blob, ask, unnamed):
            yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


AZURE_BLOB = Protocol(
    name="azure_blob",
    ports=(),
    sends="GET of the list of blobs of the container that the scope file names, and of one blob",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    named_only=True,
    encoded_names=True,
    source="https://learn.microsoft.com/rest/api/storageservices/list-blobs",
)
