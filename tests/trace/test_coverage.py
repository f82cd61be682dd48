"""The silence test, holes, hourly files, rotations: which time a log can speak for."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.time import Interval
from leftopen.trace.coverage import Rate, combine, log_coverage, silences
from leftopen.trace.digest import Slot, SourceDigest

T0 = 1675814400
HOUR, DAY = 3600, 86400


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def slots_of(times: list[float]) -> list[Slot]:
    found: dict[int, Slot] = {}
    for time in times:
        second = T0 + int(time)
        one = Slot(at=second // 300 * 300, events=1, first=second, last=second)
        found[one.at] = found[one.at] + one if one.at in found else one
    return [found[key] for key in sorted(found)]


def test_planted_hole_is_found_exactly() -> None:
    times = [t for t in range(0, 7 * DAY, 144) if not 3 * DAY < t < 3 * DAY + 4 * HOUR]
    found = silences(slots_of([float(t) for t in times]))
    assert len(found) == 1
    start, end = found[0]
    assert abs(start - (T0 + 3 * DAY)) <= 144
    assert abs(end - (T0 + 3 * DAY + 4 * HOUR)) <= 144


def test_the_same_hole_in_a_quiet_log_is_not_found_and_said() -> None:
    times = [t for t in range(0, 7 * DAY, HOUR) if not 3 * DAY < t < 3 * DAY + 4 * HOUR]
    slots = slots_of([float(t) for t in times])
    assert silences(slots) == ()
    silence = Rate(slots).silence()
    assert silence is not None
    assert silence > 4 * HOUR


def test_nights_are_not_holes() -> None:
    busy = [t for t in range(0, 14 * DAY, 60) if 8 * HOUR <= t % DAY < 18 * HOUR]
    slots = slots_of([float(t) for t in busy])
    assert silences(slots) == ()
    noon = [t for t in busy if not 5 * DAY + 10 * HOUR < t < 5 * DAY + 13 * HOUR]
    assert len(silences(slots_of([float(t) for t in noon]))) == 1


def test_detectable_silence_is_the_published_figure() -> None:
    # research/trace.md 3.4: about 15.6 events, 37 minutes at 25 thinned events an hour
    rate = Rate(slots_of([n * 144.0 for n in range(6000)]))
    silence = rate.silence()
    assert silence is not None
    assert silence == pytest.approx(math.log(6000 / 0.001) / 25 * HOUR, rel=0.05)
    assert Rate(slots_of([5.0])).silence() is None


@given(st.lists(st.integers(0, 40 * DAY), min_size=1, max_size=80))
def test_rate_is_additive_and_never_negative(times: list[int]) -> None:
    rate = Rate(slots_of([float(t) for t in times]))
    a, b, c = T0 - 5000.0, T0 + 12345.6, T0 + 9 * DAY + 1.0
    assert rate.expected(a, b) >= -1e-9
    whole = rate.expected(a, c)
    assert whole == pytest.approx(rate.expected(a, b) + rate.expected(b, c), abs=1e-4)


def test_log_with_hole_covers_the_rest(
    tmp_path: Path,
    read: Callable[..., tuple[list[SourceDigest], list[object]]],
    quiet_visitors: Callable[..., list[str]],
) -> None:
    path = tmp_path / "access.log"
    path.write_text("".join(quiet_visitors(0, DAY) + quiet_visitors(DAY + 6 * HOUR, 4 * DAY)))
    digests, _ = read(path)
    made = log_coverage(digests)
    assert [(h.start, h.end) for h in made.holes] == [(at(DAY), at(DAY + 6 * HOUR))]
    assert [c.start for c in made.covers] == [at(0), at(DAY + 6 * HOUR)]
    assert made.clock_trusted


def test_missing_rotation_is_a_hole_however_quiet(
    tmp_path: Path,
    read: Callable[..., tuple[list[SourceDigest], list[object]]],
    request_line: Callable[..., str],
) -> None:
    for number, start in ((3, 0), (1, 2000), (0, 3000)):
        name = f"access.log.{number}" if number else "access.log"
        (tmp_path / name).write_text(request_line(start) + request_line(start + 900))
    digests, _ = read(tmp_path)
    for order in (digests, digests[::-1]):
        made = log_coverage(order)
        assert [(h.start, h.end) for h in made.holes] == [(at(900), at(2000))]


def test_missing_hourly_file_is_a_hole(
    read: Callable[..., tuple[list[SourceDigest], list[object]]],
    flow_tuple: Callable[..., str],
    flow_file: Callable[..., str],
) -> None:
    paths = [flow_file(h, [flow_tuple(h * HOUR + 60)]) for h in (0, 1, 3)]
    digests, _ = read(*paths)
    made = log_coverage(digests)
    assert [(c.start, c.end) for c in made.covers] == [
        (at(0), at(2 * HOUR)),
        (at(3 * HOUR), at(4 * HOUR)),
    ]
    assert [(h.start, h.end) for h in made.holes] == [(at(2 * HOUR), at(3 * HOUR))]
    assert made.silence == HOUR


def test_cut_file_leaves_a_hole_to_the_next(
    tmp_path: Path,
    read: Callable[..., tuple[list[SourceDigest], list[object]]],
    request_line: Callable[..., str],
) -> None:
    import gzip

    text = "".join(request_line(n, path=f"/{n * 7919 % 1009}") for n in range(2000))
    packed = gzip.compress(text.encode())
    (tmp_path / "access.log.1.gz").write_bytes(packed[:-2000])
    (tmp_path / "access.log").write_text(request_line(2000) + request_line(3000))
    digests, _ = read(tmp_path)
    (hole,) = log_coverage(digests).holes
    assert at(100) < hole.start < hole.end == at(2000)


def test_disorder_is_distrusted(
    tmp_path: Path,
    read: Callable[..., tuple[list[SourceDigest], list[object]]],
    request_line: Callable[..., str],
) -> None:
    path = tmp_path / "access.log"
    path.write_text("".join(request_line(n * 7919 % 100_000) for n in range(400)))
    digests, _ = read(path)
    assert not log_coverage(digests).clock_trusted


def test_three_shares() -> None:
    window = Interval(start=at(0), end=at(100))
    one = Interval(start=at(-50), end=at(50))
    two = Interval(start=at(40), end=at(80))
    made = combine(window, [one, two], [two], [])
    assert (made.any, made.app, made.bytes) == (0.8, 0.4, 0.0)
    assert made.holes == (Interval(start=at(80), end=at(100)),)
    assert made.holes[0].duration == timedelta(seconds=20)
