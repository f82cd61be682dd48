"""S3 and its kin (MinIO, Ceph, SeaweedFS, rclone): a bucket that anybody can list or read.

The bucket comes from the scope file, as a store URL or among its claims, or from an endpoint that
names its buckets to everybody; names are never guessed, and nothing is signed. Proof: an
unsigned ListObjectsV2 is answered with a ListBucketResult and the beginning of one object comes
back. Some servers answer 403 for a bucket that is not there, others 404 for one that is closed, so
a refusal is "refused or absent", and a Gap says that single objects may still be readable by name.
A store URL that names an object is asked for that object too. MinIO answers 403 at / and 200 at
/minio/health/ in every state, Ceph 200 at / with no bucket: neither says anything of its buckets.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urlencode

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import paging, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, start_of
from leftopen.reach.bucket_list import (
    bucket_names,
    error_code,
    is_bucket,
    parse_list,
)
from leftopen.reach.paging import Page

PAGE: Final = 1000
PAGE_BYTES: Final = 2_000_000
MAX_BUCKETS: Final = 20  # of one endpoint
TRIED: Final = 3  # objects that the proof asks for
_ORDER: Final = (*OPEN, *(a for a in Access if a not in OPEN))
_UNSIGNED: Final = ("UnsupportedAlgorithm", "MissingSecurityHeader", "AuthorizationHeaderMissing")


@dataclass(frozen=True, slots=True)
class _Place:
    """Request path of the bucket, and of the object that the store URL names ("" for none)."""

    bucket: str
    object: str

    def key_path(self, key: str) -> str:
        """Request path of one object; a slash of the key stays one."""
        return f"{self.bucket.rstrip('/')}/{quote(key, safe='/')}"

    def list_path(self, token: str = "") -> str:
        """Request path of one page of the list."""
        query = {"list-type": "2", "max-keys": str(PAGE), "encoding-type": "url"}
        more = {"continuation-token": token} if token else {}
        return f"{self.bucket}?{urlencode({**query, **more})}"


def _place(context: Context) -> _Place:
    """Virtual-hosted style (bucket.s3.region.amazonaws.com/key) or path style (/bucket/key)."""
    parts = [p for p in start_of(context.target).split("/") if p]
    host = context.target.endpoint.name or context.target.endpoint.address
    try:
        hosted = ip_address(host) is None
    except ValueError:
        labels = host.split(".")
        hosted = not parts or any(x == "s3" or x.startswith("s3-") for x in labels[1:])
        hosted = hosted and labels[0] != "s3" and not labels[0].startswith("s3-")
    if not hosted and not parts:
        raise ProtocolError("the store URL names no bucket")
    bucket = "/" if hosted else f"/{parts[0]}"
    rest = "/".join(parts if hosted else parts[1:])
    return _Place(bucket, f"{bucket.rstrip('/')}/{rest}" if rest else "")


def parse_page(place: _Place, answer: Response) -> Page | None:
    """A ListBucketResult, or None when the answer is none."""
    return parse_list(place.key_path, answer)


def _recognise(answer: Response) -> bool:
    """The answer of an endpoint to GET /: its buckets, or an Error with a mark of S3."""
    if bucket_names(answer) is not None:
        return True
    marks = "x-amz-request-id" in answer.headers or web.server_of(answer)[0] == "MinIO"
    return marks and answer.status in (400, 403) and bool(error_code(answer))


async def _page(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=PAGE_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        if not _names_none(context):
            return await _bucket(context, client, _place(context))
        return await _endpoint(context, client)


def _names_none(context: Context) -> bool:
    """Whether this is an endpoint and no bucket."""
    if not context.target.url:
        return True
    try:
        _place(context)
    except ProtocolError:
        return True
    return False


async def _buckets(context: Context, client: HttpClient) -> tuple[Response, tuple[str, ...]]:
    """The answer for the endpoint, and the buckets that it names or the scope file claims."""
    answer = await _page(client, "/")
    claimed = tuple(name for name in context.claims.buckets if is_bucket(name))
    named = bucket_names(answer) or ()
    return answer, tuple(dict.fromkeys((*claimed, *named)))[:MAX_BUCKETS]


async def _endpoint(context: Context, client: HttpClient) -> Proof | None:
    """An endpoint: only buckets that it names itself, or that the owner claims, are asked for."""
    answer, names = await _buckets(context, client)
    if not _recognise(answer):
        return None
    proofs: list[Proof] = []
    for name in names:
        if proof := await _bucket(context, client, _Place(f"/{quote(name)}", "")):
            proofs.append(replace(proof, detail=f"{safe(name, 70)}: {proof.detail}"))
        if proof and proof.access is Access.GIVES_DATA:
            break
    best = min(proofs, key=lambda p: _ORDER.index(p.access), default=None)
    shown = _evidence(context, "/", answer.body)
    product = web.server_of(answer)[0] or "s3"
    if best is None or best.access not in OPEN:
        detail = "an S3 endpoint" + (f"; {len(names)} named buckets are closed" if names else "")
        gap = context.gap(Reason.NOT_GIVEN, "", "buckets that nobody named were not asked for")
        listed = bucket_names(answer)
        access = Access.LISTS if listed else best.access if best else Access.SPEAKS
        said = f"; it names {len(listed)} buckets to anybody" if listed else ""
        return Proof(access, detail + said, product, evidence=(shown,), gaps=(gap,))
    return replace(best, product=product, containers=tuple(safe(n, 80) for n in names[:20]))


async def _bucket(context: Context, client: HttpClient, place: _Place) -> Proof | None:
    answer = await _page(client, place.list_path())
    page = parse_page(place, answer)
    if page is not None:
        return await _listed(context, client, place, answer, page)
    said = error_code(answer)
    if not said and "x-amz-request-id" not in answer.headers:
        return None
    return await _refused(context, client, place, answer, safe(said, 60))


def _evidence(context: Context, path: str, answer: bytes) -> Evidence:
    return context.evidence(f"GET {path}", answer, web.reproduce(context, path))


async def _listed(
    context: Context, client: HttpClient, place: _Place, answer: Response, page: Page
) -> Proof:
    listed = _evidence(context, place.list_path(), answer.body)
    other = await web.nonsense(context, client, f"{place.bucket.rstrip('/')}/")
    read: tuple[Evidence, ...] = ()
    for ref in [r for r in page.refs if r.size != 0][:TRIED]:
        read = read or await web.sample(context, client, ref.path, other)

    async def following(token: str) -> Page | None:
        return parse_page(place, await _page(client, place.list_path(token)))

    stock = await paging.take_stock(page, following)
    state = stock.state(read=bool(read))
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"the bucket lists {len(stock.refs)} objects to anybody; {state}",
        product=web.server_of(answer)[0] or "s3",
        size=stock.size("objects", "ListObjectsV2"),
        evidence=(listed, *read),
        containers=stock.folders(),
    )


async def _refused(
    context: Context, client: HttpClient, place: _Place, answer: Response, code: str
) -> Proof:
    path, product = place.list_path(), web.server_of(answer)[0] or "s3"
    shown = _evidence(context, path, f"{answer.status} {code}".encode())
    gap = context.gap(Reason.NOT_GIVEN, "", "other objects may be public; that needs their names")
    if place.object:
        other = await web.nonsense(context, client, f"{place.bucket.rstrip('/')}/")
        read = await web.sample(context, client, place.object, other)
        if read:
            detail = "the object of the store URL is public, though its bucket cannot be listed"
            evidence = (shown, *read)
            return Proof(Access.GIVES_DATA, detail, product, evidence=evidence, gaps=(gap,))
    asks = answer.status in (401, 403) or (answer.status == 400 and code in _UNSIGNED)
    word = "refused or absent" if asks else "absent, or closed and not said to be"
    known = asks or answer.status in (301, 307, 404, 409)
    access = Access.ASKS_CREDENTIAL if asks else Access.SPEAKS if known else Access.UNDETERMINED
    detail = f"the list of the bucket is answered with {answer.status} {code}"
    detail = f"{detail}: {word}" if known else detail
    return Proof(access, detail, product, evidence=(shown,), gaps=(gap,))


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        if not _names_none(context):
            places = [_place(context)]
        else:
            names = (await _buckets(context, client))[1]
            places = [_Place(f"/{quote(name)}", "") for name in names]
        for place in places:
            async for item in _objects(context, client, place):
                yield item


async def _objects(
    context: Context, client: HttpClient, place: _Place
) -> AsyncIterator[ObjectRef | Gap]:
    async def ask(token: str) -> tuple[str, Response, Page | None]:
        path = place.list_path(token)
        answer = await _page(client, path)
        return path, answer, parse_page(place, answer)

    unnamed = "objects without a usable key"
    async for item in paging.every_object(context, place.bucket, place.object, ask, unnamed):
        yield item


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


S3 = Protocol(
    name="s3",
    ports=(),
    sends="GET of the list of objects of the bucket that the scope file names, and of one object",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html",
)
