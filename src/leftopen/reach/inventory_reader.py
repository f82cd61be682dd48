"""Files of cloud inventories: each is handed to the reader that recognises it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from leftopen.model.gap import Gap, Reason
from leftopen.model.plugins import find
from leftopen.reach import inventories as inventories_package
from leftopen.reach.imported import bounded, gap_of
from leftopen.reach.imports_reader import HEAD, content_of
from leftopen.reach.inventory import Found, Inventory


@cache
def inventories() -> tuple[Inventory, ...]:
    """All readers, by name."""
    return tuple(sorted((i for i, _ in find(inventories_package, Inventory)), key=lambda i: i.name))


def read_inventories(paths: Iterable[Path | str]) -> Iterator[Found | Gap]:
    """What the files (.gz too) name, each thing once in a file; what cannot be read is a Gap."""
    for path in map(Path, paths):
        content, gaps = content_of(path)
        if content:
            head = content[:HEAD]
            plugin = next((i for i in inventories() if i.recognise(head)), None)
            if plugin is None:
                yield gap_of(Reason.UNSUPPORTED, str(path), "", "not an inventory that we know")
            else:
                yield from bounded(_once(plugin.read(content, str(path))), str(path))
        yield from gaps


def _once(items: Iterable[Found | Gap]) -> Iterator[Found | Gap]:
    done: set[tuple[str, str, str]] = set()
    for item in items:
        if isinstance(item, Found):
            key = item.address, item.name, item.url
            if key in done:
                continue
            done.add(key)
        yield item
