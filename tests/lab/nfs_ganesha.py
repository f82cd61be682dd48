"""NFS-Ganesha: NFS version 4 with no portmapper beside it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

BIG = bytes(range(256)) * 1200
FILES = {
    "readme.txt": b"The secret is 078-05-1120.\n",
    "deep/er/big.bin": BIG,
    "empty": b"",
    "odd/ünï": b"unicode",
    "odd/" + "n" * 250: b"long",
}
_CORE = """
NFS_CORE_PARAM {{ NFS_Protocols = {version}; NFS_Port = {port}; MNT_Port = {mount};
  {bind} Enable_RQUOTA = false; Enable_NLM = false; Enable_UDP = false; }}
NFSv4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = {folder}/state; }}
EXPORT_DEFAULTS {{ Squash = All_Squash; Protocols = {version}; Transports = TCP; }}
"""
_EXPORT = """
EXPORT {{ Export_Id = {number}; Path = {folder}/{name}; Pseudo = /{name}; Tag = {name};
  {access} FSAL {{ Name = VFS; }} }}
"""
OPEN = "Access_Type = RO; SecType = none, sys;"
ONLY_SYS = "Access_Type = RO; SecType = sys;"
SHUT = "Access_Type = NONE; CLIENT { Clients = 192.0.2.7; Access_Type = RO; }"
KERBEROS = "Access_Type = RO; SecType = krb5;"


@contextmanager
def ganesha(version: int = 4, port: int = 0, **exports: str) -> Iterator[servers.Server]:
    """NFS-Ganesha: FILES in each of these exports."""
    binary = servers.need("ganesha.nfsd")
    if os.getuid() != 0:
        servers.absent("NFS-Ganesha opens files by their handle, for which it must be root")
    port, mount = port or servers.free_port(), servers.free_port()
    # servers.running gives up root where anybody could read the file that is named.
    with servers.scratch() as folder, tempfile.TemporaryDirectory() as secret:
        for name in exports:
            servers.plant(folder / name, FILES)
        (folder / "state").mkdir()
        # Where loopback is all there is (apart), it takes no literal address for one.
        bind = "" if port == 2049 or version == 3 else "Bind_addr = 127.0.0.1;"
        text = _CORE.format(version=version, port=port, mount=mount, folder=folder, bind=bind)
        for number, (name, access) in enumerate(exports.items(), 10):
            text += _EXPORT.format(number=number, folder=folder, name=name, access=access)
        config = Path(secret) / "ganesha.conf"
        config.write_text(text)
        argv = [binary, "-F", "-f", str(config), "-L", str(folder / "log"), "-p", f"{secret}/pid"]
        with servers.running(argv, folder, port) as server:
            _await(folder / "log", "NFS SERVER INITIALIZED")
            yield server


def _await(log: Path, word: str) -> None:
    deadline = time.monotonic() + servers.START_SECONDS
    while not log.exists() or word not in log.read_text(errors="replace"):
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"


def _row(name: str, access: Access, objects: int | None = None, **exports: str) -> Config:
    return Config(
        f"nfs-ganesha: {name}",
        "nfs",
        access,
        lambda: ganesha(4, 0, **exports),
        2049,
        objects=objects,
        state=files_of(*exports),
    )


CONFIGS = (
    _row("read only for all", Access.GIVES_DATA, len(FILES), data=OPEN),
    _row("AUTH_SYS for all", Access.GIVES_DATA, len(FILES), data=ONLY_SYS),
    _row("one of two closed", Access.GIVES_DATA, len(FILES), data=OPEN, shut=SHUT),
    _row("for another client", Access.REFUSED_OR_ABSENT, shut=SHUT),
    _row("kerberos", Access.LISTS, data=KERBEROS),
)
