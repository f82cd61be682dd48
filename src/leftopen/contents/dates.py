"""The written forms of a date, and the day that each means."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"

# For Hyperscan, caseless: all-digit forms, packed forms, forms with a month's name.
PATTERNS = (
    r"\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})",
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",
    r"(?:19|20)\d{6}|\d{4}(?:19|20)\d{2}",
    rf"\d{{1,2}}(?:st|nd|rd|th)?[-/. ]?(?:of )?{_NAME}[-/., ]{{0,2}}(?:\d{{4}}|\d{{2}})",
    rf"{_NAME}[-/ ]\d{{1,2}}(?:st|nd|rd|th)?[-/, ]{{1,2}}(?:\d{{4}}|\d{{2}})",
    rf"\d{{4}}[-/. ]?{_NAME}[-/. ]?\d{{1,2}}",
)
_PIVOT = 20  # two-digit years up to this are in this century


def parse(text: str) -> date | None:
    """The day that a written date means, or None where there is no such day.

    All-digit dates are read month first (the US order) unless that gives no day.
    """
    lower = text.lower()
    numbers = re.findall(r"\d+", lower)
    month = re.search("|".join(_MONTHS), lower)
    if month:
        named = _MONTHS.index(month.group()) + 1
        if len(numbers) != 2:
            return None
        first, second = numbers
        return _day(first, named, second) if len(first) == 4 else _day(second, named, first)
    if len(numbers) == 1 and len(numbers[0]) == 8:
        packed = numbers[0]
        return _day(packed[:4], int(packed[4:6]), packed[6:]) or _either(
            packed[:2], packed[2:4], packed[4:]
        )
    if len(numbers) != 3:
        return None
    if len(numbers[0]) == 4:
        return _day(numbers[0], int(numbers[1]), numbers[2])
    return _either(*numbers)


def _either(first: str, second: str, year: str) -> date | None:
    return _day(year, int(first), second) or _day(year, int(second), first)


def _day(year: str, month: int, day: str) -> date | None:
    full = int(year)
    if len(year) == 2:
        full += 2000 if full <= _PIVOT else 1900
    try:
        return date(full, month, int(day))
    except ValueError:
        return None
