"""etcd: keys and values of the v2 API without a login.

Proof: /v2/keys names keys, one of them gives a value, and a key that nobody has is error 100.
That API stays open where the authentication of v3 is on. A v3 key is read by a POST, which is
never sent, and /version and /metrics answer everybody: v3 alone is SPEAKS, open or closed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 1_000_000
PROOF_FOLDERS: Final = 20
MAX_FOLDERS: Final = 2000
MAX_DEPTH: Final = 32
KEY_NOT_FOUND: Final = 100  # client/v2 error.go, EcodeKeyNotFound
_NUMBER: Final = rb"(\d{1,15}(?:\.\d{1,15})?(?:e\+[01]\d)?)\r?$"
_KEYS: Final = re.compile(rb"^etcd_debugging_mvcc_keys_total " + _NUMBER, re.MULTILINE)
_USED: Final = re.compile(rb"^etcd_mvcc_db_total_size_in_use_in_bytes " + _NUMBER, re.MULTILINE)
_V3: Final = "reading the keys of v3 needs a POST, which is not sent"


class _Version(msgspec.Struct):
    etcdserver: str
    etcdcluster: str = ""


class _Child(msgspec.Struct):
    key: str
    dir: bool = False
    value: str | None = None


class _Node(msgspec.Struct):
    key: str = ""
    dir: bool = False
    value: str | None = None
    nodes: list[_Child] = []


class _Keys(msgspec.Struct):
    action: str
    node: _Node


class _Error(msgspec.Struct, rename="camel"):
    error_code: int


def _recognise(answer: Response) -> bool:
    """etcd has no first page: its 404 is the one of Go's multiplexer."""
    return answer.status == 404 and answer.body.strip() == b"404 page not found"


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=ANSWER_BYTES)


def _address(key: str) -> str:
    return f"/v2/keys{quote(key, safe='/')}"


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await _get(client, "/version")
        except BudgetSpent:
            raise
        except ProtocolError:  # that first page may be any Go program's
            return None
        found = parsed(answer, _Version) if answer.status == 200 else None
        if found is None:
            return None
        command = web.reproduce(context, "/version")
        shown = context.evidence("GET /version", answer.body, command)
        proof = await _v2(context, client) or Proof(
            access=Access.SPEAKS,
            detail=f"etcd answers, its v2 API is off; {_V3}",
            size=await _size(client),
            evidence=(shown,),
        )
        gap = context.gap(Reason.UNSUPPORTED, "/v3/kv/range", _V3)
        version = found.etcdserver
        return replace(proof, product="etcd", version=version, gaps=(*proof.gaps, gap))


async def _v2(context: Context, client: HttpClient) -> Proof | None:
    """What the v2 API proves; None where it is off."""
    path = "/v2/keys/"
    answer = await _get(client, path)
    if refused := web.refusal(context, web.Landing(path, answer)):
        return refused
    found = parsed(answer, _Keys) if answer.status == 200 else None
    if found is None or found.action != "get" or not found.node.dir:
        return None
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path), content=True)
    nobody = f"/leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    other = await _get(client, _address(nobody))
    error = parsed(other, _Error)
    if other.status != 404 or error is None or error.error_code != KEY_NOT_FOUND:
        detail = "a key that nobody has is answered otherwise than with error 100"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    keys, complete = 0, True
    read: tuple[Evidence, ...] = ()
    async for item in _walk(context, client, PROOF_FOLDERS):
        keys += not isinstance(item, Gap)
        complete = complete and not isinstance(item, Gap)
        if not read and isinstance(item, _Child) and keys <= 3:
            read = await _value(context, client, item.key)
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=_words(keys, bool(read)),
        size=Size(objects=keys, unit="keys", basis="/v2/keys, walked", complete=complete),
        evidence=(shown, *read),
        containers=tuple(safe(node.key, 80) for node in found.node.nodes if node.dir)[:20],
    )


def _words(keys: int, read: bool) -> str:
    if not keys:
        return "the v2 API is open without a login, and empty"
    state = "the value of one was read" if read else "no value could be read"
    return f"{keys} keys are named by the v2 API without a login; {state}"


async def _value(context: Context, client: HttpClient, key: str) -> tuple[Evidence, ...]:
    path = _address(key)
    answer = await _get(client, path)
    found = parsed(answer, _Keys) if answer.status == 200 else None
    if found is None or not found.node.value:
        return ()
    command = web.reproduce(context, path)
    value = found.node.value.encode("utf-8", "replace")
    return (context.evidence(f"GET {path}", value, command, content=True),)


async def _size(client: HttpClient) -> Size | None:
    """Keys and bytes of v3 as /metrics counts them, open or closed."""
    answer = await _get(client, "/metrics")
    keys, used = _KEYS.search(answer.body), _USED.search(answer.body)
    if answer.status != 200 or not keys:
        return None
    return Size(
        objects=int(float(keys.group(1))),
        bytes=int(float(used.group(1))) if used else None,
        unit="keys",
        basis="/metrics, mvcc keys_total and db_total_size_in_use",
    )


async def _walk(context: Context, client: HttpClient, folders: int) -> AsyncIterator[_Child | Gap]:
    """All keys with a value, folder by folder; a child must lie in the folder that named it."""
    todo, asked = ["/"], 0
    while todo:
        if asked >= folders:
            detail = f"more than {folders} folders of keys"
            yield context.gap(Reason.BUDGET, "/v2/keys", detail, count=len(todo))
            return
        folder = todo.pop()
        asked += 1
        answer = await _get(client, _address(folder))
        found = parsed(answer, _Keys)
        if answer.status != 200 or found is None:
            detail = f"no list of keys, answered with {answer.status}"
            yield context.gap(Reason.UNPARSED, folder, detail)
            continue
        for node in found.node.nodes:
            name = node.key.removeprefix(folder.rstrip("/") + "/")
            if name == node.key or not name or "/" in name or node.key.count("/") > MAX_DEPTH:
                yield context.gap(Reason.MISBEHAVED, node.key, "a key outside of its folder")
            elif node.dir:
                todo.append(node.key)
            else:
                yield node


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        async for item in _walk(context, client, MAX_FOLDERS):
            if isinstance(item, Gap):
                yield item
            else:
                size = None if item.value is None else len(item.value.encode("utf-8", "replace"))
                group = item.key.rpartition("/")[0] or "/"
                yield ObjectRef(path=_address(item.key), group=group, size=size)
        yield context.gap(Reason.UNSUPPORTED, "/v3/kv/range", _V3)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        answer = await client.request("GET", ref.path, limit=max(ANSWER_BYTES, 6 * limit))
        if answer.status in (401, 403, 404):
            raise ObjectRefused(f"answered with {answer.status}")
        found = parsed(answer, _Keys)
        if answer.status != 200 or found is None or found.node.value is None:
            raise ProtocolError(f"no value, answered with {answer.status}")
        value = found.node.value.encode("utf-8", "replace")
        return Fetched(value[:limit], complete=len(value) <= limit)


ETCD = Protocol(
    name="etcd",
    ports=(2379, 4001),
    sends="GET of /version, of /metrics, of the keys of the v2 API",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://etcd.io/docs/v2.3/api/",
)
