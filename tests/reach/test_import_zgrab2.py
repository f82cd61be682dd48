"""ZGrab2's JSON lines: the shape of its output, and a line that a version of 2022 wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason

GRAB = {
    "status": "success",
    "protocol": "http",
    "port": 8080,
    "result": {"response": {"body": "secret " * 20}},
    "timestamp": "2023-02-08T00:20:31-05:00",
}
# From a public write-up of 2022: this version wrote no port.
OLD = (
    '{"ip":"172.17.0.4","data":{"http":{"status":"connection-timeout","protocol":"http",'
    '"result":{},"timestamp":"2022-12-13T05:40:11Z","error":"dial tcp: i/o timeout"}}}\n'
)
SUMMARY = '{"statuses":{"http":{"successes":0,"failures":1}},"start":"2022-12-13T05:40:11Z"}\n'


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def line(**modules: object) -> str:
    return json.dumps({"ip": "198.51.100.10", "data": modules}) + "\n"


def test_an_answer_is_an_observation(files: Files) -> None:
    (seen,) = files.seen(line(http8080=GRAB))
    assert (seen.sensor, seen.protocol, seen.access) == ("zgrab2", "http", Access.SPEAKS)
    assert (str(seen.endpoint), seen.time.hour) == ("198.51.100.10:8080", 5)
    assert "secret" not in str(seen)


@pytest.mark.parametrize(
    ("status", "access", "protocol"),
    [
        ("success", Access.SPEAKS, "http"),
        ("protocol-error", Access.SPEAKS, ""),
        ("application-error", Access.SPEAKS, ""),
        ("connection-refused", Access.CLOSED, ""),
        ("connection-timeout", Access.FILTERED, ""),
        ("io-timeout", Access.UNDETERMINED, ""),
        ("unknown-error", Access.UNDETERMINED, ""),
    ],
)
def test_a_status_is_an_access(files: Files, status: str, access: Access, protocol: str) -> None:
    (seen,) = files.seen(line(http={**GRAB, "status": status}))
    assert (seen.access, seen.protocol) == (access, protocol)


def test_several_modules_are_several_observations(files: Files) -> None:
    text = line(http=GRAB, redis={**GRAB, "protocol": "redis", "port": 6379})
    assert [o.protocol for o in files.seen(text + SUMMARY)] == ["http", "redis"]


def test_an_answer_without_a_port_is_a_gap(files: Files) -> None:
    (gap,) = files.gaps(line(http=GRAB) + OLD)
    assert (gap.reason, files.at(gap)) == (Reason.UNPARSED, "scan:2")


def test_it_is_no_sweep(files: Files) -> None:
    (gap,) = files.ports(line(http=GRAB))
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.UNSUPPORTED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.dictionaries(st.sampled_from(list(GRAB)), st.none() | st.integers() | st.text()))
def test_any_field_may_be_anything(files: Files, fields: dict[str, object]) -> None:
    found = files.read(line(http={**GRAB, **fields}))
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)
