"""Prometheus Alertmanager: alerts, receivers and configuration without a login.

Proof: the status parses with a cluster and version, and one alert with its labels comes back.
The receivers are names; the configuration that the status holds is masked by the server.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import get, shown
from leftopen.reach.json_answer import parsed

STATUS: Final = "/api/v2/status"
ALERTS: Final = "/api/v2/alerts"
RECEIVERS: Final = "/api/v2/receivers"
_TITLE: Final = re.compile(rb"<title>\s{0,20}Alertmanager\s{0,20}</title>")


class _Cluster(msgspec.Struct):
    status: str


class _Version(msgspec.Struct):
    version: str


class _Status(msgspec.Struct, rename="camel"):
    cluster: _Cluster
    version_info: _Version
    uptime: str


class _Alert(msgspec.Struct):
    labels: dict[str, str]
    fingerprint: str


class _Receiver(msgspec.Struct):
    name: str


def _recognise(answer: Response) -> bool:
    """The title of its page; Debian's has no application behind it and the same title."""
    return answer.status == 200 and _TITLE.search(answer.body[:4096]) is not None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await get(client, STATUS)
        except BudgetSpent:
            raise
        except ProtocolError:  # a title may be anybody's
            return None
        if answer.status in (401, 403):  # something in front of it closes the API
            refused = web.refusal(context, web.Landing(STATUS, answer))
            return replace(refused, product="alertmanager") if refused else None
        found = parsed(answer, _Status) if answer.status == 200 else None
        if found is None or (await web.nonsense(context, client, "/api/v2/")).status == 200:
            return None
        proof = await _alerts(context, client, shown(context, STATUS, answer))
    return replace(proof, product="alertmanager", version=found.version_info.version)


async def _alerts(context: Context, client: HttpClient, status: Evidence) -> Proof:
    answer = await get(client, ALERTS)
    alerts = parsed(answer, list[_Alert]) if answer.status == 200 else None
    names = await _receivers(context, client)
    evidence = [status]
    if alerts is None:
        detail = f"no list of alerts, answered with {answer.status}"
        context.gaps.append(context.gap(Reason.UNPARSED, ALERTS, detail))
    else:
        command = web.reproduce(context, ALERTS)
        evidence.append(context.evidence(f"GET {ALERTS}", answer.body, command, content=True))
    given = "no list of alerts" if alerts is None else f"{len(alerts)} alerts are given whole"
    lists = Access.LISTS if names else Access.METADATA
    return Proof(
        access=Access.GIVES_DATA if alerts else lists,
        detail=f"its configuration is shown without a login; {given}; "
        f"{len(names)} receivers are named",
        size=None
        if alerts is None
        else Size(objects=len(alerts), unit="alerts", basis="/api/v2/alerts"),
        evidence=tuple(evidence),
        containers=names[:20],
    )


async def _receivers(context: Context, client: HttpClient) -> tuple[str, ...]:
    """Names of those whom it tells; none before 0.16, where there is no such list."""
    try:
        found = parsed(await get(client, RECEIVERS), list[_Receiver])
    except BudgetSpent:
        raise
    except ProtocolError as e:  # what is proved stays so
        context.gaps.append(context.gap(Reason.MISBEHAVED, RECEIVERS, str(e)))
        return ()
    return tuple(safe(receiver.name, 80) for receiver in found or ())


ALERTMANAGER = Protocol(
    name="alertmanager",
    ports=(9093,),
    sends="GET of the status, of alerts, of receivers and of a path nobody has",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml",
)
