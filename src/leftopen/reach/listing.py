"""Reads directory listings: nginx (HTML and JSON), Apache, lighttpd, Python, webfs.

A page is a listing only when its heading says so *for the path that was asked* and its links lead
to children of that path, so a marketing page called "Index of ..." is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from leftopen.net.http import Response

MAX_ENTRIES: Final = 20_000  # of one folder
PAGE_BYTES: Final = 2_000_000
_SAFE: Final = "%/!$&'()*+,;=:@~"  # pchar of RFC 3986, and % since it comes encoded
_HEADING: Final = re.compile(
    r"\s*(?:index of|directory listing (?:for|of)|listing:)\s*(/.*)?", re.I
)
_TIMES: Final = (
    (re.compile(r"\b\d{2}-[A-Z][a-z]{2}-\d{4} \d{2}:\d{2}\b"), "%d-%b-%Y %H:%M"),  # nginx
    (re.compile(r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}\b"), "%Y-%m-%d %H:%M"),  # Apache
    (re.compile(r"\b\d{4}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2}\b"), "%Y-%b-%d %H:%M:%S"),
)
_UNDATED: Final = re.compile(r"[A-Z][a-z]{2} +\d{1,2} +(?:\d{2}:\d{2}|\d{4})")  # webfs, like ls
_SIZE: Final = re.compile(r"(?<!\S)(\d{1,15}(?:\.\d{1,3})?) ?([kKMGT])?i?B?(?!\S)")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Entry:
    """One child: its request path as encoded by the server, and what the listing says of it."""

    path: str
    folder: bool
    size: int | None = None
    rounded: bool = False  # the size is to the nearest K, M, G
    time: datetime | None = None


class _NginxItem(msgspec.Struct):
    """One object of ngx_http_autoindex_module with `autoindex_format json`."""

    name: str
    type: str
    mtime: str = ""
    size: int | None = None


def parse_listing(path: str, answer: Response) -> tuple[Entry, ...] | None:
    """The children of the folder `path`, or None when the answer is no listing of it."""
    if answer.status != 200 or not path.endswith("/"):
        return None
    if answer.media_type == "application/json":
        return _from_json(path, answer.body)
    if answer.media_type in ("text/html", "application/xhtml+xml", ""):
        return _from_html(path, answer.body)
    return None


def _from_json(path: str, body: bytes) -> tuple[Entry, ...] | None:
    try:
        items = msgspec.json.decode(body, type=list[_NginxItem])
    except (msgspec.DecodeError, RecursionError):
        return None
    entries = []
    for item in items[:MAX_ENTRIES]:
        folder = item.type == "directory"
        name = quote(item.name, safe="") + ("/" if folder else "")
        if item.type not in ("directory", "file") or not _child(path, path + name):
            continue
        entries.append(Entry(path + name, folder, item.size, time=_rfc5322(item.mtime)))
    return tuple(entries) if entries or not items else None


def _rfc5322(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _from_html(path: str, body: bytes) -> tuple[Entry, ...] | None:
    tree = LexborHTMLParser(body)
    if not _is_heading(tree, path):
        return None
    found: dict[str, Entry] = {}
    for link in tree.css("a[href]"):
        child = _child(path, link.attributes.get("href") or "")
        if child and child not in found:
            found[child] = _entry(child, link)
        if len(found) >= MAX_ENTRIES:
            break
    return tuple(found.values())


def _is_heading(tree: LexborHTMLParser, path: str) -> bool:
    """Whether the title or the first heading names a listing of exactly this folder."""
    wanted = unquote(path).rstrip("/")
    for node in (tree.css_first("title"), tree.css_first("h1"), tree.css_first("h2")):
        text = node.text()[:4096].strip() if node else ""
        match = _HEADING.fullmatch(re.sub(r"\s*\n\s*", "", text))
        if match and (match.group(1) or "").rstrip("/") == wanted:
            return True
    return False


def _child(path: str, href: str) -> str | None:
    """The encoded path of a direct child of `path` on the same origin, or None.

    A decoded name that could climb (`..`, a slash, a NUL) is no child.
    """
    try:
        parts = urlsplit(urljoin(f"http://x{path}", href.strip()))
    except ValueError:
        return None
    if parts.netloc != "x" or parts.scheme != "http" or parts.query or "?" in href:
        return None
    if not parts.path.startswith(path):
        return None
    rest = parts.path[len(path) :]
    name = unquote(rest.removesuffix("/"))
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(name) > 1024:
        return None
    return path + quote(rest, safe=_SAFE)


def _entry(path: str, link: LexborNode) -> Entry:
    folder = path.endswith("/")
    for text in _beside(link):
        time, rest = _time_in(text)
        size = None if folder else _SIZE.search(rest)
        if size:
            unit = (size.group(2) or "").upper()
            number = int(float(size.group(1)) * _UNITS[unit])
            return Entry(path, folder, number, rounded=bool(unit), time=time)
        if time:
            return Entry(path, folder, time=time)
    return Entry(path, folder)


def _beside(link: LexborNode) -> Iterator[str]:
    """The texts that may say more: the cells of the table row, or the rest of the line."""
    row = link.parent.parent if link.parent else None
    if row is not None and row.tag == "tr":
        cells = [c.text() for c in row.iter() if c.tag == "td" and c.css_first("a") is None]
        yield " ".join(cells)[:400].replace("\xa0", " ")
    if (after := link.next) is not None and after.tag == "-text":
        yield after.text()[:400].split("\n", 1)[0]
    if (before := link.prev) is not None and before.tag == "-text":
        yield before.text()[-400:].rsplit("\n", 1)[-1]


def _time_in(text: str) -> tuple[datetime | None, str]:
    """The time in a line, taken as UTC (a minute's listing has no zone), and the line without."""
    for pattern, form in _TIMES:
        if match := pattern.search(text):
            rest = text[: match.start()] + text[match.end() :]
            try:
                return datetime.strptime(match.group(), form).replace(tzinfo=UTC), rest
            except ValueError:
                return None, rest
    return None, _UNDATED.sub("", text)
