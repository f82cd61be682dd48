"""The public door of contents: one blob, one file or one tree in, one report per object out.

An object is what a store counts: a document, or each message of a mailbox. All functions take
and give plain records, so a worker process can run them.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path

import msgspec

from leftopen.contents import extract, mailbox, registry
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.engine import Engine, Judged
from leftopen.contents.place import gap, mailbox_of, numbered
from leftopen.model.blob import Blob, Provenance
from leftopen.model.errors import UsageError
from leftopen.model.finding import ObjectReport
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import Keyring, safe

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The date of nearly every mail (RFC 5322 3.3): the general parser costs ten times as much.
_DATE = re.compile(
    r"(?:[A-Za-z]{3},?\s+)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+"
    r"(\d{2}):(\d{2})(?::(\d{2}))?\s+([+-])(\d{2})(\d{2})"
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d")
_MAILDIR = frozenset({"cur", "new", "tmp"})
_HEAD = 65_536


def examine_blob(
    blob: Blob,
    keyring: Keyring,
    *,
    name: str,
    group: str = "",
    time: datetime | None = None,
    stratum: str = "",
    limits: Limits | None = None,
) -> Iterator[ObjectReport | Gap]:
    """Everything found in one blob: a report per object, and a Gap for what was not read.

    `name` is the object's real name: it is digested (messages of a mailbox as `name#ordinal`) and
    never shown. `time` is taken from a mail's Date header where it is not given. Never raises on
    account of the bytes.
    """
    run = _Run(keyring, limits or Limits(), group, stratum)
    format_ = extract.recognise(blob)
    if format_ is not None and format_.store:
        yield from run.store(blob.data, blob.place, name)
        if not blob.complete:
            yield gap(Reason.TOO_LARGE, blob.place, "cut at the limit on bytes")
    else:
        yield from run.object(blob, name, format_, time)


def examine_path(
    path: Path, keyring: Keyring, limits: Limits | None = None
) -> Iterator[ObjectReport | Gap]:
    """Everything found in a file or in a directory tree, in sorted order.

    Raises:
        UsageError: there is nothing at `path`.
    """
    for unit in list_units(path):
        yield from examine_unit(path, unit, keyring, limits)


def list_units(path: Path) -> list[str]:
    """What `examine_unit` takes one at a time, so that a run can stop and go on: relative paths.

    Bytes of a name that are not UTF-8, and the percent sign, stand as %XX. Symbolic links and
    special files are units too (they become Gaps), and so is a folder that cannot be listed.

    Raises:
        UsageError: there is nothing at `path`.
    """
    if not os.path.lexists(path):
        raise UsageError(f"{safe(str(path))}: no such file or directory")
    if not path.is_dir():
        return [""]
    units: list[str] = []

    def unlisted(error: OSError) -> None:
        units.append(_unit(os.path.relpath(error.filename or path, path)) + "/")

    for folder, names, files in os.walk(path, onerror=unlisted):
        links = [n for n in names if os.path.islink(os.path.join(folder, n))]
        inside = os.path.relpath(folder, path)
        units.extend(_unit(os.path.normpath(os.path.join(inside, n))) for n in (*files, *links))
    return sorted(units)


def examine_unit(
    root: Path, unit: str, keyring: Keyring, limits: Limits | None = None
) -> Iterator[ObjectReport | Gap]:
    """One unit of `list_units(root)`: a file, or a mailbox that is streamed message by message."""
    limits = limits or Limits()
    path = os.path.join(os.fsencode(root), _path(unit)) if unit else os.fsencode(root)
    shown = unit or root.name
    place = Provenance().child("file", shown)
    try:
        status = os.lstat(path)
        if unit.endswith("/"):
            yield gap(Reason.UNREADABLE, place, "the folder cannot be listed")
        elif stat.S_ISLNK(status.st_mode):
            yield gap(Reason.OUT_OF_SCOPE, place, "a symbolic link, not followed")
        elif not stat.S_ISREG(status.st_mode):
            yield gap(Reason.UNSUPPORTED, place, "not a regular file")
        else:
            run = _Run(keyring, limits, _group(unit), "")
            yield from _file(run, path, shown, place, status.st_size)
    except OSError as error:
        yield gap(Reason.UNREADABLE, place, error.strerror or type(error).__name__)


def _file(
    run: _Run, path: bytes, name: str, place: Provenance, size: int
) -> Iterator[ObjectReport | Gap]:
    # O_NONBLOCK: a pipe put in the file's place after lstat must not hang the run.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        head = file.read(_HEAD)
        if size and mailbox.starts_mbox(head):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield from run.store(mapped, place, name)
            return
        most = run.limits.blob_bytes
        data = head + file.read(max(0, most - len(head)))
        complete = not file.read(1)
    blob = Blob(data=data, place=place, name=name.rpartition("/")[2], complete=complete)
    yield from run.object(blob, name, extract.recognise(blob), None)
    if not complete:
        left = max(0, size - len(data))
        yield gap(Reason.TOO_LARGE, place, "the rest of the file was not read", size=left)


class _Run:
    """What is the same for all objects of one call."""

    def __init__(self, keyring: Keyring, limits: Limits, group: str, stratum: str) -> None:
        self.keyring = keyring
        self.limits = limits
        self.group = safe(group)
        self.stratum = stratum
        self.mail = _mail_format()

    def store(
        self, data: bytes | mmap.mmap, place: Provenance, name: str
    ) -> Iterator[ObjectReport | Gap]:
        """Every message of an mbox, streamed: memory holds one of them at a time."""
        most = self.limits.blob_bytes
        for number, (start, end) in enumerate(mailbox.split(data), 1):
            message = mailbox.unquote(data[start : min(end, start + most)])
            inside = numbered(place, "message", number)
            blob = Blob(data=message, place=inside, complete=end - start <= most)
            yield from self.object(blob, f"{name}#{number}", self.mail, None)

    def object(
        self, blob: Blob, name: str, format_: Format | None, time: datetime | None
    ) -> Iterator[ObjectReport | Gap]:
        """One object: its text, what the engine says of it, and the Gaps, all with its place."""
        place = str(blob.place)
        texts: list[Text] = []
        # Places of matches and texts are relative to the object (model: Match.place).
        inside = msgspec.structs.replace(blob, place=Provenance())
        for item in extract.extract(inside, self.limits, format_):
            if isinstance(item, Gap):
                yield _placed(item, place)
            else:
                texts.append(item)
        judged = _engine(self.keyring.raw).examine(texts) if texts else Judged()
        for found in judged.gaps:
            yield _placed(found, place)
        yield ObjectReport(
            object_id=self.keyring.digest("object", name),
            place=place,
            digest=self.keyring.digest("bytes", blob.digest),
            group=self.group,
            time=time or _time(texts),
            bytes=len(blob.data),
            kind=format_.name if format_ else "",
            stratum=self.stratum,
            matches=judged.matches,
            forms=judged.forms,
            markings=judged.markings,
            mentions=judged.mentions,
        )


@lru_cache(maxsize=4)
def _engine(key: bytes) -> Engine:
    return Engine(Keyring(key))


@lru_cache(maxsize=1)
def _mail_format() -> Format:
    return next(f for f in registry.formats() if f.name == "eml")


def _placed(item: Gap, place: str) -> Gap:
    inside = f"{place} > {item.place}" if item.place and place else place or item.place
    return msgspec.structs.replace(item, place=inside)


def _time(texts: list[Text]) -> datetime | None:
    """The Date of the message itself (not of one attached to it, nor of one of many), in UTC."""
    dates = [
        value
        for text in texts
        if text.kind is TextKind.HEADER and len(text.place.steps) <= 1
        for name, value in text.fields
        if name == "Date"
    ]
    return parse_date(dates[0]) if len(dates) == 1 else None


def parse_date(text: str) -> datetime | None:
    """A mail's Date (RFC 5322 3.3, obsolete forms as well, or ISO 8601 as webmail interfaces give
    it) in UTC; None when it is none.

    A date without a zone, or with the zone "-0000", is taken as UTC.
    """
    found = _DATE.match(text)
    try:
        if found and found.group(2).lower() in _MONTHS:
            day, month, year, hour, minute, second, sign, off_hours, off_minutes = found.groups()
            offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
            moment = datetime(
                int(year),
                _MONTHS.index(month.lower()) + 1,
                int(day),
                int(hour),
                int(minute),
                min(59, int(second or 0)),
                tzinfo=timezone(-offset if sign == "-" else offset),
            )
        elif _ISO.match(text):
            moment = datetime.fromisoformat(text)
        else:
            moment = parsedate_to_datetime(text[:200])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _group(unit: str) -> str:
    """The folder that an object counts with; of a Maildir the mailbox, not `cur` or `new`."""
    steps = unit.split("/")[:-1]
    if steps and steps[-1] in _MAILDIR:
        steps.pop()
    return mailbox_of("/".join(steps))


def _unit(path: str) -> str:
    raw = os.fsencode(path).replace(b"%", b"%25")
    return raw.decode("utf-8", "surrogateescape").translate(_ESCAPES)


_ESCAPES = {0xDC00 + byte: f"%{byte:02X}" for byte in range(128, 256)}
_ESCAPE = re.compile(rb"%([0-9A-F]{2})")


def _path(unit: str) -> bytes:
    return _ESCAPE.sub(lambda m: bytes([int(m.group(1), 16)]), unit.rstrip("/").encode())
