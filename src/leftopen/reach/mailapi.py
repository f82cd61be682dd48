"""Mail handed out as JSON: the message lists of test mail servers and web mail without a login.

Only list and raw-source addresses are asked. The address of one message is left alone: in MailDev
and Mailpit reading it marks the message as read, which is a write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof

PAGE: Final = 200
PAGE_BYTES: Final = 4_000_000
MAX_MESSAGES: Final = 20_000


@dataclass(frozen=True, slots=True)
class MailApi:
    """One product's list of messages; `{skip}` and `{limit}` in `page`, `{id}` in `source`."""

    product: str
    page: str
    source: str
    items: tuple[str, ...] = ()  # keys that may hold the list; none: the answer is the list
    total: tuple[str, ...] = ()

    @property
    def paged(self) -> bool:
        """Whether the list comes in pages."""
        return "{skip}" in self.page


APIS: Final = (
    MailApi(
        "MailDev",
        "/api/email/summary?skip={skip}&limit={limit}",
        "/api/email/{id}/source",
        items=("items",),
        total=("storeTotal", "total"),
    ),
    MailApi("MailDev", "/api/email", "/api/email/{id}/source"),
    MailApi("MailDev", "/email", "/email/{id}/source"),
    MailApi(
        "Mailpit",
        "/api/v1/messages?start={skip}&limit={limit}",
        "/api/v1/message/{id}/raw",
        items=("messages",),
        total=("total", "messages_count"),
    ),
    MailApi(
        "MailHog",
        "/api/v2/messages?start={skip}&limit={limit}",
        "/api/v1/messages/{id}/download",
        items=("items",),
        total=("total",),
    ),
    MailApi(
        "smtp4dev",
        "/api/messages",
        "/api/messages/{id}/source",
        items=("results", "messages", "items", "data"),
        total=("rowCount", "total"),
    ),
    MailApi("MailCatcher", "/messages", "/messages/{id}.source"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list of messages."""

    refs: tuple[ObjectRef, ...]
    total: int | None


def parse_page(api: MailApi, answer: Response) -> Page | None:
    """The messages of an answer, or None when it is no list of messages.

    Every item must look like a message: an id, and two of subject, sender, recipient with the
    types that they have in mail.
    """
    if answer.status != 200 or "json" not in answer.media_type or not answer.complete:
        return None
    try:
        made = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    items, total = made, None
    if isinstance(made, dict):
        items = next((made[k] for k in api.items if isinstance(made.get(k), list)), None)
        total = next((made[k] for k in api.total if type(made.get(k)) is int), None)
    if not isinstance(items, list):
        return None
    refs = [_ref(api, item) for item in items]
    sure = bool(items) or (isinstance(made, dict) and type(made.get(api.total[0])) is int)
    return Page(tuple(r for r in refs if r), total) if sure and all(refs) else None


def _ref(api: MailApi, item: Any) -> ObjectRef | None:
    if not isinstance(item, dict):
        return None
    fields = {key.lower(): value for key, value in item.items()}
    uid = fields.get("id")
    content = fields.get("content")
    headers = content.get("Headers") if isinstance(content, dict) else None
    if isinstance(headers, dict):  # MailHog
        fields.update({key.lower(): value for key, value in headers.items()})
    if not isinstance(uid, str | int) or not _like_mail(fields):
        return None
    sent = next((fields[k] for k in ("time", "created", "created_at", "receiveddate", "date")
                 if isinstance(fields.get(k), str)), "")  # fmt: skip
    size = fields.get("size")
    return ObjectRef(
        path=api.source.format(id=quote(str(uid)[:256], safe="")),
        size=size if type(size) is int and size >= 0 else None,
        time=_time(sent),
        media_type="message/rfc822",
    )


def _like_mail(fields: dict[str, Any]) -> bool:
    parties = (str, dict, list)
    signs = (
        isinstance(fields.get("subject"), str | list),
        isinstance(fields.get("from", fields.get("sender")), parties),
        isinstance(fields.get("to", fields.get("recipients")), parties),
    )
    return sum(signs) >= 2


def _time(text: str) -> datetime | None:
    try:
        made = datetime.fromisoformat(text[:40])
    except ValueError:
        return None
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).astimezone(UTC)


async def ask(client: HttpClient, base: str, api: MailApi, skip: int = 0) -> tuple[str, Response]:
    """Ask for one page; the path that was asked, and the answer."""
    path = base + api.page.format(skip=skip, limit=PAGE)
    return path, await client.request("GET", path, limit=PAGE_BYTES)


async def prove(context: Context, client: HttpClient, base: str, other: Response) -> Proof | str:
    """The proof of a message list, else why it was refused ("" when there is none).

    `other` is the answer to a nonsense address beside them.
    """
    asks = ""
    for api in APIS:
        path, answer = await ask(client, base, api)
        if answer.status in (401, 407) and other.status not in (401, 407):
            asks = asks or f"{safe(path, 60)} asks for a credential ({answer.status})"
        page = parse_page(api, answer)
        if page is None or parse_page(api, other) is not None:
            continue
        command = web.reproduce(context, path)
        evidence = [context.evidence(f"GET {path}", answer.body, command, content=True)]
        for ref in page.refs[:1]:
            evidence += await web.sample(context, client, base + ref.path, other)
        count = page.total if page.total is not None else len(page.refs)
        return Proof(
            access=Access.GIVES_DATA if page.refs else Access.LISTS,
            detail=f"{safe(path, 60)} lists {count} messages without a login",
            product=api.product,
            size=Size(objects=count, unit="messages", basis=safe(path, 60)),
            evidence=tuple(evidence),
        )
    return asks


async def messages(
    context: Context, client: HttpClient, base: str, api: MailApi, first: Page
) -> AsyncIterator[ObjectRef | Gap]:
    """All messages of a list whose first page is known."""
    page, seen = first, 0
    while True:
        for ref in page.refs:
            seen += 1
            yield ObjectRef(
                path=base + ref.path, size=ref.size, time=ref.time, media_type=ref.media_type
            )
        more = api.paged and page.refs and (page.total is None or seen < page.total)
        if not more:
            return
        if seen >= MAX_MESSAGES:
            left = max(1, (page.total or 0) - seen)
            yield context.gap(Reason.BUDGET, "", f"stopped after {seen} messages", count=left)
            return
        path, answer = await ask(client, base, api, seen)
        following = parse_page(api, answer)
        if following is None:
            yield context.gap(Reason.UNPARSED, path, f"no list, answered with {answer.status}")
            return
        page = following
