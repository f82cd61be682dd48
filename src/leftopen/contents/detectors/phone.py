"""US telephone or DSN number"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.contents.context import Label, bounded, label, phrases
from leftopen.contents.telephone import DSN_AREAS, geographic
from leftopen.model.finding import Confidence, Severity, Tier

_DSN = phrases("dsn")
_PHONE = phrases(
    *("phone", "phones", "tel", "telephone", "cell", "mobile", "fax", "call", "ph", "comm", "dial"),
    *("commercial", "phone number", "telephone number", "tel no", "voice", "pager", "homephone"),
)
_OTHERS = phrases("edipi", "dod id", "dodid", "ssn", "order", "invoice", "ticket", "npi", "isbn")


def _rule(hit: Hit) -> Ruling | None:
    if not bounded(hit):
        return None
    digits = re.sub(r"\D", "", hit.value)
    dsn = label(hit, _DSN, reach=0)
    grouped = not hit.value.isdigit()
    area = grouped and digits[:3] in DSN_AREAS and len(digits) == 10
    if dsn or (area and not geographic(digits)):
        return _military(digits, dsn)
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) != 10 or not geographic(digits) or len(set(digits)) < 3:
        return None
    found = label(hit, _PHONE, reach=2, veto=_OTHERS)
    if not grouped and (found is None or not found.direct):
        return None
    return Ruling(
        Confidence.CERTAIN if found else Confidence.LIKELY,
        f"+1{digits}",
        found.phrase if found else "",
    )


def _military(digits: str, found: Label | None) -> Ruling | None:
    if len(digits) not in (7, 10) or (len(digits) == 10 and digits[:3] not in DSN_AREAS):
        return None
    full = digits if len(digits) == 10 else f"312{digits}"  # 312 is the area of the US mainland
    sure = Confidence.CERTAIN if found else Confidence.LIKELY
    return Ruling(sure, f"dsn:{full}", found.phrase if found else "DSN area")


DETECTOR = Detector(
    name="phone",
    patterns=(
        r"(?:\+?1[-. ]?)?(?:\(\d{3}\)[-. ]?|\d{3}[-./ ])\d{3}[-. ]\d{4}",
        r"\+1\d{10}|\d{10}",
        r"\d{3}-\d{4}",
    ),
    rule=_rule,
    severity=Severity.LOW,
    tier=Tier.CONTACT,
    examples=(
        ("call (703) 555-0142 today", ("+17035550142",)),
        ("+1 703-555-0142", ("+17035550142",)),
        ("cell: 7035550142", ("+17035550142",)),
        ("DSN 555-0142", ("dsn:3125550142",)),
        ("DSN: 314-155-0142", ("dsn:3141550142",)),
    ),
    counterexamples=(
        "order 7035550142",
        "id 1e0f-703-555-0142-77",
        "111-555-0142 and 703-055-0142",
        "suite 555-0142",
    ),
    source="NANPA numbering rules; DISA DSN area codes",
)
