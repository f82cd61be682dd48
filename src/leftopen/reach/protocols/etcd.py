"""etcd: keys and values of the v3 and v2 APIs without a login.

Proof of v3: a range names keys, one of them gives a value, and a key that nobody has gives none;
authentication is a 400 with "user name is empty". Both requests are reads that exist only as POST
(etcd_wire), sent unless the scope file says `read_posts = false`. Proof of v2: /v2/keys names
keys, one gives a value, and a key that nobody has is error 100. That API holds other keys and
stays open where the authentication of v3 is on. /version, /metrics and the status of v3 answer
everybody, open or closed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.etcd_v3 import prove_v3, read_v3, unread, walk_v3, words
from leftopen.reach.etcd_wire import ALLOWED
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 1_000_000
PROOF_FOLDERS: Final = 20
MAX_FOLDERS: Final = 2000
MAX_DEPTH: Final = 32
KEY_NOT_FOUND: Final = 100  # client/v2 error.go, EcodeKeyNotFound
_NUMBER: Final = rb"(\d{1,15}(?:\.\d{1,15})?(?:e\+[01]\d)?)\r?$"
_KEYS: Final = re.compile(rb"^etcd_debugging_mvcc_keys_total " + _NUMBER, re.MULTILINE)
_USED: Final = re.compile(rb"^etcd_mvcc_db_total_size_in_use_in_bytes " + _NUMBER, re.MULTILINE)
_OPENNESS: Final = (
    Access.GIVES_DATA,
    Access.LISTS,
    Access.UNDETERMINED,
    Access.ASKS_CREDENTIAL,
)


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
        v2, v3 = await _v2(context, client), await prove_v3(context, client)
        if v3 and v3.access not in OPEN:
            v3 = replace(v3, size=await _size(client) or v3.size)
        proof = _merged(v2, v3) or Proof(
            access=Access.SPEAKS,
            detail="etcd answers, its v2 API is off; v3 was not read",
            size=await _size(client),
            evidence=(shown,),
        )
        gaps = () if v3 else (unread(context),)
        version = found.etcdserver
        return replace(proof, product="etcd", version=version, gaps=(*proof.gaps, *gaps))


def _merged(v2: Proof | None, v3: Proof | None) -> Proof | None:
    """One result of two APIs with two sets of keys: what the more open of them gives."""
    if v2 is None or v3 is None:
        return v2 or v3
    first, second = sorted((v2, v3), key=lambda proof: _OPENNESS.index(proof.access))
    size = first.size or second.size
    if first.access in OPEN and second.access in OPEN and first.size and second.size:
        size = Size(
            objects=(first.size.objects or 0) + (second.size.objects or 0),
            bytes=first.size.bytes or second.size.bytes,
            unit="keys",
            basis=f"{first.size.basis}; {second.size.basis}",
            complete=first.size.complete and second.size.complete,
        )
    return replace(
        first,
        detail=f"{first.detail}; {second.detail}",
        size=size,
        evidence=(*first.evidence, *second.evidence),
        containers=(*first.containers, *second.containers)[:20],
        gaps=(*first.gaps, *second.gaps),
    )


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
        detail=words("v2", keys, bool(read)),
        size=Size(objects=keys, unit="keys", basis="/v2/keys, walked", complete=complete),
        evidence=(shown, *read),
        containers=tuple(safe(node.key, 80) for node in found.node.nodes if node.dir)[:20],
    )


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
        if folder == "/" and answer.status == 404 and parsed(answer, _Error) is None:
            return  # the API is off: there is no key of it
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
        async for found in walk_v3(context, client):
            yield found


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        v2 = ref.path.startswith("/v2/")
        value = await (_read_v2(client, ref, limit) if v2 else read_v3(client, ref))
    return Fetched(value[:limit], complete=len(value) <= limit)


async def _read_v2(client: HttpClient, ref: ObjectRef, limit: int) -> bytes:
    answer = await client.request("GET", ref.path, limit=max(ANSWER_BYTES, 6 * limit))
    if answer.status in (401, 403, 404):
        raise ObjectRefused(f"answered with {answer.status}")
    found = parsed(answer, _Keys)
    if answer.status != 200 or found is None or found.node.value is None:
        raise ProtocolError(f"no value, answered with {answer.status}")
    return found.node.value.encode("utf-8", "replace")


ETCD = Protocol(
    name="etcd",
    ports=(2379, 4001),
    sends="GET of /version, /metrics, /v2/keys; POST of a v3 range (a read) and of its status",
    allowed=(*METHODS, *ALLOWED),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/",
)
