"""Finds the output formats by looking through the package: there is no list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import leftopen.brief
from leftopen.brief.api import OutputFormat
from leftopen.model.errors import UsageError


@cache
def formats() -> Mapping[str, OutputFormat]:
    """Every output format by name, sorted. Modules without an `OutputFormat` are helpers."""
    found: dict[str, OutputFormat] = {}
    for module in pkgutil.iter_modules(leftopen.brief.__path__):
        if module.name == "registry":
            continue
        constants = vars(importlib.import_module(f"leftopen.brief.{module.name}")).values()
        found.update({c.name: c for c in constants if isinstance(c, OutputFormat)})
    return MappingProxyType(dict(sorted(found.items())))


def output_format(name: str) -> OutputFormat:
    """The output format of this name.

    Raises:
        UsageError: there is none; the message names those that exist.
    """
    try:
        return formats()[name]
    except KeyError:
        known = ", ".join(formats())
        raise UsageError(f"no output format {name!r}; there are {known}") from None
