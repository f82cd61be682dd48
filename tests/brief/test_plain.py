"""Amounts, times and words: limits that hold after rounding, and unknown that stays unknown."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.brief import plain
from leftopen.model.cause import Agreement, Truth
from leftopen.model.exposure import Access
from leftopen.model.finding import Confidence, Estimate, Tier
from leftopen.model.gap import Reason, Stage
from leftopen.model.trace import Behaviour, Bytes, PartyKind, VerdictWord

SCALE = {"PB": 10**15, "TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3}


def back(text: str) -> float:
    """The number of bytes that a printed size stands for."""
    number, unit = text.split()
    return float(number.replace(",", "")) * SCALE.get(unit, 1)


@pytest.mark.parametrize(
    ("words", "enum"),
    [
        (plain.ACCESS, Access),
        (plain.AGREEMENTS, Agreement),
        (plain.BEHAVIOURS, Behaviour),
        (plain.CLIENT_VERDICTS, VerdictWord),
        (plain.CONFIDENCES, Confidence),
        (plain.PARTIES, PartyKind),
        (plain.REASONS, Reason),
        (plain.STAGES, Stage),
        (plain.TIERS, Tier),
        (plain.TRUTHS, Truth),
        (plain.VERDICTS, VerdictWord),
    ],
)
def test_every_word_of_the_model_has_words_for_people(words: dict[object, str], enum: type) -> None:
    assert set(words) == set(enum)  # type: ignore[call-overload]
    assert all(words.values())


@given(st.integers(min_value=0, max_value=10**18))
def test_printed_limits_hold(value: int) -> None:
    assert back(plain.size(value)) <= value * (1 + 1e-9)
    assert back(plain.size(value, up=True)) >= value * (1 - 1e-9)


def test_amounts_never_turn_unknown_into_nothing() -> None:
    assert plain.amount(Bytes(low=0)) == "not known"
    assert plain.amount(Bytes(low=0, high=0)) == "0 bytes"
    assert plain.amount(Bytes(low=83_100_000)) == "at least 83.1 MB"
    assert plain.amount(Bytes(low=83_100_000, high=83_900_000)) == "83.1 to 83.9 MB"
    assert plain.amount(Bytes(low=900_000, high=1_100_000)) == "900 kB to 1.1 MB"
    assert plain.size(None) == plain.count(None) == plain.day(None) == plain.clock(None)


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=9_000)))
def test_spans_round_to_the_safe_side(length: timedelta) -> None:
    units = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}

    def seconds(text: str) -> float:
        number, unit = text.split()
        return int(number.replace(",", "")) * units[unit.removesuffix("s")]

    assert seconds(plain.span(length, "down")) <= length.total_seconds()
    assert seconds(plain.span(length, "up")) >= length.total_seconds()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (
            timedelta(days=12, hours=10),
            timedelta(days=16, hours=22),
            "at least 12 and at most 17 days",
        ),
        (timedelta(hours=5), timedelta(days=6), "at least 5 hours and at most 6 days"),
        (timedelta(days=4), timedelta(days=4), "about 4 days"),
    ],
)
def test_between(low: timedelta, high: timedelta, said: str) -> None:
    assert plain.between(low, high) == said


def test_all_of_it_is_only_said_of_all() -> None:
    assert plain.share(1.0) == "100%"
    assert plain.share(0.99999) == "99.9%"
    assert plain.share(0.0) == "0.0%"
    assert plain.share(math.nan) == "not known"


def test_times_are_said_in_utc() -> None:
    there = datetime(2023, 2, 8, 6, 12, tzinfo=timezone(timedelta(hours=2)))
    assert plain.clock(there) == "8 Feb 2023, 04:12 UTC"
    assert plain.minute(there) == "8 Feb 2023 04:12"
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert plain.utc(first).tzinfo is UTC


def test_estimates_carry_their_interval() -> None:
    wide = Estimate(value=205.4, low=151.9, high=270.2, population=2_000, sampled=400)
    assert plain.estimate(wide) == "about 205 of 2,000 (95%: 151 to 271)"
    assert plain.people(wide) == "about 205 people (95%: 151 to 271)"
    exact = Estimate(value=1, low=1, high=1, population=9, sampled=9, exact=True)
    assert plain.estimate(exact) == "1 of 9 (all read)"
    assert plain.people(exact) == "1 person"
    broken = Estimate(value=math.inf, low=0, high=math.nan, population=1, sampled=0)
    assert plain.estimate(broken) == plain.people(broken) == plain.estimate(None) == "not known"


def test_silence_and_service() -> None:
    assert plain.silence(2_220) == "over 37 minutes"
    assert plain.silence(None) == plain.silence(math.inf) == "not known"
    assert plain.service("redis", "Redis", "7.0") == "redis 7.0"
    assert plain.service("http", "nginx", "1.22.1") == "http, nginx 1.22.1"
    assert plain.service("", "") == "protocol not known"


@given(st.text(st.characters(), max_size=900))
def test_shown_text_has_no_controls_and_stays_short(text: str) -> None:
    said = plain.shown(text)
    assert said.isprintable()
    assert len(said) <= plain.LONGEST * 6
    said.encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    ("word", "count", "said"),
    [
        ("messages", 1, "message"),
        ("entries", 1, "entry"),
        ("rows", 2, "rows"),
        ("keys", None, "keys"),
    ],
)
def test_one_of_a_unit_is_in_the_singular(word: str, count: int | None, said: str) -> None:
    assert plain.unit(word, count) == said
