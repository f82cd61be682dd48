"""Jenkins: names of jobs and a build's console without a login.

Proof: the JSON of the root names jobs and the last console of one comes back. X-Jenkins stands in
refusals too, so it proves nothing by itself. Jobs inside folders are not looked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import TRIED, get, shown, unproved
from leftopen.reach.json_answer import parsed

MAX_JOBS: Final = 1000


class _Job(msgspec.Struct):
    name: str


class _Root(msgspec.Struct):
    """`_class` stands there since 2.0; before that the jobs stood alone."""

    jobs: list[_Job]


def _tree(count: int) -> str:
    return "/api/json?tree=" + quote(f"jobs[name]{{0,{count}}}", safe="")


def _recognise(answer: Response) -> bool:
    return bool(answer.headers.get("x-jenkins", "").strip())


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await get(client, "/")
        if not _recognise(front):
            return None
        proof = await _jobs(context, client)
    return replace(proof, product="jenkins", version=front.headers["x-jenkins"])


async def _jobs(context: Context, client: HttpClient) -> Proof:
    path = _tree(50)
    landing = web.Landing(path, await get(client, path))
    if landing.answer.status in web.REDIRECTS:
        landed = await web.land(context, client, landing)
        if isinstance(landed, Proof):
            return landed
        landing = landed
    if refused := web.refusal(context, landing):
        return refused
    found = parsed(landing.answer, _Root) if landing.answer.status == 200 else None
    listed = shown(context, path, landing.answer)
    if found is None:
        return unproved(f"no list of jobs, answered with {landing.answer.status}", listed)
    other = await web.nonsense(context, client, "/job/")
    if other.status == 200:
        return unproved("a job that nobody has is answered as well", listed)
    read: tuple[Evidence, ...] = ()
    for job in found.jobs[:TRIED]:
        read = read or await web.sample(context, client, _console(job), other)
    state = "the console of one was read" if read else "no console of one could be read"
    named = f"{len(found.jobs)} jobs are named without a login; {state}"
    empty = "open without a login; no job is visible"
    access = Access.GIVES_DATA if read else Access.LISTS if found.jobs else Access.METADATA
    return Proof(
        access=access,
        detail=named if found.jobs else empty,
        size=Size(
            objects=len(found.jobs), unit="jobs", basis="api/json", complete=len(found.jobs) < 50
        ),
        evidence=(listed, *read),
        containers=tuple(safe(job.name, 80) for job in found.jobs[:20]),
    )


def _console(job: _Job) -> str:
    return f"/job/{quote(job.name, safe='')}/lastBuild/consoleText"


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """An object is the console of a job's last build."""
    async with context.http() as client:
        found = parsed(await get(client, _tree(MAX_JOBS)), _Root)
    if found is None:
        raise ProtocolError("the list of jobs is no longer answered")
    for job in found.jobs[:MAX_JOBS]:
        yield ObjectRef(path=_console(job), group=job.name, media_type="text/plain")
    if len(found.jobs) >= MAX_JOBS:
        yield context.gap(Reason.BUDGET, "", f"the list was cut after {MAX_JOBS} jobs")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


JENKINS = Protocol(
    name="jenkins",
    ports=(8080,),
    sends="GET of the names of jobs, of the last console of a job and of a path nobody has",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://www.jenkins.io/doc/book/using/remote-access-api/",
)
