"""One server for several rows: a server is started for the first and stopped after the last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

import servers
from lab.config import Start


def shared(start: Start) -> Start:
    """The same start; rows that have it at the same time have the same server."""
    lock, stack, using = Lock(), ExitStack(), list[servers.Server]()

    @contextmanager
    def one() -> Iterator[servers.Server]:
        with lock:
            server = using[-1] if using else stack.enter_context(start())
            using.append(server)
        try:
            yield server
        finally:
            with lock:
                using.pop()
                if not using:
                    stack.close()

    return one
