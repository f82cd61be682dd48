"""Netlas: made from its documentation and from a response of 2023 in a public repository."""

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

DATA = {
    "ip": "198.51.100.10",
    "port": 443,
    "uri": "https://198.51.100.10:443/",
    "host": "198.51.100.10",
    "host_type": "ip",
    "prot7": "http",
    "prot4": "tcp",
    "path": "/",
    "protocol": "https",
    "@timestamp": "2023-09-23T04:39:09.622Z",
    "http": {"title": "Index of /", "body": "number 078-05-1120"},
    "certificate": {"subject_dn": "CN=x"},
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


LAYOUTS = [
    json.dumps({"items": [{"data": DATA}], "took": 3}),
    json.dumps({"items": [{"data": DATA}]}, indent=2),
    json.dumps([{"data": DATA}]),
    json.dumps({"data": DATA}) + "\n",
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_response_is_an_observation(files: Files, text: str) -> None:
    (seen,) = files.seen(text)
    assert (seen.sensor, seen.vantage, seen.protocol) == ("netlas", "outside", "http")
    assert (str(seen.endpoint), seen.tls) == ("198.51.100.10:443", True)
    assert seen.time == datetime(2023, 9, 23, 4, 39, 9, tzinfo=UTC)
    assert (seen.access, seen.detail) == (Access.SPEAKS, "Index of /")


def test_a_name_and_the_second_best_time(files: Files) -> None:
    other = {**DATA, "host": "a.example.org", "host_type": "domain", "last_updated": "2023-09-24"}
    del other["@timestamp"]
    (seen,) = files.seen(json.dumps({"items": [{"data": other}]}))
    assert (seen.endpoint.name, seen.time.day) == ("a.example.org", 24)


def test_bad_items_are_gaps_with_their_place(files: Files) -> None:
    items = [{"data": d} for d in (DATA, {**DATA, "port": "x"}, {**DATA, "@timestamp": ""}, {})]
    found = files.read(json.dumps({"items": [*items, {"data": {"ip": "1"}}, 5]}))
    gaps = [(g.reason, files.at(g)) for g in found if isinstance(g, Gap)]
    assert gaps == [
        (Reason.UNPARSED, "scan items[1]"),
        (Reason.NO_TIME, "scan items[2]"),
        (Reason.UNPARSED, "scan items[3]"),
        (Reason.UNPARSED, "scan items[4]"),
        (Reason.UNPARSED, "scan items[5]"),
    ]
    assert [g.reason for g in files.gaps('{"items":[]}')] == [Reason.EMPTY]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.dictionaries(st.sampled_from(list(DATA)), st.none() | st.integers() | st.text()))
def test_any_field_may_be_anything(files: Files, fields: dict[str, object]) -> None:
    found = files.read(json.dumps({"items": [{"data": {**DATA, **fields}}]}))
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)
