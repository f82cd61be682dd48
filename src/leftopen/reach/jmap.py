"""JMAP on a web server: a session resource and a mailbox that answer without a login.

Proof: /.well-known/jmap is a session with accounts, Mailbox/get names mailboxes, and one message
that Email/query (limit 1) named comes back by its download address. The calls exist only as POST;
they are sent to the *path* of apiUrl on this host, and only where that path is on a fixed list.
A redirect is not followed: where there is one, the usual paths of a session are asked themselves.
https://www.rfc-editor.org/rfc/rfc8620
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof
from leftopen.reach.jmap_wire import (
    PATHS,
    Mailboxes,
    Session,
    call,
    parse_call,
    parse_ids,
    parse_mailboxes,
    parse_session,
    parse_total,
    refs,
)

WELL_KNOWN: Final = "/.well-known/jmap"
MAX_MESSAGES: Final = 20_000
_USUAL: Final = ("/jmap/session", "/jmap/")  # Stalwart and Apache James; Cyrus
_PAGE: Final = 200
_TRIED: Final = 3  # accounts
_BYTES: Final = 2_000_000
_WANTED: Final = ["blobId", "size", "receivedAt", "mailboxIds"]
_JSON: Final = {"Content-Type": "application/json"}


async def find(client: HttpClient) -> tuple[str, Response, Session | None]:
    """The session resource: where it was asked for, what was said, and what that is."""
    path, answer = WELL_KNOWN, await client.request("GET", WELL_KNOWN, limit=_BYTES)
    session = parse_session(answer)
    if session is None and answer.status in web.REDIRECTS:
        for usual in _USUAL:
            other = await client.request("GET", usual, limit=_BYTES)
            if (found := parse_session(other)) or other.status == 401:
                return usual, other, found
    return path, answer, session


async def prove(context: Context, client: HttpClient) -> Proof | None:
    """The proof of a mailbox over JMAP, of its refusal, or None where there is no JMAP."""
    path, answer, session = await find(client)
    if session is None:
        return await _refusal(context, client, path, answer)
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path), content=True)
    if not session.accounts:
        detail = "a JMAP session without a login; it names no account"
        return Proof(Access.METADATA, detail, "JMAP", evidence=(shown,))
    if why := _untried(context, session):
        names = tuple(safe(name, 80) for _, name in session.accounts[:20])
        detail = f"a JMAP session names {len(session.accounts)} accounts without a login"
        gap = context.gap(Reason.NOT_GIVEN, "JMAP", why)
        return Proof(Access.LISTS, detail, "JMAP", evidence=(shown,), containers=names, gaps=(gap,))
    for account, _ in session.accounts[:_TRIED]:
        if found := await _account(context, client, session, account, shown):
            return found
    detail = f"a JMAP session without a login; none of {len(session.accounts)} accounts answers"
    return Proof(Access.LISTS, detail, "JMAP", evidence=(shown,))


async def _refusal(
    context: Context, client: HttpClient, path: str, answer: Response
) -> Proof | None:
    """401 for the session alone: a server that asks everywhere says nothing of JMAP."""
    if answer.status != 401:
        return None
    folder = path.rstrip("/").rsplit("/", 1)[0] + "/"
    other = await web.nonsense(context, client, folder)
    return None if other.status == 401 else web.refusal(context, web.Landing(path, answer))


def _untried(context: Context, session: Session) -> str:
    """Why no method is called, "" where they are."""
    if not context.posts:
        return "read_posts is off, so no mailbox was asked for"
    if session.api not in PATHS:
        return f"apiUrl {session.api} is not on the list of paths that may be posted to"
    return ""


async def _call(
    client: HttpClient, session: Session, method: str, arguments: dict[str, Any]
) -> tuple[Response, dict[str, Any] | None]:
    body = call(method, arguments)
    answer = await client.request("POST", session.api, headers=_JSON, body=body, limit=_BYTES)
    return answer, parse_call(answer, method)


async def _mailboxes(
    client: HttpClient, session: Session, account: str
) -> tuple[Response, Mailboxes | None]:
    wanted = {"accountId": account, "ids": None, "properties": ["name", "totalEmails"]}
    answer, said = await _call(client, session, "Mailbox/get", wanted)
    return answer, parse_mailboxes(said) if said else None


async def _messages(
    client: HttpClient, session: Session, account: str, boxes: Mailboxes, position: int, limit: int
) -> tuple[list[ObjectRef], int, int | None]:
    """Messages from `position` on, how many were named, and the total where it is said."""
    query = {"accountId": account, "position": position, "limit": limit, "calculateTotal": True}
    said = (await _call(client, session, "Email/query", query))[1] or {}
    ids = parse_ids(said)[:limit]
    if not ids:
        return [], 0, parse_total(said)
    wanted = {"accountId": account, "ids": list(ids), "properties": _WANTED}
    got = (await _call(client, session, "Email/get", wanted))[1] or {}
    return refs(session, account, boxes, got)[:limit], len(ids), parse_total(said)


async def _account(
    context: Context, client: HttpClient, session: Session, account: str, shown: Evidence
) -> Proof | None:
    answer, boxes = await _mailboxes(client, session, account)
    if boxes is None:
        return None
    curl = web.reproduce(context, session.api)
    asked = f"POST {session.api} Mailbox/get"
    evidence = [shown, context.evidence(asked, answer.body, curl, content=True)]
    found, _, total = await _messages(client, session, account, boxes, 0, 1)
    if found:
        other = await web.nonsense(context, client, session.api.rstrip("/") + "/")
        evidence += await web.sample(context, client, found[0].path, other)
    read = len(evidence) > 2
    state = "one message was read" if read else "no message could be read"
    away = (
        f"; apiUrl names {safe(session.host, 60)}, not followed" if _away(context, session) else ""
    )
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"JMAP names {len(boxes.names)} mailboxes without a login; {state}{away}",
        product="JMAP",
        size=Size(
            objects=boxes.messages if total is None else total,
            unit="messages",
            basis="sum of totalEmails" if total is None else "Email/query total",
            complete=len(session.accounts) == 1,
        ),
        evidence=tuple(evidence),
        containers=tuple(safe(n, 80) for n in boxes.names.values())[:20],
    )


def _away(context: Context, session: Session) -> bool:
    return bool(session.host) and session.host != web.origin(context)[1]


async def messages(
    context: Context, client: HttpClient, session: Session
) -> AsyncIterator[ObjectRef | Gap]:
    """All messages of all accounts that answer, bounded."""
    if why := _untried(context, session):
        yield context.gap(Reason.NOT_GIVEN, "JMAP", why)
        return
    for account, name in session.accounts:
        boxes = (await _mailboxes(client, session, account))[1]
        if boxes is None:
            yield context.gap(Reason.REFUSED, name, "Mailbox/get is not answered with mailboxes")
            continue
        position = 0
        while position < MAX_MESSAGES:
            found, named, _ = await _messages(client, session, account, boxes, position, _PAGE)
            for ref in found:
                yield ref
            if named > len(found):
                yield context.gap(
                    Reason.UNPARSED, name, "messages without a blob", count=named - len(found)
                )
            if not named:
                break
            position += named
        else:
            yield context.gap(Reason.BUDGET, name, f"stopped after {MAX_MESSAGES} messages")


async def listing(context: Context, client: HttpClient) -> AsyncIterator[ObjectRef | Gap]:
    """The messages that a proof over JMAP opened.

    Raises:
        ProtocolError: the session is gone.
    """
    session = (await find(client))[2]
    if session is None:
        raise ProtocolError("the JMAP session that was seen before is gone")
    async for item in messages(context, client, session):
        yield item
