"""Reads directory listings: nginx (HTML and JSON), Apache, lighttpd, Python, webfs, rclone.

A page is a listing only when its heading says so *for the path that was asked* and its links lead
to children of that path, so a marketing page called "Index of ..." is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from itertools import islice, zip_longest
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.net.http import Response

PAGE_BYTES: Final = 2_000_000  # of one folder; it bounds the entries too
MAX_ODD: Final = 5000  # links that have to be resolved, which costs fifty times more
_BESIDE: Final = 1500  # characters of a line beside a link that are looked at
_SAFE: Final = "%/!$&'()*+,;=:@~"  # pchar of RFC 3986, and % since it comes encoded
_LISTING: Final = re.compile(
    r"\s*(?:index of|directory listing (?:for|of)|listing:)\s*(/.*)?", re.I
)
# None of these can run past the next tag, so a page costs linear time.
_HEADINGS: Final = re.compile(r"<(title|h1|h2)\b[^<>]{0,400}>(.{0,4096}?)</\1", re.I | re.S)
# The page of Caddy 1, which rclone took over: the title is the path alone, a child is a table row.
_ROWS: Final = re.compile(r"""<div class=["']?listing["'> ]""", re.I)
_TITLE: Final = re.compile(
    r"\s*<!doctype html>.{0,2000}?<title>([^<>]{0,4096})</title>", re.I | re.S
)
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")
_CELL: Final = re.compile(r"</td>", re.I)
_LINK: Final = re.compile(
    r"""<a\s(?:[^<>]{0,1000}?\s)?href\s{0,9}=\s{0,9}"""
    r"""(?:"([^"<>]{0,4096})"|'([^'<>]{0,4096})'|([^\s"'<>]{1,4096}))[^<>]{0,1000}>""",
    re.I,
)
# A name as servers write it; one that could climb, or be taken for a scheme, is not among them.
_PCHAR: Final = r"[A-Za-z0-9_~!$&'()*+,;=@.-]|%(?!2[EeFf]|5[Cc]|00)[0-9A-Fa-f]{2}"
_SIMPLE: Final = re.compile(
    rf"(?:\./)?(?!\.)((?:{_PCHAR}){{1,1024}}/?)|\./(?!\.)((?:{_PCHAR}|:){{1,1024}}/?)"
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
    """The children of the folder `path`, or None when the answer is no listing of it.

    Raises:
        ProtocolError: it says that it is one, and is made to be slow to read.
    """
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    entries = []
    for item in items:
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
    """Line by line: all these servers write one child to a line.

    No tree is built: nested anchors cost an HTML parser quadratic time, 5 s for a page of 1 MB.
    """
    text = body.decode("utf-8", "replace")
    if not _is_heading(text[:16_384], path):
        if not _is_titled(text, path):
            return None
        text = text.replace("\n", " ").replace("<tr", "\n<tr")
    found: dict[str, Entry] = {}
    odd = 0
    for line in text.split("\n"):
        links, before = list(_LINK.finditer(line)), 0
        for link, following in zip_longest(links, links[1:]):
            href = unescape(link.group(1) or link.group(2) or link.group(3) or "")
            if simple := _SIMPLE.fullmatch(href):
                child: str | None = path + (simple.group(1) or simple.group(2))
            elif (odd := odd + 1) > MAX_ODD:
                raise ProtocolError("a listing with too many links of an odd form")
            else:
                child = _child(path, href)
            start, end = link.span()
            if child and child not in found:
                until = min(following.start() if following else len(line), end + _BESIDE)
                left = line[max(before, start - _BESIDE) : start]
                found[child] = _entry(child, line[end:until], left)
            before = end
    return tuple(found.values())


def _plain(text: str) -> str:
    return unescape(_TAG.sub("", text)).replace("\xa0", " ")


def _is_heading(text: str, path: str) -> bool:
    """Whether the title or a first heading names a listing of exactly this folder."""
    wanted = unquote(path).rstrip("/")
    for heading in islice(_HEADINGS.finditer(text), 3):
        said = re.sub(r"\s*\n\s*", "", _plain(heading.group(2)))
        match = _LISTING.fullmatch(said.strip())
        if match and (match.group(1) or "").rstrip("/") == wanted:
            return True
    return False


def _is_titled(text: str, path: str) -> bool:
    """Whether it is Caddy's page of this folder."""
    title = _TITLE.match(text[:16_384])
    if not title or not _ROWS.search(text):
        return False
    return unescape(title.group(1)).strip().strip("/") == unquote(path).strip("/")


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


def _entry(path: str, after: str, before: str) -> Entry:
    """What the rest of the line says: size and time stand behind the link, or before it."""
    folder = path.endswith("/")
    for beside in (after.partition("</a>")[2], before):
        time, rest = _time_in(_plain(_CELL.sub(" ", beside)))
        size = None if folder else _SIZE.search(rest)
        if size:
            unit = (size.group(2) or "").upper()
            number = int(float(size.group(1)) * _UNITS[unit])
            return Entry(path, folder, number, rounded=bool(unit), time=time)
        if time:
            return Entry(path, folder, time=time)
    return Entry(path, folder)


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
