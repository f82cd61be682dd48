"""Finds the plugins of reach: every module of `protocols` and `imports`, no list to edit."""

from __future__ import annotations

from functools import cache

from leftopen.model.plugins import find
from leftopen.reach import imports as imports_package
from leftopen.reach import protocols as protocols_package
from leftopen.reach.api import Import, Protocol


@cache
def protocols() -> tuple[Protocol, ...]:
    """All protocols, by name."""
    return tuple(sorted((p for p, _ in find(protocols_package, Protocol)), key=lambda p: p.name))


@cache
def imports() -> tuple[Import, ...]:
    """All importers, by name."""
    return tuple(sorted((i for i, _ in find(imports_package, Import)), key=lambda i: i.name))


def protocol(name: str) -> Protocol:
    """The protocol of that name; raises KeyError."""
    return {p.name: p for p in protocols()}[name]


def title_of(plugin: Protocol | Import) -> str:
    """First line of the docstring of the module that holds it; raises KeyError for a stranger."""
    for found, title in (*find(protocols_package, Protocol), *find(imports_package, Import)):
        if found is plugin:
            return title
    raise KeyError(plugin.name)
