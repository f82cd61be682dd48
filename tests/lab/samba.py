"""Samba: guest shares, shares that want a login, signing, encryption and the old dialect."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

_FILES = {"a.txt": b"The secret is 078-05-1120.\n", "deep/er/b.bin": bytes(9000), "empty": b""}
PUB = ("path = {folder}/files", "guest ok = yes")
PRIV = ("path = {folder}/files",)
_GLOBAL = """\
[global]
smb ports = {port}
interfaces = {host}
bind interfaces only = yes
disable netbios = no
load printers = no
printcap name = /dev/null
disable spoolss = yes
map to guest = Bad User
guest account = {user}
lock directory = {folder}/run
state directory = {folder}/run
cache directory = {folder}/run
pid directory = {folder}/run
private dir = {folder}/run
ncalrpc dir = {folder}/run/ncalrpc
"""


def _end_helpers(file: Path) -> None:
    """smbd starts the server of its pipes as a daemon, in a process group of its own."""
    if file.exists():
        with suppress(ProcessLookupError):
            os.killpg(int(file.read_text()), signal.SIGKILL)


@contextmanager
def samba(
    shares: Mapping[str, Sequence[str]], *settings: str, files: Mapping[str, bytes] = _FILES
) -> Iterator[servers.Server]:
    """smbd over `<folder>/files`; `settings` are lines of its [global]."""
    binary = servers.need("smbd")
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "files", files)
        (folder / "run").mkdir()
        text = _GLOBAL.format(port=port, host=servers.CLIENT, folder=folder, user=servers._user())
        lines = [text, *settings]
        for name, extra in shares.items():
            lines += [f"[{name}]", *extra]
        conf = folder / "smb.conf"
        conf.write_text("\n".join(lines).replace("{folder}", str(folder)) + "\n")
        servers.give(folder)
        argv = [binary, "-F", "--no-process-group", "-s", str(conf), "-l", str(folder)]
        try:
            with servers.running(argv, folder, port, stop=signal.SIGKILL) as server:
                yield server
        finally:
            _end_helpers(folder / "run" / "samba-dcerpcd.pid")


def _row(
    name: str,
    access: Access,
    shares: Mapping[str, Sequence[str]],
    *settings: str,
    port: int = 445,
    objects: int | None = None,
) -> Config:
    return Config(
        f"samba: {name}",
        "smb",
        access,
        lambda: samba(shares, *settings),
        port,
        objects=objects,
        state=files_of("files"),
    )


CONFIGS = (
    _row("guest share", Access.GIVES_DATA, {"pub": PUB, "priv": PRIV}, objects=3),
    _row("guest share, port 139", Access.GIVES_DATA, {"pub": PUB}, port=139, objects=3),
    _row(
        "guest share, NT LM 0.12",
        Access.GIVES_DATA,
        {"pub": PUB},
        "server min protocol = CORE",
        "server max protocol = NT1",
        objects=3,
    ),
    _row(
        "guest share, SMB 2.0.2",
        Access.GIVES_DATA,
        {"pub": PUB},
        "server max protocol = SMB2_02",
        objects=3,
    ),
    _row("share list only", Access.LISTS, {"priv": PRIV}),
    _row("encrypted share", Access.LISTS, {"pub": (*PUB, "smb encrypt = required")}),
    _row(
        "restrict anonymous = 2",
        Access.ASKS_CREDENTIAL,
        {"priv": PRIV},
        "map to guest = Never",
        "restrict anonymous = 2",
    ),
    _row(
        "signing for all",
        Access.ASKS_CREDENTIAL,
        {"priv": PRIV},
        "map to guest = Never",
        "restrict anonymous = 2",
        "server signing = mandatory",
    ),
    _row("encryption", Access.ASKS_CREDENTIAL, {"pub": PUB}, "smb encrypt = required"),
    _row(
        "NT LM 0.12, restrict anonymous = 2",
        Access.ASKS_CREDENTIAL,
        {"priv": PRIV},
        "server min protocol = CORE",
        "server max protocol = NT1",
        "restrict anonymous = 2",
    ),
)
