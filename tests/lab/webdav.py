"""WebDAV: WsgiDAV and rclone (both of PyPI)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from lab.config import Config, files_of, with_tls
from leftopen.model.exposure import Access

SECRET = b"number 078-05-1120\n"
FILES = {"a b%41#?.txt": SECRET, "sub/deep/x.eml": SECRET * 2, "empty": b"", "sub/y": b"y" * 9000}


def binary(name: str) -> str:
    """A server of PyPI: in $LEFTOPEN_WEBDAV_BIN, beside this Python, or on the PATH."""
    return servers.need(
        name, os.environ.get("LEFTOPEN_WEBDAV_BIN", ""), str(Path(sys.executable).parent)
    )


@contextmanager
def wsgidav(auth: str) -> Iterator[servers.Server]:
    """WsgiDAV; `auth` is "open", "basic" or "digest"."""
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "www", FILES)
        users: object = True if auth == "open" else {"bob": {"password": "correct-horse"}}
        config = {
            "host": servers.CLIENT,
            "port": port,
            "provider_mapping": {"/": {"root": str(folder / "www"), "readonly": True}},
            "simple_dc": {"user_mapping": {"*": users}},
            "http_authenticator": {
                "accept_basic": auth == "basic",
                "accept_digest": auth == "digest",
                "default_to_digest": auth == "digest",
            },
        }
        (folder / "wsgidav.json").write_text(json.dumps(config))
        argv = [binary("wsgidav"), "--config", str(folder / "wsgidav.json")]
        with servers.running(argv, folder, port) as server:
            yield server


@contextmanager
def rclone(*args: str) -> Iterator[servers.Server]:
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "www", FILES)
        argv = [binary("rclone"), "serve", "webdav", "--addr", f"{servers.CLIENT}:{port}"]
        argv += ["--read-only", "--config", "", *args, str(folder / "www")]
        with servers.running(argv, folder, port) as server:
            yield server


_WWW = files_of("www")
_GIVES, _ASKS = Access.GIVES_DATA, Access.ASKS_CREDENTIAL
_LOGIN = ("--user", "bob", "--pass", "correct-horse")
OPEN = (
    Config(
        "wsgidav: anonymous", "webdav", _GIVES, lambda: wsgidav("open"), 80, objects=4, state=_WWW
    ),
    Config("rclone: webdav, open", "webdav", _GIVES, rclone, 80, objects=4, state=_WWW),
)
CLOSED = (
    Config("wsgidav: Digest", "http", _ASKS, lambda: wsgidav("digest"), 80, state=_WWW),
    Config("wsgidav: Basic", "http", _ASKS, lambda: wsgidav("basic"), 80, state=_WWW),
    Config("rclone: webdav, user", "http", _ASKS, lambda: rclone(*_LOGIN), 80, state=_WWW),
)
CONFIGS = (*OPEN, *CLOSED, *with_tls((*OPEN, CLOSED[0]), 443))
