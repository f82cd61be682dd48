"""Ray: names of jobs at the dashboard, which knows no login.

A job may be submitted by POST at the same address: never sent. A job's entry point and environment
may hold secrets and are not shown. Newer versions may ask for a token (401).
https://docs.ray.io/en/latest/cluster/running-applications/job-submission/api.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Names, Product, look, titled
from leftopen.reach.json_answer import parsed


class _Version(msgspec.Struct):
    version: str
    ray_version: str
    ray_commit: str


class _Job(msgspec.Struct):
    status: str
    job_id: str | None = None
    submission_id: str | None = None


def _version(answer: Response) -> str | None:
    found = parsed(answer, _Version)
    return found.ray_version if found else None


def _jobs(answer: Response) -> Sequence[str] | None:
    found = parsed(answer, list[_Job])
    if found is None:
        return None
    return [job.submission_id or job.job_id or "" for job in found]


_PRODUCT = Product("Ray", (Info("/api/version", _version),), (Names("/api/jobs/", "jobs", _jobs),))

RAY = Protocol(
    name="ray",
    ports=(8265,),
    sends="GET of /api/version and /api/jobs/",
    allowed=METHODS,
    prove=partial(look, product=_PRODUCT),
    recognise_http=lambda answer: answer.status == 200 and titled(answer, rb"Ray Dashboard"),
    source="https://docs.ray.io/en/latest/cluster/running-applications/job-submission/api.html",
)
