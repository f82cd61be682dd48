"""Grafana: names of dashboards without a login.

/api/health is public in any configuration and proves nothing. With an anonymous organisation
/api/org and /api/search answer, else they are a 401 in JSON. What the dashboards show is read by
a POST to the data sources, which is never sent: a Gap says so.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import get, shown, unproved
from leftopen.reach.json_answer import parsed

HEALTH: Final = "/api/health"
ORGANISATION: Final = "/api/org"
MAX_NAMES: Final = 100
SEARCH: Final = f"/api/search?limit={MAX_NAMES}"
_BOOT: Final = re.compile(rb"window\.grafanaBootData\s{0,9}=")
_BEHIND: Final = "what dashboards show is read by a POST to their data sources, which is never sent"


class _Health(msgspec.Struct):
    """Since 10 a visitor without a login may be told no version and no commit."""

    database: str
    version: str = ""
    commit: str = ""


class _Organisation(msgspec.Struct):
    id: int
    name: str


class _Hit(msgspec.Struct):
    id: int
    title: str
    type: str


class _Refusal(msgspec.Struct):
    message: str


def _recognise(answer: Response) -> bool:
    """The application's start data in the page, or its redirect to /login."""
    if answer.status == 302:
        try:
            leads = urlsplit(answer.headers.get("location", "")[:200]).path
        except ValueError:  # no URL: half an address in brackets
            return False
        return leads.endswith("/login") and "redirect_to=" in answer.headers.get("set-cookie", "")
    return answer.status == 200 and _BOOT.search(answer.body) is not None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await get(client, HEALTH)
        except BudgetSpent:
            raise
        except ProtocolError:  # a redirect to /login may be anybody's
            return None
        health = parsed(answer, _Health) if answer.status in (200, 503) else None
        if health is None:
            return None
        if parsed(await web.nonsense(context, client, "/api/"), _Health):
            return None
        proof = await _names(context, client)
    return replace(proof, product="grafana", version=health.version)


async def _names(context: Context, client: HttpClient) -> Proof:
    answer = await get(client, ORGANISATION)
    if refused := web.refusal(context, web.Landing(ORGANISATION, answer)):
        said = parsed(answer, _Refusal)
        why = f": {safe(said.message, 80)}" if said else ""
        detail = f"health is public, the rest is not: {refused.detail}{why}"
        return replace(refused, detail=detail)
    found = parsed(answer, _Organisation) if answer.status == 200 else None
    seen = shown(context, ORGANISATION, answer)
    if found is None:
        return unproved(f"health is public; no organisation answers ({answer.status})", seen)
    listing = await get(client, SEARCH)
    hits = parsed(listing, list[_Hit]) if listing.status == 200 else None
    listed = shown(context, SEARCH, listing)
    open_to = f"the organisation {safe(found.name, 60)} is open without a login"
    if hits is None:
        detail = f"{open_to}, its list of dashboards is not ({listing.status})"
        return Proof(Access.METADATA, detail, evidence=(seen, listed))
    return Proof(
        access=Access.LISTS if hits else Access.METADATA,
        detail=f"{open_to}; {len(hits)} dashboards and folders are named; {_BEHIND}",
        size=Size(
            objects=len(hits),
            unit="dashboards and folders",
            basis="/api/search",
            complete=len(hits) < MAX_NAMES,
        ),
        evidence=(seen, listed),
        containers=tuple(safe(hit.title, 80) for hit in hits[:20]),
        gaps=(context.gap(Reason.UNSUPPORTED, "/api/ds/query", _BEHIND),),
    )


GRAFANA = Protocol(
    name="grafana",
    ports=(3000,),
    sends="GET of health, of the organisation, of names of dashboards and of a path nobody has",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://grafana.com/docs/grafana/latest/developers/http_api/",
)
