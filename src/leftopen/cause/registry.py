"""Finds the plugins of this room by scanning its packages; there is no list to edit."""

from __future__ import annotations

from functools import cache

from leftopen.cause import cloud as cloud_package
from leftopen.cause import readers as readers_package
from leftopen.cause import rules as rules_package
from leftopen.cause.api import CloudRule, Reader, RuleSet
from leftopen.model.plugins import find


@cache
def readers() -> tuple[Reader, ...]:
    """All readers, by name."""
    return tuple(plugin for plugin, _ in find(readers_package, Reader))


@cache
def rules() -> tuple[RuleSet, ...]:
    """All rule sets, by product."""
    return tuple(plugin for plugin, _ in find(rules_package, RuleSet))


@cache
def clouds() -> tuple[CloudRule, ...]:
    """All cloud rules, by product."""
    return tuple(plugin for plugin, _ in find(cloud_package, CloudRule))


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
        for found, title in find(package, type(plugin)):
            if found is plugin:
                return title
    raise KeyError(plugin.name)
