"""Azurite (npm), the blob service of Azure for developers; its 403 is not what Azure answers."""

from __future__ import annotations

import servers
from lab.config import Config, with_tls
from lab.shared import shared
from leftopen.model.exposure import Access

_MAIL = b"Subject: hi\r\n\r\nnumber 078-05-1120\r\n"
_ONE = shared(
    lambda: servers.azurite(
        {
            "open": ("container", {"2023/a.eml": _MAIL, "top.pst": bytes(9000), "empty": b""}),
            "void": ("container", {}),
            "blobs": ("blob", {"known.eml": _MAIL}),
            "private": ("", {"a.eml": _MAIL}),
        }
    )
)


def _row(name: str, access: Access, path: str, objects: int | None = None) -> Config:
    return Config(
        f"azurite: {name}",
        "azure_blob",
        access,
        _ONE,
        10000,
        objects=objects,
        store="azure_blob",
        path=f"/{servers.AZURITE_ACCOUNT}/{path}",
    )


_OPEN = _row("container", Access.GIVES_DATA, "open", 3)
CONFIGS = (
    _OPEN,
    *with_tls((_OPEN,), 443),
    _row("container, empty", Access.LISTS, "void", 0),
    _row("blob, the container", Access.ASKS_CREDENTIAL, "blobs"),
    _row("blob, named", Access.GIVES_DATA, "blobs/known.eml"),
    _row("private", Access.ASKS_CREDENTIAL, "private"),
    _row("private, named", Access.ASKS_CREDENTIAL, "private/a.eml"),
    _row("absent", Access.ASKS_CREDENTIAL, "nope"),
)
