"""FTP servers: vsftpd, ProFTPD, Pure-FTPd, pyftpdlib; anonymous, without it, and inside TLS.

The packages of the first three exclude each other: tools/servers.sh unpacks the other two into
.servers/unpacked. All are probed directly, because the data ports are the servers' own.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import servers
from lab.config import Config, Start, files_of
from leftopen.model.exposure import Access

FILES = {
    "readme.txt": b"The secret is 078-05-1120.\n",
    "pub/big.bin": bytes(9000),
    "pub/empty": b"",
}
_PROFTPD = """\
ServerType standalone
DefaultAddress {host}
Port {port}
UseIPv6 off
UseReverseDNS off
PidFile {secret}/pid
ScoreboardFile none
DelayEngine off
WtmpLog off
AuthOrder mod_auth_file.c
AuthUserFile {secret}/passwd
AuthGroupFile {secret}/group
User nobody
Group nogroup
RequireValidShell off
TransferLog none
UseFtpUsers off
"""
_ANONYMOUS = """\
<Anonymous {folder}/ftp>
  User nobody
  Group nogroup
  UserAlias anonymous nobody
  RequireValidShell off
  <Limit WRITE>
    DenyAll
  </Limit>
</Anonymous>
"""
_PYFTPDLIB = """\
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.auth_failed_timeout = 0.2
if sys.argv[3] == "anonymous":
    FTPHandler.authorizer.add_anonymous(sys.argv[2])
FTPServer(("127.0.0.1", int(sys.argv[1])), FTPHandler).serve_forever()
"""


def of_debian(name: str, package: str) -> str:
    """A program of a Debian package that is only unpacked here."""
    return servers.need(name, str(servers.PYPI.parent / "unpacked" / package / "usr" / "sbin"))


@contextmanager
def proftpd(*, anonymous: bool) -> Iterator[servers.Server]:
    """ProFTPD over `<folder>/ftp`; started by root it gives that up for nobody."""
    binary, port = of_debian("proftpd", "proftpd-core"), servers.free_port()
    _need_root()
    # servers.running gives up root where anybody could read the file that is named.
    with servers.scratch() as folder, tempfile.TemporaryDirectory() as secret:
        servers.plant(folder / "ftp", FILES)
        text = _PROFTPD + (_ANONYMOUS if anonymous else "")
        (Path(secret) / "passwd").write_text(f"nobody:!:65534:65534::{folder}/ftp:/bin/false\n")
        (Path(secret) / "group").write_text("nogroup:x:65534:\n")
        for name in ("passwd", "group"):
            (Path(secret) / name).chmod(0o600)
        conf = Path(secret) / "proftpd.conf"
        conf.write_text(text.format(host=servers.CLIENT, port=port, folder=folder, secret=secret))
        with servers.running([binary, "-n", "-q", "-c", str(conf)], folder, port) as server:
            yield server


@contextmanager
def pure_ftpd(*, anonymous: bool) -> Iterator[servers.Server]:
    """Pure-FTPd; its anonymous folder is the home of the user ftp, in a mount of its own here."""
    binary, port = of_debian("pure-ftpd", "pure-ftpd"), servers.free_port()
    _need_root()
    try:
        home = pwd.getpwnam("ftp").pw_dir
    except KeyError:
        servers.absent("Pure-FTPd needs a user ftp (the package vsftpd makes one)")
    with servers.scratch() as folder, tempfile.TemporaryDirectory() as secret:
        servers.plant(folder / "ftp", FILES)
        kind = "-e" if anonymous else "-E -l unix"
        start = Path(secret) / "start.sh"
        start.write_text(
            f"mount --bind {folder}/ftp {home}\n"
            f"exec {binary} -S {servers.CLIENT},{port} -g {secret}/pid -H -b {kind}\n"
        )
        argv = [servers.need("unshare"), "--mount", "/bin/sh", "-e", str(start)]
        with servers.running(argv, folder, port) as server:
            yield server


def _need_root() -> None:
    if os.getuid() != 0:
        servers.absent("this FTP server needs root for its anonymous folder")


@contextmanager
def pyftpdlib(*, anonymous: bool) -> Iterator[servers.Server]:
    """A few lines over pyftpdlib, from Debian's python3-pyftpdlib."""
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "ftp", FILES)
        (folder / "serve.py").write_text(_PYFTPDLIB)
        who = "anonymous" if anonymous else "nobody"
        argv = ["/usr/bin/python3", str(folder / "serve.py"), str(port), f"{folder}/ftp", who]
        with servers.running(argv, folder, port) as server:
            yield server


def _vsftpd(
    *, anonymous: bool = True, tls: bool = False, files: Mapping[str, bytes] = FILES
) -> Start:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        with servers.scratch() as folder:
            settings = _tls(folder) if tls else {}
            with servers.vsftpd(files, anonymous=anonymous, settings=settings) as server:
                yield server

    return start


def _tls(folder: Path) -> dict[str, str]:
    """Settings of vsftpd that let nobody in before AUTH TLS."""
    cert, key = servers.certificate(folder)
    names = ("ssl_enable", "allow_anon_ssl", "force_anon_logins_ssl", "force_anon_data_ssl")
    files = {"rsa_cert_file": str(cert), "rsa_private_key_file": str(key)}
    return {
        **dict.fromkeys(names, "YES"),
        **files,
        "ssl_ciphers": "HIGH",
        "require_ssl_reuse": "NO",
    }


def _row(
    name: str, access: Access, start: Start, objects: int | None = None, *, upgraded: bool = False
) -> Config:
    return Config(
        name,
        "ftp",
        access,
        start,
        21,
        objects=objects,
        direct=True,
        upgraded=upgraded,
        state=files_of("ftp"),
    )


_GIVES, _ASKS = Access.GIVES_DATA, Access.ASKS_CREDENTIAL
CONFIGS = (
    _row("vsftpd: anonymous", _GIVES, _vsftpd(), len(FILES)),
    _row("vsftpd: anonymous, TLS demanded", _GIVES, _vsftpd(tls=True), len(FILES), upgraded=True),
    _row("vsftpd: anonymous, empty", Access.LISTS, _vsftpd(files={}), 0),
    _row("vsftpd: no anonymous", _ASKS, _vsftpd(anonymous=False)),
    _row("proftpd: anonymous", _GIVES, lambda: proftpd(anonymous=True), len(FILES)),
    _row("proftpd: no anonymous", _ASKS, lambda: proftpd(anonymous=False)),
    _row("pure-ftpd: anonymous", _GIVES, lambda: pure_ftpd(anonymous=True), len(FILES)),
    _row("pure-ftpd: no anonymous", _ASKS, lambda: pure_ftpd(anonymous=False)),
    _row("pyftpdlib: anonymous", _GIVES, lambda: pyftpdlib(anonymous=True), len(FILES)),
    _row("pyftpdlib: no anonymous", _ASKS, lambda: pyftpdlib(anonymous=False)),
)
