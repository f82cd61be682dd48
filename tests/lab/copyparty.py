"""copyparty (of PyPI): a file server whose closed volumes look empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, files_of, with_tls
from leftopen.model.exposure import Access

SECRET = b"number 078-05-1120\n"
FILES = {"a b%41#.txt": SECRET, "sub/deep/x.eml": SECRET * 2, "sub/y": b"y" * 9000}


@contextmanager
def copyparty(volume: str, *args: str) -> Iterator[servers.Server]:
    """copyparty of PyPI."""
    binary = servers.from_pypi("copyparty")
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "www", FILES)
        argv = [binary, "-i", servers.CLIENT, "-p", str(port), *args]
        argv += ["-v", f"{folder / 'www'}::{volume}"]
        with servers.running(argv, folder, port) as server:
            yield server


def _row(name: str, access: Access, *args: str, objects: int | None = None) -> Config:
    return Config(
        f"copyparty: {name}",
        "copyparty",
        access,
        lambda: copyparty(*args),
        3923,
        objects=objects,
        state=files_of("www/sub"),
    )


_OPEN = _row("volume for all", Access.GIVES_DATA, "r", objects=3)
CONFIGS = (
    _OPEN,
    *with_tls((_OPEN,), 443),
    _row("volume for one", Access.ASKS_CREDENTIAL, "r,bob", "-a", "bob:correct-horse"),
)
