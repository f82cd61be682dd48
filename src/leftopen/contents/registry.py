"""Finds the plugins of contents by scanning their packages: a new file is enough."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from leftopen.contents.api import Detector, Format, FormRule, MarkingRule
from leftopen.model.plugins import find

Plugin = Format | Detector | FormRule | MarkingRule
P = TypeVar("P", Format, Detector, FormRule, MarkingRule)
_PACKAGES: dict[type[Plugin], str] = {
    Format: "formats",
    Detector: "detectors",
    FormRule: "forms",
    MarkingRule: "markings",
}


@cache
def formats() -> tuple[Format, ...]:
    """All formats of `contents/formats/`, sorted by name."""
    return _plugins(Format)


@cache
def detectors() -> tuple[Detector, ...]:
    """All detectors of `contents/detectors/`, sorted by name."""
    return _plugins(Detector)


@cache
def forms() -> tuple[FormRule, ...]:
    """All form rules of `contents/forms/`, sorted by name."""
    return _plugins(FormRule)


@cache
def markings() -> tuple[MarkingRule, ...]:
    """All marking rules of `contents/markings/`, sorted by name."""
    return _plugins(MarkingRule)


def title_of(plugin: Plugin) -> str:
    """The human title of a plugin: the first line of its module's docstring.

    Raises:
        LookupError: the plugin stands in none of the scanned packages.
    """
    for kind in _PACKAGES:
        for found, title in find(_package(kind), kind):
            if found is plugin:
                return title
    raise LookupError(plugin.name)


def _plugins(kind: type[P]) -> tuple[P, ...]:
    found = (plugin for plugin, _ in find(_package(kind), kind))
    return tuple(sorted(found, key=lambda p: p.name))


def _package(kind: type[Plugin]) -> ModuleType:
    # Imported here: its modules import this one's neighbours.
    return import_module(f"leftopen.contents.{_PACKAGES[kind]}")
