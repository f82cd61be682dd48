"""Google Cloud Storage and its kin: a bucket that anybody can list or read.

The bucket comes from the store URL, or from the claims of the scope file where that names none;
nothing is guessed or signed. Proof: objects.list of the JSON API, or the list of the XML API,
answers an anonymous caller, and the beginning of one object comes back. 401 is what an anonymous
caller gets for a closed bucket, and it says itself that the bucket may not exist.
https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import paging, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, start_of
from leftopen.reach.bucket_list import error_code, is_bucket, parse_list, ref_of
from leftopen.reach.json_answer import parsed
from leftopen.reach.paging import MAX_PAGES, Page

PAGE: Final = 1000
PAGE_BYTES: Final = 4_000_000
MAX_BUCKETS: Final = 20
TRIED: Final = 3
_HOST: Final = "storage.googleapis.com"
_DIGITS: Final = 15


class _Item(msgspec.Struct):
    kind: str
    name: str
    size: str = ""
    updated: str = ""


class _Objects(msgspec.Struct, rename="camel"):
    kind: str
    items: list[_Item] = []
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One bucket: its name, whether it stands in the host, and the object of the store URL."""

    name: str
    hosted: bool = False
    key: str = ""

    def key_path(self, key: str) -> str:
        """Request path of one object, the same in both APIs' hosts (XML API)."""
        return f"{'' if self.hosted else '/' + quote(self.name)}/{quote(key, safe='/')}"

    def json_path(self, token: str = "", size: int = PAGE) -> str:
        """Request path of one page of objects.list."""
        more = {"pageToken": token} if token else {}
        query = urlencode({"maxResults": str(size), **more})
        return f"/storage/v1/b/{quote(self.name, safe='')}/o?{query}"

    def xml_path(self, token: str = "") -> str:
        """Request path of one page of the XML API's list."""
        more = {"continuation-token": token} if token else {}
        query = urlencode({"list-type": "2", "max-keys": str(PAGE), **more})
        return f"{'/' if self.hosted else '/' + quote(self.name)}?{query}"


def place_of(host: str, path: str) -> Place | None:
    """The bucket of a store URL, None where it names none.

    It stands in the host (bucket.storage.googleapis.com/key) or in the path (/bucket/key).
    """
    parts = [p for p in path.split("/") if p]
    if host.lower().endswith("." + _HOST):
        return Place(host[: -len(_HOST) - 1], hosted=True, key="/".join(parts))
    return Place(parts[0], key="/".join(parts[1:])) if parts and is_bucket(parts[0]) else None


def parse_page(place: Place, answer: Response) -> Page | None:
    """A page of either API, or None when the answer is none."""
    said = parsed(answer, _Objects) if answer.status == 200 else None
    if said is None:
        return parse_list(place.key_path, answer)
    if said.kind != "storage#objects" or any(i.kind != "storage#object" for i in said.items):
        return None
    made = [_ref(place, item) for item in said.items]
    refs = tuple(ref for ref in made if ref)
    return Page(refs, said.next_page_token, len(made) - len(refs))


def _ref(place: Place, item: _Item) -> ObjectRef | None:
    number = item.size.isascii() and item.size.isdigit() and len(item.size) <= _DIGITS
    return ref_of(place.key_path, item.name, int(item.size) if number else None, item.updated)


def _places(context: Context) -> list[Place]:
    endpoint = context.target.endpoint
    host = endpoint.name or endpoint.address
    place = place_of(host if not _numeric(host) else "", start_of(context.target))
    claimed = [Place(name) for name in context.claims.buckets if is_bucket(name)]
    places = [place] if place else claimed[:MAX_BUCKETS]
    if not places:
        raise ProtocolError("the store URL names no bucket, and none is claimed")
    return places


def _numeric(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


async def _page(
    client: HttpClient, place: Place, token: str = "", *, xml: bool = False
) -> tuple[str, Response]:
    path = place.xml_path(token) if xml else place.json_path(token)
    return path, await client.request("GET", path, limit=PAGE_BYTES)


async def _first(client: HttpClient, place: Place) -> tuple[str, Response, Page | None, bool]:
    """The first page by the API that answers; whether that is the XML one."""
    said: tuple[str, Response, Page | None, bool] | None = None
    for xml in (True,) if place.hosted else (False, True):
        path, answer = await _page(client, place, xml=xml)
        page = parse_page(place, answer)
        if page is not None:
            return path, answer, page, xml
        said = said or (path, answer, None, xml)
    assert said is not None
    return said


async def _prove(context: Context) -> Proof | None:
    best: Proof | None = None
    async with context.http() as client:
        for place in _places(context):
            proof = await _bucket(context, client, place)
            if proof and (best is None or _rank(proof) < _rank(best)):
                best = proof
    return best


def _rank(proof: Proof) -> int:
    return OPEN.index(proof.access) if proof.access in OPEN else len(OPEN)


async def _bucket(context: Context, client: HttpClient, place: Place) -> Proof | None:
    path, answer, page, xml = await _first(client, place)
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
    if page is not None:
        return await _listed(context, client, place, page, shown, xml=xml)
    gap = context.gap(Reason.NOT_GIVEN, "", "other objects may be public; that needs their names")
    if place.key:
        wanted = f"{place.key_path('')}{place.key}"
        read = await _read(context, client, place, [wanted])
        if read:
            detail = "the object of the store URL is public, though its bucket cannot be listed"
            return Proof(Access.GIVES_DATA, detail, "gcs", evidence=(shown, *read), gaps=(gap,))
    access, word = {
        401: (Access.REFUSED_OR_ABSENT, "closed to an anonymous caller, or absent"),
        403: (Access.REFUSED_OR_ABSENT, "refused or absent"),
        404: (Access.SPEAKS, "absent"),
    }.get(answer.status, (Access.UNDETERMINED, "no list"))
    code = safe(error_code(answer), 60)
    detail = f"the list of the bucket is answered with {answer.status} {code}".rstrip()
    return Proof(access, f"{detail}: {word}", "gcs", evidence=(shown,), gaps=(gap,))


async def _read(
    context: Context, client: HttpClient, place: Place, paths: list[str]
) -> tuple[Evidence, ...]:
    other = await web.nonsense(context, client, place.key_path(""))
    read: tuple[Evidence, ...] = ()
    for path in paths:
        read = read or await web.sample(context, client, path, other)
    return read


async def _listed(
    context: Context, client: HttpClient, place: Place, page: Page, shown: Evidence, *, xml: bool
) -> Proof:
    paths = [ref.path for ref in page.refs if ref.size != 0][:TRIED]
    read = await _read(context, client, place, paths) if paths else ()

    async def following(token: str) -> Page | None:
        return parse_page(place, (await _page(client, place, token, xml=xml))[1])

    stock = await paging.take_stock(page, following)
    state = stock.state(read=bool(read))
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"the bucket lists {len(stock.refs)} objects to anybody; {state}",
        product="gcs",
        size=stock.size("objects", f"{'XML' if xml else 'JSON'} API list"),
        evidence=(shown, *read),
        containers=stock.folders(),
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        for place in _places(context):
            async for item in _objects(context, client, place):
                yield item


async def _objects(
    context: Context, client: HttpClient, place: Place
) -> AsyncIterator[ObjectRef | Gap]:
    path, answer, page, xml = await _first(client, place)
    if page is None and place.key:
        yield ObjectRef(path=f"{place.key_path('')}{place.key}")
        return
    for _ in range(MAX_PAGES):
        if page is None:
            yield paging.no_list(context, path, answer)
            return
        for item in paging.of_page(context, path, page, "objects without a usable key"):
            yield item
        if not page.token:
            return
        token = page.token
        path, answer = await _page(client, place, token, xml=xml)
        page = parse_page(place, answer)
        if page is not None and page.token == token:
            yield paging.repeated(context, path)
            return
    yield paging.too_many(context, place.name)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


GCS = Protocol(
    name="gcs",
    ports=(),
    sends="GET of the list of objects of the bucket that the scope file names, and of one object",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    named_only=True,
    encoded_names=True,
    source="https://cloud.google.com/storage/docs/json_api/v1/objects/list",
)
