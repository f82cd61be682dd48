"""Finds the plugins of reach: every module of `protocols` and `imports`, no list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TypeVar

from leftopen.reach import imports as imports_package
from leftopen.reach import protocols as protocols_package
from leftopen.reach.api import Import, Protocol

P = TypeVar("P")


@cache
def protocols() -> tuple[Protocol, ...]:
    """All protocols, by name."""
    return tuple(sorted(_constants(protocols_package, Protocol), key=lambda p: p.name))


@cache
def imports() -> tuple[Import, ...]:
    """All importers, by name."""
    return tuple(sorted(_constants(imports_package, Import), key=lambda i: i.name))


def protocol(name: str) -> Protocol:
    """The protocol of that name; raises KeyError."""
    return {p.name: p for p in protocols()}[name]


def title_of(plugin: Protocol | Import) -> str:
    """First line of the docstring of the module that holds it."""
    package = protocols_package if isinstance(plugin, Protocol) else imports_package
    module = importlib.import_module(f"{package.__name__}.{plugin.name}")
    return (module.__doc__ or "").strip().splitlines()[0]


def _constants(package: ModuleType, kind: type[P]) -> list[P]:
    found: list[P] = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found.extend(v for v in vars(module).values() if isinstance(v, kind))
    return found
