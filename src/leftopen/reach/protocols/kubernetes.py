"""Kubernetes API: namespaces, pods and configuration without a credential.

The version is open to anybody by default and is no finding; a 403 that names system:anonymous
proves that anonymous requests are let in to be judged, and that this one was refused. Proof: one
object of a list is named, and one ConfigMap or Pod comes back. Secrets are never asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import get, shown, unproved
from leftopen.reach.json_answer import parsed
from leftopen.reach.kubernetes_json import Item, Listed, Paths, Status, Version

VERSION: Final = "/version"
NAMESPACES: Final = "/api/v1/namespaces?limit=20"
# what is counted, its kind, its list: no list gives more than one whole object
KINDS: Final = (
    ("configmaps", "ConfigMapList", "/api/v1/configmaps?limit=1"),
    ("pods", "PodList", "/api/v1/pods?limit=1"),
)
PAGE: Final = 200  # objects that one request of a listing asks for
MAX_PAGES: Final = 20
LIST_BYTES: Final = 8_000_000


def _recognise(answer: Response) -> bool:
    """GET / gives the paths of the API, or a Status that refuses them."""
    if answer.status == 200:
        found = parsed(answer, Paths)
        return found is not None and {"/api", "/api/v1"} <= set(found.paths)
    refused = parsed(answer, Status) if answer.status in (401, 403) else None
    return refused is not None and refused.code == answer.status


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await get(client, VERSION)
        except BudgetSpent:
            raise
        except ProtocolError:
            return None
        version = parsed(answer, Version) if answer.status == 200 else None
        if version is None:
            return _refused(context, VERSION, answer)
        proof = await _namespaces(context, client, shown(context, VERSION, answer))
    return replace(proof, product="kubernetes", version=version.git_version)


def _refused(context: Context, path: str, answer: Response) -> Proof | None:
    """ASKS_CREDENTIAL for a Status of 401 or 403, None for what is none."""
    status = parsed(answer, Status)
    refused = web.refusal(context, web.Landing(path, answer))
    if status is None or refused is None or status.code != answer.status:
        return None
    detail = f"{refused.detail}: {safe(status.message, 120)}"
    return replace(refused, detail=detail, product="kubernetes")


async def _namespaces(context: Context, client: HttpClient, version: Evidence) -> Proof:
    answer = await get(client, NAMESPACES)
    listed = _list_of(answer, "NamespaceList")
    if listed is None:
        if asks := _refused(context, NAMESPACES, answer):
            detail = f"the version is open to all, the data is not: {asks.detail}"
            return replace(asks, detail=detail, evidence=(version, *asks.evidence))
        seen = shown(context, NAMESPACES, answer)
        detail = f"the version answers, the list of namespaces does not ({answer.status})"
        return Proof(Access.METADATA, detail, evidence=(version, seen))
    seen = shown(context, NAMESPACES, answer)
    if (await web.nonsense(context, client, "/api/v1/")).status == 200:
        return unproved("a path that nobody has is answered as well", seen)
    names = [item.metadata.name for item in listed.items or ()]
    read, size, said = await _objects(context, client)
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail="; ".join((f"{len(names)} namespaces are named without a login", *said)),
        size=size or listed.size("namespaces"),
        evidence=(version, seen, *read),
        containers=tuple(safe(name, 80) for name in names[:20]),
    )


def _list_of(answer: Response, kind: str) -> Listed | None:
    found = parsed(answer, Listed) if answer.status == 200 else None
    return found if found and found.kind == kind else None


async def _objects(
    context: Context, client: HttpClient
) -> tuple[tuple[Evidence, ...], Size | None, list[str]]:
    """Evidence of the first object of each kind, the size of the first kind, what was said."""
    read, size, said = list[Evidence](), None, list[str]()
    for unit, kind, path in KINDS:
        try:
            answer = await get(client, path)
        except BudgetSpent:
            raise
        except ProtocolError as e:  # what is proved stays so
            context.gaps.append(context.gap(Reason.MISBEHAVED, path, str(e)))
            continue
        listed = _list_of(answer, kind)
        if listed is None:
            said.append(f"{unit} are not given ({answer.status})")
            continue
        counted = listed.size(unit)
        size = size or counted
        said.append(f"{counted.objects if counted else 'some'} {unit} are counted")
        if listed.items:
            command = web.reproduce(context, path)
            read.append(context.evidence(f"GET {path}", answer.body, command, content=True))
            said.append("one was read")
    return tuple(read), size, said


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """ConfigMaps and Pods, page by page; an object is one of them."""
    async with context.http() as client:
        for unit, kind, path in KINDS:
            after = ""
            for _ in range(MAX_PAGES):
                asked = f"{path.partition('?')[0]}?limit={PAGE}{after}"
                answer = await client.request("GET", asked, limit=LIST_BYTES)
                listed = _list_of(answer, kind)
                if listed is None:
                    detail = f"no list, answered with {answer.status}"
                    yield context.gap(Reason.UNPARSED, unit, detail)
                    break
                for item in listed.items or ():
                    yield _ref(unit, item)
                if not listed.metadata.continue_:
                    break
                after = f"&continue={quote(listed.metadata.continue_[:2000], safe='')}"
            else:
                detail = f"the list was cut after {MAX_PAGES} pages"
                yield context.gap(Reason.BUDGET, unit, detail)


def _ref(unit: str, item: Item) -> ObjectRef:
    space, name = item.metadata.namespace, item.metadata.name
    path = f"/api/v1/namespaces/{quote(space, safe='')}/{unit}/{quote(name, safe='')}"
    return ObjectRef(path=path, group=f"{space}/{unit}", media_type="application/json")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


KUBERNETES = Protocol(
    name="kubernetes",
    ports=(8001,),
    tls_ports=(6443,),
    sends="GET of the version, of one page of namespaces, config maps and pods, of one of them",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://kubernetes.io/docs/reference/access-authn-authz/authentication/",
)
