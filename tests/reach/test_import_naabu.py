"""naabu's JSON lines, as its pkg/runner/output.go writes them."""

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

LINE = {
    "host": "files.example.org",
    "ip": "198.51.100.10",
    "timestamp": "2023-02-08T05:20:31.123456789Z",
    "port": 443,
    "protocol": "tcp",
    "tls": True,
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def lines(*records: dict[str, object]) -> str:
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def test_a_line_is_an_open_port(files: Files) -> None:
    (seen,) = files.seen(lines(LINE))
    assert (seen.sensor, seen.access, seen.protocol) == ("naabu", Access.SPEAKS, "")
    assert str(seen.endpoint) == "198.51.100.10:443"
    assert seen.time == datetime(2023, 2, 8, 5, 20, 31, tzinfo=UTC)
    assert seen.tls
    assert files.ports(lines(LINE, LINE, {**LINE, "port": 80})) == [
        ("198.51.100.10", 443),
        ("198.51.100.10", 80),
    ]


def test_what_service_discovery_and_old_versions_add(files: Files) -> None:
    old = {"host": "198.51.100.10", "port": 6379, "timestamp": LINE["timestamp"]}
    (seen,) = files.seen(lines({**LINE, "name": "redis", "product": "Redis", "version": "7.0"}))
    assert (seen.protocol, seen.product, seen.version) == ("redis", "Redis", "7.0")
    assert str(files.seen(lines(old))[0].endpoint) == "198.51.100.10:6379"
    shared = files.seen(lines({**LINE, "cdn": True, "cdn-name": "example"}))[0]
    assert shared.detail == "an address of a content network: example"


def test_bad_lines_are_gaps_with_their_place(files: Files) -> None:
    text = lines(LINE, {**LINE, "port": 0}, {**LINE, "ip": "x"}, {**LINE, "port": "a"})
    text += lines({**LINE, "timestamp": "soon"}, {**LINE, "protocol": "udp"}) + '{"ip":"198.'
    found = files.read(text)
    gaps = [(g.reason, files.at(g)) for g in found if isinstance(g, Gap)]
    assert gaps == [
        (Reason.EMPTY, "scan:2"),
        (Reason.UNPARSED, "scan:3"),
        (Reason.UNPARSED, "scan:4"),
        (Reason.NO_TIME, "scan:5"),
        (Reason.UNPARSED, "scan:7"),
    ]
    assert len(found) - len(gaps) == 2
    ports = files.ports(text)
    assert [p for p in ports if isinstance(p, tuple)] == [("198.51.100.10", 443)]
    assert "UDP" in [p for p in ports if isinstance(p, Gap)][-1].detail


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.dictionaries(st.sampled_from(list(LINE)), st.none() | st.integers() | st.text()))
def test_any_field_may_be_anything(files: Files, fields: dict[str, object]) -> None:
    found = files.read(lines({**LINE, **fields}))
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)
