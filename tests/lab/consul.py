"""Fakes of Consul."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from lab.config import Config
from lab.fakes import pages
from leftopen.model.exposure import Access
from reaching import answer

SECRET = b"password=correct-horse"
UI = answer(b"", "301 Moved Permanently", more={"Location": "/ui/"})
MISSING = answer(b"", "404 Not Found")
DENIED = answer(b"Permission denied", "403 Forbidden", "text/plain")
DENIED_NEW = answer(
    b"Permission denied: anonymous token lacks permission 'key:list' on \"\"", "403 Forbidden"
)
BASE = {
    "/": UI,
    "/v1/status/leader": answer(b'"127.0.0.1:8300"'),
    "/v1/catalog/datacenters": answer(b'["dc1"]'),
    "/v1/catalog/services": answer(b'{"consul":[]}'),
}
LIST = "/v1/kv/?keys&separator=/"


def names(*keys: str) -> bytes:
    return answer(json.dumps(keys).encode())


def pair(key: str, value: bytes | None) -> bytes:
    text = None if value is None else base64.b64encode(value).decode()
    found = {"LockIndex": 0, "Key": key, "Flags": 0, "Value": text, "CreateIndex": 9}
    return answer(json.dumps([{**found, "ModifyIndex": 9}]).encode())


OPEN = {
    LIST: names("app/", "top"),
    "/v1/kv/app/?keys&separator=/": names("app/", "app/db url"),
    "/v1/kv/app/db%20url": pair("app/db url", SECRET),
    "/v1/kv/top": pair("top", None),
}


def fake(answers: dict[str, bytes]) -> Callable[[str], bytes]:
    return lambda path: {**BASE, **answers}.get(path, MISSING)


CONFIGS = (
    Config(
        "Consul (fake): open",
        "consul",
        Access.GIVES_DATA,
        pages(fake(OPEN)),
        8500,
        objects=2,
        fake=True,
    ),
    Config(
        "Consul (fake): ACLs",
        "consul",
        Access.ASKS_CREDENTIAL,
        pages(fake({LIST: DENIED_NEW})),
        8500,
        fake=True,
    ),
)
