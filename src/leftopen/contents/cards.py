"""Numbers on payment cards: who issues them, their checksum, and patterns that are none."""

from __future__ import annotations

from itertools import pairwise

_Ranges = tuple[tuple[str, str, tuple[int, ...]], ...]

# (first digits low, high, lengths): ISO/IEC 7812 ranges as the networks publish them.
COMMON: _Ranges = (
    *(("4", "4", (16, 19)), ("51", "55", (16,)), ("2221", "2720", (16,)), ("34", "34", (15,))),
    *(("37", "37", (15,)), ("6011", "6011", (16, 19)), ("644", "649", (16, 19))),
    *(("65", "65", (16, 19)), ("300", "305", (14,)), ("36", "36", (14,)), ("38", "39", (14,))),
    *(("3528", "3589", (16,)), ("62", "62", (16, 19))),
)
# Few or old cards: ranges so wide that only a label makes them evidence.
RARE: _Ranges = (
    *(("4", "4", (13,)), ("1800", "1800", (15,)), ("2131", "2131", (15,))),
    *(("50", "50", (12, 13, 14, 15, 16, 17, 18, 19)), ("56", "59", (12, 13, 14, 15, 16, 18, 19))),
    *(("6304", "6304", (12, 13, 14, 15, 16)), ("6759", "6763", (12, 13, 14, 15, 16, 18, 19))),
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: the doubled-digit checksum."""
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])) % 10 == 0


def issued(digits: str, ranges: _Ranges) -> bool:
    """Whether a network of these ranges issues numbers that begin so, in this length."""
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in ranges
    )


def patterned(digits: str) -> bool:
    """All digits equal, or a constant step from digit to digit or from group to group."""
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    groups = [int(digits[i : i + 4]) for i in range(0, len(digits) - 3, 4)]
    return len(steps) == 1 or len({b - a for a, b in pairwise(groups)}) == 1
