"""Files of outside sensors: each is handed to the reader that recognises it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol, TypeVar

from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason
from leftopen.model.plugins import find
from leftopen.reach import imports as imports_package
from leftopen.reach import registry
from leftopen.reach.imported import (
    Seen,
    Sweep,
    bounded,
    canonical,
    gap_of,
    problem_of,
)

MAX_IMPORT: Final = 256_000_000  # bytes of one file, packed or not
HEAD: Final = 65_536  # bytes that a reader is chosen by
MAX_MEMBERS: Final = 100_000  # of one gzip file
_GZIP: Final = b"\x1f\x8b"


class _Recognising(Protocol):
    def recognise(self, head: bytes, /) -> bool: ...


R = TypeVar("R", bound=_Recognising)


def read_imports(paths: Iterable[Path | str]) -> Iterator[Observation | Gap]:
    """What outside sensors saw, out of their files (.gz too); what cannot be read is a Gap."""
    for path in map(Path, paths):
        content, gaps = content_of(path)
        if content:
            plugin = recognised(registry.imports(), content)
            if plugin is None:
                yield gap_of(Reason.UNSUPPORTED, str(path), "", "no reader knows this file")
            else:
                yield from plugin.read(content, str(path))
        yield from gaps


def open_ports(paths: Iterable[Path | str]) -> Iterator[tuple[str, int] | Gap]:
    """Open TCP ports of scan results, each (address, port) once, in the order of the files.

    They are what a scanner said, not Targets: each must still go through `Scope.target`. A file
    of any other kind is a Gap; so are open UDP ports, which we do not probe, counted by file.
    """
    done: set[tuple[str, int]] = set()
    sweeps = tuple(sweep for sweep, _ in find(imports_package, Sweep))
    for path in map(Path, paths):
        content, gaps = content_of(path)
        if content:
            sweep = recognised(sweeps, content)
            if sweep is None:
                yield gap_of(Reason.UNSUPPORTED, str(path), "", "not a scan result that is read")
            else:
                yield from bounded(
                    _open(sweep.read(content, str(path)), str(path), done), str(path)
                )
        yield from gaps


def _open(
    items: Iterable[Seen | Gap], path: str, done: set[tuple[str, int]]
) -> Iterator[tuple[str, int] | Gap]:
    udp = 0
    for item in items:
        if isinstance(item, Gap):
            yield item
        elif item.access is Access.SPEAKS:
            problem = problem_of(item)
            found = canonical(item.address), item.port
            if problem:
                yield gap_of(problem[0], path, item.place, problem[1])
            elif item.transport == "udp":
                udp += 1
            elif found not in done:
                done.add(found)
                yield found
    if udp:
        yield gap_of(Reason.UNSUPPORTED, path, "", "open UDP ports are not probed", count=udp)


def recognised(plugins: Iterable[R], content: bytes) -> R | None:
    """The plugin that reads this file, None when there is none.

    One that would take any JSON object (Shodan's) is asked last.
    """
    head = content[:HEAD]
    ordered = sorted(plugins, key=lambda plugin: plugin.recognise(b"{}"))
    return next((plugin for plugin in ordered if plugin.recognise(head)), None)


def content_of(path: Path) -> tuple[bytes, list[Gap]]:
    """The bytes of a file, unpacked where it is gzip, and Gaps for what could not be had."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_IMPORT else b""
    except OSError as e:
        return b"", [gap_of(Reason.UNREADABLE, str(path), "", e.strerror or str(e))]
    if size > MAX_IMPORT:
        return b"", [
            gap_of(Reason.TOO_LARGE, str(path), "", f"over {MAX_IMPORT} bytes: split it", size=size)
        ]
    gaps: list[Gap] = []
    if content.startswith(_GZIP):
        content, gaps = _unpacked(content, str(path))
    if (not content or content.isspace()) and not gaps:
        return b"", [gap_of(Reason.EMPTY, str(path), "", "an empty file")]
    return content, gaps


def _unpacked(content: bytes, path: str) -> tuple[bytes, list[Gap]]:
    """The text of all gzip members (RFC 1952); a cut file gives what it holds."""
    parts, size, at = list[bytes](), 0, 0
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        try:
            while not member.eof and at < len(content) and size <= MAX_IMPORT:
                chunk = content[at : at + HEAD]
                parts.append(member.decompress(chunk, MAX_IMPORT - size + 1))
                size += len(parts[-1])
                at += len(chunk) - len(member.unused_data)
        except zlib.error as e:
            return b"".join(parts), [gap_of(Reason.CORRUPT, path, "", f"broken gzip: {e}")]
        if size > MAX_IMPORT:
            detail = f"more than {MAX_IMPORT} bytes unpacked"
            return b"".join(parts), [gap_of(Reason.TOO_LARGE, path, "", detail)]
        if not member.eof:
            return b"".join(parts), [gap_of(Reason.CORRUPT, path, "", "the gzip file ends early")]
        if not content.startswith(_GZIP, at):  # the end, or padding
            return b"".join(parts), []
    return b"".join(parts), [gap_of(Reason.TOO_LARGE, path, "", f"over {MAX_MEMBERS} gzip members")]
