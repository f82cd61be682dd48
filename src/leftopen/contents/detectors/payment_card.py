"""Payment card number"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.contents.cards import COMMON, RARE, issued, luhn, patterned
from leftopen.contents.context import bounded, label, phrases
from leftopen.model.finding import Confidence, Severity, Tier

_LABELS = phrases(
    *("card", "cards", "card number", "card no", "credit card", "debit card", "visa", "mastercard"),
    *("amex", "american express", "discover", "exp", "expires", "cvv", "cvc", "gtcc", "pan", "cc"),
    *("credit", "debit", "creditcard", "cardnumber", "cc#", "ccn", "cc number", "cc no"),
)
_GROUPED = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{3,7}|\d{4}([ -])\d{6}\2\d{4,5}")


def _rule(hit: Hit) -> Ruling | None:
    digits = re.sub(r"\D", "", hit.value)
    common = issued(digits, COMMON)
    if not (common or issued(digits, RARE)) or not luhn(digits) or not bounded(hit):
        return None
    found = label(hit, _LABELS)
    if patterned(digits) or not (common or found):
        return None
    if found:
        return Ruling(Confidence.CERTAIN, digits, found.phrase)
    grouped = _GROUPED.fullmatch(hit.value.replace("\u00a0", " ")) is not None
    return Ruling(Confidence.LIKELY if grouped else Confidence.POSSIBLE, digits)


DETECTOR = Detector(
    name="payment_card",
    patterns=(
        r"[2-6]\d{3}[ \x{a0}-]?\d{4}[ \x{a0}-]?\d{4}[ \x{a0}-]?\d{4}",
        r"[46]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3}",
        r"3[0-9]\d{2}[ \x{a0}-]?\d{6}[ \x{a0}-]?\d{4,5}",
        r"4\d{12}|(?:1800|2131)\d{11}|(?:5[06-9]|6[37])\d{10,17}",
    ),
    rule=_rule,
    severity=Severity.HIGH,
    tier=Tier.IDENTITY_THEFT,
    examples=(
        ("Visa 4012 8888 8888 1881 exp 04/26", ("4012888888881881",)),
        ("paid by 5105-1051-0510-5100 today", ("5105105105105100",)),
        ("Card number: 378282246310005", ("378282246310005",)),
        ("lost my card 180016070420458", ("180016070420458",)),
    ),
    counterexamples=(
        "Card: 4012 8888 8888 1882",
        "tracking 4012888888881881 left the depot",
        "<20020904.4012888888881881@example.com> card",
        "Card 4444 4444 4444 4444",
        "part 180016070420458",
    ),
    source="ISO/IEC 7812-1; issuer ranges as published by the networks",
    keep=4,
)
