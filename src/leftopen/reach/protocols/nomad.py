"""Nomad: names of jobs without a login.

With ACLs /v1/jobs is refused with 403, while the names of regions answer everybody. A job's
definition is not read: it may hold secrets, and its name proves enough.
https://developer.hashicorp.com/nomad/api-docs/jobs
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Names, Product, leads_to, look
from leftopen.reach.json_answer import parsed


class _Version(msgspec.Struct, rename="pascal"):
    version: str


class _Config(msgspec.Struct, rename="pascal"):
    version: _Version


class _Stats(msgspec.Struct):
    nomad: dict[str, str] | None = None
    client: dict[str, str] | None = None


class _Agent(msgspec.Struct):
    config: _Config
    stats: _Stats


class _Job(msgspec.Struct, rename={"id": "ID", "kind": "Type", "status": "Status"}):
    id: str
    kind: str
    status: str


def _agent(answer: Response) -> str | None:
    found = parsed(answer, _Agent)
    known = found is not None and (found.stats.nomad or found.stats.client)
    return found.config.version.version if found and known else None


def _regions(answer: Response) -> str | None:
    return "" if parsed(answer, list[str]) else None


def _jobs(answer: Response) -> Sequence[str] | None:
    found = parsed(answer, list[_Job])
    return None if found is None else [job.id for job in found]


_PRODUCT = Product(
    "Nomad",
    (Info("/v1/agent/self", _agent), Info("/v1/regions", _regions)),
    (Names("/v1/jobs", "jobs", _jobs),),
)

NOMAD = Protocol(
    name="nomad",
    ports=(4646,),
    tls_ports=(4646,),
    sends="GET of /v1/agent/self, /v1/regions and /v1/jobs",
    allowed=METHODS,
    prove=partial(look, product=_PRODUCT),
    recognise_http=lambda answer: leads_to(answer, "/ui/"),
    source="https://developer.hashicorp.com/nomad/api-docs/jobs",
)
