"""Which Social Security numbers can be somebody's."""

from __future__ import annotations

# Printed in wallets and advertisements: SSA history pages. Never somebody's number.
ADVERTISED = frozenset({"078051120", "219099999", "457555462"})


def possible(digits: str) -> bool:
    """Whether the Social Security Administration can have issued it (randomised since 2011)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return not (area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000")
