"""Web: directory listings, mail archives and message lists without a login.

Proof of a listing: it parses as one for its own path, a child of it gives bytes, and a nonsense
name beside that child is answered differently. Proof of a message list: JSON whose items look
like messages, and again a nonsense address is answered differently. A page alone proves nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import jmap, jmap_wire, leftovers, mailapi, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol, reason_of, start_of
from leftopen.reach.listing import PAGE_BYTES, Entry, parse_listing
from leftopen.reach.walk import take_stock, to_ref, walk

LIST_FOLDERS: Final = 5000


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        path = start_of(context.target)
        front = context.front or await client.request("GET", path, limit=PAGE_BYTES)
        landed = await web.land(context, client, web.Landing(path, front))
        proof = landed if isinstance(landed, Proof) else await _landed(context, client, landed)
        if proof.access not in OPEN:
            proof = await _mailbox(context, client, proof)
        proof = leftovers.add(proof, await leftovers.look(context, client, _folder(path)))
        product, version = web.server_of(front)
        return proof if proof.product else replace(proof, product=product, version=version)


def _folder(path: str) -> str:
    return path.rsplit("/", 1)[0] + "/"


async def _mailbox(context: Context, client: HttpClient, proof: Proof) -> Proof:
    """What JMAP gives beside a page that gives nothing; an error of it leaves that as it is."""
    try:
        found = await jmap.prove(context, client)
    except (ProtocolError, TimeoutError) as e:
        await client.close()  # what came is half read
        gap = context.gap(reason_of(e), jmap.WELL_KNOWN, f"not asked to its end: {e}")
        return replace(proof, gaps=(*proof.gaps, gap))
    more = found and (found.access in OPEN or proof.access is not Access.ASKS_CREDENTIAL)
    return replace(found, gaps=(*proof.gaps, *found.gaps)) if found and more else proof


async def _landed(context: Context, client: HttpClient, landed: web.Landing) -> Proof:
    if refused := web.refusal(context, landed):
        return refused
    path, answer = landed.path, landed.answer
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
    entries = parse_listing(path, answer)
    if entries is None:
        return await _page(context, client, landed, shown)
    other = await web.nonsense(context, client, path)
    if other.status == 200:
        detail = "answers every name with 200, so its listing proves nothing"
        return Proof(Access.SPEAKS, detail, evidence=(shown,))
    return await _listing(context, client, landed, entries, shown, other)


async def _listing(
    context: Context,
    client: HttpClient,
    landed: web.Landing,
    entries: tuple[Entry, ...],
    shown: Evidence,
    other: Response,
) -> Proof:
    tally, gaps, read = await take_stock(context, client, landed.path, entries, other)
    tally.complete = tally.complete and landed.answer.complete
    archive = " of a mail archive" if tally.messages else ""
    state = "one of its files was read" if read else "no file of it could be read"
    state = state if entries else "it is empty"
    folders = (safe(e.path, 80) for e in entries if e.folder)
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"a directory listing{archive} without a login; {state}",
        size=tally.size(),
        evidence=(shown, *read),
        containers=tuple(folders)[:20],
        gaps=tuple(gaps),
    )


async def _page(
    context: Context, client: HttpClient, landed: web.Landing, shown: Evidence
) -> Proof:
    """A page that is no listing: perhaps there is a message list behind it."""
    base, answer = landed.path.rsplit("/", 1)[0], landed.answer
    other = await web.nonsense(context, client, f"{base}/api/")
    found = await mailapi.prove(context, client, base, other)
    if isinstance(found, Proof):
        return found
    asks = found or ("the page has a login form" if web.has_login_form(answer) else "")
    if asks:
        return Proof(Access.ASKS_CREDENTIAL, asks, evidence=(shown,))
    detail = f"a web server ({answer.status}); neither a listing nor a list of messages"
    if answer.status == 200 and web.same_answer(answer, other):
        detail = "answers every name with the same page (a single-page app or catch-all)"
    return Proof(Access.SPEAKS, detail, evidence=(shown,))


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        left = await leftovers.look(context, client, _folder(start_of(context.target)))
        for ref in left.refs:
            yield ref
        for gap in left.gaps:
            yield gap
        try:
            async for thing in _listed(context, client):
                yield thing
        except ProtocolError:
            if not left.refs:
                raise


async def _listed(context: Context, client: HttpClient) -> AsyncIterator[ObjectRef | Gap]:
    """What a listing, a list of messages or JMAP names.

    Raises:
        ProtocolError: none of them is there.
    """
    path = start_of(context.target)
    front = await client.request("GET", path, limit=PAGE_BYTES)
    landed = await web.land(context, client, web.Landing(path, front))
    if isinstance(landed, Proof):
        if (session := (await jmap.find(client))[2]) is None:
            raise ProtocolError(landed.detail)
        async for found in jmap.messages(context, client, session):
            yield found
        return
    entries = parse_listing(landed.path, landed.answer)
    if entries is not None:
        if not landed.answer.complete:
            yield context.gap(Reason.TOO_LARGE, path, f"a listing over {PAGE_BYTES} bytes")
        async for item in walk(context, client, landed.path, entries, folders=LIST_FOLDERS):
            yield item if isinstance(item, Gap) else to_ref(item)
        return
    base = landed.path.rsplit("/", 1)[0]
    for api in mailapi.APIS:
        page = mailapi.parse_page(api, (await mailapi.ask(client, base, api))[1])
        if page is not None:
            async for ref in mailapi.messages(context, client, base, api, page):
                yield ref
            return
    async for thing in jmap.listing(context, client):
        yield thing


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


HTTP = Protocol(
    name="http",
    ports=(80, 3000, 5000, 8000, 8080, 8081, 8888, 1080),
    tls_ports=(443, 8443),
    sends="GET of the first page, of known message lists, of a nonsense name and of one file; of a "
    "JMAP session, and there POST of Mailbox/get, Email/query and Email/get; where the rules allow "
    "it, GET of a short list of leftovers",
    allowed=(*METHODS, *jmap_wire.allowed()),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=lambda answer: True,
    fallback=True,
    encoded_names=True,
    source="RFC 9110; nginx ngx_http_autoindex_module; Apache mod_autoindex",
)
