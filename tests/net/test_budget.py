"""Rates and budgets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.errors import BudgetSpent
from leftopen.net.budget import Budget, Meter


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60))
def test_slots_keep_both_rates(hosts: list[str]) -> None:
    meter = Meter(100, 10, 1)
    slots = [(meter.slot(host, 0.0), host) for host in hosts]
    for host in "abc":
        mine = sorted(start for start, name in slots if name == host)
        assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(mine))
    assert meter.wait(hosts[-1], 0.0) > 0


def test_the_overall_rate_holds_back_fresh_hosts() -> None:
    meter = Meter(100, 1000, 1)
    starts = [meter.slot(str(n), 0.0) for n in range(50)]
    assert starts[-1] == pytest.approx(0.49)


def test_hosts_without_a_wait_are_forgotten() -> None:
    meter = Meter(1_000_000, 1_000_000, 1)
    for n in range(20_000):
        meter.slot(str(n), n * 1.0)
    assert len(meter._next_host) <= 8192


def test_bytes_of_a_host_end() -> None:
    meter = Meter(1, 1, 100)
    meter.take("a", 100)
    assert meter.spent("a")
    with pytest.raises(BudgetSpent):
        meter.take("a", 1)
    meter.take("b", 1)


def test_a_part_counts_against_its_whole() -> None:
    whole = Budget(bytes=100, connections=2, seconds=5)
    one = Budget(bytes=80, connections=9, seconds=9, whole=whole)
    two = Budget(bytes=80, connections=9, seconds=9, whole=whole)
    one.take(80)
    assert 0 < two.seconds_left <= 5
    with pytest.raises(BudgetSpent):
        two.take(30)
    assert whole.spent
    assert not two.spent
    two.connect()
    two.connect()
    with pytest.raises(BudgetSpent):
        two.connect()


def test_time_ends_and_can_be_put_off() -> None:
    budget = Budget(bytes=1, connections=1, seconds=0)
    with pytest.raises(BudgetSpent):
        _ = budget.seconds_left
    assert budget.spent
    budget.extend(60)
    assert budget.seconds_left > 50
