"""Consul: keys, values and names of services without a login.

Proof: /v1/kv names keys and one of them gives its value. With ACLs a list of keys is refused with
403, or silently filtered to nothing (404, as when there is no key), and the catalog may be readable
all the same. /v1/status/leader and the names of data centres answer everybody.
https://developer.hashicorp.com/consul/api-docs/kv
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
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

ANSWER_BYTES: Final = 2_000_000  # a value has at most 512 KiB, in Base64
PROOF_FOLDERS: Final = 10
MAX_FOLDERS: Final = 2000
MAX_DEPTH: Final = 32
TRIES: Final = 3  # a value may be empty, a key may be kept back
_KEYS: Final = "?keys&separator=/"
_AGENT: Final = b"Consul Agent"
_FILTERED: Final = "x-consul-results-filtered-by-acls"  # since 1.11


class _Pair(msgspec.Struct, rename="pascal"):
    key: str
    value: str | None
    modify_index: int


def _recognise(answer: Response) -> bool:
    """The way to the web UI (which Nomad has as well), or what stands there without one."""
    if answer.status in web.REDIRECTS:
        return answer.headers.get("location") == "/ui/"
    return answer.status == 200 and answer.body.startswith(_AGENT)


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=ANSWER_BYTES)


def _address(key: str) -> str:
    return f"/v1/kv/{quote(key, safe='/')}"


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            leader = await _get(client, "/v1/status/leader")
            centres = await _get(client, "/v1/catalog/datacenters")
            other = await web.nonsense(context, client, "/v1/")
        except BudgetSpent:
            raise
        except ProtocolError:  # whatever it is, it is not the API of Consul
            return None
        if other.status == 200 or not _is_consul(leader, centres):
            return None
        path = "/v1/catalog/datacenters"
        seen = context.evidence(f"GET {path}", centres.body, web.reproduce(context, path))
        proof = await _keys(context, client)
        services = await _services(context, client)
        if services and proof.access not in (Access.GIVES_DATA, Access.LISTS):
            proof = replace(proof, access=Access.LISTS)
        if services:
            detail = f"{proof.detail}; services are named by the catalog"
            proof = replace(proof, detail=detail, evidence=(*proof.evidence, *services))
        return replace(proof, product="Consul", evidence=(seen, *proof.evidence))


def _is_consul(leader: Response, centres: Response) -> bool:
    """A leader may be missing (an empty text); a data centre never is."""
    if leader.status != 200 or centres.status != 200:
        return False
    return parsed(leader, str) is not None and bool(parsed(centres, list[str]))


async def _keys(context: Context, client: HttpClient) -> Proof:
    """What the store of keys gives."""
    path = f"/v1/kv/{_KEYS}"
    answer = await _get(client, path)
    if answer.status == 403:
        said = safe(answer.body[:200].decode("utf-8", "replace"), 100)
        shown = context.evidence(f"GET {path}", answer.body[:200], web.reproduce(context, path))
        return Proof(Access.ASKS_CREDENTIAL, f"keys are refused: {said}", evidence=(shown,))
    names = parsed(answer, list[str]) if answer.status == 200 else None
    if answer.status not in (200, 404) or (answer.status == 200 and names is None):
        raise ProtocolError(f"no list of keys, answered with {answer.status}")
    if not names:
        filtered = answer.headers.get(_FILTERED) == "true"
        why = "the ACLs keep them back" if filtered else "there is none, or the ACLs hide them"
        access = Access.ASKS_CREDENTIAL if filtered else Access.METADATA
        return Proof(access, f"no key is named: {why}")
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path), content=True)
    keys, complete = 0, True
    read: tuple[Evidence, ...] = ()
    async for item in _walk(context, client, PROOF_FOLDERS):
        keys += not isinstance(item, Gap)
        complete = complete and not isinstance(item, Gap)
        if not read and isinstance(item, str) and keys <= TRIES:
            read = await _value(context, client, item)
    state = "the value of one was read" if read else "no value could be read"
    return Proof(
        Access.GIVES_DATA if read else Access.LISTS,
        f"{keys} keys are named without a login; {state}",
        size=Size(objects=keys, unit="keys", basis="/v1/kv, walked", complete=complete),
        evidence=(shown, *read),
        containers=tuple(safe(name, 80) for name in names if name.endswith("/"))[:20],
    )


async def _value(context: Context, client: HttpClient, key: str) -> tuple[Evidence, ...]:
    path = _address(key)
    try:
        value = _value_of(await _get(client, path), key)
    except ObjectRefused:
        return ()
    if not value:
        return ()
    command = web.reproduce(context, path)
    return (context.evidence(f"GET {safe(path, 200)}", value, command, content=True),)


def _value_of(answer: Response, key: str) -> bytes:
    """The value of one key; raises ObjectRefused, ProtocolError."""
    if answer.status in (401, 403, 404):
        raise ObjectRefused(f"answered with {answer.status}")
    found = parsed(answer, list[_Pair]) if answer.status == 200 else None
    if found is None or len(found) != 1 or found[0].key != key:
        raise ProtocolError(f"no value, answered with {answer.status}")
    try:
        return b64decode(found[0].value or "", validate=True)
    except (Base64Error, ValueError):
        raise ProtocolError("a value that is not Base64") from None


async def _services(context: Context, client: HttpClient) -> tuple[Evidence, ...]:
    """That the catalog names services that are not Consul's own."""
    path = "/v1/catalog/services"
    answer = await _get(client, path)
    found = parsed(answer, dict[str, list[str]]) if answer.status == 200 else None
    names = sorted(set(found or ()) - {"consul"})
    if not names:
        return ()
    shown = "\n".join(safe(name, 80) for name in names[:20]).encode()
    return (context.evidence(f"GET {path}", shown, web.reproduce(context, path)),)


async def _walk(context: Context, client: HttpClient, folders: int) -> AsyncIterator[str | Gap]:
    """All keys, folder by folder; a key must lie in the folder that named it."""
    todo, asked = [""], 0
    while todo:
        if asked >= folders:
            detail = f"more than {folders} folders of keys"
            yield context.gap(Reason.BUDGET, "/v1/kv", detail, count=len(todo))
            return
        folder = todo.pop()
        asked += 1
        answer = await _get(client, _address(folder) + _KEYS)
        names = parsed(answer, list[str]) if answer.status == 200 else None
        if names is None:
            reason = Reason.REFUSED if answer.status == 403 else Reason.UNPARSED
            yield context.gap(reason, folder, f"no list of keys, answered with {answer.status}")
            continue
        for name in names:
            rest = name.removeprefix(folder)
            inside = name.startswith(folder) and "/" not in rest.rstrip("/")
            if name == folder:
                continue  # a folder may be a key of itself, without a value
            if not inside or not rest.rstrip("/") or name.count("/") > MAX_DEPTH:
                yield context.gap(Reason.MISBEHAVED, name, "a key outside of its folder")
            elif name.endswith("/"):
                todo.append(name)
            else:
                yield name


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with context.http() as client:
        async for item in _walk(context, client, MAX_FOLDERS):
            if isinstance(item, Gap):
                yield item
            else:
                yield ObjectRef(path=_address(item), group=item.rpartition("/")[0])


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        answer = await _get(client, ref.path)
    found = parsed(answer, list[_Pair]) if answer.status == 200 else None
    key = found[0].key if found else ""
    if found and _address(key) != ref.path:
        raise ProtocolError("the value of another key")
    value = _value_of(answer, key)
    return Fetched(value[:limit], complete=len(value) <= limit)


CONSUL = Protocol(
    name="consul",
    ports=(8500,),
    tls_ports=(8501,),
    sends="GET of /v1/status/leader, of the catalog's names, of keys and values",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://developer.hashicorp.com/consul/api-docs/kv",
)
