"""nghttpd, which speaks nothing older than HTTP/2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

INDEX = (
    "<html><head><title>Index of /</title></head><body><h1>Index of /</h1><hr><pre>"
    '<a href="../">../</a>\n<a href="a.txt">a.txt</a>  24-Nov-2026 10:00  17\n</pre></body></html>'
)


@contextmanager
def nghttpd(*, tls: bool = False) -> Iterator[servers.Server]:
    """A page as a listing would be, and one file; in the clear or with TLS of its own."""
    binary = servers.need("nghttpd")
    port = servers.free_port()
    with servers.scratch() as folder:
        root = {"index.html": INDEX.encode(), "a.txt": b"hello over frames"}
        servers.plant(folder / "root", root)
        argv = [binary, "-a", servers.CLIENT, "-d", str(folder / "root")]
        argv += [str(port)] if tls else ["--no-tls", str(port)]
        if tls:
            cert, key = servers.certificate(folder)
            argv += [str(key), str(cert)]
        servers.give(folder)
        with servers.running(argv, folder, port) as server:
            yield server


def _row(name: str, port: int, *, tls: bool) -> Config:
    start, state = partial(nghttpd, tls=tls), files_of("root")
    return Config(name, "http", Access.GIVES_DATA, start, port, 1, upgraded=tls, state=state)


CONFIGS = (
    _row("nghttpd: listing", 8080, tls=False),
    _row("nghttpd: listing, TLS of its own", 8443, tls=True),
)
