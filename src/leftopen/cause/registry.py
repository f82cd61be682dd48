"""Finds the plugins of this room by scanning its packages; there is no list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TypeVar

from leftopen.cause import cloud, readers as readers_package, rules as rules_package
from leftopen.cause.api import CloudRule, Reader, RuleSet

T = TypeVar("T")


def _scan(package: ModuleType, kind: type[T]) -> dict[str, tuple[T, str]]:
    """Every module constant of type `kind`, by module name, with its title."""
    found: dict[str, tuple[T, str]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        title = (module.__doc__ or "").strip().split("\n")[0].rstrip(".")
        for value in vars(module).values():
            if isinstance(value, kind):
                found[info.name] = (value, title)
    return found


@cache
def _readers() -> dict[str, tuple[Reader, str]]:
    return _scan(readers_package, Reader)


@cache
def _rules() -> dict[str, tuple[RuleSet, str]]:
    return _scan(rules_package, RuleSet)


@cache
def _clouds() -> dict[str, tuple[CloudRule, str]]:
    return _scan(cloud, CloudRule)


def readers() -> dict[str, Reader]:
    """All readers by the name of their syntax."""
    return {plugin.name: plugin for plugin, _ in _readers().values()}


def rules() -> dict[str, RuleSet]:
    """All rule sets by product."""
    return {plugin.product: plugin for plugin, _ in _rules().values()}


def clouds() -> dict[str, CloudRule]:
    """All cloud rules by product."""
    return {plugin.product: plugin for plugin, _ in _clouds().values()}


def title_of(product: str) -> str:
    """The human title of a product's plugin: the first line of its module's docstring.

    Raises:
        KeyError: no plugin is called so.
    """
    for found in (_rules(), _clouds()):
        for plugin, title in found.values():
            if plugin.product == product:
                return title
    raise KeyError(product)
