"""Numbering plans: North American (NANPA) and the Defense Switched Network."""

from __future__ import annotations

# Conus, Europe, Pacific, Alaska, Southwest Asia, Canada (DISA).
DSN_AREAS = frozenset({"312", "314", "315", "317", "318", "319"})


def geographic(digits: str) -> bool:
    """North American Numbering Plan: area and exchange start with 2-9 and are not N11."""
    area, exchange = digits[:3], digits[3:6]
    return area[0] > "1" and exchange[0] > "1" and area[1:] != "11" and exchange[1:] != "11"
