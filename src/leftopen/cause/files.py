"""Bounded access to the files of a configuration: below one folder, or in memory."""

from __future__ import annotations

import fnmatch
import glob
import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from leftopen.cause.api import Directive, Document, Files, SourceFile, shown
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe

MAX_BYTES = 4_000_000  # one configuration file; Debian's largest has 107 kB
MAX_JSON_BYTES = 64_000_000  # one cloud snapshot
HEAD = 65_536  # bytes of a file that recognition sees
MAX_FILES = 500  # files of one configuration
MAX_DEPTH = 16  # includes within includes
MAX_DIRECTIVES = 200_000  # of one configuration
_MAX_WILDCARDS = 3  # path components with a wildcard in one include


def gap(reason: Reason, place: str, detail: str, count: int = 1, size: int = 0) -> Gap:
    """A Gap of this stage, its place made fit to show."""
    return Gap(
        stage=Stage.CAUSE,
        reason=reason,
        place=safe(place, 300),
        detail=shown(detail),
        count=count,
        size=size,
    )


def read_text(path: str, limit: int) -> SourceFile | Gap:
    """The text of a regular file of at most `limit` bytes."""
    found = _read(path, limit)
    if isinstance(found, Gap):
        return found
    data, info = found
    if info.st_size > limit or len(data) > limit:
        return gap(Reason.TOO_LARGE, path, f"more than {limit} bytes; not read", size=info.st_size)
    changed = datetime.fromtimestamp(int(info.st_mtime), UTC).isoformat()
    text = _text(path, data)
    return text if isinstance(text, Gap) else SourceFile(path, text, changed)


def read_head(path: str) -> str | Gap:
    """The first 64 KiB of a file that is small enough to be read whole later."""
    found = _read(path, HEAD)
    if isinstance(found, Gap):
        return found
    data, info = found
    limit = MAX_JSON_BYTES if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else MAX_BYTES
    if info.st_size > limit:
        return gap(Reason.TOO_LARGE, path, f"more than {limit} bytes; not read", size=info.st_size)
    if not data.strip():
        return gap(Reason.EMPTY, path, "an empty file")
    return _text(path, data)


def _read(path: str, limit: int) -> tuple[bytes, os.stat_result] | Gap:
    """Up to `limit` bytes (and one more) of a regular file. Pipes and devices are not read."""
    try:
        # O_NONBLOCK: opening a pipe must not hang us.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as handle:
            info = os.fstat(handle.fileno())
            if not stat.S_ISREG(info.st_mode):
                return gap(Reason.UNREADABLE, path, "not a regular file")
            return handle.read(limit + 1), info
    except OSError as e:
        return gap(Reason.UNREADABLE, path, e.strerror or "cannot be opened")
    except ValueError:  # a NUL in the name
        return gap(Reason.UNREADABLE, path, "not a file name")


def _text(path: str, data: bytes) -> str | Gap:
    if b"\0" in data:
        return gap(Reason.UNSUPPORTED, path, "binary, not a text file", size=len(data))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # configuration of the nineties; no byte is lost


class DiskFiles:
    """Files below one folder. Nothing outside it is ever opened, not even by a link."""

    def __init__(self, root: str, named: str = "") -> None:
        """`named` is a file that the user named himself; it may be a link to anywhere."""
        self.root = os.path.realpath(root)
        self.named = os.path.realpath(named) if named else ""
        self.main = named

    def inside(self, path: str) -> bool:
        """Is the file itself (links followed) below the folder, or the one that was named?"""
        real = os.path.realpath(path)
        return (
            real == self.named or real == self.root or real.startswith(self.root.rstrip("/") + "/")
        )

    def where(self, path: str) -> str:
        """The path to read for `path`, below the folder; "" where it leads out of it.

        An absolute link of a copied tree leads out; its target may be in the copy as well.
        """
        if self.inside(path):
            return path
        target = os.readlink(path) if os.path.islink(path) else ""
        moved = self._moved(target, path, "") if target.startswith("/") else ()
        return next((m for m in moved if self.inside(m) and os.path.isfile(m)), "")

    def load(self, path: str) -> SourceFile | Gap:
        """The text of one file below the folder."""
        if real := self.where(path):
            found = read_text(real, MAX_BYTES)
            return found if isinstance(found, Gap) else replace(found, path=path)
        return gap(Reason.OUT_OF_SCOPE, path, "outside the folder that was handed over; not read")

    def find(self, pattern: str, near: str, home: str) -> Sequence[str] | Gap:
        """See `Files.find`."""
        pattern = pattern[:1000]
        if sum(1 for part in pattern.split("/") if glob.has_magic(part)) > _MAX_WILDCARDS:
            return gap(Reason.TOO_DEEP, near, f"include {pattern}: too many wildcards")
        for candidate in self._moved(pattern, near, home):
            fixed = _fixed(candidate)
            if not self.inside(fixed) or not os.path.lexists(fixed):
                continue
            found = sorted(islice(glob.iglob(candidate), MAX_FILES + 1))
            if len(found) > MAX_FILES:
                return gap(Reason.TOO_LARGE, near, f"include {pattern}: too many files")
            if found or glob.has_magic(candidate):
                return [name for name in found if not os.path.isdir(name)]
        return gap(Reason.NOT_GIVEN, near, f"include {pattern}: not among the files handed over")

    def _moved(self, path: str, near: str, home: str) -> list[str]:
        """Where a path of the original machine may be in the tree that was handed over."""
        here = os.path.dirname(near)
        if not path.startswith("/"):
            folders = [os.path.dirname(self.main), here] if home and self.main else [here]
            return [os.path.normpath(os.path.join(f, path)) for f in dict.fromkeys(folders)]
        path = posixpath.normpath(path)
        found = [path, self.root.rstrip("/") + path]
        # A tree that was copied to /copy/host1: /copy/host1/etc/nginx and /etc/nginx/x share
        # "etc/nginx", so the second is at /copy/host1/etc/nginx/x.
        parts = os.path.abspath(here).split("/")[:64]
        first = path.split("/", 2)[1]
        found += ["/".join(parts[:cut]) + path for cut, part in enumerate(parts) if part == first]
        if home and path.startswith(home + "/") and self.main:
            found.append(os.path.dirname(self.main) + path[len(home) :])
        return found


def _fixed(pattern: str) -> str:
    """The part of a path in front of the first wildcard: a folder, or the file itself."""
    if not glob.has_magic(pattern):
        return pattern
    parts = pattern.split("/")
    until = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:until]) or ("/" if pattern.startswith("/") else ".")


class MemoryFiles:
    """Files in memory: examples, and edited copies in front of another source."""

    def __init__(
        self, texts: Mapping[str, str], behind: Files | None = None, changed: str = ""
    ) -> None:
        """`behind` answers for what `texts` does not hold; `changed` is the files' mtime."""
        self.texts = texts
        self.behind = behind
        self.changed = changed

    def load(self, path: str) -> SourceFile | Gap:
        """The text, from memory first."""
        if path in self.texts:
            return SourceFile(path, self.texts[path], self.changed)
        if self.behind:
            return self.behind.load(path)
        return gap(Reason.NOT_GIVEN, path, "no such file")

    def find(self, pattern: str, near: str, home: str) -> Sequence[str] | Gap:
        """See `Files.find`; in memory, absolute patterns are taken relative to `home`."""
        if self.behind:
            return self.behind.find(pattern, near, home)
        relative = pattern.removeprefix(home + "/") if home else pattern
        found = sorted(name for name in self.texts if fnmatch.fnmatch(name, relative))
        if found or glob.has_magic(pattern):
            return found
        return gap(Reason.NOT_GIVEN, near, f"include {pattern}: no such file")


@dataclass(slots=True)
class Reading:
    """One configuration while it is being read: its files, its Gaps, and its limits."""

    files: Files
    main: str
    seen: dict[str, SourceFile] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    directives: int = 0
    opened: int = 0  # a file that is included twice counts twice

    def open(self, path: str, stack: tuple[str, ...]) -> SourceFile | None:
        """The file, or None with a Gap: a loop, too deep, too many, unreadable."""
        if path in stack:
            self.refuse(Reason.CORRUPT, path, "includes itself")
            return None
        if len(stack) >= MAX_DEPTH:
            self.refuse(Reason.TOO_DEEP, path, f"more than {MAX_DEPTH} includes deep")
            return None
        self.opened += 1
        if self.opened > MAX_FILES:
            self.refuse(Reason.TOO_LARGE, path, f"more than {MAX_FILES} files")
            return None
        source = self.files.load(path)
        if isinstance(source, Gap):
            self.gaps.append(source)
            return None
        self.seen[path] = source
        return source

    def find(self, pattern: str, near: str, home: str) -> Sequence[str] | None:
        """Files that an include names, or None with a Gap."""
        found = self.files.find(pattern, near, home)
        if isinstance(found, Gap):
            self.gaps.append(found)
            return None
        return found

    def full(self) -> bool:
        """Count one directive; True (with one Gap) when the limit is reached."""
        self.directives += 1
        if self.directives == MAX_DIRECTIVES + 1:
            self.refuse(Reason.TOO_LARGE, self.main, f"more than {MAX_DIRECTIVES} directives")
        return self.directives > MAX_DIRECTIVES

    def refuse(self, reason: Reason, place: str, detail: str) -> None:
        """Record a Gap; at most 100, a hostile file must not fill the report."""
        if len(self.gaps) < 100:
            self.gaps.append(gap(reason, place, detail))

    def document(self, directives: Sequence[Directive]) -> Document:
        """What was read."""
        root = Directive("", (), self.main, 1, 0, 0, inside=0, children=tuple(directives))
        return Document(self.main, root, self.seen, tuple(self.gaps))
