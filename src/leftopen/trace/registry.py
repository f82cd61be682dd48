"""Finds the log formats by scanning `trace/formats` and the entry-point group."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import cache
from importlib.metadata import entry_points

from leftopen.trace import formats as package
from leftopen.trace.api import LogFormat

ENTRY_POINTS = "leftopen.trace.formats"


@cache
def formats() -> tuple[LogFormat, ...]:
    """Every known format by name: ours, then those of installed third-party plugins."""
    found: dict[str, LogFormat] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, LogFormat):
                found[value.name] = value
    for point in entry_points(group=ENTRY_POINTS):
        plugin = point.load()
        if isinstance(plugin, LogFormat):
            found.setdefault(plugin.name, plugin)
    return tuple(found[name] for name in sorted(found))


def format_named(name: str) -> LogFormat | None:
    """The format of that name, or None."""
    return next((f for f in formats() if f.name == name), None)


def title_of(plugin: LogFormat) -> str:
    """The first line of the docstring of the module that holds the plugin's reader."""
    doc = sys.modules[plugin.read.__module__].__doc__ or plugin.name
    return doc.strip().splitlines()[0].rstrip(".")
