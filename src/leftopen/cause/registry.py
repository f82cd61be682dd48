"""Finds the plugins of this room by scanning its packages; there is no list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TypeVar

from leftopen.cause import cloud as cloud_package
from leftopen.cause import readers as readers_package
from leftopen.cause import rules as rules_package
from leftopen.cause.api import CloudRule, Reader, RuleSet

P = TypeVar("P")


@cache
def readers() -> tuple[Reader, ...]:
    """All readers, by name."""
    return tuple(plugin for plugin, _ in _constants(readers_package, Reader))


@cache
def rules() -> tuple[RuleSet, ...]:
    """All rule sets, by product."""
    return tuple(plugin for plugin, _ in _constants(rules_package, RuleSet))


@cache
def clouds() -> tuple[CloudRule, ...]:
    """All cloud rules, by product."""
    return tuple(plugin for plugin, _ in _constants(cloud_package, CloudRule))


def reader(name: str) -> Reader:
    """The reader of that syntax; raises KeyError."""
    return {plugin.name: plugin for plugin in readers()}[name]


def rule_set(product: str) -> RuleSet | None:
    """The rules of that product, or None."""
    return next((plugin for plugin in rules() if plugin.product == product), None)


def cloud(product: str) -> CloudRule | None:
    """The cloud rule of that product, or None."""
    return next((plugin for plugin in clouds() if plugin.product == product), None)


def title_of(plugin: Reader | RuleSet | CloudRule) -> str:
    """First line of the docstring of the module that holds it; raises KeyError for a stranger."""
    for package in (readers_package, rules_package, cloud_package):
        for found, title in _constants(package, type(plugin)):
            if found is plugin:
                return title
    raise KeyError(plugin.name)


def _constants(package: ModuleType, kind: type[P]) -> list[tuple[P, str]]:
    """Every module constant of type `kind`, by module name, with the module's title."""
    found: list[tuple[P, str]] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        title = "".join((module.__doc__ or "").strip().splitlines()[:1])
        found.extend((v, title) for v in vars(module).values() if isinstance(v, kind))
    return found
