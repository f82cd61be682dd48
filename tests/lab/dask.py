"""A scheduler of Dask (of PyPI) and its dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access


@contextmanager
def dask() -> Iterator[servers.Server]:
    """A scheduler of the PyPI package `distributed`."""
    binary = servers.from_pypi("dask")
    port, inner = servers.free_port(), servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "scheduler", "--host", servers.CLIENT]
        argv += ["--port", str(inner), "--dashboard-address", f"{servers.CLIENT}:{port}"]
        with servers.running(argv, folder, port) as server:
            yield server


_OPEN = Config("Dask: no worker", "dask", Access.METADATA, dask, 8787)
CONFIGS = (_OPEN, *with_tls((_OPEN,), 8787))
