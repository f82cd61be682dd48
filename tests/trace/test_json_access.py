"""JSON access logs: keys by usual names, containers, hostile values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import json_access
from leftopen.trace.web import UNATTRIBUTED
from log_cases import counts_of, hostile, rows_of

BASE: dict[str, Any] = {
    "time": "2023-02-08T03:12:45Z",
    "remote_addr": "203.0.113.9",
    "method": "GET",
    "path": "/a.pst",
    "status": 200,
    "bytes_sent": 900,
}
LINE = json.dumps(BASE) + "\n"


def row(**changed: object) -> dict[str, Any]:
    (found,) = rows_of(json_access.FORMAT, json.dumps({**BASE, **changed}))
    return found


@pytest.mark.parametrize("size", ["9" * 40, -1, "", "-", None, True, [], 1.5, 10**30])
def test_a_count_that_is_none_is_unknown(size: object) -> None:
    assert row(bytes_sent=size)["bytes"] is None


@pytest.mark.parametrize("client", ["", "-", None, "<b>", "unix:", {"a": 1}])
def test_bytes_of_a_client_without_a_name_are_kept(client: object) -> None:
    found = row(remote_addr=client)
    assert (found["client"], found["bytes"], found["act"]) == (UNATTRIBUTED, 900, Act.WHOLE)


def test_container_and_syslog_frames_are_taken_off() -> None:
    plain = rows_of(json_access.FORMAT, LINE)
    docker = json.dumps({"log": LINE, "stream": "stdout", "time": "2023-02-08T03:12:46Z"})
    assert rows_of(json_access.FORMAT, docker) == plain
    assert rows_of(json_access.FORMAT, "<190>Feb  8 03:12:45 h nginx: " + LINE) == plain
    assert json_access.recognise(docker.encode(), "") == 92


@pytest.mark.parametrize(
    "time", ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "", 10**30, -5, "31/Feb/2023"]
)
def test_times_out_of_range_are_rejected(time: object) -> None:
    assert counts_of(json_access.FORMAT, json.dumps({**BASE, "time": time})) == (1, 1, 0)


def test_other_json_is_left_alone() -> None:
    caddy: dict[str, object] = {
        "ts": 1.0,
        "request": {"remote_ip": "::1"},
        "status": 200,
        "size": 5,
        "uri": "/",
    }
    items: tuple[dict[str, object], ...] = (caddy, {"time": "x", "msg": "y"}, {"records": []})
    for item in items:
        assert json_access.recognise(json.dumps(item).encode(), "access.json") == 0


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "/a.pst", "900", "2023", "200"):
        counts_of(json_access.FORMAT, LINE.encode() + line)
    counts_of(json_access.FORMAT, b'{"a":' * 100_000)


VALUES = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=20), st.booleans())


@given(st.dictionaries(st.sampled_from([*BASE, "request", "msec"]), VALUES))
@settings(max_examples=60, deadline=None)
def test_fuzz_values_of_any_kind(item: dict[str, object]) -> None:
    line = json.dumps({**BASE, **item})
    _, rejected, _ = counts_of(json_access.FORMAT, line)
    assert len(rows_of(json_access.FORMAT, line)) == 1 - rejected
