"""The exit code of a run: what a script learns without reading the report."""

from __future__ import annotations

from leftopen.model.case import Investigation
from leftopen.model.cause import Truth
from leftopen.model.exposure import UNSETTLED

CLEAN = 0
OPEN_LOW = 11  # 12 medium, 13 high, 14 critical
NOT_EXAMINED = 20
NOTHING_IN_SCOPE = 3


def exit_code(investigation: Investigation) -> int:
    """0 all examined, nothing open; 11 to 14 open, by worst severity; 20 nothing open so far.

    20 is for every way of not knowing: a Gap, a look that settled nothing, a report by an outside
    sensor that no probe confirmed, and a configuration that opens a service no probe reached. 3
    means that there was nothing to try at all.
    """
    found = investigation
    still_open = [c.severity.rank for c in found.cases if c.state == "open"]
    if still_open:
        return OPEN_LOW + max(still_open)
    unknown = (
        found.gaps
        or any(c.gaps or c.state == "reported" for c in found.cases)
        or any(o.access in UNSETTLED for o in found.closed)
        or any(c.cause.open is not Truth.NO for c in found.other_causes)
    )
    if unknown:
        return NOT_EXAMINED
    nothing = not (found.targets or found.cases or found.closed)
    return NOTHING_IN_SCOPE if nothing else CLEAN
