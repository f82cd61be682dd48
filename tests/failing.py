"""Work for a worker process that can go wrong in two ways."""

from __future__ import annotations

import os
import signal


def work(unit: int) -> int:
    """Unit 3 kills its process, unit 5 fails, the others are squared."""
    if unit == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if unit == 5:
        raise ValueError("five")
    return unit * unit
