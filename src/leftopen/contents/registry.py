"""Finds the plugins of contents by scanning their packages: a new file is enough."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TypeVar

from leftopen.contents.api import Detector, Format, FormRule, MarkingRule

Plugin = Format | Detector | FormRule | MarkingRule
P = TypeVar("P", Format, Detector, FormRule, MarkingRule)


def formats() -> tuple[Format, ...]:
    """All formats of `contents/formats/`, sorted by name."""
    return _plugins("formats", Format)


def detectors() -> tuple[Detector, ...]:
    """All detectors of `contents/detectors/`, sorted by name."""
    return _plugins("detectors", Detector)


def forms() -> tuple[FormRule, ...]:
    """All form rules of `contents/forms/`, sorted by name."""
    return _plugins("forms", FormRule)


def markings() -> tuple[MarkingRule, ...]:
    """All marking rules of `contents/markings/`, sorted by name."""
    return _plugins("markings", MarkingRule)


def title_of(plugin: Plugin) -> str:
    """The human title of a plugin: the first line of its module's docstring.

    Raises:
        LookupError: the plugin stands in none of the scanned packages.
    """
    for package, kind in _PACKAGES.items():
        if type(plugin) is kind:
            for found, title in _scan(package):
                if found is plugin:
                    return title
    raise LookupError(plugin.name)


_PACKAGES: dict[str, type[Plugin]] = {
    "formats": Format,
    "detectors": Detector,
    "forms": FormRule,
    "markings": MarkingRule,
}


@cache
def _plugins(package: str, kind: type[P]) -> tuple[P, ...]:
    return tuple(plugin for plugin, _ in _scan(package) if isinstance(plugin, kind))


@cache
def _scan(package: str) -> tuple[tuple[Plugin, str], ...]:
    kind = _PACKAGES[package]
    parent = import_module(f"leftopen.contents.{package}")
    found: dict[str, tuple[Plugin, str]] = {}
    for info in pkgutil.iter_modules(parent.__path__):
        module = import_module(f"{parent.__name__}.{info.name}")
        title = (module.__doc__ or "").strip().split("\n", 1)[0]
        for value in vars(module).values():
            if isinstance(value, kind):
                found[value.name] = (value, title)
    return tuple(found[name] for name in sorted(found))
