"""The plugin types of cause: Reader, Rule, RuleSet, CloudRule, and what they exchange.

A reader turns one syntax into directives with file and line. A rule judges directives and says,
factor by factor, whether a stranger gets in. Rules never open a file: the reader does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from leftopen.model.cause import Factor, Origin, Truth, all_of
from leftopen.model.gap import Gap
from leftopen.model.redact import safe


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as it was read."""

    path: str  # as given; real name, shown only through safe()
    text: str
    changed: str = ""  # mtime, ISO 8601 in UTC, or ""


class Files(Protocol):
    """Where a reader gets text from: a folder on disk, or a mapping (examples, edited copies)."""

    def load(self, path: str) -> SourceFile | Gap:
        """The text of one file, or the Gap that says why not."""

    def find(self, pattern: str, near: str, home: str) -> Sequence[str] | Gap:
        """Files that an include pattern in the file `near` names, sorted.

        `home` is the folder that absolute patterns are written for ("/etc/nginx"): a copied
        tree lies elsewhere. A Gap says that the place was not handed over or is off limits.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Directive:
    """One setting with its arguments and its place; a block holds the settings inside it."""

    name: str
    args: tuple[str, ...]
    file: str  # path, key of Document.files
    line: int  # 1-based
    start: int  # characters [start, end) of that file's text
    end: int
    inside: int = -1  # first character inside a block, -1 where it is none
    children: tuple[Directive, ...] = ()
    included: bool = False  # stands in a file that the main file includes
    unread: bool = False  # an include that could not be followed
    _named: dict[str, list[Directive]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        # Lookups by name are what rules do; a block of 100,000 lines must not make them slow.
        for child in self.children:
            self._named.setdefault(child.name, []).append(child)

    @property
    def value(self) -> str:
        """All arguments, one space between them."""
        return " ".join(self.args)

    def last(self, *names: str) -> Directive | None:
        """The last direct child of one of these names: in most syntaxes it wins."""
        found = [self._named[name][-1] for name in names if name in self._named]
        return found[0] if len(found) == 1 else max(found, key=self.children.index, default=None)

    def all(self, *names: str) -> tuple[Directive, ...]:
        """All direct children of these names, in order."""
        if len(names) == 1:
            return tuple(self._named.get(names[0], ()))
        return tuple(d for d in self.children if d.name in names)


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration as read: the main file and what it includes, in reading order.

    `root` is a block without a name that holds all top directives.
    """

    main: str
    root: Directive
    files: Mapping[str, SourceFile]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """One syntax. `read` raises nothing on bad input: it becomes a Gap of the document."""

    name: str
    read: Callable[[Files, str], Document]


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace characters [start, end) of a file by `text`."""

    file: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change that ought to close it. It is proposed only if re-evaluation agrees."""

    title: str
    edits: tuple[Edit, ...]
    command: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule says of one subject (a location, a module, a line) in one document.

    `subject` must stay the same when a remedy is applied, so that the judgement can be found
    again. The subject is open when all factors hold.
    """

    subject: str
    title: str
    factors: tuple[Factor, ...]
    addresses: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    protocol: str = ""  # where it differs from the rule set's
    part: tuple[int, int] | None = None  # characters of the file that can be judged alone
    remedies: tuple[Remedy, ...] = ()  # smallest first

    @property
    def open(self) -> Truth:
        """Kleene conjunction of the factors."""
        return all_of(*(f.holds for f in self.factors))


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to be open. `judge(document, version)` sees "" where the version is not known.

    `bad` and `good` are small configurations (file name to text, the main file first); the
    conformance test holds that the first is open and the second closed.
    """

    name: str
    title: str
    judge: Callable[[Document, str], Iterator[Judgement | Gap]]
    bad: Mapping[str, str]
    good: Mapping[str, str]
    references: tuple[str, ...] = ()


def _never(path: str, head: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one product. The module docstring's first line is its title.

    `recognise(path, head)` sees the path and the first 64 KiB of text and answers 0 to 100.
    `fragment` says that a file is only a part that another one includes. With `folder` all
    recognised files of one folder are one configuration.
    """

    product: str
    protocol: str
    reader: str
    recognise: Callable[[str, str], int]
    rules: tuple[Rule, ...]
    fragment: Callable[[str, str], bool] = _never
    folder: bool = False

    @property
    def name(self) -> str:
        """The name it goes by: the product's."""
        return self.product


@dataclass(frozen=True, slots=True)
class CloudRule:
    """One kind of cloud snapshot (JSON). The module docstring's first line is its title.

    `judge` yields a Judgement for each admitted set of ports, and Gaps.
    """

    product: str
    rule: str
    recognise: Callable[[str, str], int]
    judge: Callable[[SourceFile], Iterator[Judgement | Gap]]
    bad: str
    good: str
    references: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name it goes by: the product's."""
        return self.product


# A dotted address, with its prefix and port: what a report on networks is about, no number that
# names a person.
_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?::\d{1,5})?(?![\d.])")


def shown(text: str, limit: int = 200) -> str:
    """Text of a configuration, made fit to show like `safe`, with its IPv4 addresses kept."""
    parts, at = [], 0
    for found in islice(_ADDRESS.finditer(text[: limit * 2]), 64):
        parts += [safe(text[at : found.start()], limit), found.group()]
        at = found.end()
    made = "".join(parts) + safe(text[at:], limit)
    return made if len(made) <= limit else made[: limit - 1] + "…"


def origin(directive: Directive) -> Origin:
    """Where an explicit setting stands."""
    kind = "include" if directive.included else "explicit"
    return Origin(file=safe(directive.file, 300), line=directive.line, kind=kind)


def default(detail: str) -> Origin:
    """A default: which versions it holds for, and what says so."""
    return Origin(kind="default", detail=detail)


def absent(detail: str) -> Origin:
    """Nothing is set that would restrict: no default that somebody could have known instead."""
    return Origin(kind="absent", detail=detail)


def factor(
    name: str,
    holds: Truth,
    directive: str,
    value: str,
    where: Directive | str | Origin,
    *,
    ours: bool = False,
) -> Factor:
    """A Factor with its text made fit to show; a plain string is the source of a default.

    `ours` says that Leftopen wrote the value itself (networks, port ranges): it is not masked.
    """
    if isinstance(where, Directive):
        where = origin(where)
    elif isinstance(where, str):
        where = default(where)
    text = value if ours else shown(value)
    return Factor(name=name, holds=holds, directive=shown(directive, 80), value=text, origin=where)
