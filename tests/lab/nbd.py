"""Network block devices: nbd-server and nbdkit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

DISK = 1_048_576


@contextmanager
def nbd_server(
    listed: bool, more: str = "", exports: str = "payroll,hr"
) -> Iterator[servers.Server]:
    """nbd-server over one disk; `more` are lines of every export."""
    binary = servers.need("nbd-server")
    port = servers.free_port()
    with servers.scratch() as folder:
        (folder / "disk").write_bytes(bytes(DISK))
        text = f"[generic]\nlistenaddr = {servers.CLIENT}\nport = {port}\n"
        text += f"allowlist = {str(listed).lower()}\n"
        for name in exports.split(","):
            text += f"[{name}]\nexportname = {folder}/disk\nreadonly = true\n{more}\n"
        (folder / "nbd.conf").write_text(text.format(folder=folder))
        (folder / "nobody").write_text("192.0.2.7\n")
        servers.give(folder)
        # In the foreground (-d) it serves one client and ends, so it is let go and ended by its id.
        start = f"{binary} -C nbd.conf -p {folder}/pid; exec tail -f /dev/null"
        try:
            with servers.running(["/bin/sh", "-c", start], folder, port) as server:
                yield server
        finally:
            os.kill(int((folder / "pid").read_text()), signal.SIGTERM)


@contextmanager
def nbdkit(*exports: str) -> Iterator[servers.Server]:
    """Nbdkit over a folder of disks."""
    binary, port = servers.need("nbdkit"), servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "disks", {name: bytes(DISK) for name in exports})
        argv = [binary, "-f", "-r", "-i", servers.CLIENT, "-p", str(port)]
        argv += ["file", f"dir={folder}/disks"]
        # It ends with the thread that started it; here that is a shell, which waits.
        shell = ["/bin/sh", "-c", '"$@"; exit', "sh"]
        with servers.running([*shell, *argv], folder, port) as server:
            yield server


def _disk(server: servers.Server) -> object:
    return (server.folder / "disk").read_bytes() == bytes(DISK)


CONFIGS = (
    Config(
        "nbd-server: allowlist",
        "nbd",
        Access.LISTS,
        lambda: nbd_server(True),
        10809,
        objects=2,
        state=_disk,
    ),
    Config(
        "nbd-server: exports for another address",
        "nbd",
        Access.LISTS,
        lambda: nbd_server(True, "authfile = {folder}/nobody"),
        10809,
        objects=2,
    ),
    Config(
        "nbd-server: no list", "nbd", Access.REFUSED_OR_ABSENT, lambda: nbd_server(False), 10809
    ),
    Config(
        "nbdkit: a folder",
        "nbd",
        Access.LISTS,
        lambda: nbdkit("payroll", "hr"),
        10809,
        objects=2,
        state=files_of("disks"),
    ),
)
