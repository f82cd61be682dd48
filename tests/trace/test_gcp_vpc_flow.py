"""Google Cloud VPC flow logs: text counts, two reporters, sampling, and what breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, lines, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import ReadOptions
from leftopen.trace.formats.gcp_vpc_flow import FORMAT, _entry_of, _example


def test_two_reporters_never_count_the_same_bytes_twice() -> None:
    inside = {"dest_ip": "10.0.0.9"}
    text = _example(**inside, reporter="SRC") + _example(**inside, reporter="DEST")
    assert rows(read_all(FORMAT, text.encode()))["bytes"].sum() == 2097152


@pytest.mark.parametrize(
    ("sent", "bytes_"), [("12", 12), (12, 12), (12.0, 12), (None, None), ("", None)]
)
def test_counts(sent: object, bytes_: int | None) -> None:
    made = rows(read_all(FORMAT, _example(bytes_sent=sent).encode()))
    assert made["bytes"].to_list() == [bytes_]


@pytest.mark.parametrize("sent", ["-1", "1e3", "9" * 30, "\x1b[2J"])
def test_counts_that_are_none_reject_the_record(sent: str) -> None:
    assert rejected(read_all(FORMAT, _example(bytes_sent=sent).encode())) == 1


def test_sampling_is_said_once_a_file() -> None:
    found = read_all(FORMAT, (_example() * 3).encode())
    assert [t.reason for c in found for t in c.troubles] == [Reason.NOT_SAMPLED]


def test_only_the_asked_port_keeps_its_clients() -> None:
    text = (_example() + _example(src_port=22)).encode()
    made = rows(read_all(FORMAT, text, ReadOptions(port=22)))
    assert made["client"].to_list() == [None, "203.0.113.9"]


def test_a_list_and_a_cut_list() -> None:
    data = json.dumps([_entry_of()] * 3).encode()
    assert rows(read_all(FORMAT, data)).height == 3
    found = read_all(FORMAT, data[:-50])
    assert (rows(found).height, rejected(found), lines(found)) == (2, 1, 3)
    pretty = json.dumps([_entry_of()] * 2, indent=2).encode()
    assert rows(read_all(FORMAT, pretty)).height == 2


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, _example() + _example())


@given(data=st.one_of(st.binary(max_size=200), mutated(_example() + _example())))
@settings(max_examples=80, deadline=None)
def test_fuzz_gcp_vpc_flow(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
