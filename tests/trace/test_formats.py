"""One conformance test for every log format: its own examples and counterexamples."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import SCHEMA, Chunk, Example, LogFormat, ReadOptions
from leftopen.trace.formats import azure_nsg_flow, dovecot
from leftopen.trace.read import recognise
from leftopen.trace.registry import formats, title_of

FORMATS = formats()
EXAMPLES = [(f, e) for f in FORMATS for e in f.examples]
COUNTER = [(f, text) for f in FORMATS for text in f.counterexamples]


def names(value: object) -> str:
    return value.name if isinstance(value, LogFormat) else ""


def chunks(plugin: LogFormat, blocks: list[bytes], options: ReadOptions) -> list[Chunk]:
    return list(plugin.read(iter(blocks), options))


def rows(found: list[Chunk]) -> pl.DataFrame:
    return pl.concat([c.rows for c in found]) if found else pl.DataFrame(schema=SCHEMA)


def test_five_formats_with_titles() -> None:
    found = {f.name for f in FORMATS}
    assert found >= {"azure_nsg_flow", "clf", "dovecot", "vsftpd", "xferlog"}
    for plugin in FORMATS:
        assert plugin.read.__module__.rsplit(".", 1)[1] == plugin.name
        assert len(title_of(plugin)) > 10
        assert plugin.kind in ("app", "session", "flow", "audit", "metric", "counter")
        assert plugin.examples
        assert plugin.counterexamples


@pytest.mark.parametrize(("plugin", "example"), EXAMPLES, ids=names)
def test_example(plugin: LogFormat, example: Example) -> None:
    found = chunks(plugin, [example.text.encode()], example.options)
    made = rows(found)
    assert dict(made.schema) == SCHEMA
    assert made.height == len(example.rows)
    for row, wanted in zip(made.to_dicts(), example.rows, strict=True):
        assert {key: row[key] for key in wanted} == dict(wanted)
    assert not any(c.rejected for c in found)


@pytest.mark.parametrize(("plugin", "example"), EXAMPLES, ids=names)
def test_example_is_recognised(plugin: LogFormat, example: Example) -> None:
    best, others = recognise(example.text.encode(), "log")
    assert best is not None
    assert (best.name, others) == (plugin.name, ())


@pytest.mark.parametrize(("plugin", "example"), EXAMPLES, ids=names)
def test_blocks_may_be_cut_anywhere(plugin: LogFormat, example: Example) -> None:
    data = example.text.encode()
    whole = rows(chunks(plugin, [data], example.options))
    for step in (1, 7, 100):
        parts = [data[i : i + step] for i in range(0, len(data), step)]
        assert rows(chunks(plugin, parts, example.options)).equals(whole)


@pytest.mark.parametrize(("plugin", "text"), COUNTER, ids=names)
def test_counterexample_says_nothing_of_a_client(plugin: LogFormat, text: str) -> None:
    found = chunks(plugin, [text.encode()], ReadOptions(year=2023))
    assert rows(found)["client"].drop_nulls().is_empty()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An example with a stretch replaced by other bytes."""
    data = draw(st.sampled_from([example.text.encode() for _, example in EXAMPLES]))
    start, end = draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))
    return data[:start] + draw(st.binary(max_size=9)) + data[end:]


HOSTILE = st.one_of(st.binary(max_size=300), mutated())


@pytest.mark.parametrize("plugin", FORMATS, ids=names)
@given(data=HOSTILE)
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_counted_and_never_raise(plugin: LogFormat, data: bytes) -> None:
    assert 0 <= plugin.recognise(data, "x") <= 100
    found = chunks(plugin, [data], ReadOptions(mtime=1.7e9))
    for chunk in found:
        assert chunk.rejected + chunk.blank <= chunk.lines
        assert dict(chunk.rows.schema) == SCHEMA
    made = rows(found)
    assert made["time"].null_count() == 0
    assert made["line"].null_count() == 0
    assert all(sent is None or sent >= 0 for sent in made["bytes"].to_list())
    if plugin.unit == "line" and data:
        assert sum(c.lines for c in found) == data.count(b"\n") + (not data.endswith(b"\n"))


def test_dovecot_open_sessions_are_bounded() -> None:
    made = 2 * dovecot.OPEN_SESSIONS
    line = "Feb 08 03:12:45 imap-login: Info: Login: user=<a>, rip=203.0.113.9, session=<{}>\n"
    text = "".join(line.format(n) for n in range(made))
    found = rows(chunks(dovecot.FORMAT, [text.encode()], ReadOptions(year=2023)))
    assert found["bytes"].null_count() == made  # each session once, as not counted


def test_year_is_inferred_and_turns() -> None:
    lines = ["Dec 31 23:59:00", "Jan 01 00:01:00", "Dec 31 23:59:59", "Jan 01 00:02:00"]
    text = "".join(f"{stamp} master: Info: x\n" for stamp in lines)
    found = chunks(dovecot.FORMAT, [text.encode()], ReadOptions(mtime=1675814400))
    times = rows(found)["time"].to_list()
    assert times[0] == 1672531140
    assert [b - a for a, b in pairwise(times)] == [120, -61, 121]
    assert "2022" in found[0].clock


def test_blank_counters_are_unknown_and_begin_has_none(flow_tuple: Callable[..., str]) -> None:
    tuples = [
        flow_tuple(0, sent=None, state="B"),
        flow_tuple(60, sent=500, state="C"),
        flow_tuple(120, sent=700, state="E"),
        flow_tuple(180, sent=None, state="E"),
    ]
    record = {"properties": {"flows": [{"flows": [{"flowTuples": tuples}]}]}}
    data = json.dumps({"records": [record, {"properties": 1}]}).encode()
    found = chunks(azure_nsg_flow.FORMAT, [data], ReadOptions())
    assert rows(found)["bytes"].to_list() == [0, 500, 700, None]
    assert sum(c.lines for c in found) == 5
    assert sum(c.rejected for c in found) == 1


def test_cut_flow_document_gives_its_whole_records(flow_tuple: Callable[..., str]) -> None:
    one = {"properties": {"flows": [{"flows": [{"flowTuples": [flow_tuple(1, sent=5)]}]}]}}
    data = json.dumps({"records": [one, one, one]}).encode()
    found = chunks(azure_nsg_flow.FORMAT, [data[:-40]], ReadOptions())
    assert rows(found)["bytes"].to_list() == [5, 5]
    assert sum(c.rejected for c in found) == 1
    lines = json.dumps(one).encode() + b"\n" + json.dumps(one).encode() + b"\n"
    assert rows(chunks(azure_nsg_flow.FORMAT, [lines], ReadOptions())).height == 2
    deep = b'{"records":[' + b"[" * 200_000
    assert sum(c.rejected for c in chunks(azure_nsg_flow.FORMAT, [deep], ReadOptions())) == 1
