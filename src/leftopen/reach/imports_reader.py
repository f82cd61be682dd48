"""Files of outside sensors: each is handed to the reader that recognises it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from leftopen.model.exposure import Observation
from leftopen.model.gap import Gap, Reason
from leftopen.reach import registry
from leftopen.reach.reading import gap_at

MAX_IMPORT: Final = 256_000_000


def read_imports(paths: Iterable[Path | str]) -> Iterator[Observation | Gap]:
    """What outside sensors saw, out of their files; what cannot be read is a Gap."""
    for path in map(Path, paths):
        try:
            size = path.stat().st_size
            content = path.read_bytes() if size <= MAX_IMPORT else b""
        except OSError as e:
            yield gap_at(Reason.UNREADABLE, str(path), e.strerror or str(e))
            continue
        if size > MAX_IMPORT:
            yield gap_at(Reason.TOO_LARGE, str(path), f"over {MAX_IMPORT} bytes", size=size)
        elif not content.strip():
            yield gap_at(Reason.EMPTY, str(path), "an empty file")
        else:
            yield from _imported(content, str(path))


def _imported(content: bytes, path: str) -> Iterator[Observation | Gap]:
    for plugin in registry.imports():
        if plugin.recognise(content[:4096]):
            yield from plugin.read(content, path)
            return
    yield gap_at(Reason.UNSUPPORTED, path, "no reader knows this file")
