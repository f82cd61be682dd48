"""Edits to text, and the unified diff that shows them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from leftopen.cause.api import Edit, SourceFile
from leftopen.model.redact import escape_controls, mask_numbers

# Lines that hold a secret are never shown, not even as the context of a diff.
_SECRET = re.compile(
    r"(?i)requirepass|masterauth|masteruser|secret|authorization|api[_-]?key|\btoken"
    r"|passw(?:or)?d\b\s*[=: ]|\bpass\b\s*=|password=|^\W?\s*user\s.*\s[>#<]\S|://[^/\s:]+:[^@\s]+@"
)
_NO_NEWLINE = "\\ No newline at end of file\n"


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made; they must not overlap."""
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def diff(source: SourceFile, edits: Sequence[Edit]) -> str:
    """A unified diff of the edits, or "" where it would show a secret or a control character.

    The diff is the file's own text, since it has to apply; where three lines of context would
    show a secret, it has none.
    """
    before, after = _lines(source.text), _lines(apply(source.text, edits))
    for context in (3, 0):
        made = difflib.unified_diff(
            before, after, f"a/{source.path}", f"b/{source.path}", n=context, lineterm="\n"
        )
        lines = list(made)
        if all(_showable(line) for line in lines):
            return "".join(_ended(line) for line in lines)
    return ""


def _lines(text: str) -> list[str]:
    # str.splitlines() also breaks at form feeds and U+2028, which no server does.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _showable(line: str) -> bool:
    plain = line.rstrip("\r\n").replace("\t", " ")
    clean = escape_controls(plain) == plain and mask_numbers(plain) == plain
    return clean and not _SECRET.search(plain)


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}"
