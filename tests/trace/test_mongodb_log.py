"""MongoDB's log: connections are unknown bytes, slow queries are some of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import mongodb_log
from log_cases import counts_of, hostile, rows_of

ACCEPTED, _, SLOW = mongodb_log.EXAMPLE.splitlines(keepends=True)[:3]


@pytest.mark.parametrize("size", ["-1", '"9"', "null", "true", "[]", "9" * 40, "1e400"])
def test_a_size_that_is_none_is_unknown(size: str) -> None:
    found = rows_of(mongodb_log.FORMAT, ACCEPTED + SLOW.replace("90000", size))
    assert found[0]["bytes"] is None
    assert [r["bytes"] for r in found[1:]] in ([None], [])  # [] where it is no JSON


def test_a_failed_or_empty_read_gave_nothing() -> None:
    (row,) = rows_of(mongodb_log.FORMAT, SLOW.replace('"reslen"', '"errCode":13,"reslen"'))
    assert row["act"] == Act.TOUCHED
    (row,) = rows_of(mongodb_log.FORMAT, SLOW.replace('"nreturned":101', '"nreturned":0'))
    assert row["act"] == Act.LOOKED


def test_connections_are_bounded() -> None:
    made = mongodb_log.OPEN_CONNECTIONS + 1
    lines = (ACCEPTED.replace('Id":7', f'Id":{n}') for n in range(7, 7 + made))
    assert rows_of(mongodb_log.FORMAT, "".join(lines) + SLOW)[-1]["client"] == "unattributed"


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(mongodb_log.FORMAT, SLOW.replace("2023", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(ACCEPTED, "203.0.113.9", "22943", "2023-02-08", "listener", '"x"'):
        counts_of(mongodb_log.FORMAT, ACCEPTED.encode() + line)
    counts_of(mongodb_log.FORMAT, b'{"t":' * 100_000)


JSON = st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5)


@given(
    st.sampled_from([22943, 51800, 51803, 20250]),
    st.dictionaries(
        st.sampled_from(["remote", "client", "connectionId", "doc", "command", "ns", "reslen"]),
        JSON,
    ),
)
@settings(max_examples=60, deadline=None)
def test_fuzz_attributes(number: int, attr: dict[str, object]) -> None:
    item = {"t": {"$date": "2023-02-08T03:12:45Z"}, "id": number, "ctx": "conn7", "attr": attr}
    lines, _, _ = counts_of(mongodb_log.FORMAT, json.dumps(item))
    assert lines == 1
