"""Edits to text, and the unified diff that shows them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

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


def diff(source: SourceFile, edits: Sequence[Edit]) -> str:
    """A unified diff of the edits, or "" where it would show a secret or a control character.

    The diff is the file's own text, since it has to apply; where three lines of context would
    show a secret, it has none.
    """
    before, after = _lines(source.text), _lines(apply(source.text, edits))
    for context in (3, 0):
        name = safe(source.path.lstrip("/"), 300)
        made = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=context)
        lines = list(made)
        if all(_showable(line) for line in lines):
            return "".join(_ended(line) for line in lines)
    return ""


def _lines(text: str) -> list[str]:
    # str.splitlines() also breaks at form feeds and U+2028, which no server does.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _showable(line: str) -> bool:
    plain = line.rstrip("\r\n").replace("\t", " ")
    heading = plain.startswith(("--- a/", "+++ b/", "@@ "))
    return heading or (shown(plain, len(plain) + 1) == plain and not _SECRET.search(plain))


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
