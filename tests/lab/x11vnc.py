"""x11vnc: the screen of a display."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config
from leftopen.model.exposure import Access


@contextmanager
def x11vnc(*, open: bool) -> Iterator[servers.Server]:
    """x11vnc of an Xvfb of 320 x 200."""
    display, binary = servers.need("Xvfb"), servers.need("x11vnc")
    screen, port = servers.free_port(), servers.free_port()
    with servers.scratch() as folder:
        number = f":{screen - 6000}"
        argv = [display, number, "-screen", "0", "320x200x8", "-listen", "tcp", "-ac", "-noreset"]
        secret = folder / "password"
        made = subprocess.run(
            [binary, "-storepasswd", "horse", str(secret)], capture_output=True, check=False
        )
        assert made.returncode == 0
        (folder / "vnc").mkdir()
        servers.give(folder)
        with servers.running([*argv, "-nolisten", "unix", "-nolisten", "local"], folder, screen):
            run = [binary, "-display", f"{servers.CLIENT}{number}", "-rfbport", str(port)]
            run += ["-listen", servers.CLIENT, "-forever", "-shared", "-noipv6", "-noshm"]
            run += ["-desktop", "payroll desk"]
            run += ["-nopw"] if open else ["-rfbauth", str(secret)]
            with servers.running(run, folder / "vnc", port) as server:
                yield server


CONFIGS = (
    Config("x11vnc: no password", "vnc", Access.LISTS, lambda: x11vnc(open=True), 5900),
    Config("x11vnc: a password", "vnc", Access.ASKS_CREDENTIAL, lambda: x11vnc(open=False), 5900),
)
