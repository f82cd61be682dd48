"""Local times without a zone or a year."""

from __future__ import annotations

import pytest

from leftopen.trace.clock import Clock
from leftopen.trace.formats import vsftpd, xferlog
from log_cases import counts_of


@pytest.mark.parametrize("year", [0, -1, 1969, 2039, 9999, 10000])
def test_a_year_that_is_none_is_no_time(year: int) -> None:
    assert Clock("UTC", 1675814400).instant(year, "Feb", "8", "03:12:45") is None


def test_no_year_is_inferred() -> None:
    clock = Clock("UTC", 1675900000)
    assert clock.instant(None, "Feb", "8", "03:12:45") == 1675825965
    assert clock.instant(2022, "Feb", "8", "03:12:45") == 1644289965


def test_year_0_of_a_file_is_rejected() -> None:
    for plugin in (vsftpd.FORMAT, xferlog.FORMAT):
        line = plugin.examples[0].text.splitlines()[0]
        assert "2023" in line
        assert counts_of(plugin, line.replace("2023", "0000") + "\n") == (1, 1, 0)
