"""The local engine: a unit that kills its worker costs that unit only."""

from __future__ import annotations

import pytest

from failing import work
from leftopen.run.local import map_units


@pytest.mark.parametrize("workers", [1, 2])
def test_a_unit_that_kills_its_worker_is_given_back_alone(workers: int) -> None:
    found = dict(map_units(work, range(8), workers))
    assert set(found) == set(range(8))
    assert isinstance(found.pop(3), BaseException)
    assert isinstance(found.pop(5), ValueError)
    assert found == {n: n * n for n in (0, 1, 2, 4, 6, 7)}


def test_no_worker_means_this_process() -> None:
    found = dict(map_units(work, [1, 5], 0))
    assert found[1] == 1
    assert isinstance(found[5], ValueError)
