"""JMAP as bytes: the session resource, one method call to a request, and what answers it.

https://www.rfc-editor.org/rfc/rfc8620 (session in section 2, calls in section 3) and
https://www.rfc-editor.org/rfc/rfc8621 (Mailbox/get, Email/query, Email/get).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from leftopen.model.exposure import ObjectRef
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed

CORE: Final = "urn:ietf:params:jmap:core"
MAIL: Final = "urn:ietf:params:jmap:mail"
PATHS: Final = ("/jmap", "/jmap/", "/jmap/api", "/jmap/api/", "/api/jmap", "/api/jmap/")
MAX_ACCOUNTS: Final = 100
MAX_MAILBOXES: Final = 10_000
MAX_ID: Final = 255  # RFC 8620 1.2
_USING: Final = f'{{"using":["{CORE}","{MAIL}"],"methodCalls":[["'
_READS: Final = ("Mailbox/get", "Email/query", "Email/get")
_MOST: Final = 2**53


def allowed() -> tuple[bytes, ...]:
    """Rules for the dialer: these paths, and a body that begins with a call of a read."""
    begin = _USING.replace("[", r"\[").replace("{", r"\{").encode()
    reads = "|".join(_READS).encode()
    body = rb"(?:[^\r\n]+\r\n){1,40}\r\n" + begin + b"(?:" + reads + b')",'
    return tuple(b"POST " + p.encode() + rb" HTTP/1\.1\r\n" + body for p in PATHS)


class _Account(msgspec.Struct, rename="camel"):
    name: str
    account_capabilities: dict[str, dict[str, Any]]


class _Session(msgspec.Struct, rename="camel"):
    capabilities: dict[str, dict[str, Any]]
    accounts: dict[str, _Account]
    api_url: str
    download_url: str
    state: str


@dataclass(frozen=True, slots=True)
class Session:
    """What a session resource offers to whoever asked; names are hostile."""

    accounts: tuple[tuple[str, str], ...]  # id and name of those with mail
    api: str  # the path of apiUrl; its host is not used
    download: str  # template of a request path
    host: str  # the host that apiUrl names, "" for none


def parse_session(answer: Response) -> Session | None:
    """A session resource (RFC 8620 section 2), or None when the answer is none."""
    said = parsed(answer, _Session) if answer.status == 200 else None
    if said is None or CORE not in said.capabilities:
        return None
    try:
        api, download = urlsplit(said.api_url), urlsplit(said.download_url)
        host = api.hostname or ""
    except ValueError:
        return None
    with_mail = [
        (uid, account.name)
        for uid, account in said.accounts.items()
        if MAIL in account.account_capabilities and 0 < len(uid) <= MAX_ID
    ]
    query = f"?{download.query}" if download.query else ""
    return Session(tuple(with_mail[:MAX_ACCOUNTS]), api.path, download.path + query, host)


def call(method: str, arguments: dict[str, Any]) -> bytes:
    """The body of a request with one method call."""
    assert method in _READS
    return f'{_USING}{method}",'.encode() + msgspec.json.encode(arguments) + b',"0"]]}'


def parse_call(answer: Response, method: str) -> dict[str, Any] | None:
    """The arguments of the one response to a call, None where it is refused or none."""
    said = parsed(answer, dict[str, Any]) if answer.status == 200 else None
    responses = said.get("methodResponses") if said else None
    if not isinstance(responses, list) or len(responses) != 1:
        return None
    one = responses[0]
    good = isinstance(one, list) and len(one) == 3 and one[0] == method and isinstance(one[1], dict)
    return one[1] if good else None


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Names (hostile) by id, and how many messages they hold together."""

    names: dict[str, str]
    messages: int


def parse_mailboxes(arguments: dict[str, Any]) -> Mailboxes | None:
    """The list of Mailbox/get, None when one of it is no mailbox."""
    items = arguments.get("list")
    if not isinstance(items, list) or len(items) > MAX_MAILBOXES:
        return None
    names, messages = {}, 0
    for item in items:
        fields = item if isinstance(item, dict) else {}
        uid, name, total = fields.get("id"), fields.get("name"), fields.get("totalEmails")
        if not isinstance(uid, str) or not isinstance(name, str):
            return None
        if type(total) is not int or not 0 <= total < _MOST:
            return None
        names[uid] = name
        messages += total  # a message in two mailboxes counts twice: an upper bound
    return Mailboxes(names, messages)


def parse_ids(arguments: dict[str, Any]) -> tuple[str, ...]:
    """The ids of Email/query; what is none is left out."""
    ids = arguments.get("ids")
    found = ids if isinstance(ids, list) else []
    return tuple(i for i in found if isinstance(i, str) and 0 < len(i) <= MAX_ID)


def parse_total(arguments: dict[str, Any]) -> int | None:
    """`total` of Email/query, which a server may leave out."""
    total = arguments.get("total")
    return total if type(total) is int and 0 <= total < _MOST else None


def refs(
    session: Session, account: str, boxes: Mailboxes, arguments: dict[str, Any]
) -> list[ObjectRef]:
    """The messages of Email/get as objects; the path is that of the download of the whole one."""
    items = arguments.get("list")
    found = []
    for item in items if isinstance(items, list) else ():
        blob = item.get("blobId") if isinstance(item, dict) else None
        if not isinstance(blob, str) or not 0 < len(blob) <= MAX_ID:
            continue
        size, boxed = item.get("size"), item.get("mailboxIds")
        group = next(iter(boxed), "") if isinstance(boxed, dict) else ""
        found.append(
            ObjectRef(
                path=download_path(session, account, blob),
                group=boxes.names.get(group, ""),
                size=size if type(size) is int and 0 <= size < _MOST else None,
                time=_time(item.get("receivedAt")),
                media_type="message/rfc822",
            )
        )
    return found


def download_path(session: Session, account: str, blob: str) -> str:
    """The request path of one blob (RFC 8620 section 6.2)."""
    path = session.download
    for key, value in (
        ("{accountId}", account),
        ("{blobId}", blob),
        ("{type}", "message/rfc822"),
        ("{name}", "message.eml"),
    ):
        path = path.replace(key, quote(value, safe=""))
    return path


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text[:40]).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
