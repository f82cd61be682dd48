"""LeakIX: l9event records, made from l9format's l9event.go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason

EVENT = {
    "event_type": "leak",
    "event_source": "ElasticSearchOpenPlugin",
    "event_fingerprint": "0123",
    "ip": "198.51.100.10",
    "host": "db.example.org",
    "port": "9200",
    "transport": ["tcp", "tls", "http"],
    "protocol": "https",
    "summary": "users: mary@example.org 078-05-1120",
    "time": "2023-02-08T05:20:31.5Z",
    "service": {
        "software": {"name": "Elasticsearch", "version": "7.10.2"},
        "credentials": {"noauth": True, "username": "root", "password": "hunter2"},
    },
    "leak": {
        "stage": "open",
        "type": "database",
        "severity": "high",
        "dataset": {"rows": 1200, "files": 0, "size": 5000, "collections": 3, "infected": False},
    },
}
EMPTY = {"rows": 0, "files": 9, "size": 10, "collections": 2}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def one(files: Files, **changed: object) -> Observation:
    (seen,) = files.seen(json.dumps({**EVENT, **changed}) + "\n")
    return seen


def test_rows_give_data(files: Files) -> None:
    seen = one(files)
    assert (seen.sensor, seen.vantage, seen.access) == ("leakix", "outside", Access.GIVES_DATA)
    assert (seen.protocol, seen.product, seen.version) == (
        "elasticsearch",
        "Elasticsearch",
        "7.10.2",
    )
    assert str(seen.endpoint) == "db.example.org (198.51.100.10:9200)"
    assert seen.size is not None
    assert (seen.size.objects, seen.size.bytes, seen.size.unit) == (1200, 5000, "rows")
    assert seen.tls


def test_without_rows_it_only_speaks(files: Files) -> None:
    for leak in (None, {}, {"dataset": EMPTY}, {"dataset": {"rows": -1}}):
        seen = one(files, leak=leak)
        assert (seen.access, seen.size) == (Access.SPEAKS, None)
    assert "9 files, 2 collections" in one(files, leak={"dataset": EMPTY}).detail


def test_neither_summary_nor_credential_is_taken_over(files: Files) -> None:
    shown = str(one(files))
    assert not any(word in shown for word in ("hunter2", "root", "mary", "1120", "users"))
    assert "no login asked" in shown


@pytest.mark.parametrize(
    ("source", "protocol", "ours"),
    [
        ("MongoOpenPlugin", "mongo", "mongodb"),
        ("HttpPlugin", "https", "http"),
        ("CouchDbOpenPlugin", "http", "couchdb"),
        ("tcpid", "ftp", "ftp"),
        ("NobodyKnowsPlugin", "quake", ""),
    ],
)
def test_a_plugin_names_a_protocol(files: Files, source: str, protocol: str, ours: str) -> None:
    assert one(files, event_source=source, protocol=protocol).protocol == ours


def test_arrays_and_bad_records(files: Files) -> None:
    assert len(files.seen(json.dumps([EVENT, EVENT]))) == 2
    bad = [EVENT, {**EVENT, "port": "x"}, {**EVENT, "time": "x"}, {**EVENT, "port": 5.5}]
    gaps = files.gaps("\n".join(map(json.dumps, bad)))
    assert [(g.reason, files.at(g)) for g in gaps] == [
        (Reason.UNPARSED, "scan:2"),
        (Reason.NO_TIME, "scan:3"),
        (Reason.UNPARSED, "scan:4"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.dictionaries(st.sampled_from(list(EVENT)), st.none() | st.integers() | st.text()))
def test_any_field_may_be_anything(files: Files, fields: dict[str, object]) -> None:
    found = files.read(json.dumps({**EVENT, **fields}))
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)
