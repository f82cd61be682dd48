"""Radicale (of PyPI): address books and calendars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

CARD = (
    b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:Ann\r\nN:Ann;;;;\r\n"
    b"TEL:078-05-1120\r\nEND:VCARD\r\n"
)
EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:2\r\n"
    b"DTSTAMP:20230208T100000Z\r\nDTSTART:20230208T100000Z\r\nSUMMARY:pay\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)
FILES = {
    "collection-root/bob/contacts/.Radicale.props": b'{"tag": "VADDRESSBOOK"}',
    "collection-root/bob/contacts/1.vcf": CARD,
    "collection-root/bob/cal/.Radicale.props": b'{"tag": "VCALENDAR"}',
    "collection-root/bob/cal/2.ics": EVENT,
    "users": b"bob:correct-horse\n",
}


@contextmanager
def radicale(*args: str) -> Iterator[servers.Server]:
    """Radicale of PyPI."""
    binary = servers.from_pypi("radicale")
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "data", FILES)
        argv = [binary, "--server-hosts", f"{servers.CLIENT}:{port}", "--auth-delay", "0"]
        argv += ["--storage-filesystem-folder", str(folder / "data")]
        argv += [a.replace("{folder}", str(folder / "data")) for a in args]
        with servers.running(argv, folder, port) as server:
            yield server


_LOGIN = ("--auth-type", "htpasswd", "--auth-htpasswd-filename", "{folder}/users")
_PLAIN = (*_LOGIN, "--auth-htpasswd-encryption", "plain", "--rights-type")


def _collections(server: servers.Server) -> object:
    """All but what Radicale itself keeps beside them when it is asked (its cache)."""
    found = sorted((server.folder / "data").rglob("*"))
    kept = [p for p in found if p.is_file() and ".Radicale.cache" not in p.parts]
    return {str(p): p.read_bytes() for p in kept if p.name != ".Radicale.lock"}


def _row(name: str, access: Access, *args: str, objects: int | None = None) -> Config:
    return Config(
        f"radicale: {name}",
        "webdav",
        access,
        lambda: radicale(*args),
        80,
        objects=objects,
        state=_collections,
    )


_OPEN = _row("no login", Access.GIVES_DATA, "--auth-type", "none", objects=2)
CONFIGS = (
    _OPEN,
    *with_tls((_OPEN,), 443),
    _row("htpasswd", Access.ASKS_CREDENTIAL, *_PLAIN, "authenticated"),
    _row("htpasswd, owners only", Access.ASKS_CREDENTIAL, *_PLAIN, "owner_only"),
)
