"""The local engine: units of work over processes on this machine.

Spawn, not fork: PDFium and Vectorscan keep native state that a fork would copy half-way.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from leftopen.model.errors import LeftopenError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
U = TypeVar("U")
R = TypeVar("R")


class Workers:
    """Processes that outlive one job, since each takes a second to start. A context manager."""

    def __init__(self, count: int) -> None:
        """Nothing is started before it is needed; 0 means this process."""
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def pool(self) -> ProcessPoolExecutor:
        """The processes, started where they are not."""
        self._pool = self._pool or _pool(self.count)
        return self._pool

    def end(self) -> None:
        """End them: what is asked for next starts others."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def map(
        self, work: Callable[[U], R], units: Iterable[U]
    ) -> Iterator[tuple[U, R | BaseException]]:
        """Each unit with its result, or the exception that ended it, in the order of completion.

        `work` must be an importable function and units and results picklable. A worker that dies
        takes down only the units that it held: they are tried again, one at a time, and the one
        that kills its worker again is given back with the error.
        """
        if self.count < 1:
            yield from ((unit, _attempt(work, unit)) for unit in units)
            return
        held: list[U] = []
        waiting = iter(units)
        running: dict[Future[R], U] = {}
        try:
            while not held:
                for unit in islice(waiting, max(0, 2 * self.count - len(running))):
                    running[self.pool().submit(work, unit)] = unit
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    unit = running.pop(future)
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        held.extend([unit, *running.values()])
                        running.clear()
                        break
                    yield unit, error or future.result()
        finally:
            if held or running:  # broken, or left in the middle
                self.end()
        yield from _one_by_one(work, [*held, *waiting])


def map_units(
    work: Callable[[U], R], units: Iterable[U], workers: int
) -> Iterator[tuple[U, R | BaseException]]:
    """`Workers.map` with processes of its own."""
    with Workers(workers) as own:
        yield from own.map(work, units)


def _pool(workers: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, spawn, initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """In a worker: end when the run ends, also when it is killed (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before this line
        os._exit(1)


def _check(pool: ProcessPoolExecutor) -> None:
    """Tell a unit that kills workers from workers that never start."""
    if pool.submit(int).exception():
        raise LeftopenError(
            "worker processes do not start; a script that calls Leftopen needs "
            'if __name__ == "__main__":'
        )


def _attempt(work: Callable[[U], R], unit: U) -> R | BaseException:
    try:
        return work(unit)
    except Exception as e:  # noqa: BLE001 - it becomes a Gap of this one unit in the caller
        return e


def _one_by_one(
    work: Callable[[U], R], units: Iterable[U]
) -> Iterator[tuple[U, R | BaseException]]:
    """The slow way after a worker died: each unit alone, so that the guilty one is known."""
    pool = _pool(1)
    try:
        _check(pool)
        for unit in units:
            error = (future := pool.submit(work, unit)).exception()
            if isinstance(error, BrokenProcessPool):
                pool.shutdown()
                pool = _pool(1)
            yield unit, error or future.result()
    finally:
        pool.shutdown()
