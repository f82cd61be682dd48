"""NATS's monitor port: versions, clients and names of streams without a login.

It is another port than the clients' and knows no login: it answers where those are asked for a
token. It never gives a message. /varz and /connz are metadata, the streams of /jsz are names.
https://docs.nats.io/running-a-nats-service/nats_admin/monitoring
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 2_000_000
_NATS: Final = re.compile(rb"""(?:href|src)=["']?https?://(?:www\.)?nats\.io/""")
_VARZ: Final = re.compile(rb"""<a href=["']?[^"'> ]{0,80}varz["'> ]""")
_STREAMS: Final = "/jsz?streams=1&limit=1024"


class _Varz(msgspec.Struct):
    server_id: str
    version: str
    max_payload: int
    auth_required: bool = False  # left out where it is false


class _Connz(msgspec.Struct):
    server_id: str
    total: int


class _State(msgspec.Struct):
    messages: int = 0


class _Stream(msgspec.Struct):
    name: str
    state: _State | None = None


class _Account(msgspec.Struct):
    stream_detail: list[_Stream] = []


class _Jsz(msgspec.Struct):
    server_id: str
    streams: int = 0
    messages: int = 0
    bytes: int = 0
    account_details: list[_Account] = []


def _recognise(answer: Response) -> bool:
    """Its first page: a picture of nats.io and a link to /varz."""
    head = answer.body[:16_384]
    return answer.status == 200 and bool(_NATS.search(head) and _VARZ.search(head))


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        answer = await _get(client, "/varz")
        found = parsed(answer, _Varz) if answer.status == 200 else None
        if found is None:
            return web.refusal(context, web.Landing("/varz", answer))
        other = await web.nonsense(context, client, "/")
        if other.status == 200:
            return None
        seen = [_seen(context, "/varz", answer.body)]
        login = "asks for a login" if found.auth_required else "asks for none"
        said = [f"the monitor answers without a login (the port for clients {login})"]
        connz = await _get(client, "/connz?limit=1")
        if (clients := parsed(connz, _Connz)) and clients.server_id == found.server_id:
            seen.append(_seen(context, "/connz?limit=1", b"total %d" % clients.total))
            said.append(f"{clients.total} clients are counted")
        names, size = await _streams(context, client, found.server_id, seen)
        said.append(f"{len(names)} streams are named" if names else "no stream is named")
    return Proof(
        Access.LISTS if names else Access.METADATA,
        "; ".join(said),
        product="nats-server",
        version=found.version,
        size=size,
        evidence=tuple(seen),
        containers=names[:20],
    )


async def _streams(
    context: Context, client: HttpClient, server: str, seen: list[Evidence]
) -> tuple[tuple[str, ...], Size | None]:
    """Names of the streams and what they hold; nothing where JetStream is off."""
    try:
        answer = await _get(client, _STREAMS)
    except BudgetSpent:
        raise
    except ProtocolError as e:  # what is proved stays so
        context.gaps.append(context.gap(Reason.MISBEHAVED, "/jsz", str(e)))
        return (), None
    if answer.status != 200:  # servers before 2.2 have none
        return (), None
    found = parsed(answer, _Jsz)
    if found is None or found.server_id != server:
        detail = "no streams of this server in the answer"
        context.gaps.append(context.gap(Reason.UNPARSED, "/jsz", detail))
        return (), None
    streams = (stream for account in found.account_details for stream in account.stream_detail)
    names = tuple(safe(stream.name, 80) for stream in streams)
    seen.append(_seen(context, _STREAMS, "\n".join(names[:20]).encode()))
    return names, Size(
        objects=max(0, found.messages), bytes=max(0, found.bytes), unit="messages", basis="/jsz"
    )


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, limit=ANSWER_BYTES)


def _seen(context: Context, path: str, answer: bytes) -> Evidence:
    return context.evidence(f"GET {path}", answer, web.reproduce(context, path))


NATS_MONITOR = Protocol(
    name="nats_monitor",
    ports=(8222,),
    sends="GET of /varz, /connz and /jsz",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://docs.nats.io/running-a-nats-service/nats_admin/monitoring",
)
