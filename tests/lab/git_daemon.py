"""git daemon: references of repositories that are exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access


@contextmanager
def git_daemon(*options: str) -> Iterator[servers.Server]:
    """`payroll.git` is exported and has a branch and a tag, `private.git` is not exported."""
    binary = servers.need("git-daemon", "/usr/lib/git-core")
    git = servers.need("git")
    port = servers.free_port()
    with servers.scratch() as folder:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "safe.directory=*"]
        for name in ("payroll.git", "private.git"):
            bare = [git, *who, "--git-dir", str(folder / name)]
            servers._check([*bare, "init", "-q", "--bare", "-b", "main"], folder)
            tree = servers._check([*bare, "mktree"], folder).strip()
            commit = servers._check([*bare, "commit-tree", tree, "-m", "x"], folder).strip()
            for ref in ("refs/heads/main", "refs/tags/v1"):
                servers._check([*bare, "update-ref", ref, commit], folder)
        (folder / "payroll.git/git-daemon-export-ok").touch()
        servers.give(folder)
        argv = [binary, f"--port={port}", f"--listen={servers.CLIENT}", "--reuseaddr"]
        argv += [f"--base-path={folder}", *options]
        with servers.running(argv, folder, port) as server:
            yield server


def _row(name: str, access: Access, *options: str, objects: int | None = None) -> Config:
    return Config(
        f"git daemon: {name}",
        "git_daemon",
        access,
        lambda: git_daemon(*options),
        9418,
        objects=objects,
        claims='git_repositories = ["payroll.git", "absent.git"]',
        state=files_of("payroll.git", "private.git"),
    )


CONFIGS = (
    _row("exported", Access.LISTS, objects=3),
    _row("all exported", Access.LISTS, "--export-all", objects=3),
)
