"""S3 and its kin (MinIO, Ceph, SeaweedFS, rclone): a bucket that anybody can list or read.

The bucket comes from the scope file; names are never guessed, and nothing is signed. Proof: an
unsigned ListObjectsV2 is answered with a ListBucketResult and the beginning of one object comes
back. Some servers answer 403 for a bucket that is not there, others 404 for one that is closed, so
a refusal is "refused or absent", and a Gap says that single objects may still be readable by name.
A store URL that names an object is asked for that object too.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote_plus, urlencode

from lxml import etree

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, start_of

PAGE: Final = 1000
PAGE_BYTES: Final = 2_000_000
MAX_PAGES: Final = 200
PROOF_PAGES: Final = 3
MAX_KEY: Final = 1024  # bytes, of every S3
TRIED: Final = 3  # objects that the proof asks for
_UNSIGNED: Final = ("UnsupportedAlgorithm", "MissingSecurityHeader", "AuthorizationHeaderMissing")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a bucket's list; `token` asks for the next one, "" at the end."""

    refs: tuple[ObjectRef, ...]
    token: str = ""
    unnamed: int = 0  # objects whose key is missing or longer than any key


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


def _root(answer: Response) -> etree._Element | None:
    """The XML of an answer; document types are refused, entities are not resolved."""
    if not answer.complete or b"<!DOCTYPE" in answer.body:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        return etree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf").lstrip(), parser)
    except etree.XMLSyntaxError:
        return None


def _named(element: etree._Element, name: str) -> bool:
    """Whether this is that element; older servers leave the namespace out."""
    return etree.QName(element).localname == name if isinstance(element.tag, str) else False


def _text(element: etree._Element, name: str) -> str:
    """The text of the first child of that name, "" where there is none."""
    return next((child.text or "" for child in element if _named(child, name)), "")


def parse_page(place: _Place, answer: Response) -> Page | None:
    """A ListBucketResult, or None when the answer is none."""
    root = _root(answer) if answer.status == 200 else None
    if root is None or not _named(root, "ListBucketResult"):
        return None
    encoded = _text(root, "EncodingType") == "url"
    made = [_ref(place, item, encoded=encoded) for item in root if _named(item, "Contents")]
    refs = tuple(ref for ref in made if ref)
    cut = _text(root, "IsTruncated").strip().lower() == "true"
    token = _text(root, "NextContinuationToken") if cut else ""
    return Page(refs, token, len(made) - len(refs))


def _ref(place: _Place, item: etree._Element, *, encoded: bool) -> ObjectRef | None:
    key = _text(item, "Key")
    key = unquote_plus(key) if encoded else key
    if not key or len(key.encode()) > MAX_KEY:
        return None
    length = _text(item, "Size")
    return ObjectRef(
        path=place.key_path(key),
        group=key.rsplit("/", 1)[0] if "/" in key else "",
        size=int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None,
        time=_time(_text(item, "LastModified")),
    )


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def _page(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=PAGE_BYTES)


async def _prove(context: Context) -> Proof | None:
    place = _place(context)
    async with context.http() as client:
        path = place.list_path()
        answer = await _page(client, path)
        page = parse_page(place, answer)
        if page is not None:
            return await _listed(context, client, place, answer, page)
        root = _root(answer)
        said = _text(root, "Code") if root is not None and _named(root, "Error") else ""
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
    refs, pages = list(page.refs), 1
    while page.token and pages < PROOF_PAGES:
        following = parse_page(place, await _page(client, place.list_path(page.token)))
        if following is None or following.token == page.token:
            break
        page, pages = following, pages + 1
        refs += page.refs
    sizes = [r.size for r in refs]
    state = "one of them was read" if read else "none could be read" if refs else "it is empty"
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"the bucket lists {len(refs)} objects to anybody; {state}",
        product=web.server_of(answer)[0] or "s3",
        size=Size(
            objects=len(refs),
            bytes=sum(s or 0 for s in sizes) if None not in sizes else None,
            unit="objects",
            basis=f"ListObjectsV2, {pages} pages",
            complete=not page.token,
        ),
        evidence=(listed, *read),
        containers=tuple(dict.fromkeys(safe(r.group, 80) for r in refs if r.group))[:20],
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
    place = _place(context)
    async with context.http() as client:
        token = ""
        for number in range(MAX_PAGES):
            path = place.list_path(token)
            answer = await _page(client, path)
            page = parse_page(place, answer)
            if page is None and place.object and not number:
                yield ObjectRef(path=place.object)
                return
            if page is None:
                yield context.gap(Reason.UNPARSED, path, f"no list, answered with {answer.status}")
                return
            for ref in page.refs:
                yield ref
            if page.unnamed:
                detail = "objects without a usable key"
                yield context.gap(Reason.UNPARSED, path, detail, count=page.unnamed)
            if not page.token:
                return
            if page.token == token:
                yield context.gap(Reason.MISBEHAVED, path, "the same page again and again")
                return
            token = page.token
        yield context.gap(Reason.BUDGET, place.bucket, f"stopped after {MAX_PAGES} pages")


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
    named_only=True,
    encoded_names=True,
    source="https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html",
)
