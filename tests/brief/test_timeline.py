"""The time line: true to the records, legible, and an SVG file when it stands alone."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from leftopen.brief.charts import text_width
from leftopen.brief.scale import LEFT, RIGHT
from leftopen.brief.timeline import timeline_svg
from leftopen.model.case import Case
from leftopen.model.time import Between, Bound, Interval
from leftopen.model.trace import Bytes


def _example() -> ModuleType:
    path = Path(__file__).with_name("example_investigation.py")
    spec = importlib.util.spec_from_file_location("example_investigation", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ex = _example()
SVG = "{http://www.w3.org/2000/svg}"
BIG = {"tl-name": 12.5, "tl-head": 12.5}


def drawn(case: Case) -> Any:
    return etree.fromstring(timeline_svg(case, standalone=True).encode())


def of_class(tree: Any, name: str) -> list[Any]:
    return [e for e in tree.iter() if name in (e.get("class") or "").split()]


def texts(tree: Any) -> list[str]:
    return [t.text for t in tree.iter(f"{SVG}text")]


def box(text: Any) -> tuple[float, float, float, float]:
    """Left, right, top, bottom of a text, by a width that errs to the wide side."""
    size = BIG.get(text.get("class"), 11.0)
    width, x, y = text_width(text.text, size), float(text.get("x")), float(text.get("y"))
    left = x - width / 2 if text.get("text-anchor") == "middle" else x
    return left, left + width, y - size * 0.75, y + size * 0.2


def overlapping(tree: Any) -> list[tuple[str, str]]:
    free = [t for t in tree.iter(f"{SVG}text") if t.get("class") != "tl-question"]
    found = []
    for a, b in combinations(free, 2):
        al, ar, at, ab = box(a)
        bl, br, bt, bb = box(b)
        if al < br and bl < ar and at < bb and bt < ab:
            found.append((a.text, b.text))
    return found


def x_of(moment: datetime, case: Case) -> float:
    """Where an instant has to stand: a margin of 3% on both sides of the window."""
    margin = (case.window.end - case.window.start) * 0.03
    start, end = case.window.start - margin, case.window.end + margin
    return float(LEFT + (moment - start) / (end - start) * (RIGHT - LEFT))


def with_window(start: datetime, length: timedelta) -> Case:
    window = Interval(start=start, end=start + length)
    case = ex.mail_case()
    exposure = msgspec.structs.replace(
        case.exposure,
        opened=Between(
            after=Bound(time=window.start, basis="a"),
            before=Bound(time=window.start + length / 3, basis="b"),
        ),
        closed=Between(
            after=Bound(time=window.start + length / 2, basis="c"),
            before=Bound(time=window.end, basis="d"),
        ),
    )
    return msgspec.structs.replace(case, window=window, exposure=exposure)


@pytest.mark.parametrize("case", [ex.mail_case(), ex.quiet_case()], ids=["mail", "quiet"])
def test_no_text_lies_on_another(case: Case) -> None:
    assert overlapping(drawn(case)) == []


@settings(max_examples=40, deadline=None)
@given(
    start=st.datetimes(datetime(1, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),
    length=st.one_of(
        st.timedeltas(timedelta(0), timedelta(days=3)),
        st.timedeltas(timedelta(0), timedelta(days=400)),
        st.timedeltas(timedelta(0), timedelta(days=364)),
        st.timedeltas(timedelta(0), timedelta(days=300_000)),
    ),
)
def test_any_window_is_legible(start: datetime, length: timedelta) -> None:
    length = min(length, datetime.max.replace(tzinfo=UTC) - start)
    tree = drawn(with_window(start, length))
    assert overlapping(tree) == []
    ticks = of_class(tree, "tl-tick")
    assert len(ticks) <= 40
    for shape in tree.iter(f"{SVG}rect"):
        assert float(shape.get("width")) >= 0


def test_axis_has_every_day_of_the_story_and_says_utc() -> None:
    tree = drawn(ex.mail_case())
    assert [t.text for t in of_class(tree, "tl-tick")] == [str(n) for n in range(4, 22)]
    assert "All times in UTC" in texts(tree)
    assert "Feb 2023" in texts(tree)


def test_exposure_is_solid_where_known_and_hatched_where_not() -> None:
    case = ex.mail_case()
    tree = drawn(case)
    solid = next(r for r in of_class(tree, "tl-open") if float(r.get("height")) == 22)
    first = case.exposure.opened.before
    last = case.exposure.closed.after
    assert float(solid.get("x")) == pytest.approx(x_of(first.time, case), abs=0.1)
    end = float(solid.get("x")) + float(solid.get("width"))
    assert end == pytest.approx(x_of(last.time, case), abs=0.2)
    hatched = [r for r in of_class(tree, "tl-edge") if float(r.get("height")) == 22]
    assert len(hatched) == 2
    assert all(r.get("fill").endswith("-maybe)") for r in hatched)
    assert "perhaps open" in texts(tree)


def test_unknown_ends_are_named() -> None:
    shown = texts(drawn(ex.quiet_case()))
    assert "start not known" in shown
    assert "end not known" in shown
    assert "seen open once" in shown


def test_time_without_any_log_is_shaded_through_all_lanes() -> None:
    case = ex.mail_case()
    tree = drawn(case)
    bands = [r for r in of_class(tree, "tl-band") if float(r.get("height")) > 20]
    assert len(bands) == 1
    hole = case.trace.coverage.holes[0]
    assert float(bands[0].get("x")) == pytest.approx(x_of(hole.start, case), abs=0.1)
    lowest = max(float(t.get("y")) for t in of_class(tree, "tl-name"))
    assert float(bands[0].get("y")) + float(bands[0].get("height")) > lowest
    assert "no log for 31 hours: 8 Feb 20:02 to 10 Feb 03:00" in texts(tree)


def test_without_any_log_everything_is_shaded() -> None:
    tree = drawn(ex.quiet_case())
    band = next(r for r in of_class(tree, "tl-band") if float(r.get("height")) > 20)
    assert float(band.get("width")) == RIGHT - LEFT
    assert "no log was handed over: nothing can be said" in texts(tree)
    assert not [r for r in of_class(tree, "tl-cover") if float(r.get("height")) == 13]


def test_holes_of_each_log_are_empty_and_labelled() -> None:
    tree = drawn(ex.mail_case())
    empty = [r for r in of_class(tree, "tl-empty") if float(r.get("height")) == 13]
    assert len(empty) == 3
    shown = texts(tree)
    assert "empty for 31 hours" in shown
    assert "empty for 7 hours" in shown
    assert "empty for 6 days" in shown


def test_area_of_a_circle_is_bytes() -> None:
    radius = {
        title.split(":")[0]: float(circle.get("r"))
        for circle in of_class(drawn(ex.mail_case()), "tl-took")
        if (title := circle.findtext(f"{SVG}title"))  # the legend has none
    }
    big, crawler = radius["203.0.113.77"], radius["192.0.2.44 Googlebot"]
    assert (crawler / big) ** 2 == pytest.approx(18_700_000 / 83_100_000, rel=0.02)


def test_unknown_bytes_are_a_question_mark_not_a_zero() -> None:
    tree = drawn(ex.mail_case())
    assert "?" in texts(tree)
    assert "192.0.2.18 Censys: bytes not known" in texts(tree)
    case = ex.mail_case()
    unknown = tuple(
        msgspec.structs.replace(v, bytes_out=Bytes(low=0, high=None)) for v in case.trace.visits
    )
    trace = msgspec.structs.replace(case.trace, visits=unknown, bins=())
    tree = drawn(msgspec.structs.replace(case, trace=trace))
    assert texts(tree).count("?") == len(unknown) + 1  # and one in the legend
    assert "2 clients, bytes not known" in texts(tree)


def test_own_people_stand_apart_from_outsiders() -> None:
    names = [t.text for t in of_class(drawn(ex.mail_case()), "tl-name")]
    order = ["Unknown", "Claims to be a crawler", "Scanner", "Researcher"]
    assert names[-6:] == [*order, "Own monitoring", "Owner"]
    assert len(of_class(drawn(ex.mail_case()), "tl-ours")) == 12


def test_what_an_outside_sensor_saw_is_marked() -> None:
    tree = drawn(ex.mail_case())
    assert "Shodan first saw it 8 Feb 04:12" in texts(tree)
    mark = of_class(tree, "tl-outside")[0]
    x = float(re.match(r"M([\d.]+)", mark.get("d")).group(1))  # type: ignore[union-attr]
    assert x == pytest.approx(x_of(ex.at(8, 4, 12), ex.mail_case()), abs=0.1)


def test_it_is_described_for_people_who_do_not_see_it() -> None:
    tree = drawn(ex.mail_case())
    assert tree.get("role") == "img"
    named = {e.get("id"): e for e in tree if e.tag in (f"{SVG}title", f"{SVG}desc")}
    assert set(tree.get("aria-labelledby").split()) == set(named)
    said = tree.findtext(f"{SVG}desc")
    assert "No log speaks from 8 Feb 2023, 20:02 UTC to 10 Feb 2023, 03:00 UTC (31 hours)" in said
    assert "Unknown 203.0.113.77: took data in bulk, 83.1 to 83.9 MB." in said


def test_inside_a_page_it_has_neither_style_nor_name_space() -> None:
    text = timeline_svg(ex.mail_case())
    assert "<style" not in text
    assert "http" not in text
    assert "style=" not in text
    assert timeline_svg(ex.mail_case()) == text


def test_crowds_are_cut() -> None:
    case = ex.mail_case()
    visits = tuple(
        msgspec.structs.replace(case.trace.visits[0], client=f"c{n}") for n in range(3_000)
    )
    sources = tuple(
        msgspec.structs.replace(s, path=f"{n}/{s.path}")
        for n in range(30)
        for s in case.trace.sources
    )
    trace = msgspec.structs.replace(case.trace, visits=visits, sources=sources)
    text = timeline_svg(msgspec.structs.replace(case, trace=trace))
    assert len(text) < 60_000
    assert "3,000 clients" in text
    assert "the 40 with most bytes are drawn" in text
    assert "and 52 logs more" in text


def test_rotations_of_one_log_are_one_lane() -> None:
    case = ex.mail_case()
    parts = tuple(
        msgspec.structs.replace(case.trace.sources[0], path=f"access.log.{n}", series="access.log")
        for n in range(5)
    )
    trace = msgspec.structs.replace(case.trace, sources=parts)
    text = timeline_svg(msgspec.structs.replace(case, trace=trace))
    assert "5 files" in text
    assert "access.log.3" not in text


def test_hostile_names_are_escaped_and_cut() -> None:
    case = ex.mail_case()
    client = "</text><script>x</script>\u202e" + "W" * 900
    visit = msgspec.structs.replace(case.trace.visits[0], client=client)
    source = msgspec.structs.replace(case.trace.sources[0], path="\x00" * 300, format="<b>")
    trace = msgspec.structs.replace(case.trace, visits=(visit,), sources=(source,))
    changed = msgspec.structs.replace(case, trace=trace, uid="\ud800", title="<a>")
    text = timeline_svg(changed, standalone=True)
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    tree = etree.fromstring(text.encode())
    assert overlapping(tree) == []
    assert max(box(t)[1] for t in tree.iter(f"{SVG}text")) < 1_110
