"""Kibana and OpenSearch Dashboards: index patterns without a login.

Proof: the list of saved objects names index patterns. The documents behind them are read by the
console proxy, a POST that can write as well: it is never sent, and a Gap says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import search_json, web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import get, shown, unproved
from leftopen.reach.json_answer import parsed

STATUS: Final = "/api/status"
MAX_NAMES: Final = 100
FIND: Final = f"/api/saved_objects/_find?type=index-pattern&per_page={MAX_NAMES}&fields=title"
VIEWS: Final = "/api/data_views"  # since 8.0, where the list of saved objects may be off
OLD: Final = f"/elasticsearch/.kibana/index-pattern/_search?size={MAX_NAMES}"  # up to 5.x
_MARKS: Final = ("kbn-name", "kbn-version", "osd-name", "osd-version")
_BEHIND: Final = "documents are read by a POST that can write as well, which is never sent"


class _Version(msgspec.Struct):
    number: str


class _Status(msgspec.Struct):
    """The status page; up to 4.x the version is a text, and strangers may be told no version."""

    status: dict[str, object]
    version: _Version | str = ""
    name: str = ""


class _Title(msgspec.Struct):
    title: str = ""


class _Saved(msgspec.Struct):
    attributes: _Title
    id: str


class _Objects(msgspec.Struct):
    saved_objects: list[_Saved]
    total: int


class _View(msgspec.Struct):
    id: str
    title: str = ""


class _Views(msgspec.Struct):
    data_view: list[_View]


def _recognise(answer: Response) -> bool:
    return any(answer.headers.get(mark, "").strip() for mark in _MARKS)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await get(client, "/")
        if not _recognise(front):
            return None
        status = await get(client, STATUS)
        page = parsed(status, _Status) if status.status in (200, 503) else None
        version = page.version if page else ""
        number = version if isinstance(version, str) else version.number
        fields = front.headers
        dashboards = "osd-name" in fields or "osd-version" in fields
        proof = await _names(context, client, page is not None)
        return replace(
            proof,
            product="opensearch dashboards" if dashboards else "kibana",
            version=number or fields.get("kbn-version", "") or fields.get("osd-version", ""),
        )


async def _names(context: Context, client: HttpClient, page: bool) -> Proof:
    """What the list of index patterns proves; `page` says that the status page answered."""
    for path in (FIND, VIEWS, OLD):
        answer = await get(client, path)
        if asks := await _asks(context, client, web.Landing(path, answer)):
            only = "the status page answers, the data does not: " if page else ""
            return replace(asks, detail=f"{only}{asks.detail}")
        names = _titles(answer)
        if names is not None:
            return await _named(context, client, web.Landing(path, answer), names)
    detail = f"no list of index patterns, the last answer was {answer.status}"
    if page:
        evidence = (shown(context, path, answer),)
        return Proof(Access.METADATA, f"the status page answers; {detail}", evidence=evidence)
    return unproved(detail, shown(context, path, answer))


async def _asks(context: Context, client: HttpClient, landing: web.Landing) -> Proof | None:
    """The Proof for 401, 403 and a redirect to a login, which is never followed."""
    if landing.answer.status in web.REDIRECTS:
        landed = await web.land(context, client, landing)
        return landed if isinstance(landed, Proof) else web.refusal(context, landed)
    return web.refusal(context, landing)


def _titles(answer: Response) -> list[str] | None:
    """The names in one of the three lists."""
    if answer.status != 200:
        return None
    if (saved := parsed(answer, _Objects)) is not None:
        return [item.attributes.title or item.id for item in saved.saved_objects[:MAX_NAMES]]
    if (views := parsed(answer, _Views)) is not None:
        return [item.title or item.id for item in views.data_view[:MAX_NAMES]]
    found = parsed(answer, search_json.Found)
    return [hit.id for hit in found.hits.hits[:MAX_NAMES]] if found else None


async def _named(
    context: Context, client: HttpClient, landed: web.Landing, names: list[str]
) -> Proof:
    evidence = shown(context, landed.path, landed.answer)
    other = await web.nonsense(context, client, "/api/")
    if other.status == 200:
        return unproved("a path that nobody has is answered as well", evidence)
    state = f"{len(names)} index patterns are named without a login"
    return Proof(
        access=Access.LISTS if names else Access.METADATA,
        detail=f"{state}; {_BEHIND}" if names else f"it is open without a login, {state}",
        evidence=(evidence,),
        containers=tuple(safe(name, 80) for name in names[:20]),
        gaps=(context.gap(Reason.UNSUPPORTED, "/api/console/proxy", _BEHIND),),
    )


KIBANA = Protocol(
    name="kibana",
    ports=(5601,),
    sends="GET of the status page, of the list of index patterns and of a path nobody has",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://www.elastic.co/guide/en/kibana/8.19/saved-objects-api-find.html",
)
