"""Podman's service, which speaks the API of Docker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access


@contextmanager
def podman() -> Iterator[servers.Server]:
    """The service over a store of its own, which is empty."""
    binary, port = servers.need("podman"), servers.free_port()
    if os.getuid() != 0:
        servers.absent("podman's service is run as root here")
    with servers.scratch() as folder:
        folder.chmod(0o700)
        storage = ["--root", f"{folder}/root", "--runroot", f"{folder}/run"]
        url = f"tcp://{servers.CLIENT}:{port}"
        argv = [binary, *storage, "system", "service", "--time=120", url]
        with servers.running(argv, folder, port) as server:
            yield server


_OPEN = Config("podman: open and empty", "docker_api", Access.LISTS, podman, 2375)
CONFIGS = (_OPEN, *with_tls((_OPEN,), 2376))
