"""Which objects of a store to read, and what the ones read say of all.

A stratified random sample: strata by folder and by time, so that a small mailbox and a quiet year
are in it. The interval never says "none" because none was drawn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from leftopen.contents.place import gap
from leftopen.model.exposure import ObjectRef
from leftopen.model.finding import Estimate
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe

_TYPICAL = 50_000  # bytes assumed of an object whose size the listing does not give
_TAIL = 0.025  # on each side: a 95% interval
_OVERSIZE = "larger than the whole budget"
_Ranked = tuple[float, bytes, str, ObjectRef]  # order in the stratum, rank, stratum, object


@dataclass(frozen=True, slots=True)
class Sample:
    """The objects to read, each with its stratum, and what was left out."""

    chosen: tuple[tuple[ObjectRef, str], ...]
    population: dict[str, int]  # objects per stratum, read or not
    left_objects: int
    left_bytes: int  # as far as the listing gives sizes

    def not_sampled(self, place: str) -> Gap | None:
        """What was left out by design, as one Gap; None when all are chosen."""
        if not self.left_objects:
            return None
        detail = f"a random sample of {len(self.chosen)}, by folder and month"
        return gap(Reason.NOT_SAMPLED, place, detail, count=self.left_objects, size=self.left_bytes)


def choose(refs: Sequence[ObjectRef], *, objects: int, bytes: int, seed: int) -> Sample:
    """A stratified random sample of at most `objects` objects and `bytes` bytes.

    Proportional to the size of the strata, at least one of each; strata are made coarser (month,
    year, folder, none) until each can have two. The same seed and the same set of objects give
    the same sample, in whatever order they were listed. An object larger than `bytes` stands in a
    stratum of its own from which nothing is read.
    """
    fitting = [ref for ref in refs if _size(ref) <= bytes]
    mean = sum(map(_size, fitting)) / len(fitting) if fitting else 1
    budget = min(objects, len(fitting), int(bytes / max(1.0, mean)))
    strata = _strata(fitting, budget)
    population = {name: len(members) for name, members in strata.items()}
    ordered: list[_Ranked] = []
    for name, members in strata.items():
        shuffled = sorted(((_rank(seed, ref), ref) for ref in members), key=lambda pair: pair[0])
        # Sorted by this, every beginning of the list is a proportional allocation.
        ordered += [(n / len(members), rank, name, ref) for n, (rank, ref) in enumerate(shuffled)]
    ordered.sort(key=lambda item: item[:2])
    chosen: list[tuple[ObjectRef, str]] = []
    left = bytes
    for _, _, name, ref in ordered[: max(0, objects)]:
        left -= _size(ref)
        if left < 0:  # stop, not skip: skipping would prefer small objects
            break
        chosen.append((ref, name))
    if len(fitting) < len(refs):
        population[_OVERSIZE] = len(refs) - len(fitting)
    total = sum(ref.size or 0 for ref in refs)
    taken = sum(ref.size or 0 for ref, _ in chosen)
    return Sample(tuple(chosen), population, len(refs) - len(chosen), total - taken)


def _size(ref: ObjectRef) -> int:
    return _TYPICAL if ref.size is None else ref.size


def _rank(seed: int, ref: ObjectRef) -> bytes:
    identity = f"{seed}\0{ref.group}\0{ref.path}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(identity, digest_size=16).digest()


def _strata(refs: Iterable[ObjectRef], budget: int) -> dict[str, list[ObjectRef]]:
    """The finest strata of which each can have two objects."""
    strata: dict[str, list[ObjectRef]] = {}
    for key in _KEYS:
        strata = {}
        for ref in refs:
            strata.setdefault(key(ref), []).append(ref)
        if len(strata) * 2 <= budget:
            break
    return strata


def _month(ref: ObjectRef) -> str:
    return f"{ref.time:%Y-%m}" if ref.time else "undated"


def _year(ref: ObjectRef) -> str:
    return f"{ref.time:%Y}" if ref.time else "undated"


_KEYS: tuple[Callable[[ObjectRef], str], ...] = (
    lambda ref: f"{safe(ref.group)} {_month(ref)}".strip(),
    lambda ref: f"{safe(ref.group)} {_year(ref)}".strip(),
    lambda ref: safe(ref.group),
    _year,
    lambda ref: "all",
)


def estimate(
    hits_by_stratum: Mapping[str, int],
    sampled_by_stratum: Mapping[str, int],
    population_by_stratum: Mapping[str, int],
) -> Estimate:
    """How many objects of the whole store have a property, with a 95% interval.

    Each stratum is weighted by its population. The interval is the exact hypergeometric one
    (Clopper and Pearson's construction with finite population) at the effective sample size, so
    it holds for zero and small counts; a stratum of which nothing was read may hold anything from
    none to all.
    """
    population = sum(population_by_stratum.values())
    strata = [
        (hits_by_stratum.get(name, 0), sampled, population_by_stratum[name])
        for name, sampled in sampled_by_stratum.items()
        if sampled > 0 and population_by_stratum.get(name, 0) > 0
    ]
    hits, sampled = sum(s[0] for s in strata), sum(s[1] for s in strata)
    covered = sum(s[2] for s in strata)
    if not strata:
        return Estimate(value=0, low=0, high=population, population=population, sampled=0)
    if sampled >= population:
        return Estimate(
            value=hits, low=hits, high=hits, population=population, sampled=sampled, exact=True
        )
    share = sum(size * found / drawn for found, drawn, size in strata) / covered
    drawn = _effective(strata, sampled, covered)
    low = _lower(covered, drawn, math.floor(share * drawn + 1e-9))
    high = _upper(covered, drawn, math.ceil(share * drawn - 1e-9))
    high = min(high, covered - (sampled - hits)) + (population - covered)
    return Estimate(
        value=share * population,
        low=max(low, hits),
        high=max(high, hits),
        population=population,
        sampled=sampled,
    )


def _effective(strata: Sequence[tuple[int, int, int]], sampled: int, covered: int) -> int:
    """The size of the simple random sample that would know as much; never more than was drawn."""
    # Kish (1965): what unequal weights cost.
    weighted = 1 / sum((size / covered) ** 2 / n for _, n, size in strata)
    # A stratum drawn from much more thinly than the others (its objects could not be read) may
    # hide what the others do not have; proportional allocation alone is off by up to two.
    thinnest = 2 * covered * min(n / size for _, n, size in strata)
    return max(1, math.floor(min(sampled, weighted, thinnest) + 1e-9))


def _lower(population: int, drawn: int, found: int) -> int:
    """The least number in the population under which `found` or more are not too unlikely."""
    if found <= 0:
        return 0
    low, high = found, population
    while low < high:
        middle = (low + high) // 2
        if 1 - _at_most(found - 1, population, middle, drawn) > _TAIL:
            high = middle
        else:
            low = middle + 1
    return low


def _upper(population: int, drawn: int, found: int) -> int:
    """The greatest number in the population under which `found` or fewer are not too unlikely."""
    low, high = found, population
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(found, population, middle, drawn) > _TAIL:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most(found: int, population: int, marked: int, drawn: int) -> float:
    """P(X <= found) of the hypergeometric distribution: `drawn` of which `marked` are marked."""
    least, most = max(0, drawn - (population - marked)), min(drawn, marked)
    if found >= most:
        return 1.0
    if found < least:
        return 0.0
    term = math.exp(
        _log_choose(marked, found)
        + _log_choose(population - marked, drawn - found)
        - _log_choose(population, drawn)
    )
    total = term
    for k in range(found, least, -1):
        term *= k * (population - marked - drawn + k) / ((marked - k + 1) * (drawn - k + 1))
        total += term
        if term < total * 1e-17:
            break
    # Far above the mean the first term is 0 in floating point, and the sum is all there is.
    return total if total > 0 else float(found > drawn * marked / population)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
