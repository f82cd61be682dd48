"""Prometheus: a real one that scrapes itself, open and behind web.config; answers that lie."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.prometheus import OWNER, prometheus
from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.prometheus import _Query, _Targets, _Tsdb
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with prometheus() as server:
        yield server


def test_an_open_one_gives_data(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("prometheus", Access.GIVES_DATA)
    assert seen.version.startswith(("2.", "3."))
    assert seen.size is not None
    assert seen.size.objects
    assert seen.size.objects > 100
    assert (seen.size.unit, seen.size.complete) == ("series", False)
    assert seen.containers == ("payroll",)
    assert "1 targets are named" in seen.detail
    assert OWNER not in repr(outcome)


def test_metrics_are_listed_and_their_series_read(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    prom = probe("prometheus", open_server.host, open_server.port)
    refs = {r.path: r for r in prom.objects() if isinstance(r, ObjectRef)}
    up = refs["/api/v1/series?match%5B%5D=%7B__name__%3D%22up%22%7D&limit=1000"]
    found = prom.fetch(up)
    assert found.complete
    assert json.loads(found.data)["data"][0]["owner"] == OWNER
    cut = prom.fetch(up, limit=30)
    assert (len(cut.data), cut.complete) == (30, False)
    with pytest.raises(ProtocolError, match="404"):
        prom.fetch(ObjectRef(path="/api/v1/nobody"))
    with pytest.raises(ProtocolError, match="no list of series"):
        prom.fetch(ObjectRef(path="/api/v1/targets"))


def test_one_without_targets_speaks() -> None:
    with prometheus(scraping=False) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("prometheus", Access.SPEAKS)


def test_web_config_closes_it() -> None:
    with prometheus(closed=True) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("prometheus", Access.ASKS_CREDENTIAL)
    assert "(Basic)" in seen.detail


def test_it_is_not_taken_for_influxdb(probe: MakeProbe, open_server: servers.Server) -> None:
    """nmap labels it as InfluxDB."""
    assert probe("influxdb", open_server.host, open_server.port).prove() is None
    assert probe("etcd", open_server.host, open_server.port).prove() is None
    assert probe("docker_registry", open_server.host, open_server.port).prove() is None


def as_json(data: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps({"status": "success", "data": data}).encode(), status)


GRAPH = answer(b"", "302 Found", more={"Location": "/graph"})
BUILD = as_json({"version": "3.1.0", "revision": "x", "goVersion": "go1.23"})
NONE = as_json({"resultType": "vector", "result": []})
SAMPLE = as_json({"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1, "2"]}]})
TARGETS = as_json({"activeTargets": [{"labels": {"job": "x"}}]})
LYING: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "targets alone": ({"targets": TARGETS, "query": NONE}, Access.LISTS, "no sample"),
    "data refused": (
        {"targets": answer(b"", "403 Forbidden")},
        Access.ASKS_CREDENTIAL,
        "the data does not",
    ),
    "every metric": ({"targets": TARGETS, "query": SAMPLE}, Access.UNDETERMINED, "nobody has"),
    "garbage": ({"targets": TARGETS, "query": as_json([1])}, Access.UNDETERMINED, "nobody has"),
    "deep": ({"targets": answer(b"[" * 200_000), "query": NONE}, Access.SPEAKS, "0 targets"),
    "numbers too large": (
        {"query": NONE, "tsdb": as_json({"headStats": {"numSeries": 2**62}})},
        Access.SPEAKS,
        "0",
    ),
}


@pytest.mark.parametrize("kind", LYING)
def test_answers_that_prove_less(kind: str) -> None:
    answers, access, words = LYING[kind]

    def reply(path: str) -> bytes:
        if path == "/":
            return GRAPH
        found = (a for word, a in {"buildinfo": BUILD, **answers}.items() if word in path)
        return next(found, answer(b"no", "404 Not Found"))

    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access, seen.size) == ("prometheus", access, None)
    assert words in seen.detail


@pytest.mark.parametrize("body", [b"version", b"{}", b'{"status":"success","data":{"version":3}}'])
def test_strangers_are_not_prometheus(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: answer(body)) as server:
        assert probe("prometheus", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


def test_another_basic_challenge_is_not_prometheus(probe: MakeProbe) -> None:
    refused = answer(
        b"Unauthorized", "401 Unauthorized", more={"WWW-Authenticate": 'Basic realm="x"'}
    )
    with web(lambda path: refused) as server:
        assert probe("prometheus", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"
    with servers.redis() as other:
        assert probe("prometheus", other.host, other.port).prove() is None


def test_names_of_metrics_are_bounded(probe: MakeProbe) -> None:
    names = as_json([*(f"m{n}" for n in range(6000)), "bad name\n"])
    odd = as_json(["ok", 'x"}) or {a="'])
    for said, gap in ((names, Reason.BUDGET), (odd, Reason.UNSUPPORTED)):
        with web(lambda path, said=said: said) as server:  # type: ignore[misc]
            found = probe("prometheus", server.host, server.port).objects()
        assert len([r for r in found if isinstance(r, ObjectRef)]) in (1, 5000)
        assert [g.reason for g in found if isinstance(g, Gap)] == [gap]


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.flood(b"[" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        assert probe("prometheus", server.host, server.port, limits=limits).prove() is None
    assert time.monotonic() - started < 3


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ).map(lambda data: json.dumps({"status": "success", "data": data}).encode())
)
def test_fuzz_any_answer_is_a_vector_or_none(body: bytes) -> None:
    answered = Response(200, {}, body, True, False)
    query = parsed(answered, _Query)
    assert query is None or all(sample.metric is not None for sample in query.data.result)
    targets, tsdb = parsed(answered, _Targets), parsed(answered, _Tsdb)
    assert targets is None or isinstance(targets.data.active_targets, list | None)
    assert tsdb is None or tsdb.status == "success"
