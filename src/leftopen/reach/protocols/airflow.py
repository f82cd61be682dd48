"""Apache Airflow: names of workflows without a login.

/api/v1 (2.x) or /api/v2 (3.x): the version may answer everybody while the list of DAGs asks for a
login (401). https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.dashboards import Info, Names, Product, leads_to, look, titled
from leftopen.reach.json_answer import parsed


class _Version(msgspec.Struct):
    version: str
    git_version: str | None


class _State(msgspec.Struct):
    status: str | None


class _Health(msgspec.Struct):
    metadatabase: _State
    scheduler: _State


class _Dag(msgspec.Struct):
    dag_id: str


class _Dags(msgspec.Struct):
    dags: list[_Dag]
    total_entries: int


def _version(answer: Response) -> str | None:
    found = parsed(answer, _Version)
    return found.version if found else None


def _health(answer: Response) -> str | None:
    return "" if parsed(answer, _Health) else None


def _dags(answer: Response) -> Sequence[str] | None:
    found = parsed(answer, _Dags)
    return None if found is None else [dag.dag_id for dag in found.dags]


def _product(version: str, health: str) -> Product:
    info = (Info(f"/api/{version}/version", _version), Info(health, _health))
    return Product(
        "Apache Airflow", info, (Names(f"/api/{version}/dags?limit=100", "DAGs", _dags),)
    )


_NEWER = _product("v2", "/api/v2/monitor/health")
_OLDER = _product("v1", "/health")


def _recognise(answer: Response) -> bool:
    if leads_to(answer, "/home", "/admin/"):
        return True
    return answer.status == 200 and titled(answer, rb"(?:.{1,40} - )?Airflow(?: 3.*)?")


async def _prove(context: Context) -> Proof | None:
    return await look(context, _NEWER) or await look(context, _OLDER)


AIRFLOW = Protocol(
    name="airflow",
    ports=(8080,),
    sends="GET of the version, the health and the list of DAGs",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html",
)
