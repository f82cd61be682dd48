"""etcd's v3 API: what its keys prove, their listing, the value of one.

Kept beside the protocol's file, which asks the v2 API: the two hold different keys.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient
from leftopen.reach import web
from leftopen.reach.api import Context, ObjectRefused, Proof
from leftopen.reach.etcd_wire import (
    ALL,
    PREFIXES,
    VALUE_BYTES,
    Asks,
    Page,
    ask,
    page_of,
    range_body,
    stored,
)

PAGE_BYTES: Final = 1_000_000
PROOF_KEYS: Final = 20
PAGE_KEYS: Final = 1000  # keys of one page of a listing
MAX_KEYS: Final = 200_000  # of one listing
TRIES: Final = 3  # a value may be empty, a key may be gone
_OFF: Final = "reading the keys of v3 needs a POST, and read_posts is off"
_NO_V3: Final = "no prefix of the v3 API answers as such"


async def prove_v3(context: Context, client: HttpClient) -> Proof | None:
    """What the v3 API proves; None where it is off or may not be asked."""
    if not context.posts:
        return None
    body = range_body(ALL, end=ALL, limit=PROOF_KEYS, keys_only=True)
    prefix, page = await _first_page(client, body)
    if page is None:
        return None
    request = f"POST {prefix}/kv/range {body.decode()}"
    command = _reproduce(context, prefix, body)
    if isinstance(page, Asks):
        seen = context.evidence(request, page.raw, command)
        detail = f"v3 asks for a user: {safe(page.words, 80)}"
        size = await _file_size(client, prefix)
        return Proof(Access.ASKS_CREDENTIAL, detail, size=size, evidence=(seen,))
    seen = context.evidence(request, page.raw, command, content=True)
    nobody = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}".encode()
    other = page_of(await ask(client, prefix, range_body(nobody), PAGE_BYTES))
    if not isinstance(other, Page) or other.pairs:
        detail = "a key of v3 that nobody has is not answered with nothing"
        return Proof(Access.UNDETERMINED, detail, evidence=(seen,))
    read = await _value_v3(context, client, prefix, [key for key, _ in page.pairs])
    held = await stored(client, prefix)
    count = max(page.count, len(page.pairs))
    groups = dict.fromkeys(group for key, _ in page.pairs if (group := _group(key)))
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=words("v3", count, bool(read)),
        size=Size(objects=count, bytes=held, unit="keys", basis="count of a v3 range, dbSize"),
        evidence=(seen, *read),
        containers=tuple(safe(group, 80) for group in groups),
    )


def unread(context: Context) -> Gap:
    """Why the keys of v3 were not looked at."""
    if context.posts:
        return context.gap(Reason.UNSUPPORTED, "/v3/kv/range", _NO_V3)
    return context.gap(Reason.NOT_GIVEN, "/v3/kv/range", _OFF)


async def _first_page(client: HttpClient, body: bytes) -> tuple[str, Page | Asks | None]:
    """The prefix under which the gateway answers, and its first answer."""
    for prefix in PREFIXES:
        answer = await ask(client, prefix, body, PAGE_BYTES)
        if found := page_of(answer):
            return prefix, found
        if answer.status != 404:
            break
    return "", None


async def _value_v3(
    context: Context, client: HttpClient, prefix: str, keys: list[bytes]
) -> tuple[Evidence, ...]:
    """The value of the first of these keys that gives one."""
    for key in keys[:TRIES]:
        body = range_body(key)
        page = page_of(await ask(client, prefix, body, VALUE_BYTES))
        found = page.pairs if isinstance(page, Page) else ()
        if len(found) == 1 and found[0][0] == key and (value := found[0][1]):
            # Any first value shows the same, and a name in Base64 could not be masked.
            command = _reproduce(context, prefix, range_body(ALL, end=ALL, limit=1))
            request = f"POST {prefix}/kv/range {safe(key, 120)}"
            return (context.evidence(request, value, command, content=True),)
    return ()


def words(api: str, keys: int, read: bool) -> str:
    """The line for people about one of the two APIs."""
    if not keys:
        return f"the {api} API is open without a login, and empty"
    state = "the value of one was read" if read else "no value could be read"
    return f"{keys} keys are named by the {api} API without a login; {state}"


def _reproduce(context: Context, prefix: str, body: bytes) -> str:
    command = web.reproduce(context, f"{prefix}/kv/range")
    return f"{command} -d {shlex.quote(body.decode())}"


def _group(key: bytes) -> str:
    """The folder that a key's name suggests; v3 itself has none."""
    return key.rpartition(b"/")[0].decode("utf-8", "replace")


async def _file_size(client: HttpClient, prefix: str) -> Size | None:
    held = await stored(client, prefix)
    return None if held is None else Size(bytes=held, unit="keys", basis="dbSize of the status")


async def walk_v3(context: Context, client: HttpClient) -> AsyncIterator[ObjectRef | Gap]:
    """All keys of v3, in pages; each page begins after the last key of the one before."""
    if not context.posts:
        yield unread(context)
        return
    last, count = b"", 0
    body = range_body(ALL, end=ALL, limit=PAGE_KEYS, keys_only=True)
    prefix, page = await _first_page(client, body)
    while isinstance(page, Page):
        for key, _ in page.pairs:
            if key <= last:  # etcd sorts by key: an older one would make this endless
                raise ProtocolError("the keys of a v3 range are not in their order")
            last, count = key, count + 1
            yield ObjectRef(path=f"{prefix}/kv/{quote(key, safe='/')}", group=_group(key))
        if not page.more or not page.pairs:
            return
        if count >= MAX_KEYS:
            detail = f"the list was cut after {count} keys"
            yield context.gap(Reason.BUDGET, "/v3/kv/range", detail)
            return
        body = range_body(last + b"\0", end=ALL, limit=PAGE_KEYS, keys_only=True)
        page = page_of(await ask(client, prefix, body, PAGE_BYTES))
    if isinstance(page, Asks):
        yield context.gap(Reason.REFUSED, "/v3/kv/range", page.words)
    else:
        yield unread(context)


async def read_v3(client: HttpClient, ref: ObjectRef) -> bytes:
    """One value; raises ObjectRefused where there is none for a stranger, ProtocolError."""
    prefix, _, name = ref.path.partition("/kv/")
    key = unquote_to_bytes(name)
    answer = await ask(client, prefix, range_body(key), VALUE_BYTES)
    page = page_of(answer)
    if isinstance(page, Asks) or (isinstance(page, Page) and not page.pairs):
        raise ObjectRefused("the key gives nothing, or a user is asked for")
    if page is None or page.pairs[0][0] != key:
        raise ProtocolError(f"no value, answered with {answer.status}")
    return page.pairs[0][1]
