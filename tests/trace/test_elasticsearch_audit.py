"""Elasticsearch audit: who read, never how much; hostile values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import elasticsearch_audit
from log_cases import counts_of, hostile, rows_of

FIRST, SECOND = elasticsearch_audit.EXAMPLE.splitlines(keepends=True)[:2]


@pytest.mark.parametrize(
    ("action", "act"),
    [
        ("indices:data/read/scroll", Act.PART),
        ("indices:data/write/bulk", Act.LOOKED),
        ("indices:admin/get", Act.LISTED),
        ("cluster:monitor/nodes/stats", Act.LISTED),
    ],
)
def test_actions(action: str, act: Act) -> None:
    found = rows_of(elasticsearch_audit.FORMAT, SECOND.replace("indices:data/read/search", action))
    assert {(r["act"], r["bytes"]) for r in found} == {(act, None)}


def test_an_address_that_is_none_keeps_the_read() -> None:
    (row,) = rows_of(elasticsearch_audit.FORMAT, FIRST.replace("203.0.113.9:50000", "<b>"))
    assert (row["client"], row["act"]) == ("unattributed", Act.PART)


def test_indices_of_one_event_are_bounded() -> None:
    event = {**json.loads(SECOND), "indices": ["i"] * 5000}
    found = rows_of(elasticsearch_audit.FORMAT, json.dumps(event))
    assert len(found) == elasticsearch_audit.INDICES_MAX + 1
    assert found[-1]["units"] == 5000 - elasticsearch_audit.INDICES_MAX  # counted, not named


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(elasticsearch_audit.FORMAT, FIRST.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    parts = "203.0.113.9", "/mail/_search", "2023-02-08", "authentication_success", "rest"
    for line in hostile(FIRST, *parts):
        counts_of(elasticsearch_audit.FORMAT, FIRST.encode() + line)
    counts_of(elasticsearch_audit.FORMAT, b'{"timestamp":' * 100_000)


VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=9), st.lists(st.text(max_size=3)))


@given(
    st.dictionaries(st.sampled_from(["origin.address", "indices", "action", "url.path"]), VALUES)
)
@settings(max_examples=60, deadline=None)
def test_fuzz_values(item: dict[str, object]) -> None:
    lines, _, _ = counts_of(elasticsearch_audit.FORMAT, json.dumps({**json.loads(FIRST), **item}))
    assert lines == 1
