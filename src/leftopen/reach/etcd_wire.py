"""The JSON gateway of etcd's v3 API: reads of a range of keys and of the size of the store.

Both exist only as POST and change nothing (rpc.proto: Range, Status). Keys and values are Base64.
The gateway's prefix is /v3 since 3.4, /v3beta in 3.3 and 3.4, /v3alpha in 3.2 and 3.3.
https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach.json_answer import parsed

PREFIXES: Final = ("/v3", "/v3beta", "/v3alpha")
ALLOWED: Final = tuple(
    rb"POST %s HTTP/1\.1\r\n" % f"{prefix}{call}".encode()
    for prefix in PREFIXES
    for call in ("/kv/range", "/maintenance/status")
)
VALUE_BYTES: Final = 3_000_000  # etcd takes requests of 1.5 MiB, Base64 adds a third
ALL: Final = b"\0"  # as the end of a range: every key from its beginning on (rpc.proto)
_REFUSALS: Final = {  # google.rpc.Code: what the gateway makes of etcd's errors
    3: "user name is empty",  # INVALID_ARGUMENT, a 400: authentication is on, nobody logged in
    7: "permission denied",
    16: "invalid auth token",
}


class _Header(msgspec.Struct):
    cluster_id: str
    revision: str


class _Pair(msgspec.Struct):
    key: str
    value: str = ""


class _Range(msgspec.Struct):
    header: _Header
    kvs: list[_Pair] = []
    count: str = "0"
    more: bool = False


class _Status(msgspec.Struct, rename="camel"):
    version: str
    db_size: str = "0"


class _Error(msgspec.Struct):
    code: int
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the keys; `count` is how many the whole range has."""

    pairs: tuple[tuple[bytes, bytes], ...]
    count: int
    more: bool
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Asks:
    """A refusal that asks for a user: etcd's own words, not masked."""

    words: str
    raw: bytes


def range_body(key: bytes, *, end: bytes = b"", limit: int = 0, keys_only: bool = False) -> bytes:
    """The request for one key, or for `limit` keys from `key` up to `end`."""
    asked: dict[str, object] = {"key": b64encode(key).decode()}
    asked |= {"range_end": b64encode(end).decode()} if end else {}
    asked |= {"limit": limit} if limit else {}
    return msgspec.json.encode(asked | ({"keys_only": True} if keys_only else {}))


def page_of(answer: Response) -> Page | Asks | None:
    """What an answer to a range says; None where it is no answer of this API.

    Raises:
        ProtocolError: a key or value that is no Base64, a count that is no number.
    """
    if answer.status == 200:
        found = parsed(answer, _Range)
        if found is None:
            return None
        pairs = tuple((_bytes(p.key), _bytes(p.value)) for p in found.kvs)
        return Page(pairs, _number(found.count), found.more, answer.body)
    # A chunked answer of 3.4 ends with a trailer, which is no part of the JSON.
    error = parsed(answer, _Error)
    if error is None or answer.status not in (400, 401, 403):
        return None
    said = error.error or error.message
    wanted = _REFUSALS.get(error.code)
    return Asks(said, answer.body) if wanted and wanted in said else None


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise ProtocolError(f"a key or value that is not Base64: {safe(text, 40)}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ProtocolError(f"a count that is no number: {safe(text, 40)}")
    return int(text)


async def ask(client: HttpClient, prefix: str, body: bytes, limit: int) -> Response:
    """One read of a range."""
    return await _post(client, f"{prefix}/kv/range", body, limit)


async def stored(client: HttpClient, prefix: str) -> int | None:
    """Bytes of the database file (dbSize); None where the server does not say."""
    answer = await _post(client, f"{prefix}/maintenance/status", b"{}", 65_536)
    found = parsed(answer, _Status) if answer.status == 200 else None
    return _number(found.db_size) if found else None


async def _post(client: HttpClient, path: str, body: bytes, limit: int) -> Response:
    headers = {"Content-Type": "application/json"}
    return await client.request("POST", path, headers=headers, body=body, limit=limit)
