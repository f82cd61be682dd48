"""Kubelet: the pods of a node without a credential.

Proof: /pods gives a PodList with a pod (its environment and mounts are the record). With
--anonymous-auth=false everything is a bare 401, with webhook authorisation a 403 that names
system:anonymous. Nothing is ever run, attached to or read out of a container. Its first page is
Go's bare 404, so it is looked for at its ports only.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import unproved
from leftopen.reach.json_answer import parsed
from leftopen.reach.kubernetes_json import Listed

PODS: Final = "/pods"
LIST_BYTES: Final = 4_000_000
# "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[proxy])"
_WEBHOOK: Final = re.compile(
    rb"Forbidden \(user=[^,)]{1,200}, verb=get, resource=nodes, .{0,200}\)\s*"
)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        answer = await client.request("GET", PODS, limit=LIST_BYTES)
        if answer.status in (401, 403):
            return _refused(context, answer)
        listed = _pods(answer)
        if listed is None:
            return None
        command = web.reproduce(context, PODS)
        seen = context.evidence(f"GET {PODS}", answer.body, command, content=True)
        other = await web.nonsense(context, client, "/")
    if other.status == 200:
        return unproved("a path that nobody has is answered as well", seen)
    names = [f"{i.metadata.namespace}/{i.metadata.name}" for i in listed.items or ()]
    given = f"{len(names)} pods are given whole without a login"
    return Proof(
        access=Access.GIVES_DATA if names else Access.LISTS,
        detail=given if names else "the list of pods is open without a login and empty",
        product="kubelet",
        size=listed.size("pods"),
        evidence=(seen,),
        containers=tuple(safe(name, 80) for name in names[:20]),
    )


def _refused(context: Context, answer: Response) -> Proof | None:
    """The refusals of a kubelet, which are text and not JSON; None for another server's."""
    webhook = answer.status == 403 and _WEBHOOK.fullmatch(answer.body)
    bare = answer.status == 401 and answer.body.strip() == b"Unauthorized"
    refused = web.refusal(context, web.Landing(PODS, answer))
    if refused is None or not (webhook or bare) or answer.media_type != "text/plain":
        return None
    why = "by the API server, which it asked" if webhook else "anonymous requests are off"
    return replace(refused, detail=f"{refused.detail}: {why}", product="kubelet")


def _pods(answer: Response) -> Listed | None:
    found = parsed(answer, Listed) if answer.status == 200 else None
    return found if found and found.kind == "PodList" else None


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """One object: a kubelet gives all its pods at once, or none."""
    async with context.http() as client:
        listed = _pods(await client.request("GET", PODS, limit=LIST_BYTES))
    if listed is None:
        raise ProtocolError("the list of pods is no longer answered whole")
    yield ObjectRef(path=PODS, group="pods", media_type="application/json")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


KUBELET = Protocol(
    name="kubelet",
    ports=(10255,),
    tls_ports=(10250,),
    sends="GET of the list of pods and of a path nobody has",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda said: False,  # it says nothing unasked, and its first page is anybody's
    encoded_names=True,
    source="https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",
)
