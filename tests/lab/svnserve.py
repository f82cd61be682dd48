"""svnserve over one repository, for anybody or for those who log in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

SECRET = b"password=correct-horse\n"
LONG = b"0123456789abcdef" * 20_000
FILES = {"trunk/a b.txt": SECRET, "trunk/deep/long.bin": LONG, "empty": b""}


@contextmanager
def svnserve(
    settings: str = "anon-access = read", authz: str = "", inner: str = ""
) -> Iterator[servers.Server]:
    """svnserve whose root is the repository, or holds it in the folder `inner`."""
    binary, admin = servers.need("svnserve"), servers.need("svnadmin")
    client = servers.need("svn")
    port = servers.free_port()
    with servers.scratch() as folder:
        home = {"HOME": str(folder), "LANG": "C.UTF-8"}
        root = folder / "root"
        root.mkdir()
        repository = root / inner if inner else root
        subprocess.run([admin, "create", str(repository)], check=True, env=home)
        servers.plant(folder / "tree", FILES)
        subprocess.run(
            [client, "import", "-q", "-m", "x", str(folder / "tree"), f"file://{repository}"],
            check=True,
            env=home,
        )
        (repository / "conf" / "svnserve.conf").write_text(f"[general]\n{settings}\n")
        (repository / "conf" / "passwd").write_text("[users]\nann = correct-horse\n")
        (repository / "conf" / "authz").write_text(authz)
        servers.give(folder)
        argv = [binary, "-d", "--foreground", "--listen-host", servers.CLIENT]
        argv += ["--listen-port", str(port), "-r", str(root)]
        with servers.running(argv, folder, port) as server:
            yield server


def _row(name: str, access: Access, settings: str, authz: str = "", inner: str = "") -> Config:
    start = partial(svnserve, settings, authz, inner)
    return Config(name, "svn", access, start, 3690, state=files_of("root"))


_RULES = "anon-access = read\nauthz-db = authz"
_LOGIN = "anon-access = none\npassword-db = passwd"
CONFIGS = (
    replace(_row("svnserve: open", Access.GIVES_DATA, "anon-access = read"), sized=True),
    _row("svnserve: anon-access none", Access.ASKS_CREDENTIAL, "anon-access = none"),
    _row("svnserve: password", Access.ASKS_CREDENTIAL, _LOGIN),
    _row("svnserve: authz", Access.ASKS_CREDENTIAL, _RULES, "[/]\n* =\n"),
    _row("svnserve: folder closed", Access.LISTS, _RULES, "[/]\n* = r\n[/trunk]\n* =\n"),
    _row("svnserve: a folder inside", Access.REFUSED_OR_ABSENT, "anon-access = read", "", "inner"),
)
