"""Finds the log formats: every module of `formats`, no list to edit."""

from __future__ import annotations

from functools import cache

from leftopen.model.plugins import find
from leftopen.trace import formats as package
from leftopen.trace.api import LogFormat


@cache
def formats() -> tuple[LogFormat, ...]:
    """Every known format, by name."""
    return tuple(sorted((f for f, _ in find(package, LogFormat)), key=lambda f: f.name))


def format_named(name: str) -> LogFormat | None:
    """The format of that name, or None."""
    return next((f for f in formats() if f.name == name), None)


def title_of(plugin: LogFormat) -> str:
    """The first line of the docstring of its module; raises KeyError for a stranger."""
    for found, title in find(package, LogFormat):
        if found is plugin:
            return title
    raise KeyError(plugin.name)
