"""Named values of forms and headers: names split into steps, values as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from leftopen.contents.api import Text

_STEP = re.compile(r"[/>]|(?<!\\)\.(?![^\[\]]*\])")
_INDEX = re.compile(r"\[(\d*)\]$")
_NAMESPACE = re.compile(r"^\{[^}]*\}")
_LONGEST_NAME, _LONGEST_VALUE = 500, 4_000


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the steps of its full name without indexes, and its value."""

    path: tuple[str, ...]
    value: str

    @property
    def leaf(self) -> str:
        """The last step of the name."""
        return self.path[-1] if self.path else ""


def parse(pairs: Iterable[tuple[str, str]]) -> Iterator[Field]:
    """Split full field names (XML paths, AcroForm and XFA names) into steps."""
    for name, value in pairs:
        steps = [step.strip() for step in _STEP.split(name[:_LONGEST_NAME]) if step.strip()]
        path = tuple(_NAMESPACE.sub("", _INDEX.sub("", step)).replace("\\", "") for step in steps)
        yield Field(path, value.strip())


def view(text: Text) -> Text:
    """The text as detectors see it: where a format gave fields only, as `name: value` lines."""
    if text.text or not text.fields:
        return text
    lines = (f"{name[-78:]}: {_one_line(value)}" for name, value in text.fields)
    return replace(text, text="\n".join(lines))


def _one_line(value: str) -> str:
    return " ".join(value[:_LONGEST_VALUE].split())
