"""What stands around a hit: boundaries, labels before it, words after it.

Words are compared whole ("public" does not match "lic"). In a table row and in a form field only
the value's own header counts; in running text the label nearest in front of the value decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from leftopen.contents.api import Hit, TextKind

_BOUND_LEFT = re.compile(r"\w$|\w[-./+&@%\\]$|[+/\\]$|[?&]\w+=$")
_BOUND_RIGHT = re.compile(r"\w|[-./+&@%\\=:#?]\w")
_WORD = re.compile(r"[a-z0-9]+#?|#", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONG_NUMBER = re.compile(r"\d(?:[-. \u00a0\u2010-\u2015]?\d){5,}")
_LETTER = re.compile(r"[^\W\d_]")
# Words that may stand between a label and its value without making it another label.
_FILLER = frozenset(
    "a an the is are was of for on in no nr num number numbers value my his her your our their "
    "and or mm dd yy yyyy mmm # # s as id ID format e g eg ie".lower().split()
)


@dataclass(frozen=True, slots=True)
class Phrases:
    """Whole-word phrases, compiled once."""

    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Label:
    """The phrase that was found, and how many words other than fillers stand before the value."""

    phrase: str
    distance: int
    field: bool = False  # a column header or the name of a form field

    @property
    def direct(self) -> bool:
        """Nothing but fillers stands between the label and the value."""
        return self.distance == 0


def phrases(*words: str) -> Phrases:
    """Compile phrases in lower case; single spaces stand for any run of non-word characters."""
    body = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return Phrases(re.compile(rf"(?<![a-z0-9])(?:{body})(?![a-z0-9])"))


def normal(text: str, *, camel: bool = False) -> str:
    """Lower-case words joined by single spaces; `camel` also splits FirstName and SSN_Number."""
    if camel:
        text = _CAMEL.sub(" ", text.replace("DoD", "Dod"))
    return " ".join(_WORD.findall(text.lower()))


def bounded(hit: Hit) -> bool:
    """Whether the value stands free: not inside a longer number, word, URL, version or path.

    A full stop that ends a sentence, and a colon or equals sign after a label, do not bind.
    """
    return not (_BOUND_LEFT.search(hit.before[-40:]) or _BOUND_RIGHT.match(hit.after))


def label(
    hit: Hit, wanted: Phrases, *, reach: int = 6, veto: Phrases | None = None
) -> Label | None:
    """The nearest wanted phrase around a hit, or None.

    Args:
        hit: the candidate.
        wanted: the phrases that count.
        reach: how many words may stand between phrase and value in running text.
        veto: phrases of another kind of value; one that stands nearer wins.
    """
    found = _in_front(hit, wanted, reach, veto)
    if found is None and hit.text.kind is TextKind.BODY:
        return _behind(hit, wanted)
    return found


def _in_front(hit: Hit, wanted: Phrases, reach: int, veto: Phrases | None) -> Label | None:
    field = hit.text.kind in (TextKind.TABLE, TextKind.FORM)
    text = normal(front(hit), camel=field)
    every = list(wanted.pattern.finditer(text))
    if not every:
        return None
    last = every[-1]
    if veto and veto.pattern.search(text, last.end()):
        return None
    between = [w for w in text[last.end() :].split() if w not in _FILLER and not w.isdigit()]
    if len(between) > reach:
        return None
    return Label(last.group(), len(between), field and not between)


def _behind(hit: Hit, wanted: Phrases) -> Label | None:
    """A phrase within three words after the value, unless it labels the next value."""
    head = re.split(r"[:=;\t\d]", hit.after, maxsplit=1)
    if len(head) > 1 and re.match(r"[^\W\d_]*\s*[:=#]", hit.after[len(head[0]) :]):
        return None
    words = normal(head[0]).split()[:3]
    found = wanted.pattern.search(" ".join(words))
    return Label(found.group(), 1) if found else None


def front(hit: Hit) -> str:
    """The text that may label the value: its cell's header, or what is left of it on the line.

    In running text it starts after the last other number that has words behind it, so that one
    label does not serve two kinds of value; a value that opens its line is labelled by the line
    above it, as printed forms do.
    """
    before = hit.before
    if hit.text.kind is TextKind.TABLE:
        return before[before.rfind("\t") + 1 :]
    if not before.strip(" \t>*|-") and hit.text.kind is TextKind.BODY:
        return _line_above(hit)
    for number in reversed(list(_LONG_NUMBER.finditer(before))):
        if _LETTER.search(before, number.end()):
            return before[number.end() :]
    return before


def _line_above(hit: Hit) -> str:
    text = hit.text.text
    end = text.rfind("\n", max(0, hit.start - 90), hit.start)
    above = text[max(0, end - 80) : end] if end > 0 else ""
    return above.rpartition("\n")[2].strip()[-60:]
