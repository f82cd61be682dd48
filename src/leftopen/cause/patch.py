"""Edits to text, and the unified diff that shows them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from leftopen.cause.api import Edit, SourceFile, shown
from leftopen.model.redact import safe

# Lines that hold a secret are never shown, not even as the context of a diff.
_SECRET = re.compile(
    r"(?i)requirepass|masterauth|masteruser|\bsecret\s*[=: ]|authorization|api[_-]?key|\btoken\b"
    r"|(?<!no)passw(?:or)?d\b\s*[=: ]|\bpass\b\s*=|^\W?\s*user\s.*\s[>#<]\S|://[^/\s:]+:[^@\s]+@"
)
_NO_NEWLINE = "\\ No newline at end of file\n"


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made; they must not overlap."""
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class _Change(NamedTuple):
    """Lines [first, last) of the old text, and what stands there instead."""

    first: int
    last: int
    new: tuple[str, ...]


def diff(source: SourceFile, edits: Sequence[Edit]) -> str:
    """A unified diff of the edits, or "" where it would show a secret or a control character.

    The diff is the file's own text, since it has to apply; where three lines of context would
    show a secret, it has none.
    """
    old = _lines(source.text)
    changes = list(_changes(source.text, old, edits))
    name = safe(source.path.lstrip("/"), 300)
    for context in (3, 0):
        lines: list[str] = []
        shift = 0
        for hunk in _hunks(changes, context):
            lines += _hunk(old, hunk, context, shift)
            shift += _added(hunk)
        if lines and all(_showable(line) for line in lines):
            return f"--- a/{name}\n+++ b/{name}\n" + "".join(_ended(line) for line in lines)
    return ""


def _lines(text: str) -> list[str]:
    # str.splitlines() also breaks at form feeds and U+2028, which no server does.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _changes(text: str, old: Sequence[str], edits: Sequence[Edit]) -> Iterator[_Change]:
    """The edits as changes of whole lines; edits on the same lines are one change."""
    starts = [0, *accumulate(len(line) for line in old)]
    groups: list[tuple[int, int, list[Edit]]] = []
    for edit in sorted(edits, key=lambda e: e.start):
        first = min(bisect_right(starts, edit.start) - 1, len(old))
        if first == len(old) and old and not old[-1].endswith("\n"):
            first -= 1
        last = min(bisect_left(starts, edit.end), len(old))
        if edit.end == edit.start and edit.start == starts[first] and edit.text[-1:] == "\n":
            last = first  # whole lines put in front of a line
        elif last <= first < len(old) or _joins(starts, edit, first):
            last = min(last + 1, len(old))
        if groups and first < groups[-1][1]:
            before = groups.pop()
            first, last = before[0], max(last, before[1])
            groups.append((first, last, [*before[2], edit]))
        else:
            groups.append((first, last, [edit]))
    for first, last, inside in groups:
        at = starts[first]
        moved = [Edit(e.file, e.start - at, e.end - at, e.text) for e in inside]
        change = _trimmed(old, first, last, _lines(apply(text[at : starts[last]], moved)))
        if change.new or change.last > change.first:
            yield change


def _joins(starts: Sequence[int], edit: Edit, first: int) -> bool:
    """Does the edit take away a line end, so that the next line belongs to the change?"""
    whole_lines = edit.start == starts[first] and not edit.text
    ends_line = edit.end > edit.start and starts[bisect_left(starts, edit.end)] == edit.end
    return ends_line and not whole_lines and not edit.text.endswith("\n")


def _trimmed(old: Sequence[str], first: int, last: int, new: Sequence[str]) -> _Change:
    """The change without lines that stay the same at its ends."""
    start, end = 0, len(new)
    while first < last and start < end and old[first] == new[start]:
        first, start = first + 1, start + 1
    while first < last and start < end and old[last - 1] == new[end - 1]:
        last, end = last - 1, end - 1
    return _Change(first, last, tuple(new[start:end]))


def _hunks(changes: Sequence[_Change], context: int) -> list[list[_Change]]:
    """Changes so near to each other that their context touches."""
    hunks: list[list[_Change]] = []
    for change in changes:
        if hunks and change.first - hunks[-1][-1].last <= 2 * context:
            hunks[-1].append(change)
        else:
            hunks.append([change])
    return hunks


def _hunk(old: Sequence[str], changes: Sequence[_Change], context: int, shift: int) -> list[str]:
    """One hunk with its heading; `shift` is how many lines the hunks before it have added."""
    at = first = max(0, changes[0].first - context)
    end = min(len(old), changes[-1].last + context)
    lines: list[str] = []
    for change in changes:
        lines += [f" {line}" for line in old[at : change.first]]
        lines += [f"-{line}" for line in old[change.first : change.last]]
        lines += [f"+{line}" for line in change.new]
        at = change.last
    lines += [f" {line}" for line in old[at:end]]
    heading = f"@@ -{_span(first, end - first)}"
    return [f"{heading} +{_span(first + shift, end - first + _added(changes))} @@\n", *lines]


def _added(changes: Sequence[_Change]) -> int:
    return sum(len(c.new) - (c.last - c.first) for c in changes)


def _span(first: int, count: int) -> str:
    # GNU diff: the number of the first line, or of the line in front of an empty range.
    return f"{first + 1 if count else first},{count}"


def _showable(line: str) -> bool:
    plain = line.rstrip("\r\n").replace("\t", " ")
    return plain.startswith("@@ ") or (
        shown(plain, len(plain) + 1) == plain and not _SECRET.search(plain)
    )


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}"


def line_of(source: SourceFile, start: int, end: int, text: str = "") -> Edit:
    """Replace [start, end); where nothing else stands on its lines, the whole lines go."""
    before = source.text.rfind("\n", 0, start) + 1
    after = source.text.find("\n", end)
    after = len(source.text) if after < 0 else after + 1
    alone = not (source.text[before:start] + source.text[end:after]).strip()
    if not text and alone:
        return Edit(source.path, before, after, "")
    return Edit(source.path, start, end, text)


def append(source: SourceFile, text: str) -> Edit:
    """Add lines at the end of a file."""
    size = len(source.text)
    ended = not source.text or source.text.endswith("\n")
    return Edit(source.path, size, size, f"{'' if ended else chr(10)}{text}\n")
