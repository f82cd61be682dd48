"""Payment card number"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.contents.context import bounded, label, phrases
from leftopen.model.finding import Confidence, Severity, Tier

_LABELS = phrases(
    *("card", "cards", "card number", "card no", "credit card", "debit card", "visa", "mastercard"),
    *("amex", "american express", "discover", "exp", "expires", "cvv", "cvc", "gtcc", "travel card"),
    *("credit", "debit", "creditcard", "cardnumber", "pan", "cc#", "ccn", "cc number", "cc no"),
)
_GROUPED = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{3,7}|\d{4}([ -])\d{6}\2\d{4,5}")
# (first digits low, high, lengths): ISO/IEC 7812 ranges as the networks publish them.
_ISSUERS = (
    *(("4", "4", (16, 19)), ("51", "55", (16,)), ("2221", "2720", (16,)), ("34", "34", (15,))),
    *(("37", "37", (15,)), ("6011", "6011", (16, 19)), ("644", "649", (16, 19))),
    *(("65", "65", (16, 19)), ("300", "305", (14,)), ("36", "36", (14,)), ("38", "39", (14,))),
    *(("3528", "3589", (16,)), ("62", "62", (16, 19))),
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: the doubled-digit checksum."""
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])) % 10 == 0


def _issued(digits: str) -> bool:
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in _ISSUERS
    )


def _patterned(digits: str) -> bool:
    """All digits equal, or a constant step from digit to digit or from group to group."""
    steps = {(int(b) - int(a)) % 10 for a, b in zip(digits, digits[1:], strict=False)}
    groups = [int(digits[i : i + 4]) for i in range(0, len(digits) - 3, 4)]
    return len(steps) == 1 or len({b - a for a, b in zip(groups, groups[1:], strict=False)}) == 1


def _rule(hit: Hit) -> Ruling | None:
    digits = re.sub(r"\D", "", hit.value)
    if not (_issued(digits) and luhn(digits) and bounded(hit)) or _patterned(digits):
        return None
    found = label(hit, _LABELS)
    grouped = _GROUPED.fullmatch(hit.value.replace("\u00a0", " ")) is not None
    if found:
        return Ruling(Confidence.CERTAIN, digits, found.phrase)
    return Ruling(Confidence.LIKELY if grouped else Confidence.POSSIBLE, digits)


DETECTOR = Detector(
    name="payment_card",
    patterns=(
        r"[2-6]\d{3}[ \x{a0}-]?\d{4}[ \x{a0}-]?\d{4}[ \x{a0}-]?\d{4}",
        r"[46]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3}",
        r"3[0-9]\d{2}[ \x{a0}-]?\d{6}[ \x{a0}-]?\d{4,5}",
    ),
    rule=_rule,
    severity=Severity.HIGH,
    tier=Tier.IDENTITY_THEFT,
    examples=(
        ("Visa 4012 8888 8888 1881 exp 04/26", ("4012888888881881",)),
        ("paid by 5105-1051-0510-5100 today", ("5105105105105100",)),
        ("Card number: 378282246310005", ("378282246310005",)),
    ),
    counterexamples=(
        "Card: 4012 8888 8888 1882",
        "tracking 4012888888881881 left the depot",
        "<20020904.4012888888881881@example.com> card",
        "Card 4444 4444 4444 4444",
    ),
    source="ISO/IEC 7812-1; issuer ranges as published by the networks",
    keep=4,
)
