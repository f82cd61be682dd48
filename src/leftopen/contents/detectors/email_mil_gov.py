"""US military or government e-mail address

The pattern starts at the last character before the `@` and the rule reads the rest of the local
part from the text in front: a pattern over the whole address costs three quarters of the entire
scan (13.8 of 18.6 ns per byte on real mail).
"""

from __future__ import annotations

import re

from leftopen.contents.api import Detector, Hit, Ruling
from leftopen.model.finding import Confidence, Severity, Tier

_LOCAL, _LONGEST = 64, 254  # RFC 5321 4.5.3.1.1 and 4.5.3.1.3
_FRONT = re.compile(r"[a-z0-9._%+'-]*$", re.IGNORECASE)


def _rule(hit: Hit) -> Ruling | None:
    front = _FRONT.search(hit.before)
    address = ((front.group() if front else "") + hit.value).lstrip("'.-+%").lower()
    if len(address) > _LONGEST:
        return None
    if re.match(r"[\w-]|\.\w|@", hit.after):
        return None  # a longer domain, e.g. navy.mil.example.com
    local, _, domain = address.rpartition("@")
    if ".." in address or not 0 < len(local) <= _LOCAL or domain.startswith("-"):
        return None
    return Ruling(Confidence.CERTAIN, address, domain.rpartition(".")[2])


DETECTOR = Detector(
    name="email_mil_gov",
    patterns=(r"[a-z0-9_+-]@(?:[a-z0-9-]+\.)+(?:mil|gov)",),
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
        "wait..what@navy.mil",
    ),
    source="RFC 5321; .mil and .gov are sponsored top-level domains",
    flags=("caseless",),
)
