"""ZMap's CSV: by its header, with and without times and ports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason

HEADER = "saddr,daddr,sport,dport,classification,success,timestamp_str,timestamp_ts\n"
OPEN = "198.51.100.10,192.0.2.1,443,40000,synack,1,2023-02-08T00:20:31.000-0500,1675833631\n"
RESET = "198.51.100.11,192.0.2.1,443,40001,rst,0,2023-02-08T00:20:32.000-0500,1675833632\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_rows_by_their_header(files: Files) -> None:
    first, second = files.seen(HEADER + OPEN + RESET)
    assert (first.sensor, str(first.endpoint)) == ("zmap", "198.51.100.10:443")
    assert first.time == datetime(2023, 2, 8, 5, 20, 31, tzinfo=UTC)
    assert (first.access, second.access) == (Access.SPEAKS, Access.CLOSED)
    turned = "success,sport,saddr,timestamp_ts\n1,80,198.51.100.10,1675833631\n"
    (seen,) = files.seen(turned)
    assert (str(seen.endpoint), seen.time) == ("198.51.100.10:80", first.time)


def test_a_row_that_is_no_success_is_not_open(files: Files) -> None:
    unreachable = OPEN.replace("synack,1", "icmp_unreach,0")
    assert files.seen(HEADER + unreachable)[0].access is Access.UNDETERMINED
    assert files.ports(HEADER + OPEN + OPEN + RESET + unreachable) == [("198.51.100.10", 443)]


def test_without_a_time_it_is_a_target_and_no_observation(files: Files) -> None:
    text = "saddr,sport\n198.51.100.10,443\n198.51.100.11,80\n"
    assert files.ports(text) == [("198.51.100.10", 443), ("198.51.100.11", 80)]
    gaps = files.gaps(text)
    assert [(g.reason, files.at(g)) for g in gaps] == [
        (Reason.NO_TIME, "scan:2"),
        (Reason.NO_TIME, "scan:3"),
    ]


@pytest.mark.parametrize("text", ["198.51.100.10\n198.51.100.11\n", "saddr\n198.51.100.10\n1.2\n"])
def test_without_a_port_it_is_neither(files: Files, text: str) -> None:
    (gap,) = files.gaps(text)
    assert gap.reason is Reason.UNSUPPORTED
    assert gap.count >= 2
    assert files.ports(text) == [gap]


@pytest.mark.parametrize(
    "row",
    ["1,2\n", OPEN.replace(",443,", ",70000,"), OPEN.replace("198.", "x."), f'"{"a" * 200_000}"\n'],
)
def test_a_bad_row_is_a_gap_with_its_line(files: Files, row: str) -> None:
    found = files.read(HEADER + OPEN + row + RESET)
    (gap,) = [item for item in found if isinstance(item, Gap)]
    assert (gap.reason, files.at(gap)) == (Reason.UNPARSED, "scan:3")
    assert len(found) == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.binary(max_size=40), st.integers(0, 200))
def test_any_damage_is_a_gap_or_nothing(files: Files, junk: bytes, where: int) -> None:
    content = (HEADER + OPEN + RESET).encode()
    for item in files.read(content[:where] + junk + content[where:]):
        assert isinstance(item, Observation | Gap)
