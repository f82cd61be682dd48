"""Shadowserver's CSV: made from its report schema of 2026-03; columns in any order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason

NAME = "2026-03-01-scan_elasticsearch-example-asn.csv"
HEADER = '"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","version"\n'
ROW = (
    '"2026-03-01 00:12:13","critical","198.51.100.10","tcp","9200","a.example.org","elasticsearch",'
    '"64500","US","7.10.2"\n'
)
TURNED = (
    "tag,geo,port,ip,asn,timestamp,protocol\nredis,US,6379,198.51.100.11,64500,"
    "2022-03-01 00:12:13,tcp\n"
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_row_is_an_observation(files: Files) -> None:
    (seen,) = files.seen(HEADER + ROW, NAME)
    assert (seen.sensor, seen.vantage, seen.access) == ("shadowserver", "outside", Access.SPEAKS)
    assert (str(seen.endpoint), seen.protocol) == ("198.51.100.10:9200", "elasticsearch")
    assert seen.time == datetime(2026, 3, 1, 0, 12, 13, tzinfo=UTC)
    assert (seen.version, seen.detail) == (
        "7.10.2",
        "Shadowserver scan_elasticsearch, severity critical",
    )


def test_the_header_rules_and_the_tag_helps(files: Files) -> None:
    (seen,) = files.seen(TURNED, "report.csv")
    assert (str(seen.endpoint), seen.protocol) == ("198.51.100.11:6379", "redis")
    assert seen.detail == "Shadowserver redis"


@pytest.mark.parametrize(
    ("kind", "tag", "protocol"),
    [
        ("scan_ldap_tcp", "ldap", "ldap"),
        ("scan_postgres", "", "postgresql"),
        ("scan6_http", "http", "http"),
        ("scan_mqtt_anon", "mqtt-anon", "mqtt"),
        ("scan_nothing_known", "x;ftp", "ftp"),
        ("scan_nothing_known", "x", ""),
    ],
)
def test_a_type_names_a_protocol(files: Files, kind: str, tag: str, protocol: str) -> None:
    row = ROW.replace('"elasticsearch"', f'"{tag}"')
    (seen,) = files.seen(HEADER + row, NAME.replace("scan_elasticsearch", kind))
    assert seen.protocol == protocol


def test_another_family_is_a_gap(files: Files) -> None:
    name = NAME.replace("scan_elasticsearch", "event4_honeypot_brute_force")
    (gap,) = files.gaps(HEADER + ROW + ROW, name)
    assert (gap.reason, gap.count) == (Reason.UNSUPPORTED, 2)


def test_bad_rows_are_gaps_with_their_place(files: Files) -> None:
    bad = ROW.replace("198.51.100.10", "x"), ROW.replace("2026-03-01 00", "soon"), "a,b\n"
    gaps = files.gaps(HEADER + ROW + "".join(bad) + ROW, NAME)
    assert [(g.reason, files.at(g)) for g in gaps] == [
        (Reason.UNPARSED, f"{NAME}:3"),
        (Reason.NO_TIME, f"{NAME}:4"),
        (Reason.UNPARSED, f"{NAME}:5"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.binary(max_size=40), st.integers(0, 250))
def test_any_damage_is_a_gap_or_nothing(files: Files, junk: bytes, where: int) -> None:
    content = (HEADER + ROW).encode()
    for item in files.read(content[:where] + junk + content[where:], NAME):
        assert isinstance(item, Observation | Gap)
