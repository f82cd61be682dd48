"""Samples that do not depend on order, and intervals that cover the truth."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.contents.sampling import choose, estimate
from leftopen.model.exposure import ObjectRef
from leftopen.model.finding import Estimate
from leftopen.model.gap import Reason

BIG = 10**12


def refs(sizes: dict[str, int], *, size: int | None = 100) -> list[ObjectRef]:
    return [
        ObjectRef(
            path=f"{group}/{n}",
            group=group,
            size=size,
            time=datetime(2020 + n % 3, 1 + n % 12, 1, tzinfo=UTC),
        )
        for group, count in sizes.items()
        for n in range(count)
    ]


def test_order_does_not_matter_and_the_seed_does() -> None:
    store = refs({"inbox": 500, "sent": 40, "x": 7})
    one = choose(store, objects=60, bytes=BIG, seed=1)
    random.Random(5).shuffle(store)
    assert choose(store, objects=60, bytes=BIG, seed=1) == one
    assert choose(store, objects=60, bytes=BIG, seed=2).chosen != one.chosen
    assert len(one.chosen) == 60


def test_shares_are_proportional_and_every_stratum_has_one() -> None:
    sample = choose(refs({"inbox": 5000, "sent": 500, "x": 4}), objects=300, bytes=BIG, seed=3)
    drawn: dict[str, int] = {}
    for _, stratum in sample.chosen:
        drawn[stratum] = drawn.get(stratum, 0) + 1
    assert set(drawn) == set(sample.population)
    total = sum(sample.population.values())
    for stratum, count in drawn.items():
        share = sample.population[stratum] / total * 300
        assert 1 <= count <= share + 2
        assert count >= share - 2


def test_what_is_left_out_is_a_gap_with_counts() -> None:
    sample = choose(refs({"a": 100}), objects=30, bytes=BIG, seed=1)
    gap = sample.not_sampled("store")
    assert gap is not None
    assert (gap.reason, gap.count, gap.size) == (Reason.NOT_SAMPLED, 70, 7000)
    assert choose(refs({"a": 5}), objects=30, bytes=BIG, seed=1).not_sampled("store") is None


def test_the_byte_budget_holds() -> None:
    sample = choose(refs({"a": 100, "b": 100}), objects=200, bytes=1050, seed=1)
    assert sum(ref.size or 0 for ref, _ in sample.chosen) <= 1050
    assert len(sample.chosen) == 10
    unknown = choose(refs({"a": 100}, size=None), objects=50, bytes=500_000, seed=1)
    assert len(unknown.chosen) == 10


def test_large_objects_are_not_passed_over_for_small_ones() -> None:
    store = [ObjectRef(path=str(n), size=1000 if n % 2 else 10) for n in range(400)]
    large = drawn = 0
    for seed in range(200):
        sample = choose(store, objects=400, bytes=20_000, seed=seed)
        drawn += len(sample.chosen)
        large += sum(ref.size == 1000 for ref, _ in sample.chosen)
    assert 0.45 < large / drawn < 0.55


def test_an_object_over_the_whole_budget_is_a_stratum_that_nothing_is_known_of() -> None:
    store = [*refs({"a": 50}), ObjectRef(path="huge", size=10**9)]
    sample = choose(store, objects=50, bytes=10**6, seed=1)
    assert len(sample.chosen) == 50
    assert sum(sample.population.values()) == 51
    counts: dict[str, int] = {}
    for _, stratum in sample.chosen:
        counts[stratum] = counts.get(stratum, 0) + 1
    found = estimate({}, counts, sample.population)
    assert (found.low, found.high, found.exact) == (0, 1, False)


def test_empty_stores_and_budgets() -> None:
    assert choose([], objects=10, bytes=10, seed=1).chosen == ()
    assert choose(refs({"a": 5}), objects=0, bytes=BIG, seed=1).chosen == ()
    assert choose(refs({"a": 5}), objects=5, bytes=0, seed=1).chosen == ()
    nothing = estimate({}, {}, {"a": 5})
    assert (nothing.low, nothing.high, nothing.sampled) == (0, 5, 0)


def test_all_read_is_exact() -> None:
    found = estimate({"a": 2}, {"a": 5, "b": 3}, {"a": 5, "b": 3})
    assert found == Estimate(value=2, low=2, high=2, population=8, sampled=8, exact=True)


def test_none_found_never_means_none() -> None:
    found = estimate({}, {"a": 50}, {"a": 1000})
    assert found.value == 0
    assert found.low == 0
    # 0 of 50 in 1,000: 1 - 0.025 ** (1 / 50) = 7.1 % with replacement, a little less without.
    assert 62 <= found.high <= 71


def test_the_interval_of_one_stratum_is_clopper_and_pearson() -> None:
    found = estimate({"a": 5}, {"a": 50}, {"a": 10**6})
    # Clopper and Pearson for 5 of 50: 3.33 % to 21.81 % (tables in any textbook).
    assert found.low == pytest.approx(33_300, rel=0.01)
    assert found.high == pytest.approx(218_100, rel=0.01)


def test_a_large_sample_of_a_large_store() -> None:
    found = estimate({"a": 60_000}, {"a": 100_000}, {"a": 10**7})
    assert found.low == pytest.approx(5.97e6, rel=0.002)
    assert found.high == pytest.approx(6.03e6, rel=0.002)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.6])
@pytest.mark.parametrize("strata", [{"a": 270, "b": 24, "c": 6}, {"a": 120, "b": 105, "c": 75}])
def test_the_interval_covers_the_truth(rate: float, strata: dict[str, int]) -> None:
    """1,000 seeded samples of a known store; uneven rates between the strata."""
    store = [
        ObjectRef(path=f"{group}/{n}", group=group, size=1)
        for group, size in strata.items()
        for n in range(size)
    ]
    rng = random.Random(f"{rate}{strata}")
    tilt = {"a": 0.7, "b": 1.4, "c": 1.6}
    hits = {r.path for r in store if rng.random() < min(1.0, rate * tilt[r.group])}
    covered = 0
    for seed in range(1000):
        sample = choose(store, objects=40, bytes=BIG, seed=seed)
        found: dict[str, int] = {}
        drawn: dict[str, int] = {}
        for ref, stratum in sample.chosen:
            drawn[stratum] = drawn.get(stratum, 0) + 1
            found[stratum] = found.get(stratum, 0) + (ref.path in hits)
        guess = estimate(found, drawn, sample.population)
        covered += guess.low <= len(hits) <= guess.high
        assert guess.low <= guess.value <= guess.high
    assert covered >= 930


@pytest.mark.parametrize("marked", [0, 20, 50, 90])
def test_a_stratum_that_could_hardly_be_read_does_not_hide_behind_the_others(marked: int) -> None:
    """2 of 100 drawn in the stratum that has it all, 98 of 900 in the one that has none."""
    rng = random.Random(marked)
    covered = 0
    for _ in range(1000):
        found = sum(n < marked for n in rng.sample(range(100), 2))
        guess = estimate({"a": found}, {"a": 2, "b": 98}, {"a": 100, "b": 900})
        covered += guess.low <= marked <= guess.high
    assert covered >= 930


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500)),
        max_size=6,
    )
)
@settings(deadline=None)
def test_an_estimate_never_contradicts_what_was_seen(
    cells: dict[str, tuple[int, int, int]],
) -> None:
    hits, sampled, population = {}, {}, {}
    for name, values in cells.items():
        hits[name], sampled[name], population[name] = sorted(values)
    found = estimate(hits, sampled, population)
    seen = sum(hits[name] for name in hits if sampled[name])
    unmarked = sum(sampled.values()) - seen
    assert seen <= found.low <= found.high <= found.population - unmarked
