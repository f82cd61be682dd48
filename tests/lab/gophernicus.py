"""Gophernicus, started for each connection as inetd would."""

from __future__ import annotations

import os
import socketserver
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

SECRET = b"password=correct-horse\n"
LONG = b"0123456789abcdef" * 10_000
FILES = {"a.txt": SECRET, "deep/b.txt": SECRET * 2, "long.bin": LONG}


class _Inetd(socketserver.ThreadingTCPServer):
    """Runs `argv` with each connection as its standard input and output."""

    daemon_threads = True
    allow_reuse_address = True
    argv: tuple[str, ...] = ()


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Inetd)
        subprocess.run(
            self.server.argv,
            stdin=self.request.fileno(),
            stdout=self.request.fileno(),
            stderr=subprocess.DEVNULL,
            env={"REMOTE_ADDR": servers.CLIENT},
            timeout=10,
            check=False,
        )


@contextmanager
def gophernicus(
    files: Mapping[str, bytes] = FILES, *, port: int = 0, menu: str = ""
) -> Iterator[servers.Server]:
    """The real server over these files; its links name its own address.

    With a `port` it takes the first address of this machine where that one is free. `menu` is the
    host that its links name instead.
    """
    binary = servers.need("gophernicus")
    nobody = [servers.need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody = nobody if os.getuid() == 0 else []  # it refuses to run as root
    with servers.scratch() as folder, _listening(port) as inetd:
        servers.plant(folder / "gopher", files)
        host, port = str(inetd.server_address[0]), int(inetd.server_address[1])
        # -nf and the others: no counters, no log, no queries of the machine
        argv = (*nobody, binary, "-r", str(folder / "gopher"), "-h", menu or host, "-p", str(port))
        inetd.argv = (*argv, "-nf", "-nu", "-nm", "-nx", "-nd")
        yield servers.Server(host, port, folder)


@contextmanager
def _listening(port: int) -> Iterator[_Inetd]:
    inetd = _bound(port)
    thread = Thread(target=inetd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield inetd
    finally:
        inetd.shutdown()
        thread.join(servers.STOP_SECONDS)
        inetd.server_close()


def _bound(port: int) -> _Inetd:
    if not port:
        return _Inetd((servers.CLIENT, 0), _Connection)
    for last in range(70, 90):
        with suppress(OSError):
            return _Inetd((f"127.0.0.{last}", port), _Connection)
    raise RuntimeError(f"port {port} is in use on twenty addresses")


CONFIGS = (
    Config(
        "Gophernicus: files",
        "gopher",
        Access.GIVES_DATA,
        partial(gophernicus, port=70),
        70,
        objects=len(FILES),
        direct=True,  # its links must name the address at which it is looked at
        state=files_of("gopher"),
    ),
    Config(
        "Gophernicus: links of another address",
        "gopher",
        Access.LISTS,
        gophernicus,
        70,
        state=files_of("gopher"),
    ),
)
