"""US passport number"""

from __future__ import annotations

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.contents.context import bounded, label, phrases
from leftopen.model.finding import Confidence, Severity, Tier

_LABELS = phrases(
    *("passport", "passport number", "passport no", "passport#", "passport book", "book number"),
    *("passportnumber", "passport book number", "us passport", "travel document"),
)
_OTHERS = phrases("ssn", "social security", "phone", "edipi", "dod id", "order", "account", "dob")


def _rule(hit: Hit) -> Ruling | None:
    if not bounded(hit) or len(set(hit.value)) < 3:
        return None
    found = label(hit, _LABELS, reach=1, veto=_OTHERS)
    if found is None:
        return None
    sure = Confidence.CERTAIN if found.direct else Confidence.LIKELY
    return Ruling(sure, hit.value.upper(), found.phrase)


DETECTOR = Detector(
    name="us_passport",
    patterns=(r"[0-9]{9}", r"[A-Za-z][0-9]{8}"),
    rule=_rule,
    severity=Severity.HIGH,
    tier=Tier.IDENTITY_THEFT,
    examples=(
        ("Passport No: 512345678", ("512345678",)),
        ("US passport book number c23456789", ("C23456789",)),
    ),
    counterexamples=(
        "order 512345678",
        "her passport photo is DSC12345678.jpg",
        "passport office, SSN 512345678a",
    ),
    source="https://travel.state.gov: nine digits, or a letter and eight digits (Next Generation)",
    strong_key=True,
)
