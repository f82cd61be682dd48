"""WebDAV: folders and files without a login.

Proof: PROPFIND with Depth 1 is answered with 207 and names children, and the beginning of one of
them comes back for a GET. The DAV field in the answer to OPTIONS only identifies. Nothing is ever
put there, and a folder is asked for by Depth 1 alone, since infinity is a burden to the server.
Address books and calendars (CardDAV, RFC 6352; CalDAV, RFC 4791) are folders of a kind of their
own, with a file for each person or event.
https://www.rfc-editor.org/rfc/rfc4918
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxml import etree
from msgspec import structs

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import browse, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, start_of
from leftopen.reach.listing import Entry
from leftopen.reach.walk import PROOF_FOLDERS, Tally, counted, to_ref

PAGE_BYTES: Final = 2_000_000
LIST_FOLDERS: Final = 5000
MAX_HREF: Final = 4096
_MAYBE: Final = (401, 403, 404, 405, 501)  # no page for GET: perhaps it is there for PROPFIND
_SERVERS: Final = ("wsgidav", "rclone", "davserver", "sabredav")  # first word of the Server field
_RADICALE: Final = "/.web"  # where Radicale leads a browser, also when it asks for a login
_KINDS: Final = {
    "{urn:ietf:params:xml:ns:carddav}addressbook": "address book",
    "{urn:ietf:params:xml:ns:caldav}calendar": "calendar",
}
_TYPES: Final = {".vcf": "text/vcard", ".ics": "text/calendar"}  # RFC 6350, RFC 5545
_SAFE: Final = "%/!$&'()*+,;=:@~"  # pchar of RFC 3986, and % since it comes encoded


@dataclass(frozen=True, slots=True)
class _Folder:
    """The children that one PROPFIND named, and how many hrefs were none."""

    entries: tuple[Entry, ...]
    odd: int = 0
    kinds: tuple[str, ...] = ()  # "address book", "calendar": one for each child of that kind


def _recognise(answer: Response) -> bool:
    """Whether OPTIONS is worth a request: a mark of WebDAV, or no page for GET.

    A page of any other server is left to the probe of web servers, which reads its listing.
    """
    server = answer.headers.get("server", "").partition("/")[0].strip().lower()
    allowed = {word.strip().upper() for word in answer.headers.get("allow", "").split(",")}
    marks = "dav" in answer.headers or "ms-author-via" in answer.headers
    marks = marks or server in _SERVERS or "PROPFIND" in allowed
    return marks or answer.status in _MAYBE or _leads_to_web(answer)


def _leads_to_web(answer: Response) -> bool:
    try:
        to = urlsplit(answer.headers.get("location", ""))
    except ValueError:
        return False
    return answer.status in web.REDIRECTS and to.path.rstrip("/") == _RADICALE


async def _propfind(client: HttpClient, path: str) -> Response:
    return await client.request("PROPFIND", path, headers={"Depth": "1"}, limit=PAGE_BYTES)


def parse_multistatus(url: str, answer: Response) -> _Folder | None:
    """The children of the folder at `url` out of a 207, or None when it is no such answer.

    Document types are refused, entities are not resolved, and an href that leads anywhere but to
    a direct child on the same origin is only counted.
    """
    if answer.status != 207 or not answer.complete or b"<!DOCTYPE" in answer.body:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf"), parser)
    except etree.XMLSyntaxError:
        return None
    if root.tag != "{DAV:}multistatus":
        return None
    found: dict[str, Entry] = {}
    kinds: list[str] = []
    odd = 0
    for response in root.iterfind("{DAV:}response"):
        entry = _entry(url, response)
        if entry is None:
            odd += 1
        elif entry.path != urlsplit(url).path and entry.path not in found:
            found[entry.path] = entry
            kinds += _kind(response) if entry.folder else ()
    return _Folder(tuple(found.values()), odd, tuple(kinds))


def _kind(response: etree._Element) -> list[str]:
    types = response.iterfind("{DAV:}propstat/{DAV:}prop/{DAV:}resourcetype/*")
    tags = {element.tag for element in types}
    return [kind for tag, kind in _KINDS.items() if tag in tags][:1]


def _entry(url: str, response: etree._Element) -> Entry | None:
    """One response as a child of the folder, or as the folder itself; None where it is neither."""
    path = _child(url, (response.findtext("{DAV:}href") or "").strip())
    if path is None:
        return None
    props = [
        prop
        for stat in response.iterfind("{DAV:}propstat")
        if " 200" in (stat.findtext("{DAV:}status") or "")[:16]
        for prop in stat.iterfind("{DAV:}prop")
    ]
    length = next(filter(None, (p.findtext("{DAV:}getcontentlength") for p in props)), "")
    changed = next(filter(None, (p.findtext("{DAV:}getlastmodified") for p in props)), "")
    folder = any(p.find("{DAV:}resourcetype/{DAV:}collection") is not None for p in props)
    if folder and not path.endswith("/"):
        path += "/"
    number = length.isascii() and length.isdigit() and len(length) < 16 and not folder
    return Entry(path, folder, int(length) if number else None, time=_time(changed))


def _child(url: str, href: str) -> str | None:
    """The encoded path of an href: the folder's own, or that of a direct child of it."""
    try:
        there, base = urlsplit(urljoin(url, href)), urlsplit(url)
    except ValueError:
        return None
    same = (there.scheme, there.netloc.lower()) == (base.scheme, base.netloc.lower())
    if not same or not href or len(href) > MAX_HREF or there.query or "?" in href:
        return None
    if there.path.rstrip("/") == base.path.rstrip("/"):
        return base.path
    rest = there.path.removeprefix(base.path)
    name = unquote(rest.removesuffix("/"))
    if rest == there.path or not name or name in (".", "..") or "/" in name or "\0" in name:
        return None
    return base.path + quote(rest, safe=_SAFE)


def _time(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def _prove(context: Context) -> Proof | None:
    path = start_of(context.target)
    path += "" if path.endswith("/") else "/"
    async with context.http() as client:
        try:
            options = await client.request("OPTIONS", path, limit=PAGE_BYTES)
        except BudgetSpent:
            raise
        except ProtocolError:  # many a web server knows no OPTIONS; it is no WebDAV then
            return None
        if "dav" not in options.headers:
            return None
        product, version = web.server_of(options)
        proof = await _asked(context, client, path)
        return replace(proof, product=product or "webdav", version=version)


async def _asked(context: Context, client: HttpClient, path: str) -> Proof:
    answer = await _propfind(client, path)
    if refused := web.refusal(context, web.Landing(path, answer)):
        detail = refused.detail.replace("GET", "PROPFIND", 1)
        return replace(refused, detail=detail, evidence=(_evidence(context, path, answer),))
    folder = parse_multistatus(web.url_of(context, path), answer)
    shown = _evidence(context, path, answer)
    if folder is None:
        detail = f"speaks WebDAV, PROPFIND is answered with {answer.status} and names nothing"
        odd = answer.status == 207
        return Proof(Access.UNDETERMINED if odd else Access.SPEAKS, detail, evidence=(shown,))
    other = await web.nonsense(context, client, path)
    kinds = Counter[str]()
    tally, gaps, read = await _take_stock(context, client, path, folder, other, kinds)
    state = "one of its files was read" if read else "no file of it could be read"
    state = state if folder.entries else "it is empty"
    held = "".join(f", {count} x {kind}" for kind, count in sorted(kinds.items()))
    folders = (safe(e.path, 80) for e in folder.entries if e.folder)
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"WebDAV names what it holds without a login{held}; {state}",
        size=structs.replace(tally.size(), basis="PROPFIND, getcontentlength"),
        evidence=(shown, *read),
        containers=tuple(folders)[:20],
        gaps=tuple(gaps),
    )


def _evidence(context: Context, path: str, answer: Response) -> Evidence:
    curl = web.reproduce(context, path).replace("curl -s", "curl -s -X PROPFIND -H 'Depth: 1'", 1)
    body = answer.body if answer.status == 207 else b"%d" % answer.status
    return context.evidence(f"PROPFIND {path} (Depth: 1)", body, curl)


async def _take_stock(
    context: Context,
    client: HttpClient,
    path: str,
    folder: _Folder,
    other: Response,
    kinds: Counter[str],
) -> tuple[Tally, list[Gap], tuple[Evidence, ...]]:
    """Count what the folders hold, and read the beginning of one file on the way."""

    async def read(entry: Entry) -> tuple[Evidence, ...]:
        return await web.sample(context, client, entry.path, other)

    walked = _walk(context, client, path, folder, kinds, folders=PROOF_FOLDERS)
    return await counted(context, path, walked, read)


def _walk(
    context: Context,
    client: HttpClient,
    start: str,
    first: _Folder,
    kinds: Counter[str],
    *,
    folders: int,
) -> AsyncIterator[Entry | Gap]:
    """The files below `start`, breadth first; at most `folders` are opened, each once.

    `kinds` counts the address books and calendars on the way.
    """

    def told(path: str, folder: _Folder) -> browse.Folder:
        kinds.update(folder.kinds)
        odd = folder.odd
        gaps = (context.gap(Reason.UNPARSED, path, "hrefs of no child", count=odd),) if odd else ()
        return browse.Folder(folder.entries, gaps)

    async def open_(path: str) -> browse.Folder:
        found = await _open(context, client, start, path)
        return browse.Folder(gaps=(found,)) if isinstance(found, Gap) else told(path, found)

    return browse.breadth_first(context, start, told(start, first), open_, folders=folders)


async def _open(context: Context, client: HttpClient, start: str, path: str) -> _Folder | Gap:
    async def ask(folder: str) -> Response:
        return await _propfind(client, folder)

    answer = await browse.answer_of(context, start, path, ask)
    if isinstance(answer, Gap):
        return answer
    folder = parse_multistatus(web.url_of(context, path), answer)
    if folder is not None:
        return folder
    if answer.status == 207 and not answer.complete:
        return context.gap(Reason.TOO_LARGE, path, f"an answer over {PAGE_BYTES} bytes")
    return browse.unlisted(context, path, answer, "PROPFIND is answered with")


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    path = start_of(context.target)
    path += "" if path.endswith("/") else "/"
    async with context.http() as client:
        answer = await _propfind(client, path)
        folder = parse_multistatus(web.url_of(context, path), answer)
        if folder is None:
            raise ProtocolError(f"PROPFIND is answered with {answer.status}")
        walked = _walk(context, client, path, folder, Counter(), folders=LIST_FOLDERS)
        async for item in walked:
            yield item if isinstance(item, Gap) else _ref(item)


def _ref(entry: Entry) -> ObjectRef:
    ref = to_ref(entry)
    return structs.replace(
        ref, media_type=ref.media_type or _TYPES.get(entry.path[-4:].lower(), "")
    )


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


WEBDAV = Protocol(
    name="webdav",
    ports=(80,),
    tls_ports=(443,),
    sends="OPTIONS, PROPFIND with Depth 1 of folders, GET of a nonsense name and of one file",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://www.rfc-editor.org/rfc/rfc4918",
)
