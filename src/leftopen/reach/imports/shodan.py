"""Shodan: host objects and banner lines that its search, host view and downloads export.

A passive record says that a service spoke, never that data came out; only the fields that name
contents (Redis keys, rsync modules, SMB shares) make it LISTS. Times are UTC without a zone.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

import msgspec

from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe
from leftopen.reach.api import Import

MAX_BYTES: Final = 256_000_000  # of one file, unpacked
MAX_RECORD: Final = 64_000_000
MAX_BAD: Final = 100  # Gaps of one file that are told apart; the rest is counted
_PROTOCOLS: Final = {
    "https": "http",
    "elastic": "elasticsearch",
    "rsyncd": "rsync",
    "postgres": "postgresql",
    "imaps": "imap",
}


class _Meta(msgspec.Struct):
    module: str = ""


class _Http(msgspec.Struct):
    title: str | None = None


class _Keys(msgspec.Struct):
    keys: Any = None


class _Modules(msgspec.Struct):
    modules: Any = None


class _Smb(msgspec.Struct):
    anonymous: bool = False
    shares: Any = None


class _Banner(msgspec.Struct):
    """The fields of one banner that are used; all others are skipped."""

    port: int
    timestamp: str
    ip_str: str = ""
    transport: str = "tcp"
    product: str | None = None
    version: str | None = None
    data: str | None = None
    meta: _Meta = msgspec.field(name="_shodan", default_factory=_Meta)
    http: _Http | None = None
    redis: _Keys | None = None
    rsync: _Modules | None = None
    smb: _Smb | None = None
    ssl: Any = None


class _Host(msgspec.Struct):
    ip_str: str
    data: list[msgspec.Raw]


def _recognise(head: bytes) -> bool:
    return head.startswith(b"\x1f\x8b") or head.lstrip().startswith(b"{")


def _read(content: bytes, path: str) -> Iterator[Observation | Gap]:
    text, cut = _unpacked(content, path)
    bad = 0
    for place, raw in _records(text, path):
        for item in _record(raw, place):
            if isinstance(item, Gap):
                bad += 1
                if bad > MAX_BAD:
                    continue
            yield item
    if bad > MAX_BAD:
        yield _gap(Reason.UNPARSED, path, "more records that cannot be read", bad - MAX_BAD)
    if cut:
        yield cut


def _unpacked(content: bytes, path: str) -> tuple[bytes, Gap | None]:
    """The text, and a Gap when not all of it could be had. A cut file gives what it holds."""
    if not content.startswith(b"\x1f\x8b"):
        return content, None
    parts, size = list[bytes](), 0
    while content.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(content, MAX_BYTES - size + 1)
        except zlib.error as e:
            return b"".join(parts), _gap(Reason.CORRUPT, path, f"broken gzip: {e}")
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            return b"".join(parts), _gap(Reason.TOO_LARGE, path, f"more than {MAX_BYTES} bytes")
        if not member.eof:
            return b"".join(parts), _gap(Reason.CORRUPT, path, "the gzip file ends early")
        content = member.unused_data
    return b"".join(parts), None


def _records(text: bytes, path: str) -> Iterator[tuple[str, bytes]]:
    """Each JSON value with its place: one for the whole file, or one for each line."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        for number, line in enumerate(BytesIO(text), 1):
            if line.strip():
                yield f"{path}:{number}", line
    else:
        yield path, text


def _record(raw: bytes, place: str) -> Iterator[Observation | Gap]:
    """A host object with its banners, or one banner."""
    if len(raw) > MAX_RECORD:
        yield _gap(Reason.TOO_LARGE, place, f"a record over {MAX_RECORD} bytes")
        return
    try:
        host = msgspec.json.decode(raw, type=_Host)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield _banner(raw, place, "")
        return
    if not host.data:
        yield _gap(Reason.EMPTY, place, "a host without a banner")
    for number, banner in enumerate(host.data):
        yield _banner(bytes(banner), f"{place} data[{number}]", host.ip_str)


def _banner(raw: bytes, place: str, address: str) -> Observation | Gap:
    try:
        banner = msgspec.json.decode(raw, type=_Banner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        return _gap(Reason.UNPARSED, place, str(e))
    try:
        address = str(ipaddress.ip_address(banner.ip_str or address))
        time = datetime.fromisoformat(banner.timestamp).replace(microsecond=0)
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        return _gap(Reason.UNPARSED, place, str(e))
    if not 1 <= banner.port <= 65535 or banner.transport not in ("tcp", "udp"):
        return _gap(Reason.UNPARSED, place, f"no endpoint: {banner.transport} {banner.port}")
    named, names = _contents(banner)
    title = banner.http.title if banner.http else ""
    return Observation(
        endpoint=Endpoint(address=address, port=banner.port, transport=banner.transport),
        time=time,
        sensor="shodan",
        protocol=_protocol(banner.meta.module),
        access=Access.LISTS if names else Access.SPEAKS,
        detail=named or safe(title or (banner.data or "").strip(), 160),
        product=safe(banner.product or "", 60),
        version=safe(banner.version or "", 60),
        tls=banner.ssl is not None,
        containers=names,
        vantage="outside",
    )


def _contents(banner: _Banner) -> tuple[str, tuple[str, ...]]:
    """What the record says is in the service: a line for people, and the names."""
    smb = banner.smb.shares if banner.smb and banner.smb.anonymous else None
    found = (
        ("Redis keys", _names(banner.redis.keys if banner.redis else None)),
        ("rsync modules", _names(banner.rsync.modules if banner.rsync else None)),
        ("SMB shares without a login", _names(smb)),
    )
    return next(
        ((f"Shodan names {len(names)} {what}", names) for what, names in found if names), ("", ())
    )


def _names(value: Any) -> tuple[str, ...]:
    """Names out of {"data": [...]}, [...], [{"name": ...}] or {name: ...}; at most 20, safe."""
    if isinstance(value, dict):
        value = value["data"] if isinstance(value.get("data"), list) else list(value)
    items = value[:20] if isinstance(value, list) else []
    names = (i.get("name") if isinstance(i, dict) else i for i in items)
    return tuple(safe(name, 80) for name in names if isinstance(name, str) and name)


def _protocol(module: str) -> str:
    """Our protocol's name for a Shodan module such as "https-simple-new"; "" where unknown."""
    word = module.lower().split("-", 1)[0]
    return safe(_PROTOCOLS.get(word, word), 40)


def _gap(reason: Reason, place: str, detail: str, count: int = 1) -> Gap:
    return Gap(
        stage=Stage.REACH, reason=reason, place=safe(place), detail=safe(detail), count=count
    )


SHODAN = Import(
    name="shodan",
    recognise=_recognise,
    read=_read,
    source="https://datapedia.shodan.io/",
)
