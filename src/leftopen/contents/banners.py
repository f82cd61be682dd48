"""Where markings stand: first and last lines, subjects, portions. Shared by the marking systems.

Position, not vocabulary, tells a banner from prose (32 CFR 2001.23(b); research/contents.md 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leftopen.contents.api import Text, TextKind

EDGE = 5  # non-blank lines at either end of a body in which a banner counts
_FRAME = " \t>*_=~|#\u2022\xa0\ufeff"
_PORTION = re.compile(
    r"[ \t>*]{0,12}(?:\d{1,3}\.[ \t]{1,4}|[-\u2022][ \t]{1,4})?"
    r"\(([A-Z][^()\n]{0,80})\)[ \t]+\S"
)
_RELEASED = re.compile(
    r"U\.?\s?S\.?\s+Department of State\s+Case No|\bRELEASED? IN (?:FULL|PART)\b|\bDECLASSIFIED\b|"
    r"\bApproved for (?:Public )?Release\b",
    re.IGNORECASE,
)
_TRAINING = re.compile(
    r"\bnotional\b|\btraining (?:purposes|aid|module|material|only)\b|"
    r"\bmarking (?:guide|handbook)\b|"
    r"\bmarkings? (?:shown|are|in this) [^.\n]{0,60}(?:example|illustrat)|\bfor example only\b|"
    r"\bmarking (?:classified|controlled|national)|\bsample marking",
    re.IGNORECASE,
)
_LINE = 400  # a longer line is no banner
_OUTER = 20_000  # characters at either end of a text in which its outer lines are looked for
_SCANNED = 400_000  # characters at either end of a text that are looked at


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of one document by position."""

    top: tuple[str, ...]  # first non-blank lines of each body, unframed
    bottom: tuple[str, ...]
    first: tuple[str, ...]  # the very first and the very last line of each body
    last: tuple[str, ...]
    subject: str
    portions: tuple[str, ...]  # what stands in the parentheses that open paragraphs
    body: str
    place: str

    @property
    def edges(self) -> Iterator[str]:
        """Top and bottom lines, none twice."""
        yield from self.top
        yield from self.bottom

    @property
    def exempt(self) -> bool:
        """Released by its owner, or teaching how to mark: says nothing about a spill."""
        return bool(_RELEASED.search(self.body) or _TRAINING.search(self.body))


def layout(texts: Sequence[Text]) -> Layout | None:
    """The layout of one document; None where it has no words."""
    bodies = [text for text in texts if text.kind is TextKind.BODY and text.text.strip()]
    if {"plain", "html"} <= {text.carrier for text in bodies}:  # two readings of one message
        bodies = [text for text in bodies if text.carrier != "html"]
    subject = next(
        (v for t in texts if t.kind is TextKind.HEADER for n, v in t.fields if _is_subject(n)), ""
    )
    if not bodies and not subject:
        return None
    top: list[str] = []
    bottom: list[str] = []
    portions: list[str] = []
    first: list[str] = []
    last: list[str] = []
    for text in bodies:
        lines = [bare for line in _outer(text.text) if (bare := line.strip(_FRAME))]
        first += lines[:1]
        last += lines[1:][-1:]
        top += lines[:EDGE]
        bottom += lines[max(EDGE, len(lines) - EDGE) :]
        portions += _portions(text.text)
    return Layout(
        top=tuple(line for line in top if len(line) <= _LINE),
        bottom=tuple(line for line in bottom if len(line) <= _LINE),
        first=tuple(first),
        last=tuple(last),
        subject=subject,
        portions=tuple(portions),
        body="\n".join(_ends(text.text) for text in bodies),
        place=str((bodies or list(texts))[0].place),
    )


def _outer(text: str) -> list[str]:
    """The lines near both ends of a text; all of a short one."""
    if len(text) <= 2 * _OUTER:
        return text.splitlines()
    return text[:_OUTER].splitlines()[:-1] + text[-_OUTER:].splitlines()[1:]


def _portions(text: str) -> Iterator[str]:
    if "(" not in text:
        return
    for line in text[: 2 * _SCANNED].splitlines():
        if "(" in line[:20] and (found := _PORTION.match(line)):
            yield found[1]


def _is_subject(name: str) -> bool:
    return name.lower() in ("subject", "title")


def _ends(text: str) -> str:
    if len(text) <= 2 * _SCANNED:
        return text
    return f"{text[:_SCANNED]}\n{text[-_SCANNED:]}"


def prefix(subject: str) -> str:
    """The marking that opens a subject: `[CUI] ...`, `(S//NF) ...`, `CUI//SP-PRVCY - ...`."""
    subject = subject[:_LINE]
    bare = re.sub(r"^(?:(?:re|fw|fwd)\s*:\s*)+", "", subject.strip(), flags=re.IGNORECASE)
    found = re.match(
        r"[\[(]([A-Z][^\])]{0,60})[\])]|([A-Z]+//[A-Z/ ,-]+?)(?=\s+-|\s*:|\s+[a-z]|$)", bare
    )
    return (found[1] or found[2]) if found else ""
