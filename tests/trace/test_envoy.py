"""Envoy's default text: who the client is, frames, hostile lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.formats import envoy
from leftopen.trace.web import UNATTRIBUTED
from log_cases import counts_of, hostile, rows_of

LINE = envoy.DEFAULT.splitlines(keepends=True)[1]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("<b>, 2001:db8::7", "2001:db8::7"),
        ("203.0.113.9, unknown", UNATTRIBUTED),
        ("", UNATTRIBUTED),
    ],
)
def test_only_the_last_hop_was_written_by_a_proxy(forwarded: str, client: str) -> None:
    text = LINE.replace("192.0.2.1, 203.0.113.9", forwarded)
    assert rows_of(envoy.FORMAT, text)[0]["client"] == client


def test_syslog_frame_is_accepted() -> None:
    framed = "<14>1 2023-02-08T03:12:45Z h envoy 7 - - " + LINE
    assert rows_of(envoy.FORMAT, framed) == rows_of(envoy.FORMAT, LINE)
    assert envoy.recognise(framed.encode(), "") == 96


def test_counts_over_64_bits_are_unknown() -> None:
    assert rows_of(envoy.FORMAT, LINE.replace(" 9000 ", f" {'9' * 40} "))[0]["bytes"] is None


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(envoy.FORMAT, LINE.replace("2016", year)) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "/a.pst", "9000", "2016-04-15", "DC"):
        counts_of(envoy.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, envoy.ISTIO, "\n", "x\n", LINE[:90] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(envoy.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:90] + "\n") for p in parts)
