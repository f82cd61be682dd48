"""Apache Spark: names of applications without a login, of a driver, a history server, a master.

A driver and a history server share a REST API; a standalone master says its state at /json/. A job
is submitted by POST at another port: never sent.
https://spark.apache.org/docs/latest/monitoring.html#rest-api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.dashboards import Info, Names, Product, leads_to, look, titled
from leftopen.reach.json_answer import parsed


class _Version(msgspec.Struct):
    spark: str


class _App(msgspec.Struct):
    id: str
    name: str


class _Master(msgspec.Struct):
    url: str
    workers: list[Any]
    status: str
    activeapps: list[_App]
    completedapps: list[_App]


def _version(answer: Response) -> str | None:
    found = parsed(answer, _Version)
    return found.spark if found else None


def _apps(answer: Response) -> Sequence[str] | None:
    found = parsed(answer, list[_App])
    return None if found is None else [f"{app.id} {app.name}" for app in found]


def _master(answer: Response) -> _Master | None:
    found = parsed(answer, _Master)
    return found if found and found.url.startswith("spark://") else None


def _state(answer: Response) -> str | None:
    return "" if _master(answer) else None


def _of_master(answer: Response) -> Sequence[str] | None:
    found = _master(answer)
    if found is None:
        return None
    return [f"{app.id} {app.name}" for app in (*found.activeapps, *found.completedapps)]


_APPS = Names("/api/v1/applications?limit=100", "applications", _apps)
_MASTER_APPS = Names("/json/", "applications", _of_master)
_DRIVER = Product("Apache Spark", (Info("/api/v1/version", _version),), (_APPS,))
_MASTER = Product("Apache Spark", (Info("/json/", _state),), (_MASTER_APPS,))


def _recognise(answer: Response) -> bool:
    pages = rb"History Server|Spark Master at spark://.*"
    return leads_to(answer, "/jobs/") or (answer.status == 200 and titled(answer, pages))


async def _prove(context: Context) -> Proof | None:
    return await look(context, _DRIVER) or await look(context, _MASTER)


SPARK = Protocol(
    name="spark",
    ports=(4040, 18080, 8080),
    sends="GET of /api/v1/version, /api/v1/applications and /json/",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://spark.apache.org/docs/latest/monitoring.html#rest-api",
)
