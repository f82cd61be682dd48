"""The thread with the loop: order, bounds, errors, leaving early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from leftopen.net.driver import as_completed, in_order, iterate


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def test_all_items_come_in_order() -> None:
    assert list(iterate(lambda: numbers(500), ahead=3)) == list(range(500))


def test_no_more_than_ahead_are_made() -> None:
    made: list[int] = []

    async def make() -> AsyncIterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = iterate(make, ahead=4)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert len(made) <= 6


def test_leaving_early_cancels_and_ends_the_thread() -> None:
    cancelled = threading.Event()

    async def make() -> AsyncIterator[int]:
        yield 1
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        yield 2

    before = threading.active_count()
    for _ in iterate(make):
        break
    assert cancelled.wait(2)
    assert threading.active_count() == before


def test_an_error_is_raised_where_it_is_read() -> None:
    async def make() -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    items = iterate(make)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


class Work:
    """Counts how many run at once; the first item is the slowest."""

    def __init__(self) -> None:
        self.running = self.most = 0

    async def __call__(self, number: int) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(50 if number == 0 else 2):
            await asyncio.sleep(0)
        self.running -= 1
        return number


def test_a_slow_one_delays_no_other() -> None:
    work = Work()
    done = list(iterate(lambda: as_completed(range(20), work, 4)))
    assert sorted(done) == list(range(20))
    assert done[0] != 0
    assert work.most == 4


def test_results_in_the_order_of_the_items() -> None:
    work = Work()
    assert list(iterate(lambda: in_order(range(20), work, 4))) == list(range(20))
    assert work.most == 4
