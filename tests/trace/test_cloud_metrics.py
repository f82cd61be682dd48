"""Azure and CloudWatch metrics, the Activity log: ceilings without clients, and what breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, lines, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, LogFormat
from leftopen.trace.formats import (
    azure_activity,
    azure_metrics,
    cloudwatch_metrics,
    gcp_audit,
    redis_info,
)
from leftopen.trace.formats import zeek_capture_loss as loss

ALL = [azure_metrics.FORMAT, cloudwatch_metrics.FORMAT, azure_activity.FORMAT]
TEXTS = [(f, e.text) for f in ALL for e in f.examples]


def said(found: list[Chunk]) -> list[Reason]:
    return [t.reason for c in found for t in c.troubles]


def test_azure_intervals_are_vouched_for_only_where_there_is_a_figure() -> None:
    (found,) = read_all(azure_metrics.FORMAT, azure_metrics.FORMAT.examples[0].text.encode())
    assert found.claimed == ((1675825920, 1675826040),)


def test_azure_series_of_one_metric_are_summed_and_other_metrics_said() -> None:
    answer = json.loads(
        azure_metrics._example({"timeStamp": "2023-02-08T03:12:00Z", "total": 5}, more=1)
    )
    answer["value"][0]["timeseries"] *= 2
    found = read_all(azure_metrics.FORMAT, json.dumps(answer).encode())
    assert rows(found)["bytes"].to_list() == [10]
    assert said(found) == [Reason.UNKNOWN_VALUE]


def test_azure_one_unknown_part_makes_the_sum_unknown() -> None:
    answer = json.loads(azure_metrics._example({"timeStamp": "2023-02-08T03:12:00Z", "total": 5}))
    answer["value"][0]["timeseries"].append({"data": [{"timeStamp": "2023-02-08T03:12:00Z"}]})
    assert rows(read_all(azure_metrics.FORMAT, json.dumps(answer).encode()))["bytes"][0] is None


@pytest.mark.parametrize(("interval", "end"), [("PT1M", 60), ("PT1H", 3600), ("P1D", 86400)])
def test_azure_time_is_the_end_of_the_interval(interval: str, end: int) -> None:
    text = azure_metrics._example(
        {"timeStamp": "2023-02-08T03:00:00Z", "total": 5}, interval=interval
    )
    assert rows(read_all(azure_metrics.FORMAT, text.encode()))["time"][0] == 1675825200 + end


def test_what_does_not_count_bytes_is_no_ceiling() -> None:
    text = azure_metrics._example(
        {"timeStamp": "2023-02-08T03:00:00Z", "total": 5}, metric="Ingress"
    )
    found = read_all(azure_metrics.FORMAT, text.encode())
    assert rows(found).is_empty()
    assert Reason.UNSUPPORTED in said(found)
    averaged = cloudwatch_metrics._example({"Timestamp": "2023-02-08T03:00:00Z", "Average": 5.0})
    assert rows(read_all(cloudwatch_metrics.FORMAT, averaged.encode()))["bytes"].to_list() == [None]


def test_cloudwatch_period_is_the_smallest_step_and_a_missing_point_is_not_vouched_for() -> None:
    at = [f"2023-02-08T03:{minute:02d}:00Z" for minute in (30, 10, 15)]
    text = cloudwatch_metrics._example(*(cloudwatch_metrics._point(a, 5) for a in at))
    (found,) = read_all(cloudwatch_metrics.FORMAT, text.encode())
    assert found.claimed == ((1675825800, 1675826400), (1675827000, 1675827300))


@pytest.mark.parametrize("total", [-1, 1e300, "x", True, [], 10**30])
def test_totals_that_are_none_are_rejected(total: object) -> None:
    text = azure_metrics._example(
        {"timeStamp": "2023-02-08T03:00:00Z", "total": total},
        {"timeStamp": "2023-02-08T03:01:00Z", "total": 7},
    )
    found = read_all(azure_metrics.FORMAT, text.encode())
    assert (rows(found)["bytes"].to_list(), rejected(found), lines(found)) == ([7], 1, 2)


@pytest.mark.parametrize("plugin", [*ALL, gcp_audit.FORMAT, redis_info.FORMAT, loss.FORMAT])
def test_what_shows_no_reader_speaks_for_no_exposure(plugin: LogFormat) -> None:
    # () would make it cover every exposure: "no evidence" from a log that cannot show a reader
    assert plugin.protocols
    assert not {"azure_blob", "gcs", "http", "redis", "s3"} & set(plugin.protocols)


def test_activity_says_nothing_of_reading_but_when_a_log_was_switched_off() -> None:
    found = read_all(azure_activity.FORMAT, azure_activity.API.encode())
    assert rows(found)["client"].to_list() == [None]
    assert said(found) == [Reason.NO_LOG]
    failed = azure_activity.API.replace("Succeeded", "Failed")
    assert said(read_all(azure_activity.FORMAT, failed.encode())) == []


def test_activity_hostile_lines_between_good_ones() -> None:
    hostile_between(azure_activity.FORMAT, azure_activity._example() * 2)


@pytest.mark.parametrize("plugin", ALL)
@pytest.mark.parametrize("bad", [b"\x1b[2J", b"\xff{", b"\0" * 99, b"{" * 100_000, b'{"value":5}'])
def test_what_is_no_answer_is_counted(plugin: LogFormat, bad: bytes) -> None:
    found = read_all(plugin, bad)
    assert rows(found).is_empty()
    assert rejected(found) >= 1


@pytest.mark.parametrize("plugin", ALL)
@given(data=st.one_of(st.binary(max_size=200), *(mutated(text) for _, text in TEXTS)))
@settings(max_examples=60, deadline=None)
def test_fuzz_cloud_metrics(plugin: LogFormat, data: bytes) -> None:
    assert 0 <= plugin.recognise(data, "x") <= 100
    read_all(plugin, data)
