"""US military or government e-mail address"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.model.finding import Confidence, Severity, Tier

_LONGEST = 254  # RFC 5321 4.5.3.1.3
_OPENER = re.compile(r"[\w.%+-]$")


def _rule(hit: Hit) -> Ruling | None:
    if len(hit.value) > _LONGEST or _OPENER.search(hit.before):
        return None
    if re.match(r"[\w-]|\.\w|@", hit.after):
        return None  # a longer domain, e.g. navy.mil.example.com
    local, _, domain = hit.value.strip("'").rpartition("@")
    if ".." in hit.value or len(local) > 64 or domain.startswith("-"):
        return None
    return Ruling(Confidence.CERTAIN, f"{local}@{domain}".lower(), domain.rpartition(".")[2])


DETECTOR = Detector(
    name="email_mil_gov",
    patterns=(r"[a-z0-9][a-z0-9._%+'-]*@(?:[a-z0-9-]+\.)+(?:mil|gov)",),
    rule=_rule,
    severity=Severity.LOW,
    tier=Tier.CONTACT,
    examples=(
        ("<Jane.Doe@Us.Navy.MIL>", ("jane.doe@us.navy.mil",)),
        ("write to j.doe@dhs.gov.", ("j.doe@dhs.gov",)),
    ),
    counterexamples=(
        "jane@navy.mil.example.com",
        "jane@example.com and www.navy.mil",
        "jane@navy.military",
    ),
    source="RFC 5321; .mil and .gov are sponsored top-level domains",
    flags=("caseless",),
)
