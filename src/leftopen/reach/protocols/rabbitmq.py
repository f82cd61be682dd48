"""RabbitMQ's management: names and sizes of queues without a login.

The first page answers everybody, and so do its metrics; /api/overview asks for a login or does not
(a front that logs everybody in). Queues are counted, messages are never got: that is a POST which
takes them from the queue.
https://www.rabbitmq.com/docs/management#http-api
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import msgspec

from leftopen.model.exposure import Access, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 2_000_000
_TITLE: Final = re.compile(rb"<title>\s*RabbitMQ Management\s*</title>", re.IGNORECASE)
_QUEUES: Final = "/api/queues?page=1&page_size=100&columns=vhost,name,messages,message_bytes"
_TAKES: Final = "messages are not read: to get one takes it from its queue"


class _Totals(msgspec.Struct):
    messages: int = 0


class _Overview(msgspec.Struct):
    rabbitmq_version: str
    management_version: str
    queue_totals: _Totals | list[object] = []  # 3.0 to 3.6 say [] for none


class _Queue(msgspec.Struct):
    name: str
    vhost: str
    messages: int = 0
    message_bytes: int = 0


class _Page(msgspec.Struct):
    items: list[_Queue]
    total_count: int


def _recognise(answer: Response) -> bool:
    return answer.status == 200 and _TITLE.search(answer.body[:4096]) is not None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        path = "/api/overview"
        answer = await client.request("GET", path, limit=ANSWER_BYTES)
        proof = web.refusal(context, web.Landing(path, answer))
        if proof is None:
            proof = await _open(context, client, answer)
    return replace(proof, product="RabbitMQ")


async def _open(context: Context, client: HttpClient, answer: Response) -> Proof:
    """What an overview that asked for no login leads to."""
    path = "/api/overview"
    seen = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
    found = parsed(answer, _Overview) if answer.status == 200 else None
    if found is None:
        detail = f"the page of the management, without its API ({answer.status})"
        return Proof(Access.SPEAKS, detail, evidence=(seen,))
    if (await web.nonsense(context, client, "/api/")).status == 200:
        detail = "a name that nobody has is answered with 200 as well"
        return Proof(Access.UNDETERMINED, detail, evidence=(seen,))
    queues, total = await _queues(client)
    held = found.queue_totals.messages if isinstance(found.queue_totals, _Totals) else None
    proof = Proof(
        Access.METADATA,
        "the overview is given without a login, no queue is named",
        version=found.rabbitmq_version,
        size=Size(objects=held, unit="messages", basis="/api/overview"),
        evidence=(seen,),
        gaps=(context.gap(Reason.UNSUPPORTED, "/api/queues", _TAKES),),
    )
    if not queues:
        return proof
    shown = tuple(safe(f"{queue.vhost} {queue.name}", 80) for queue in queues)
    listed = context.evidence(
        f"GET {_QUEUES}", "\n".join(shown).encode(), web.reproduce(context, _QUEUES)
    )
    complete = total <= len(queues)
    size = Size(
        objects=sum(max(0, queue.messages) for queue in queues),
        bytes=sum(max(0, queue.message_bytes) for queue in queues),
        unit="messages",
        basis=f"/api/queues, {len(queues)} queues of {total}",
        complete=complete,
    )
    detail = f"{total} queues are named without a login; no message was got"
    return replace(
        proof,
        access=Access.LISTS,
        detail=detail,
        size=size,
        evidence=(seen, listed),
        containers=shown[:20],
    )


async def _queues(client: HttpClient) -> tuple[list[_Queue], int]:
    """The first page of queues and how many there are; before 3.6 all of them in one list."""
    answer = await client.request("GET", _QUEUES, limit=ANSWER_BYTES)
    if answer.status != 200:
        return [], 0
    if page := parsed(answer, _Page):
        return page.items[:100], max(page.total_count, len(page.items))
    listed = parsed(answer, list[_Queue]) or []
    return listed, len(listed)


RABBITMQ = Protocol(
    name="rabbitmq",
    ports=(15672,),
    tls_ports=(15671,),
    sends="GET of /api/overview and of the names and sizes of queues; never of a message",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://www.rabbitmq.com/docs/management#http-api",
)
