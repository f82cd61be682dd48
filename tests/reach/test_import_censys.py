"""Censys: made from the Platform API's published schemas and from Search v2's documentation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason

SERVICE = {
    "port": 9200,
    "protocol": "ELASTICSEARCH",
    "transport_protocol": "tcp",
    "scan_time": "2026-02-08T05:20:31Z",
    "software": [{"vendor": "elastic", "product": "elasticsearch", "version": "7.10.2"}],
    "banner": "number 078-05-1120",
    "misconfigs": [{"name": "Open Elasticsearch", "severity": "high"}],
    "exposures": None,
}
HOST = {"ip": "198.51.100.10", "services": [SERVICE], "service_count": 1}
RANGE = {
    "ip": "198.51.100.10",
    "port": 443,
    "transport_protocol": "quic",
    "protocols": ["HTTPS"],
    "start_time": "2026-02-03T00:00:00Z",
    "end_time": "2026-02-08T00:00:00Z",
}
LEGACY = {
    "port": 443,
    "service_name": "HTTP",
    "extended_service_name": "HTTPS",
    "transport_protocol": "TCP",
    "observed_at": "2023-02-08T05:20:31.123Z",
}
LAYOUTS = [
    json.dumps(HOST),
    json.dumps({"result": {"resource": HOST, "extensions": {}}}, indent=1),
    json.dumps({"result": {"hits": [{"host_v1": {"resource": HOST}}], "total_hits": 1}}),
    json.dumps([HOST]),
    json.dumps(HOST) + "\n" + json.dumps({"ip": "x", "services": []}) + "\n",
]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_service_is_an_observation(files: Files, text: str) -> None:
    (seen,) = files.seen(text)
    assert (seen.sensor, seen.vantage, seen.access) == ("censys", "outside", Access.SPEAKS)
    assert (str(seen.endpoint), seen.protocol) == ("198.51.100.10:9200", "elasticsearch")
    assert (seen.product, seen.version) == ("elasticsearch", "7.10.2")
    assert seen.detail == "Censys names: Open Elasticsearch"
    assert seen.time == datetime(2026, 2, 8, 5, 20, 31, tzinfo=UTC)
    assert "1120" not in str(seen)


def test_a_range_is_two_observations(files: Files) -> None:
    for text in (
        json.dumps({"ranges": [RANGE], "total_results": 1}),
        json.dumps({"result": {"ranges": [RANGE], "total_results": 1}}),
        json.dumps(RANGE),
    ):
        first, last = files.seen(text)
        assert (first.time.day, last.time.day) == (3, 8)
        assert {(o.protocol, o.endpoint.transport) for o in (first, last)} == {("http", "udp")}
    assert len(files.seen(json.dumps({**RANGE, "end_time": RANGE["start_time"]}))) == 1
    (gap,) = files.gaps(json.dumps({**RANGE, "end_time": "2020-01-01T00:00:00Z"}))
    assert gap.reason is Reason.NO_TIME


def test_the_legacy_search(files: Files) -> None:
    host = {"ip": "198.51.100.10", "services": [LEGACY]}
    for text in ({"code": 200, "status": "OK", "result": host}, {"result": {"hits": [host]}}):
        (seen,) = files.seen(json.dumps(text))
        assert (seen.protocol, seen.tls, seen.time.year) == ("http", True, 2023)


def test_bad_parts_are_gaps_with_their_place(files: Files) -> None:
    services = [SERVICE, {**SERVICE, "port": "x"}, {**SERVICE, "scan_time": None}, 7]
    found = files.read(json.dumps({**HOST, "services": services}))
    gaps = [(g.reason, files.at(g)) for g in found if isinstance(g, Gap)]
    assert gaps == [
        (Reason.UNPARSED, "scan services[1]"),
        (Reason.NO_TIME, "scan services[2]"),
        (Reason.UNPARSED, "scan services[3]"),
    ]
    assert [g.reason for g in files.gaps('{"result": {}}')] == [Reason.EMPTY]
    deep = '{"result":' * 20 + "{}" + "}" * 20
    assert [g.reason for g in files.gaps(deep)] == [Reason.TOO_DEEP]
    assert files.gaps('{"result":' * 50_000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.dictionaries(st.sampled_from(list(SERVICE)), st.none() | st.integers() | st.text()))
def test_any_field_may_be_anything(files: Files, fields: dict[str, object]) -> None:
    found = files.read(json.dumps({**HOST, "services": [{**SERVICE, **fields}]}))
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)
