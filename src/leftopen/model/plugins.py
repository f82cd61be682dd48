"""Finds plugins: no list to edit.

A plugin is a module constant of a frozen type, in a file of the room's package. Those of third
parties come through one entry-point group per room (`leftopen.reach`, `leftopen.contents`,
`leftopen.cause`, `leftopen.trace`, `leftopen.brief`): each entry point names such a constant.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar

from leftopen.model.errors import UsageError

P = TypeVar("P")


_found: dict[tuple[str, str], tuple[tuple[Any, str], ...]] = {}


def find(package: ModuleType, kind: type[P]) -> tuple[tuple[P, str], ...]:
    """Every plugin of `kind` with its title, by the name of its module; ours before others'.

    The title is the first line of the module's docstring. Looked for once in a process.

    Raises:
        UsageError: a third party's plugin cannot be loaded.
    """
    key = package.__name__, kind.__name__
    if key not in _found:
        _found[key] = _look(package, kind)
    return _found[key]


def _look(package: ModuleType, kind: type[P]) -> tuple[tuple[P, str], ...]:
    found: list[tuple[P, str]] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found.extend((v, _title(module)) for v in vars(module).values() if isinstance(v, kind))
    room = ".".join(package.__name__.split(".")[:2])
    for point in sorted(entry_points(group=room), key=lambda p: p.name):
        try:
            plugin = point.load()
        except (ImportError, AttributeError) as e:
            raise UsageError(f"plugin {point.value} of {room} cannot be loaded: {e}") from None
        if isinstance(plugin, kind) and all(plugin is not ours for ours, _ in found):
            found.append((plugin, _title(sys.modules[point.module])))
    return tuple(found)


def _title(module: ModuleType) -> str:
    return "".join((module.__doc__ or "").strip().splitlines()[:1])
