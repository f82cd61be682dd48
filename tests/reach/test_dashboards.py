"""Programs that name what they run: fakes of their documented answers, none can be had here.

Nomad, Vault, YARN, Spark, Ray, Airflow, Trino, OrientDB and Neo4j over HTTP.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.dashboards import leads_to, titled
from leftopen.reach.protocols import airflow, neo4j_http, nomad, orientdb, spark, yarn
from probing import Limits, Probe
from reaching import NOT_FOUND, answer, look, web

MakeProbe = Callable[..., Probe]
DENIED = answer(b"Permission denied", "403 Forbidden", "text/plain")


def ok(value: object) -> bytes:
    return answer(json.dumps(value).encode(), kind="application/json")


def to(place: str, status: str = "302 Found") -> bytes:
    return answer(b"", status, more={"Location": place})


def page(title: str) -> bytes:
    return answer(f"<!doctype html><html><head><title>{title}</title></head></html>".encode())


@dataclass(frozen=True)
class Kind:
    """One program as a fake: its first page, what says who it is, what names things."""

    name: str
    front: bytes
    info: tuple[str, bytes]
    version: str = ""
    names: tuple[str, bytes] | None = None
    containers: tuple[str, ...] = ()
    none: bytes | None = None  # the list when it is empty
    more: dict[str, bytes] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, bytes]:
        named = dict([self.names]) if self.names else {}
        return {"/": self.front, self.info[0]: self.info[1], **named, **self.more}


UI = to("/ui/", "307 Temporary Redirect")
AGENT = {"config": {"Version": {"Version": "1.6.1"}}, "stats": {"nomad": {"server": "true"}}}
HEALTH = (
    "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
    "&drsecondarycode=200"
)
VAULT = {"initialized": True, "sealed": False, "standby": False, "version": "1.15.2"}
CLUSTER = {
    "clusterInfo": {"state": "STARTED", "resourceManagerVersion": "3.3.6", "hadoopVersion": "3.3.6"}
}
MASTER = {
    "url": "spark://10.0.0.1:7077",
    "workers": [],
    "status": "ALIVE",
    "activeapps": [{"id": "app-1", "name": "billing"}],
    "completedapps": [],
}
TRINO = {"nodeVersion": {"version": "435"}, "environment": "production", "coordinator": True}
NEO4J = {
    "bolt_routing": "neo4j://10.0.0.9:7687",
    "bolt_direct": "bolt://10.0.0.9:7687",
    "neo4j_version": "5.12.0",
    "neo4j_edition": "community",
}
KINDS = (
    Kind(
        "nomad",
        UI,
        ("/v1/agent/self", ok(AGENT)),
        "1.6.1",
        ("/v1/jobs", ok([{"ID": "payroll", "Type": "service", "Status": "running"}])),
        ("payroll",),
        ok([]),
    ),
    Kind("vault", UI, (HEALTH, ok(VAULT)), "1.15.2"),
    Kind(
        "yarn",
        to("http://rm.example:8088/cluster"),
        ("/ws/v1/cluster/info", ok(CLUSTER)),
        "3.3.6",
        ("/ws/v1/cluster/apps?limit=100", ok({"apps": {"app": [{"id": "a_1", "name": "etl"}]}})),
        ("a_1 etl",),
        ok({"apps": None}),
    ),
    Kind(
        "spark",
        to("/jobs/"),
        ("/api/v1/version", ok({"spark": "3.5.0"})),
        "3.5.0",
        ("/api/v1/applications?limit=100", ok([{"id": "local-1", "name": "etl", "attempts": []}])),
        ("local-1 etl",),
        ok([]),
    ),
    Kind(
        "spark",
        page("Spark Master at spark://10.0.0.1:7077"),
        ("/json/", ok(MASTER)),
        "",
        ("/json/", ok(MASTER)),
        ("app-1 billing",),
        ok({**MASTER, "activeapps": []}),
    ),
    Kind(
        "ray",
        page("Ray Dashboard"),
        ("/api/version", ok({"version": "4", "ray_version": "2.9.0", "ray_commit": "9be5a16"})),
        "2.9.0",
        (
            "/api/jobs/",
            ok([{"status": "RUNNING", "submission_id": "raysubmit_1", "entrypoint": "correct"}]),
        ),
        ("raysubmit_1",),
        ok([]),
    ),
    Kind(
        "airflow",
        to("/home"),
        ("/api/v1/version", ok({"version": "2.7.3", "git_version": None})),
        "2.7.3",
        ("/api/v1/dags?limit=100", ok({"dags": [{"dag_id": "export"}], "total_entries": 1})),
        ("export",),
        ok({"dags": [], "total_entries": 0}),
    ),
    Kind(
        "airflow",
        page("Airflow"),
        ("/api/v2/version", ok({"version": "3.0.1", "git_version": ".release:1"})),
        "3.0.1",
        ("/api/v2/dags?limit=100", ok({"dags": [{"dag_id": "export"}], "total_entries": 1})),
        ("export",),
        ok({"dags": [], "total_entries": 0}),
    ),
    Kind("trino", to("http://h:8080/ui/", "303 See Other"), ("/v1/info", ok(TRINO)), "435"),
    Kind(
        "orientdb",
        to("/studio/index.html"),
        ("/listDatabases", ok({"databases": ["demo"]})),
        "",
        ("/listDatabases", ok({"databases": ["demo"]})),
        ("demo",),
        ok({"databases": []}),
    ),
    Kind("neo4j_http", ok(NEO4J), ("/", ok(NEO4J)), "5.12.0"),
)
each = pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.name}-{k.version or 'other'}")
naming = pytest.mark.parametrize(
    "kind", [k for k in KINDS if k.names], ids=lambda k: f"{k.name}-{k.version or 'other'}"
)


@each
def test_a_fake_open_one(kind: Kind) -> None:
    with web(lambda path: kind.answers.get(path, NOT_FOUND)) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert seen.protocol == kind.name
    assert seen.access is (Access.LISTS if kind.names else Access.METADATA)
    assert (seen.version, seen.containers) == (kind.version, kind.containers)
    assert seen.product
    assert "correct" not in repr(outcome)
    assert all(line.startswith("GET ") for line in server.requests)


@naming
def test_a_fake_that_keeps_its_names_back(kind: Kind) -> None:
    assert kind.names
    path = kind.names[0]
    shut = {**kind.answers, path: DENIED}
    with web(lambda asked: shut.get(asked, NOT_FOUND)) as server:
        seen = look(server.host, server.port).observation
    if path == kind.info[0]:  # nothing else tells what it is: a web server that refuses
        assert seen.protocol == "http"
    else:
        assert (seen.protocol, seen.access) == (kind.name, Access.ASKS_CREDENTIAL)
        assert "refused with 403" in seen.detail


@naming
def test_a_fake_that_runs_nothing(probe: MakeProbe, kind: Kind) -> None:
    assert kind.names
    assert kind.none
    empty = {**kind.answers, kind.names[0]: kind.none}
    with web(lambda path: empty.get(path, NOT_FOUND)) as server:
        proof = probe(kind.name, server.host, server.port).prove()
    assert proof
    assert proof.access is Access.METADATA
    assert "names none" in proof.detail


@naming
@pytest.mark.parametrize("body", [b"[" * 100_000, b"{}", b"<html></html>", b"[1]"])
def test_a_list_that_is_none_is_a_gap(probe: MakeProbe, kind: Kind, body: bytes) -> None:
    assert kind.names
    broken = {**kind.answers, kind.names[0]: answer(body)}
    with web(lambda path: broken.get(path, NOT_FOUND)) as server:
        proof = probe(kind.name, server.host, server.port).prove()
    if kind.names[0] == kind.info[0]:
        assert proof is None
    else:
        assert proof
        assert proof.access is Access.METADATA
        assert [gap.reason for gap in proof.gaps] == [Reason.UNPARSED]


def test_a_list_over_the_limit_is_a_gap(probe: MakeProbe) -> None:
    kind = KINDS[0]
    job = {"ID": "x" * 200, "Type": "batch", "Status": "dead"}
    big = {**kind.answers, "/v1/jobs": ok([job] * 10_000)}
    with web(lambda path: big.get(path, NOT_FOUND)) as server:
        proof = probe("nomad", server.host, server.port).prove()
    assert proof
    assert proof.access is Access.METADATA
    assert [gap.reason for gap in proof.gaps] == [Reason.TOO_LARGE]


@each
def test_a_stranger_with_the_same_first_page(probe: MakeProbe, kind: Kind) -> None:
    front = kind.front if kind.name != "neo4j_http" else ok({"neo4j_version": 5})
    with web(lambda path: front if path == "/" else NOT_FOUND) as server:
        assert probe(kind.name, server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


@each
def test_a_mirror_that_says_the_same_of_every_name(probe: MakeProbe, kind: Kind) -> None:
    with web(lambda path: kind.info[1]) as server:
        assert probe(kind.name, server.host, server.port).prove() is None


@each
def test_other_servers_are_none_of_them(probe: MakeProbe, kind: Kind) -> None:
    def echo(client: servers.Conversation) -> None:
        while line := client.hear():
            client.say(line)

    with servers.fake(echo) as other:
        assert probe(kind.name, other.host, other.port).prove() is None
    with servers.fake(lambda c: c.flood(b"x" * 65_536)) as other:
        limits = Limits(bytes=2_000_000, seconds=2.0)
        started = time.monotonic()
        assert probe(kind.name, other.host, other.port, limits=limits).prove() is None
        assert time.monotonic() - started < 2


REFUSALS = {
    "yarn": ("/ws/v1/cluster/info", "Negotiate", yarn.YARN),
    "orientdb": ("/listDatabases", 'Basic realm="OrientDB Server"', orientdb.ORIENTDB),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_that_only_it_says(probe: MakeProbe, name: str) -> None:
    path, asks, protocol = REFUSALS[name]
    shut = answer(b"", "401 Unauthorized", more={"WWW-Authenticate": asks})
    with web(lambda asked: shut if asked == path else NOT_FOUND) as server:
        proof = probe(protocol, server.host, server.port).prove()
    assert proof
    assert proof.access is Access.ASKS_CREDENTIAL
    assert proof.product in ("Hadoop YARN", "OrientDB")


def test_nomad_with_acls_is_known_by_its_regions(probe: MakeProbe) -> None:
    shut = {"/v1/agent/self": DENIED, "/v1/regions": ok(["global"]), "/v1/jobs": DENIED}
    with web(lambda path: shut.get(path, NOT_FOUND)) as server:
        proof = probe(nomad.NOMAD, server.host, server.port).prove()
    assert proof
    assert (proof.access, proof.product) == (Access.ASKS_CREDENTIAL, "Nomad")


def test_airflow_that_says_only_its_health(probe: MakeProbe) -> None:
    state = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": None}}
    shut = {"/health": ok(state), "/api/v1/dags?limit=100": DENIED}
    with web(lambda path: shut.get(path, NOT_FOUND)) as server:
        proof = probe(airflow.AIRFLOW, server.host, server.port).prove()
    assert proof
    assert proof.access is Access.ASKS_CREDENTIAL


def test_hostile_names_are_made_safe(probe: MakeProbe) -> None:
    kind = next(k for k in KINDS if k.name == "orientdb")
    named = ok({"databases": ["\x1b[31m" + "x" * 5000, "\n"]})
    with web(lambda path: named if path == "/listDatabases" else NOT_FOUND) as server:
        proof = probe(kind.name, server.host, server.port).prove()
    assert proof
    assert proof.access is Access.LISTS
    assert all(len(c) <= 100 and c.isprintable() for c in proof.containers)


@given(
    st.sampled_from([200, 302, 404]),
    st.dictionaries(st.sampled_from(["location", "content-type"]), st.text(max_size=30)),
    st.binary(max_size=60),
)
def test_fuzz_a_first_page(status: int, headers: dict[str, str], body: bytes) -> None:
    front = Response(status, headers, body, True, False)
    assert not leads_to(front, "/nobody leads here")
    assert not titled(front, rb"nobody is called so")
    for protocol in (nomad.NOMAD, spark.SPARK, neo4j_http.NEO4J_HTTP, airflow.AIRFLOW):
        assert protocol.recognise_http
        assert protocol.recognise_http(front) in (True, False)
