"""Web mail without a login: Roundcube, SOGo and Exchange, whose mailbox opens for anybody.

A proxy that signs everybody in is how an archive of mail came to be open in 2023. Proof in
Roundcube: the page says that its task is mail, the list of messages answers with rows, and the
source of one message comes back. That source is asked for by `_action=viewsource`, which leaves a
message unread; the page of a message is not, since that marks it as read. Of SOGo and Exchange only
the page is judged: a mailbox in it is a list of names, a way to a login or 440 asks for one.
https://github.com/roundcube/roundcubemail/wiki, https://learn.microsoft.com/exchange/clients
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol, start_of
from leftopen.reach.json_answer import parsed

PAGE_BYTES: Final = 2_000_000
MAX_PAGES: Final = 200
_ENV: Final = b"rcmail.set_env({"
_ROW: Final = re.compile(r'this\.add_message_row\("?(\d{1,10})(?:-[\w.]{1,80})?"?,\{')
_SOGO: Final = re.compile(rb"""ng-app\s*=\s*["']SOGo\.(MainUI|MailerUI)["']""")
_TOKEN: Final = re.compile(r"[A-Za-z0-9]{8,128}")
_COOKIE: Final = re.compile(r"(roundcube_sess(?:id|auth))=([^;,\s]{1,400})")
_EXCHANGE: Final = ("x-owa-version", "x-feserver")
_MOST: Final = 2**31


class _Env(msgspec.Struct):
    task: str
    request_token: str = ""
    mailbox: str = "INBOX"


class _Answer(msgspec.Struct):
    action: str
    exec: str
    env: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list of messages: their numbers, and what the server counts."""

    uids: tuple[int, ...]
    total: int | None
    pages: int


@dataclass(frozen=True, slots=True)
class _Door:
    """How a list is asked for: the session that the first page gave, unasked."""

    path: str
    mailbox: str
    headers: dict[str, str]

    def list_path(self, page: int) -> str:
        words = {"_task": "mail", "_action": "list", "_mbox": self.mailbox, "_page": str(page)}
        return f"{self.path}?{urlencode({**words, '_remote': '1'})}"

    def source_path(self, uid: int) -> str:
        box = quote(self.mailbox, safe="")
        return f"{self.path}?_task=mail&_action=viewsource&_uid={uid}&_mbox={box}"


def parse_env(answer: Response) -> _Env | None:
    """What a page of Roundcube says of itself, None where the page is none."""
    start = answer.body.find(_ENV) if answer.status in (200, 401) else -1
    end = answer.body.find(b"});", start)
    if start < 0 or end < 0:
        return None
    try:
        return msgspec.json.decode(answer.body[start + len(_ENV) - 1 : end + 1], type=_Env)
    except (msgspec.DecodeError, RecursionError):
        return None


def parse_rows(answer: Response) -> Rows | None:
    """The rows of a list as the page's script gets them; the script is read, never run."""
    said = parsed(answer, _Answer) if answer.status == 200 else None
    if said is None or said.action != "list":
        return None
    total, pages = said.env.get("messagecount"), said.env.get("pagecount")
    uids = dict.fromkeys(int(m.group(1)) for m in _ROW.finditer(said.exec))
    return Rows(
        tuple(uids),
        total if type(total) is int and 0 <= total < _MOST else None,
        pages if type(pages) is int and 0 < pages < _MOST else 1,
    )


def _location(answer: Response) -> str:
    return answer.headers.get("location", "") if answer.status in web.REDIRECTS else ""


def _kind(answer: Response) -> str:
    """The product of a first page, "" for any other."""
    if parse_env(answer):
        return "Roundcube"
    try:
        to = urlsplit(_location(answer))
    except ValueError:
        return ""
    if _SOGO.search(answer.body) or to.path.rstrip("/").startswith("/SOGo"):
        return "SOGo"
    if any(mark in answer.headers for mark in _EXCHANGE) or to.path.lower().startswith("/owa"):
        return "Exchange"
    return "Roundcube" if "_task=mail" in to.query.split("&") else ""


async def _arrive(context: Context, client: HttpClient) -> web.Landing | Proof:
    """The first page, over at most three redirects on this origin, queries kept."""
    path = start_of(context.target)
    answer = context.front or await client.request("GET", path, limit=PAGE_BYTES)
    for _ in range(web.MAX_REDIRECTS):
        leads = _location(answer)
        if not leads:
            break
        try:
            full = urljoin(web.url_of(context, path), leads)
            to = urlsplit(full)
            port = to.port or (443 if to.scheme == "https" else 80)
        except ValueError:
            raise ProtocolError("a redirect to something that is no URL") from None
        here = (to.scheme, to.hostname, port) == web.origin(context)
        if not here or "logon" in to.path.lower() or "/auth/" in to.path.lower():
            landed = await web.land(context, client, web.Landing(path, answer))
            if isinstance(landed, Proof):
                return landed
            break
        path = f"{to.path or '/'}{'?' + to.query if to.query else ''}"
        answer = await client.request("GET", path, headers=_session(answer), limit=PAGE_BYTES)
    return web.Landing(path, answer)


def _session(answer: Response) -> dict[str, str]:
    """The session that an answer opened by itself, as a request carries it on."""
    found = dict(_COOKIE.findall(answer.headers.get("set-cookie", "")))
    found = {name: value for name, value in found.items() if value != "-del-"}
    return {"Cookie": "; ".join(f"{k}={v}" for k, v in found.items())} if found else {}


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        kind = _kind(context.front or await client.request("GET", start_of(context.target)))
        if not kind:
            return None
        landed = await _arrive(context, client)
        if isinstance(landed, Proof):
            return landed
        answer = landed.answer
        shown = context.evidence(
            f"GET {landed.path}",
            answer.body or b"%d" % answer.status,
            web.reproduce(context, landed.path),
            content=True,
        )
        if refused := web.refusal(context, landed):
            return refused
        if web.has_login_form(answer):
            detail = f"{kind}: the page has a login form"
            return Proof(Access.ASKS_CREDENTIAL, detail, kind, evidence=(shown,))
        if kind == "Roundcube":
            return await _roundcube(context, client, landed, shown)
        return _judged(kind, answer, shown)


def _judged(kind: str, answer: Response, shown: Evidence) -> Proof:
    """SOGo and Exchange, by their page alone."""
    mailer = _SOGO.search(answer.body)
    if mailer and mailer.group(1) == b"MailerUI":
        detail = "SOGo shows a mailbox without a login; no message was asked for"
        return Proof(Access.LISTS, detail, kind, evidence=(shown,))
    if mailer:
        detail = "SOGo: the page of its login"
        return Proof(Access.ASKS_CREDENTIAL, detail, kind, evidence=(shown,))
    detail = f"says it is {kind}; its page ({answer.status}) shows neither a mailbox nor a login"
    return Proof(Access.UNDETERMINED, detail, kind, evidence=(shown,))


def _door(landed: web.Landing) -> _Door | None:
    """The way to the list where the page is that of a mailbox."""
    env = parse_env(landed.answer)
    if env is None or env.task != "mail":
        return None
    headers = _session(landed.answer)
    if _TOKEN.fullmatch(env.request_token):
        headers["X-Roundcube-Request"] = env.request_token  # said by the page; not a credential
    return _Door(landed.path.partition("?")[0], env.mailbox[:400] or "INBOX", headers)


async def _roundcube(
    context: Context, client: HttpClient, landed: web.Landing, shown: Evidence
) -> Proof:
    door = _door(landed)
    env = parse_env(landed.answer)
    if door is None:
        asks = env is not None and env.task == "login"
        detail = "Roundcube: the task of its page is not mail"
        access = Access.ASKS_CREDENTIAL if asks else Access.UNDETERMINED
        return Proof(access, detail, "Roundcube", evidence=(shown,))
    path = door.list_path(1)
    answer = await client.request("GET", path, headers=door.headers, limit=PAGE_BYTES)
    rows = parse_rows(answer)
    if rows is None:
        detail = f"Roundcube shows a mailbox; its list is answered with {answer.status}"
        return Proof(Access.UNDETERMINED, detail, "Roundcube", evidence=(shown,))
    evidence = [shown, context.evidence(f"GET {path}", answer.body, content=True)]
    if rows.uids:
        source = door.source_path(rows.uids[0])
        found = await client.request("GET", source, headers=door.headers, limit=web.PROOF_BYTES)
        if _is_message(found):
            evidence.append(context.evidence(f"GET {source}", found.body, content=True))
    read = len(evidence) > 2
    state = "one message was read" if read else "no message could be read"
    count = len(rows.uids) if rows.total is None else rows.total
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"Roundcube lists {count} messages without a login; {state}",
        product="Roundcube",
        size=Size(objects=count, unit="messages", basis="messagecount of one mailbox",
                  complete=False),
        evidence=tuple(evidence),
        containers=(safe(door.mailbox, 80),),
    )  # fmt: skip


def _is_message(answer: Response) -> bool:
    """The source of a message: no page, and a header field first (RFC 5322)."""
    head = answer.body[:998].partition(b"\n")[0]
    field = re.match(rb"[!-9;-~]{1,76}:", head)
    return answer.status == 200 and field is not None and "html" not in answer.media_type


async def _enter(context: Context, client: HttpClient) -> _Door:
    landed = await _arrive(context, client)
    door = _door(landed) if isinstance(landed, web.Landing) else None
    if door is None:
        raise ProtocolError("the mailbox that was seen before is gone")
    return door


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        door = await _enter(context, client)
        seen: set[int] = set()
        for page in range(1, MAX_PAGES + 1):
            path = door.list_path(page)
            answer = await client.request("GET", path, headers=door.headers, limit=PAGE_BYTES)
            rows = parse_rows(answer)
            if rows is None:
                yield context.gap(Reason.UNPARSED, path, f"no list, answered with {answer.status}")
                return
            for uid in rows.uids:
                if uid not in seen:
                    yield ObjectRef(
                        path=door.source_path(uid), group=door.mailbox, media_type="message/rfc822"
                    )
            if page >= rows.pages or seen.issuperset(rows.uids):
                break
            seen.update(rows.uids)
        else:
            yield context.gap(Reason.BUDGET, door.path, f"stopped after {MAX_PAGES} pages")
        yield context.gap(Reason.NOT_GIVEN, door.path, "other mailboxes than the first one shown")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        door = await _enter(context, client)
        answer = await client.request("GET", ref.path, headers=door.headers, limit=limit)
    if not _is_message(answer):
        raise ObjectRefused(f"answered with {answer.status}, and no message")
    return Fetched(answer.body, answer.complete, "message/rfc822")


WEBMAIL = Protocol(
    name="webmail",
    ports=(80,),
    tls_ports=(443,),
    sends="GET of the first page, of one list of messages and of the source of one message",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=lambda answer: bool(_kind(answer)),
    encoded_names=True,
    source="https://github.com/roundcube/roundcubemail/blob/master/program/js/app.js",
)
