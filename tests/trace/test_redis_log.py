"""Redis's log: who was there, never how much; replicas took all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats import redis_log
from log_cases import counts_of, hostile, rows_of

LINE = redis_log.EXAMPLE.splitlines(keepends=True)[2]


@pytest.mark.parametrize(
    ("command", "act"),
    [("get", Act.PART), ("keys", Act.LISTED), ("ping", Act.LOOKED), ("NULL", Act.LOOKED)],
)
def test_last_command(command: str, act: Act) -> None:
    (row,) = rows_of(redis_log.FORMAT, LINE.replace("hgetall", command))
    assert (row["act"], row["bytes"]) == (act, None)


def test_bytes_where_a_version_logs_them() -> None:
    for text, sent in (("7", 7), ("9" * 40, None)):
        (row,) = rows_of(redis_log.FORMAT, LINE.replace("user=", f"tot-net-out={text} user="))
        assert row["bytes"] == sent


def test_zone_is_declared() -> None:
    (row,) = rows_of(redis_log.FORMAT, LINE, ReadOptions(zone="Europe/Berlin"))
    assert row["time"] == 1675825966 - 3600


def test_syslog_frame_is_accepted() -> None:
    framed = "Feb  8 03:12:46 h redis[7]: " + LINE
    assert rows_of(redis_log.FORMAT, framed) == rows_of(redis_log.FORMAT, LINE)


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(redis_log.FORMAT, LINE.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "hgetall", "811", "08 Feb 2023", "Client"):
        counts_of(redis_log.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, redis_log.EXAMPLE, "\n", "x\n", LINE[:30] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(redis_log.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:30] + "\n") for p in parts)
