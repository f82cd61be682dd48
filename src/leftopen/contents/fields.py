"""Named values of a form as lines of text, with values put together that a form splits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from leftopen.contents.api import Text, TextKind

_STEP = re.compile(r"[/>]|(?<!\\)\.(?![^\[\]]*\])")
_INDEX = re.compile(r"\[(\d*)\]$")
_NAMESPACE = re.compile(r"^\{[^}]*\}")
# Of mail headers only these are somebody's words or names; the rest is ids, hops and hashes.
_WORDED = frozenset(
    "subject from to cc bcc sender reply-to filename name title author creator keywords comments "
    "description category company manager last-modified-by lastmodifiedby attachment attachments "
    "organization signer attendee organizer location summary".split()
)
_PARTS = {
    ("FirstThree", "NextTwo", "LastFour"): "{0}{1}{2}",
    ("Month", "Day", "Year"): "{2}-{0}-{1}",
}
_LONGEST_VALUE = 4_000


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the steps of its full name without indexes, its place in the form, its value."""

    path: tuple[str, ...]
    parent: str  # full name without the last step, indexes kept: siblings share it
    value: str

    @property
    def leaf(self) -> str:
        """The last step of the name."""
        return self.path[-1] if self.path else ""


def parse(pairs: Iterable[tuple[str, str]]) -> Iterator[Field]:
    """Split full field names (XML paths, AcroForm and XFA names) into steps."""
    for name, value in pairs:
        steps = [step.strip() for step in _STEP.split(name) if step.strip()]
        path = tuple(_NAMESPACE.sub("", _INDEX.sub("", step)).replace("\\", "") for step in steps)
        yield Field(path, "/".join(steps[:-1]), value.strip())


def joined(pairs: Iterable[tuple[str, str]]) -> Iterator[Field]:
    """Fields, and after the parts of a number or date also the whole under its parent's name."""
    parts: dict[str, dict[str, str]] = {}
    for field in parse(pairs):
        yield field
        for names, layout in _PARTS.items():
            if field.leaf not in names:
                continue
            seen = parts.setdefault(field.parent, {})
            seen[field.leaf] = field.value
            if all(seen.get(name) for name in names):
                whole = layout.format(*(seen.pop(name) for name in names))
                yield Field(field.path[:-1], field.parent.rpartition("/")[0], whole)


def view(text: Text) -> Text:
    """The text as detectors see it: forms and headers as `name: value` lines."""
    if text.kind is TextKind.HEADER and text.fields:
        kept = (
            f"{name}: {_one_line(value)}"
            for name, value in text.fields
            if name.lower().rpartition(":")[2] in _WORDED
        )
        return replace(text, text="\n".join(kept))
    if text.kind is TextKind.FORM and text.fields:
        lines = (
            f"{' '.join(field.path)[-78:]}: {_one_line(field.value)}"
            for field in joined(text.fields)
        )
        return replace(text, text="\n".join(lines))
    return text


def _one_line(value: str) -> str:
    return " ".join(value[:_LONGEST_VALUE].split())
