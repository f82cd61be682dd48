"""Runs the asynchronous half of reach: one loop in one thread, items handed over as they come.

The rooms above are synchronous. While they work on an item the loop goes on in its thread, so no
probe runs into its deadline because somebody was writing to the store.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


class _Worker(Generic[T]):
    """The thread, its loop, and the queue between it and the reader."""

    def __init__(self, make: Callable[[], AsyncIterator[T]], ahead: int) -> None:
        self._make = make
        self._items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(ahead)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._main, name="reach", daemon=True)

    def start(self) -> None:
        self._task = self._loop.create_task(self._produce())
        self._thread.start()

    def get(self) -> T | _End:
        return self._items.get()

    def took(self) -> None:
        with suppress(RuntimeError):  # the loop has ended and these are the last items
            self._loop.call_soon_threadsafe(self._room.release)

    def stop(self) -> None:
        """Cancel what is left and wait for the thread."""
        task = self._task
        if task is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join()

    async def _produce(self) -> None:
        async for item in self._make():
            await self._room.acquire()
            self._items.put(item)

    def _main(self) -> None:
        error: BaseException | None = None
        try:
            assert self._task is not None
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException as e:  # noqa: BLE001  it is raised again in the reader's thread
            error = e
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(asyncio.sleep(0))  # lets aborted transports go
            self._loop.close()
            self._items.put(_End(error))


def iterate(make: Callable[[], AsyncIterator[T]], *, ahead: int = 32) -> Iterator[T]:
    """The items of an asynchronous iterator, at most `ahead` of them made before they are read.

    `make` is called in the loop's thread. Leaving the iterator early cancels what is left. An
    exception of the iterator is raised here.
    """
    worker = _Worker(make, ahead)
    worker.start()
    try:
        while not isinstance(item := worker.get(), _End):
            worker.took()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        worker.stop()


async def as_completed(
    items: Sequence[T], work: Callable[[T], Awaitable[R]], limit: int
) -> AsyncIterator[R]:
    """The results of `work` on each item, in the order of their completion, `limit` at a time."""
    waiting = iter(items)
    running: set[asyncio.Task[R]] = set()
    # A queue and not asyncio.wait, which looks at every running task each time that one ends.
    ended: asyncio.Queue[asyncio.Task[R]] = asyncio.Queue()
    try:
        while True:
            while len(running) < limit and (item := next(waiting, None)) is not None:
                task = asyncio.ensure_future(_call(work, item))
                task.add_done_callback(ended.put_nowait)
                running.add(task)
            if not running:
                return
            done = await ended.get()
            running.discard(done)
            yield done.result()
    finally:
        await _drop(running)


async def in_order(
    items: Sequence[T], work: Callable[[T], Awaitable[R]], limit: int
) -> AsyncIterator[R]:
    """The results of `work` on each item, in the order of the items, `limit` at a time."""
    waiting = iter(items)
    running: deque[asyncio.Task[R]] = deque()
    try:
        while True:
            while len(running) < limit and (item := next(waiting, None)) is not None:
                running.append(asyncio.ensure_future(_call(work, item)))
            if not running:
                return
            result = await running[0]
            running.popleft()
            yield result
    finally:
        await _drop(running)


async def _call(work: Callable[[T], Awaitable[R]], item: T) -> R:
    return await work(item)


async def _drop(tasks: set[asyncio.Task[R]] | deque[asyncio.Task[R]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
