"""Every rule: its bad example is open, its good one closed, and its change really closes it."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Callable, Mapping

import pytest

from leftopen.cause.api import CloudRule, Rule, RuleSet
from leftopen.cause.registry import clouds, reader, readers, rules, title_of
from leftopen.model.cause import Cause, Truth

Judged = Callable[..., list[Cause]]
Patched = Callable[[str, str], str]
PRODUCTS = ("dovecot", "nginx", "postgresql", "redis", "rsync", "vsftpd")


def _all() -> list[tuple[str, str, Mapping[str, str], Mapping[str, str]]]:
    found = [(s.product, f"{s.product}.{r.name}", r.bad, r.good) for s in rules() for r in s.rules]
    for cloud in clouds():
        name = f"{cloud.product}.{cloud.rule}"
        found.append((cloud.product, name, {"a.json": cloud.bad}, {"a.json": cloud.good}))
    return found


ALL = _all()
by_rule = pytest.mark.parametrize(("product", "rule", "bad", "good"), ALL, ids=[a[1] for a in ALL])


def test_all_products_are_found() -> None:
    assert {s.product for s in rules()} >= set(PRODUCTS)
    assert {c.product for c in clouds()} >= {"azure_nsg"}
    assert len({r.name for r in readers()}) == len(readers())


@pytest.mark.parametrize("plugin", [*rules(), *clouds()], ids=lambda p: str(p.product))
def test_titles_and_sources(plugin: RuleSet | CloudRule) -> None:
    title = title_of(plugin)
    assert 4 < len(title) < 80
    assert not title.endswith(".")
    references = [r.references for r in plugin.rules] if isinstance(plugin, RuleSet) else []
    assert all(references)


@pytest.mark.parametrize("plugin", rules(), ids=lambda p: str(p.product))
def test_each_rule_set_has_its_reader(plugin: RuleSet) -> None:
    assert reader(plugin.reader).name == plugin.reader


@by_rule
def test_bad_is_open(
    judged: Judged, product: str, rule: str, bad: Mapping[str, str], good: Mapping[str, str]
) -> None:
    found = [c for c in judged(product, bad) if c.rule == rule]
    assert [c.open for c in found if c.open is Truth.YES], "the bad example is not open"
    for cause in found:
        assert cause.fix is not None
        assert cause.fix.diff
        assert all(f.directive for f in cause.factors)


@by_rule
def test_good_is_closed(
    judged: Judged, product: str, rule: str, bad: Mapping[str, str], good: Mapping[str, str]
) -> None:
    found = [c.open for c in judged(product, good) if c.rule == rule]
    assert found
    assert set(found) == {Truth.NO}


@by_rule
def test_change_closes(
    judged: Judged,
    patched: Patched,
    product: str,
    rule: str,
    bad: Mapping[str, str],
    good: Mapping[str, str],
) -> None:
    texts = dict(bad)
    opened = next(c for c in judged(product, texts) if c.rule == rule and c.open is Truth.YES)
    assert opened.fix is not None
    texts[opened.fix.file] = patched(texts[opened.fix.file], opened.fix.diff)
    assert texts != bad
    after = [c.open for c in judged(product, texts) if c.rule == rule]
    assert set(after) <= {Truth.NO}


def _lines(rule: Rule) -> int:
    return len(inspect.getsource(rule.judge).splitlines())


def test_rules_stay_small() -> None:
    assert all(_lines(rule) <= 40 for plugin in rules() for rule in plugin.rules)
    for plugin in readers():
        source = inspect.getsource(sys.modules[plugin.read.__module__])
        assert len(source.splitlines()) < 170, plugin.name


def test_nothing_here_runs_or_connects() -> None:
    folder = os.path.dirname(inspect.getfile(RuleSet))
    for base, _, names in os.walk(folder):
        for name in (n for n in names if n.endswith(".py")):
            with open(os.path.join(base, name), encoding="utf-8") as handle:
                tree = ast.parse(handle.read())
            imported = {
                alias.name.split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            }
            assert not imported & {"subprocess", "socket", "urllib", "asyncio", "ctypes"}
