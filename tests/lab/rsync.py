"""rsync's daemon: open modules, modules that want a login, hide or refuse."""

from __future__ import annotations

from collections.abc import Sequence

import servers
from lab.config import Config, files_of, with_tls
from leftopen.model.exposure import Access

_FILES = {"readme.txt": b"The secret is 078-05-1120.\n", "deep/b.bin": bytes(9000), "empty": b""}
_AUTH = ("auth users = bob", "secrets file = {folder}/secrets")
_DENY = ("hosts deny = *",)


def _row(name: str, access: Access, objects: int | None = None, **more: Sequence[str]) -> Config:
    return Config(
        f"rsync: {name}",
        "rsync",
        access,
        lambda: servers.rsyncd(more, _FILES, motd="Welcome\nto\n"),
        873,
        objects=objects,
        state=files_of("files", "secrets"),
    )


_OPEN = _row("open", Access.GIVES_DATA, 3, open=())
_AUTH_USERS = _row("auth users", Access.ASKS_CREDENTIAL, locked=_AUTH)
CONFIGS = (
    _OPEN,
    _AUTH_USERS,
    *with_tls((_OPEN, _AUTH_USERS), 874),
    _row("open, writable", Access.GIVES_DATA, 3, open=("read only = no",)),
    _row("one of four open", Access.GIVES_DATA, 3, a=_AUTH, b=_DENY, c=(), d=("list = no",)),
    _row("auth users, list = no", Access.SPEAKS, locked=(*_AUTH, "list = no")),
    _row("hosts deny", Access.ASKS_CREDENTIAL, denied=_DENY),
)
