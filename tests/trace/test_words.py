"""Figures in words: a limit is never rounded to the wrong side."""

from __future__ import annotations

from leftopen.trace.words import amount, at_least, at_most, percent


def test_limits_are_rounded_outward() -> None:
    assert at_least(10_249_999) == "at least 10.24 MB"
    assert at_most(10_240_001) == "at most 10.25 MB"
    assert at_least(999) == "at least 999 bytes"
    assert amount(38_499_999_999) == "38.50 GB"


def test_a_share_is_rounded_down() -> None:
    assert percent(0.97799) == "97.7%"
    assert percent(0.99999) == "99.9%"
    assert percent(1.0) == "100.0%"
