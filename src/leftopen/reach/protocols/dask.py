"""Dask: names of workers at the scheduler's dashboard, which knows no login.

/json/identity.json names the scheduler and each worker; counts of tasks are said, their names are
not asked for. https://distributed.dask.org/en/stable/http_services.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Names, Product, leads_to, look
from leftopen.reach.json_answer import parsed

_IDENTITY: Final = "/json/identity.json"


class _Scheduler(msgspec.Struct):
    type: str
    id: str
    address: str
    workers: dict[str, dict[str, Any]]


def _scheduler(answer: Response) -> _Scheduler | None:
    found = parsed(answer, _Scheduler)
    return found if found and found.type == "Scheduler" else None


def _state(answer: Response) -> str | None:
    return "" if _scheduler(answer) else None


def _workers(answer: Response) -> Sequence[str] | None:
    found = _scheduler(answer)
    return None if found is None else list(found.workers)


_PRODUCT = Product("Dask", (Info(_IDENTITY, _state),), (Names(_IDENTITY, "workers", _workers),))

DASK = Protocol(
    name="dask",
    ports=(8787,),
    sends="GET of /json/identity.json",
    allowed=METHODS,
    prove=partial(look, product=_PRODUCT),
    recognise_http=lambda answer: leads_to(answer, "status", "/status"),
    source="https://distributed.dask.org/en/stable/http_services.html",
)
