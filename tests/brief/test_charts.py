"""Small pictures: labels never overlap, uncertain parts are hatched, everything is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from leftopen.brief.charts import (
    Label,
    coverage_svg,
    fit,
    people_svg,
    severity_shape,
    stack,
    tag,
    text_width,
)
from leftopen.model.finding import People, Severity
from leftopen.model.time import Interval
from leftopen.model.trace import Coverage

FAR = 1_000.0


@given(st.lists(st.tuples(st.floats(0, FAR), st.text(max_size=30)), max_size=30), st.integers(1, 4))
def test_placed_labels_never_overlap(wanted: list[tuple[float, str]], rows: int) -> None:
    placed = stack([Label(x, text) for x, text in wanted], 0, FAR, 11, rows)
    for one, other in combinations(placed, 2):
        if one.row == other.row:
            first, second = sorted((one, other), key=lambda p: p.left)
            assert first.left + text_width(first.label.text, 11) < second.left
    assert all(0 <= p.row < rows for p in placed)
    assert not wanted or placed


@given(st.text(max_size=200), st.floats(20, 300))
def test_fitted_text_fits(text: str, width: float) -> None:
    assert text_width(fit(text, width, 11), 11) <= width


def test_tags_escape_text_and_attributes() -> None:
    made = tag("text", "<b>&", class_='"><x', x=1.25)
    assert made == '<text class="&#34;&gt;&lt;x" x="1.2">&lt;b&gt;&amp;</text>'


def test_people_are_solid_to_the_lower_limit_and_hatched_to_the_upper() -> None:
    people = People(lower=180, best=214, upper=263, by_tier={"identity_theft": 148, "<x>": 3})
    tree = etree.fromstring(people_svg(people, "p1"))
    bars = tree.findall("rect")
    assert abs(float(bars[0].get("width")) / 180 - float(bars[1].get("width")) / 83) < 0.01
    assert bars[1].get("fill") == "url(#p1-h)"
    texts = [t.text for t in tree.findall("text")]
    assert texts == ["All tiers", "180 / 214 / 263", "Identity theft possible", "148", "<x>", "3"]


def test_nobody_affected_draws_without_dividing_by_zero() -> None:
    tree = etree.fromstring(people_svg(People(lower=0, best=0, upper=0), "p"))
    assert [t.text for t in tree.findall("text")] == ["All tiers", "0 / 0 / 0"]


def test_coverage_is_three_shares() -> None:
    window = Interval(start=datetime(2023, 2, 3, tzinfo=UTC), end=datetime(2023, 2, 20, tzinfo=UTC))
    tree = etree.fromstring(coverage_svg(Coverage(window=window, any=0.9999, app=0.5, bytes=0.0)))
    assert [t.text for t in tree.findall("text")][1::2] == ["99.9%", "50.0%", "0.0%"]


def test_each_severity_has_a_shape_of_its_own() -> None:
    assert len({severity_shape(level) for level in Severity}) == 4
