"""Date of birth"""

from __future__ import annotations

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.contents.context import bounded, label, phrases
from leftopen.contents.dates import PATTERNS, parse
from leftopen.model.finding import Confidence, Severity, Tier

_LABELS = phrases(
    *("dob", "d o b", "date of birth", "birth date", "birthdate", "born", "born on", "birthday"),
    *("birth dt", "dateofbirth", "birth", "dt of birth", "dob date"),
)
_CLUES = ("birth", "born", "dob", "d.o.b", "d o b")


def _rule(hit: Hit) -> Ruling | None:
    near = hit.text.text[max(0, hit.start - 120) : hit.start].lower()
    if not any(clue in near for clue in _CLUES) or not bounded(hit):
        return None
    found = label(hit, _LABELS, reach=0)
    day = parse(hit.value) if found and found.direct else None
    if found is None or day is None or not 1900 <= day.year <= 2026:
        return None
    return Ruling(
        Confidence.LIKELY if found.phrase.startswith("born") else Confidence.CERTAIN,
        day.isoformat(),
        found.phrase,
    )


DETECTOR = Detector(
    name="date_of_birth",
    patterns=PATTERNS,
    rule=_rule,
    severity=Severity.MEDIUM,
    tier=Tier.SENSITIVE,
    examples=(
        ("DOB: 02/14/1970", ("1970-02-14",)),
        ("date of birth (mm/dd/yyyy) 2-14-70", ("1970-02-14",)),
        ("D.O.B. 14 FEB 1970", ("1970-02-14",)),
        ("DOB 19700214", ("1970-02-14",)),
        ("born on February 14, 1970 in Ohio", ("1970-02-14",)),
        ("Date of birth\n23/08/1964", ("1964-08-23",)),
        ("DOB: 14FEB70", ("1970-02-14",)),
        ("birthdate=1970-02-14", ("1970-02-14",)),
        ("Birth Date: 14-FEB-70", ("1970-02-14",)),
        ("DOB: 1970.02.14 and DOB: 14.2.1970", ("1970-02-14", "1970-02-14")),
        ("DOB 14th of February 1970", ("1970-02-14",)),
        ("DOB: 1970 FEB 14", ("1970-02-14",)),
    ),
    counterexamples=(
        "the universe was born 14 billion years ago, on 02/14/1970 we met",
        "Date: 02/14/1970",
        "DOB: 13/32/1970",
        "DOB unknown, hired 02/14/2001",
    ),
    source="research/contents.md 6.1; NIST SP 800-122 (linkable PII)",
    flags=("caseless",),
)
