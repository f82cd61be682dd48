"""DoD ID number (EDIPI)"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.contents.context import bounded, label, phrases
from leftopen.model.finding import Confidence, Severity, Tier

# Ten digits without a published check digit: nothing but the label can prove one.
_LABELS = phrases(
    *("edipi", "dod id", "dod ids", "dodid", "dod id#", "dod id number", "dod identification"),
    *("dod id no", "cac id", "cac number", "cac no", "cac", "electronic data interchange"),
    *("edi pi", "dod edi pi", "dod number", "dod idnumber", "dodidnumber"),
)
_OTHERS = phrases(
    *("phone", "tel", "telephone", "fax", "cell", "mobile", "dsn", "comm", "commercial", "call"),
    *("ssn", "invoice", "order", "ticket", "work order", "case", "nsn", "reader", "serial"),
)
_UPN = re.compile(r"\d{10}(?:\d{6})?@mil", re.IGNORECASE)


def _rule(hit: Hit) -> Ruling | None:
    if _UPN.fullmatch(hit.value):
        free = not hit.before[-1:].isalnum() and not re.match(r"[\w.-]\w", hit.after)
        return Ruling(Confidence.CERTAIN, hit.value[:10], "@mil") if free else None
    if not bounded(hit):
        return None
    digits = hit.value[-10:]
    if "." in hit.value:
        return Ruling(Confidence.CERTAIN, digits, "certificate name")
    found = label(hit, _LABELS, reach=3, veto=_OTHERS)
    if found is None or len(set(digits)) == 1:
        return None
    return Ruling(Confidence.CERTAIN if found.direct else Confidence.LIKELY, digits, found.phrase)


DETECTOR = Detector(
    name="us_dod_id",
    patterns=(
        r"\d{10}",
        r"[A-Z][A-Z'-]+\.[A-Z][A-Z'-]*\.(?:[A-Z][A-Z'-]*\.)?(?:(?:JR|SR|II|III|IV)\.)?\d{10}",
        r"\d{10}(?:\d{6})?@[Mm][Ii][Ll]",
    ),
    rule=_rule,
    severity=Severity.LOW,
    tier=Tier.CONTACT,
    examples=(
        ("EDIPI: 1234567890", ("1234567890",)),
        ("her DoD ID number is 1098765432", ("1098765432",)),
        ("CN=DOE.JANE.Q.1098765432,OU=USA", ("1098765432",)),
        ("UPN 1098765432@mil", ("1098765432",)),
        ("1098765432 (DoD ID)", ("1098765432",)),
    ),
    counterexamples=(
        "1098765432 is a time stamp",
        "phone 7035551234 (CAC office)",
        "CAC office phone 7035551234",
        "Message-ID: <1098765432@example.com>",
        "public id 1098765432",
    ),
    source="DoDI 1000.30; DoD X.509 certificate policy (subject names, UPN)",
    strong_key=True,
)
