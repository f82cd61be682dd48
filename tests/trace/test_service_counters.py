"""Elasticsearch and Redis counters: two snapshots, restarts, and what breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, LogFormat
from leftopen.trace.formats import elasticsearch_stats, redis_info
from leftopen.trace.formats.elasticsearch_stats import _example as es
from leftopen.trace.formats.redis_info import _FOUR, _THREE
from leftopen.trace.formats.redis_info import _example as info

ALL = [elasticsearch_stats.FORMAT, redis_info.FORMAT]
TEXTS = [(f, e.text) for f in ALL for e in f.examples]


def said(found: list[Chunk]) -> list[Reason]:
    return [t.reason for c in found for t in c.troubles]


def test_redis_difference_is_the_ceiling_of_the_interval() -> None:
    found = read_all(redis_info.FORMAT, (info(_THREE, "5") + info(_FOUR, "1000022")).encode())
    assert rows(found)["bytes"].to_list() == [1000017]
    assert found[-1].claimed == ((1675825200, 1675828800),)
    assert said(found) == []


@pytest.mark.parametrize(("sent", "run"), [("4", "a" * 40), ("900", "b" * 40)])
def test_redis_after_a_restart_or_reset_is_unknown_never_negative(sent: str, run: str) -> None:
    text = info(_THREE, "5") + info(_FOUR, sent, run=run)
    found = read_all(redis_info.FORMAT, text.encode())
    assert rows(found)["bytes"].to_list() == [None]
    assert found[-1].claimed == ()
    assert said(found) == [Reason.NO_COUNT]


def test_redis_without_a_time_gives_no_figure() -> None:
    found = read_all(redis_info.FORMAT, (info("", "5") + info("", "9")).encode())
    assert rows(found).is_empty()
    assert said(found) == [Reason.NO_TIME, Reason.NOT_GIVEN]


def test_redis_7_says_its_own_time() -> None:
    def at(seconds: int, sent: str) -> str:
        return info("", sent).replace("tcp_port", f"server_time_usec:{seconds}000000\r\ntcp_port")

    found = read_all(redis_info.FORMAT, (at(1675825200, "5") + at(1675828800, "9")).encode())
    assert rows(found)["bytes"].to_list() == [4]


def test_redis_hostile_lines_between_good_ones() -> None:
    hostile_between(redis_info.FORMAT, info(_THREE, "5") + info(_FOUR, "9"))


def test_elasticsearch_client_counts_again_only_where_it_asked_again() -> None:
    text = es() + es(at=1675829565123) + es(at=1675833165123, request_count=71)
    made = rows(read_all(elasticsearch_stats.FORMAT, text.encode()))
    assert made["client"].drop_nulls().len() == 2
    assert made["bytes"].to_list() == [0, None, 0, 0, None]


def test_elasticsearch_restart_is_a_gap() -> None:
    text = es(opened=70) + es(opened=3, at=1675829565123)
    assert said(read_all(elasticsearch_stats.FORMAT, text.encode())) == [Reason.LOST]


@pytest.mark.parametrize(
    ("uri", "act"),
    [
        ("/mail/_search?q=1", Act.PART),
        ("/mail/_doc/1", Act.PART),
        ("/_cat/indices?v", Act.LISTED),
        ("/", Act.LOOKED),
        ("", Act.LOOKED),
    ],
)
def test_elasticsearch_last_request_tells_the_least_that_was_got(uri: str, act: Act) -> None:
    made = rows(read_all(elasticsearch_stats.FORMAT, es(last_uri=uri).encode()))
    assert made["act"].to_list()[1] == act


def test_elasticsearch_a_pretty_answer_and_bad_clients() -> None:
    pretty = json.dumps(json.loads(es()), indent=2).encode()
    assert rows(read_all(elasticsearch_stats.FORMAT, pretty)).height == 2
    assert rows(read_all(elasticsearch_stats.FORMAT, pretty + b"\n" + pretty)).height == 3
    found = read_all(elasticsearch_stats.FORMAT, es(remote_address="\x1b[2J").encode())
    assert (rows(found).height, said(found)) == (1, [Reason.UNPARSED])


def test_elasticsearch_hostile_lines_between_good_ones() -> None:
    hostile_between(elasticsearch_stats.FORMAT, es() + es(at=1675829565123))


def test_elasticsearch_impossible_times() -> None:
    assert rejected(read_all(elasticsearch_stats.FORMAT, es(at=-5).encode())) == 1
    assert rejected(read_all(elasticsearch_stats.FORMAT, es(at=10**18).encode())) == 1


@pytest.mark.parametrize("plugin", ALL)
@given(data=st.one_of(st.binary(max_size=200), *(mutated(text) for _, text in TEXTS)))
@settings(max_examples=60, deadline=None)
def test_fuzz_service_counters(plugin: LogFormat, data: bytes) -> None:
    assert 0 <= plugin.recognise(data, "x") <= 100
    read_all(plugin, data)
