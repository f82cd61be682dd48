"""US Social Security number"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling, TextKind
from leftopen.contents.context import bounded, label, phrases
from leftopen.contents.ssn import ADVERTISED, possible
from leftopen.model.finding import Confidence, Severity, Tier

_LABELS = phrases(
    *("ssn", "ssns", "ssn#", "ssan", "ss#", "ss #", "ss no", "ss number", "social sec", "soc sec"),
    *("social security", "soc sec no", "social security number", "social security no"),
    *("applicant ssn", "s s n", "socialsecuritynumber", "ssnumber"),
)
_OTHERS = phrases("itin", "tin", "ein", "passport", "phone", "invoice", "order", "account", "zip")
_DASH = re.compile(r"\d{3} ?([-\u2010-\u2015\u2212]) ?\d{2} ?\1 ?\d{4}")


def _rule(hit: Hit) -> Ruling | None:
    digits = re.sub(r"\D", "", hit.value)
    if len(digits) != 9 and hit.text.kind is not TextKind.TABLE:
        return None
    if not bounded(hit):
        return None
    found = label(hit, _LABELS, veto=_OTHERS)
    if len(digits) < 9 and not (found and found.field):
        return None  # a spreadsheet drops leading zeros, but only a column of SSNs proves it
    digits = digits.zfill(9)
    if digits in ADVERTISED or (len(set(digits)) == 1 and not found):
        return None
    word = found.phrase if found else ""
    dashed = _DASH.fullmatch(hit.value) is not None
    if not possible(digits):
        return Ruling(Confidence.POSSIBLE, digits, word) if found and found.direct else None
    if found and (dashed or found.direct or len(hit.value) > 9):
        return Ruling(Confidence.CERTAIN, digits, word)
    if found or dashed:
        return Ruling(Confidence.LIKELY, digits, word)
    return None


DETECTOR = Detector(
    name="us_ssn",
    patterns=(
        r"\d{3} ?[-\x{2010}-\x{2015}\x{2212}] ?\d{2} ?[-\x{2010}-\x{2015}\x{2212}] ?\d{4}",
        r"\d{3}[ \x{a0}.]\d{2}[ \x{a0}.]\d{4}",
        r"\d{7,9}",
    ),
    rule=_rule,
    severity=Severity.HIGH,
    tier=Tier.IDENTITY_THEFT,
    examples=(
        ("SSN: 123-45-6789.", ("123456789",)),
        ("my social security number is 536 90 4399", ("536904399",)),
        ("SSN 536\u201190\u20114399 and SSAN 536\u00a090\u00a04398", ("536904399", "536904398")),
        ("Smith, John 212-44-9012 GS-12", ("212449012",)),
        ("Social Security Number\n212.44.9012", ("212449012",)),
        ("ssn=212449012", ("212449012",)),
        ("SSNs: 212-44-9012, 212-44-9013", ("212449012", "212449013")),
    ),
    counterexamples=(
        "SSN 078-05-1120, 219-09-9999 and 457-55-5462 are advertised numbers",
        "SSN: 666-12-3456",
        "part number 900-12-3456 and SN123-45-6789",
        "https://example.com/212-44-9012/index.html order 212449012",
        "call 1-212-44-90123 or 212-44-9012-1",
        "public 212449012",
    ),
    source="https://www.ssa.gov/employer/randomization.html",
    strong_key=True,
)
