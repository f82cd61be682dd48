"""Exporters of metrics (node_exporter and its kin): what a machine or a service says of itself.

Proof: /metrics parses line by line, and holds more than what every exporter says of its own
process. Of low weight in itself: labels may name containers, users, mounts and databases.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap
from leftopen.net.http import METHODS, Response
from leftopen.reach import exposition, web
from leftopen.reach.api import Context, Fetched, Proof, Protocol

METRICS: Final = "/metrics"
ANSWER_BYTES: Final = 2_000_000
_TITLE: Final = re.compile(rb"<title>([\w .-]{0,40}[Ee]xporter[\w .()-]{0,40})</title>")
_LINK: Final = re.compile(rb"""<a href=["']?/?metrics["'> ]""")


def _recognise(answer: Response) -> bool:
    """The page that says "Metrics", or the metrics themselves where they are the first page."""
    if answer.status != 200:
        return False
    if answer.media_type == "text/plain" and answer.body[:2] == b"# ":
        return exposition.read(answer.body, complete=answer.complete) is not None
    head = answer.body[:8192]
    return _TITLE.search(head) is not None and _LINK.search(head) is not None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await client.request("GET", METRICS, limit=ANSWER_BYTES)
            other = await web.nonsense(context, client, "/")
        except BudgetSpent:
            raise
        except ProtocolError:  # the first page may be anybody's
            return None
    if refused := web.refusal(context, web.Landing(METRICS, answer)):
        return refused
    found = exposition.read(answer.body, complete=answer.complete)
    if answer.status != 200 or found is None:
        return None
    if other.status == 200 and exposition.read(other.body, complete=other.complete):
        said = "but a path that nobody has gives metrics as well, so nothing is proved"
        return _proof(context, answer, found, Access.UNDETERMINED, said)
    told = [name for name in found.names if not name.startswith(exposition.OWN)]
    said = "metrics of something else" if told else "metrics of its own process only"
    access = Access.GIVES_DATA if told else Access.METADATA
    return _proof(context, answer, found, access, said)


def _proof(
    context: Context, answer: Response, found: exposition.Metrics, access: Access, said: str
) -> Proof:
    title = _TITLE.search(context.front.body[:8192]) if context.front else None
    command = web.reproduce(context, METRICS)
    return Proof(
        access=access,
        detail=f"{found.samples} samples of {len(found.names)} metrics without a login: {said}",
        product=title.group(1).decode("ascii").lower() if title else "",
        size=Size(objects=found.samples, unit="samples", basis=METRICS, complete=answer.complete),
        evidence=(context.evidence(f"GET {METRICS}", answer.body, command, content=True),),
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """One object: the page of metrics."""
    yield ObjectRef(path=METRICS, media_type="text/plain")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


EXPORTER = Protocol(
    name="exporter",
    ports=(9100,),
    sends="GET of /metrics and of a path nobody has",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://prometheus.io/docs/instrumenting/exposition_formats/",
)
