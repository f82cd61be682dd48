"""Jupyter server (of PyPI): notebooks and files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

SECRET = b"number 078-05-1120\n"
FILES = {
    "a b%41#?.txt": SECRET,
    "sub/n.ipynb": b'{"cells": [], "nbformat": 4}',
    "sub/x.bin": b"\0\xff" * 99,
}


@contextmanager
def jupyter(*args: str) -> Iterator[servers.Server]:
    """jupyter-server of PyPI."""
    binary = servers.from_pypi("jupyter-server")
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "www", FILES)
        argv = [binary, "--ip", servers.CLIENT, "--port", str(port), "--no-browser", "--allow-root"]
        argv += ["--ServerApp.root_dir", str(folder / "www"), *args]
        with servers.running(argv, folder, port) as server:
            yield server


CONFIGS = (
    Config(
        "jupyter: empty token",
        "jupyter",
        Access.GIVES_DATA,
        lambda: jupyter("--IdentityProvider.token="),
        8888,
        objects=3,
        state=files_of("www"),
    ),
    Config("jupyter: a token", "jupyter", Access.ASKS_CREDENTIAL, jupyter, 8888),
)
