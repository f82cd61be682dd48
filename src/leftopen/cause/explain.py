"""Reads configuration files and says, for each service in them, what opens or closes it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from leftopen.cause.api import CloudRule, Files, Judgement, RuleSet
from leftopen.cause.evaluate import Judge, Reading, Verdict, causes
from leftopen.cause.files import (
    MAX_JSON_BYTES,
    DiskFiles,
    MemoryFiles,
    gap,
    read_head,
    read_text,
)
from leftopen.cause.registry import cloud, clouds, reader, rule_set, rules
from leftopen.model.cause import Cause
from leftopen.model.errors import UsageError
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe

MAX_CAUSES = 2_000  # of one rule in one configuration
MAX_WALK = 200_000  # files of one folder that are looked at
MAX_LEVELS = 32
# Copies that no server reads: package managers' and editors' endings.
_COPY = re.compile(
    r"(?i)(?:~|\.(?:bak|old|orig|save|swp|sample|example|rpmsave|rpmnew|dpkg-\w+|ucf-\w+))$"
)


_INCLUDES = re.compile(r"(?m)^[ \t]*(?:&|!)?(?:include|merge|aclfile)")


@dataclass(frozen=True, slots=True)
class _Found:
    """A recognised file."""

    product: str
    path: str
    fragment: bool


@dataclass(slots=True)
class _Survey:
    """What is below a folder."""

    found: list[_Found] = field(default_factory=list)
    other: int = 0  # files that nobody here reads
    gaps: list[Gap] = field(default_factory=list)

    def add(self, path: str, files: DiskFiles) -> None:
        """Take one file in."""
        if os.path.islink(path):
            self.other += not files.where(path)
            return
        product, fragment = ("", False) if _COPY.search(path) else _recognised(path)
        if product:
            self.found.append(_Found(product, path, fragment))
        else:
            self.other += 1

    def unreadable(self, error: OSError) -> None:
        """A folder that could not be listed."""
        detail = error.strerror or "cannot be listed"
        self.gaps.append(gap(Reason.UNREADABLE, os.fsdecode(error.filename or ""), detail))


def list_units(paths: Sequence[os.PathLike[str] | str]) -> list[str]:
    """Everything to explain, as independent units of work (JSON text, stable between runs).

    A unit is one configuration: a file with what it includes, the files of one folder that
    belong together, or what of a folder was not recognised.

    Raises:
        UsageError: a path does not exist.
    """
    units: dict[str, None] = {}
    for path in [os.fspath(p) for p in paths]:
        if not os.path.lexists(path):
            raise UsageError(f"{safe(path)}: no such file or folder; give configuration files")
        if os.path.isdir(path):
            mains = _mains(path, _survey(path).found)
            units.update(dict.fromkeys(_unit(f.product, path, f.path) for f in mains))
            units[_unit("", path, "")] = None
        else:
            product, _ = _recognised(path)
            units[_unit(product, os.path.dirname(path) or ".", path)] = None
    return list(units)


def explain(
    paths: Sequence[os.PathLike[str] | str], *, versions: Mapping[str, str] | None = None
) -> Iterator[Cause | Gap]:
    """Causes (closed ones too: conflicts need them) and Gaps of files and folders.

    `versions` maps a product to the version that runs, where it is known.

    Raises:
        UsageError: a path does not exist.
    """
    for unit in list_units(paths):
        yield from explain_unit(unit, versions=versions)


def explain_unit(unit: str, *, versions: Mapping[str, str] | None = None) -> Iterator[Cause | Gap]:
    """Causes and Gaps of one unit of `list_units`.

    Raises:
        UsageError: the text is not a unit.
    """
    try:
        product, root, path = (str(part) for part in json.loads(unit))
    except ValueError:
        raise UsageError(f"{safe(unit)}: not a unit of cause") from None
    try:
        yield from _explain(product, root, path, versions or {})
    except Exception as e:  # noqa: BLE001 - one bad file must not end the run; it is recorded
        yield gap(Reason.CRASHED, path or root, f"{type(e).__name__} while it was judged")


def _explain(
    product: str, root: str, path: str, versions: Mapping[str, str]
) -> Iterator[Cause | Gap]:
    if not path:
        yield from _leftover(root)
    elif plugin := rule_set(product):
        yield from _not_given(plugin, path)
        judge = partial(judge_rules, plugin, path, versions.get(product, ""))
        yield from causes(judge, DiskFiles(root, path), path)
    elif snapshot := cloud(product):
        source = read_text(path, MAX_JSON_BYTES)
        if isinstance(source, Gap):
            yield source
            return
        memory = MemoryFiles({path: source.text}, changed=source.changed)
        yield from causes(partial(judge_cloud, snapshot, path), memory, path)
    else:
        head = read_head(path)
        detail = "no rules for this file yet; nothing in it was judged"
        yield head if isinstance(head, Gap) else gap(Reason.UNSUPPORTED, path, detail)


def explain_texts(
    product: str, texts: Mapping[str, str], version: str = ""
) -> Iterator[Cause | Gap]:
    """Causes and Gaps of a configuration in memory, the main file first: examples, edited copies.

    Raises:
        KeyError: no plugin has that product.
    """
    main = next(iter(texts))
    snapshot, plugin = cloud(product), rule_set(product)
    judge: Judge
    if plugin:
        judge = partial(judge_rules, plugin, main, version)
    elif snapshot:
        judge = partial(judge_cloud, snapshot, main)
    else:
        raise KeyError(product)
    yield from causes(judge, MemoryFiles(texts), main)


def judge_rules(plugin: RuleSet, main: str, version: str, files: Files) -> Reading:
    """Read one configuration and apply all rules of its product."""
    document = reader(plugin.reader).read(files, main)
    verdicts: list[Verdict] = []
    gaps = list(document.gaps)
    for rule in plugin.rules:
        name = f"{plugin.product}.{rule.name}"
        made = partial(Verdict, name, plugin.product, plugin.protocol, rule.references)
        for number, judgement in enumerate(rule.judge(document, version)):
            if number >= MAX_CAUSES:
                detail = f"{name}: only the first {MAX_CAUSES} places were judged"
                gaps.append(gap(Reason.TOO_LARGE, main, detail))
                break
            if isinstance(judgement, Gap):
                gaps.append(judgement)
            else:
                verdicts.append(made(judgement))
    return Reading(_told_apart(verdicts), tuple(gaps), dict(document.files))


def judge_cloud(plugin: CloudRule, path: str, files: Files) -> Reading:
    """Judge one cloud snapshot."""
    source = files.load(path)
    if isinstance(source, Gap):
        return Reading((), (source,), {})
    found = list(plugin.judge(source))
    name = f"{plugin.product}.{plugin.rule}"
    made = partial(Verdict, name, plugin.product, "", plugin.references)
    verdicts = _told_apart([made(j) for j in found if isinstance(j, Judgement)])
    gaps = tuple(g for g in found if isinstance(g, Gap))
    return Reading(verdicts, gaps, {path: source})


def _told_apart(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Subjects of the same name numbered, so that each can be found again after an edit."""
    seen: Counter[tuple[str, str]] = Counter()
    made = []
    for verdict in verdicts:
        seen[verdict.subject] += 1
        made.append(replace(verdict, number=seen[verdict.subject]))
    return tuple(made)


def _not_given(plugin: RuleSet, path: str) -> Iterator[Gap]:
    head = read_head(path)
    if isinstance(head, str) and plugin.fragment(path, head):
        detail = "a part of a configuration: what the main file sets was taken as not set"
        yield gap(Reason.NOT_GIVEN, path, detail)
    if plugin.folder and isinstance(head, str):
        yield from _pair(path)


def _pair(path: str) -> Iterator[Gap]:
    """PostgreSQL: which of the files that decide together are not in the folder."""
    folder = os.path.dirname(path)
    for name, why in (
        ("pg_hba.conf", "who is let in is not known"),
        ("postgresql.conf", "where it listens is not known"),
        ("postgresql.auto.conf", "settings made by ALTER SYSTEM are not known"),
    ):
        given = os.path.join(folder, name)
        if not os.path.exists(given) and os.path.basename(path) != name:
            yield gap(Reason.NOT_GIVEN, given, f"not handed over; {why}")


def _leftover(root: str) -> Iterator[Gap]:
    survey = _survey(root)
    yield from survey.gaps
    if survey.other:
        detail = "files of no known kind, or copies that no server reads; not judged"
        yield gap(Reason.UNSUPPORTED, root, detail, survey.other)
    if not (survey.found or survey.other or survey.gaps):
        yield gap(Reason.EMPTY, root, "no files in it")


def _unit(product: str, root: str, path: str) -> str:
    return json.dumps([product, root, path])


def _survey(root: str) -> _Survey:
    """Look at every file below a folder, within limits. Links are looked at where they lead."""
    survey = _Survey()
    files = DiskFiles(root)
    seen = 0
    for folder, folders, names in os.walk(root, onerror=survey.unreadable):
        folders.sort()
        if folder[len(root) :].count(os.sep) >= MAX_LEVELS and folders:
            folders.clear()
            survey.gaps.append(gap(Reason.TOO_DEEP, folder, "folders below were not looked at"))
        for name in sorted(names):
            seen += 1
            if seen > MAX_WALK:
                detail = f"only the first {MAX_WALK} files were looked at"
                survey.gaps.append(gap(Reason.TOO_LARGE, root, detail))
                return survey
            survey.add(os.path.join(folder, name), files)
    return survey


def _recognised(path: str) -> tuple[str, bool]:
    """The product whose configuration a file is ("" for none), and whether it is only a part."""
    head = read_head(path)
    if isinstance(head, Gap):
        return "", False
    plugins: list[RuleSet | CloudRule] = [*rules(), *clouds()]
    scores = [(plugin.recognise(path, head), plugin) for plugin in plugins]
    score, best = max(scores, key=lambda s: s[0])
    if score <= 0:
        return "", False
    return best.product, isinstance(best, RuleSet) and best.fragment(path, head)


def _mains(root: str, found: Sequence[_Found]) -> list[_Found]:
    """One entry for each configuration: no parts of another, one of each folder's group."""
    mains: dict[tuple[str, str], _Found] = {}
    homes = {(f.product, os.path.dirname(f.path)) for f in found if not f.fragment}
    for item in found:
        folder = os.path.dirname(item.path)
        if item.fragment and _below(item.product, folder, homes, root):
            continue
        plugin = rule_set(item.product)
        together = plugin is not None and plugin.folder
        mains.setdefault((item.product, folder if together else item.path), item)
    taken = _included(root, list(mains.values()))
    return [item for item in mains.values() if os.path.realpath(item.path) not in taken]


def _below(product: str, folder: str, homes: set[tuple[str, str]], root: str) -> bool:
    while len(folder) >= len(root.rstrip("/")):
        if (product, folder) in homes:
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    return False


def _included(root: str, mains: Sequence[_Found]) -> set[str]:
    """Real paths of files that another file of the same product includes."""
    taken: set[str] = set()
    files = DiskFiles(root)
    products = [item.product for item in mains]
    for item in mains:
        # With one file of its kind there is nothing that it could include from among them.
        plugin = rule_set(item.product)
        if plugin is None or products.count(item.product) < 2:
            continue
        source = files.load(item.path)
        if isinstance(source, Gap) or not _INCLUDES.search(source.text):
            continue
        document = reader(plugin.reader).read(DiskFiles(root, item.path), item.path)
        own = os.path.realpath(item.path)
        taken |= {os.path.realpath(path) for path in document.files} - {own}
    return taken
