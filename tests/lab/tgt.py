"""tgt: iSCSI targets for everybody, behind CHAP, for another initiator."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config
from leftopen.model.exposure import Access

IQN = "iqn.2001-04.org.example:payroll"


@contextmanager
def tgt(*commands: str) -> Iterator[servers.Server]:
    """Tgtd with what these commands of tgtadm set up; it is deaf to SIGTERM."""
    binary, admin = servers.need("tgtd"), servers.need("tgtadm")
    port = servers.free_port()
    with servers.scratch() as folder:
        env = {"TGT_IPC_SOCKET": str(folder / "socket"), "PATH": os.environ["PATH"]}
        argv = [binary, "-f", "--iscsi", f"portal={servers.CLIENT}:{port}"]
        with servers.running(argv, folder, port, stop=signal.SIGKILL, env=env) as server:
            for command in commands:
                done = subprocess.run(
                    [admin, "--lld", "iscsi", *command.split()],
                    env=env,
                    capture_output=True,
                    timeout=10,
                    **servers._DROP,  # type: ignore[call-overload]
                )
                assert done.returncode == 0, (command, done.stderr)
            yield server


NEW = f"--op new --mode target --tid 1 -T {IQN}"
EVERYBODY = "--op bind --mode target --tid 1 -I ALL"
USER = "--op new --mode account --user bob --password secretsecret12"


def _row(name: str, access: Access, *commands: str, objects: int | None = None) -> Config:
    return Config(
        f"tgt: {name}", "iscsi", access, lambda: tgt(*commands), 3260, objects=objects, state=_shown
    )


def _shown(server: servers.Server) -> object:
    """Targets, their units, accounts and who is logged in, as tgtadm shows them."""
    done = subprocess.run(
        [servers.need("tgtadm"), *["--lld", "iscsi", "--op", "show", "--mode", "target"]],
        env={"TGT_IPC_SOCKET": str(server.folder / "socket"), "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=10,
        check=True,
        **servers._DROP,  # type: ignore[call-overload]
    )
    return done.stdout


_CHAP = "--op bind --mode account --tid 1 --user bob"
CONFIGS = (
    _row("for everybody", Access.LISTS, NEW, EVERYBODY, objects=1),
    _row("CHAP on the target", Access.LISTS, NEW, EVERYBODY, USER, _CHAP, objects=1),
    _row(
        "CHAP for discovery",
        Access.ASKS_CREDENTIAL,
        NEW,
        EVERYBODY,
        USER,
        "--op bind --mode account --user bob",
    ),
    _row(
        "for another address",
        Access.REFUSED_OR_ABSENT,
        NEW,
        "--op bind --mode target --tid 1 -I 192.0.2.7",
    ),
)
