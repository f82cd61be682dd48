"""Intervals: union, difference and share of a window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.time import Interval, now, share, subtract, union

ZERO = datetime(2023, 2, 1, tzinfo=UTC)
hours = st.integers(0, 48)
stretches = st.lists(st.tuples(hours, hours).map(lambda t: between(min(t), max(t))), max_size=8)


def between(start: int, end: int) -> Interval:
    return Interval(start=ZERO + timedelta(hours=start), end=ZERO + timedelta(hours=end))


def test_union_merges_what_touches() -> None:
    assert union([between(3, 5), between(0, 3), between(7, 8)]) == (between(0, 5), between(7, 8))


def test_subtract_leaves_the_holes() -> None:
    assert subtract(between(0, 10), [between(2, 3), between(9, 12)]) == (
        between(0, 2),
        between(3, 9),
    )


@given(stretches)
def test_fuzz_parts_and_holes_make_the_whole(parts: list[Interval]) -> None:
    whole = between(6, 40)
    holes = subtract(whole, parts)
    assert share(whole, parts) + share(whole, holes) == pytest.approx(1.0)
    assert all(p.intersect(h) is None for p in parts for h in holes)


def test_source_date_epoch_pins_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1676916000")
    assert now() == datetime(2023, 2, 20, 18, tzinfo=UTC)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert now() > datetime(2026, 1, 1, tzinfo=UTC)
