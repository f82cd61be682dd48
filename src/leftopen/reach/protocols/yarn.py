"""Hadoop YARN: names of applications without a login.

The resource manager's REST API names each application, its user and its queue. A new application
is a POST and is never sent. Kerberos (SPNEGO) answers with 401.
https://hadoop.apache.org/docs/stable/hadoop-yarn/hadoop-yarn-site/ResourceManagerRest.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Names, Product, leads_to, look
from leftopen.reach.json_answer import parsed


class _Cluster(msgspec.Struct, rename="camel"):
    state: str
    resource_manager_version: str
    hadoop_version: str


class _Info(msgspec.Struct, rename="camel"):
    cluster_info: _Cluster


class _App(msgspec.Struct):
    id: str
    name: str


class _List(msgspec.Struct):
    app: list[_App] = []


class _Apps(msgspec.Struct):
    apps: _List | None


def _cluster(answer: Response) -> str | None:
    found = parsed(answer, _Info)
    return found.cluster_info.hadoop_version if found else None


def _apps(answer: Response) -> Sequence[str] | None:
    found = parsed(answer, _Apps)
    if found is None:
        return None
    return [f"{app.id} {app.name}" for app in found.apps.app] if found.apps else []


def _negotiates(answer: Response) -> bool:
    return answer.headers.get("www-authenticate", "").startswith("Negotiate")


_PRODUCT = Product(
    "Hadoop YARN",
    (Info("/ws/v1/cluster/info", _cluster, _negotiates),),
    (Names("/ws/v1/cluster/apps?limit=100", "applications", _apps),),
)

YARN = Protocol(
    name="yarn",
    ports=(8088,),
    tls_ports=(8090,),
    sends="GET of /ws/v1/cluster/info and /ws/v1/cluster/apps",
    allowed=METHODS,
    prove=partial(look, product=_PRODUCT),
    recognise_http=lambda answer: leads_to(answer, "/cluster"),
    source="https://hadoop.apache.org/docs/stable/hadoop-yarn/hadoop-yarn-site/"
    "ResourceManagerRest.html",
)
