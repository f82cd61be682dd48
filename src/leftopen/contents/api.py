"""The plugin types of contents: Format, Detector, FormRule, MarkingRule, and what they exchange.

A format turns bytes into `Text` (and child blobs, and Gaps). Detectors, forms and markings judge
`Text`. `Text` holds values, so it lives in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from leftopen.model.blob import Blob, Provenance
from leftopen.model.finding import Confidence, Form, Marking, Severity, Tier
from leftopen.model.gap import Gap
from leftopen.model.redact import Keyring


class TextKind(StrEnum):
    """Where in an object a text stands; position decides what a marking means."""

    HEADER = "header"  # mail headers, document properties: `fields` holds them
    BODY = "body"  # the words of a message or document
    TABLE = "table"  # rows; every value stands behind its column header: "SSN: 1\tDOB: 2\n"
    FORM = "form"  # filled form fields; `fields` holds (full field name, value)


@dataclass(frozen=True, slots=True)
class Text:
    """Decoded text of one place. Never stored, never logged."""

    text: str
    kind: TextKind
    place: Provenance
    fields: tuple[tuple[str, str], ...] = ()
    carrier: str = ""  # what it came from: "plain", "html", "pdf", "acroform", "xfa", "docx", ...
    field_count: int = 0  # form fields that exist, filled or not


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one object, so that no input can cost more than this."""

    depth: int = 12  # nesting of parts, archives, attached messages
    blob_bytes: int = 256_000_000  # one blob after decompression
    total_bytes: int = 1_000_000_000  # all blobs that come out of one object
    ratio: int = 200  # decompressed to compressed
    members: int = 20_000  # members, parts or sheets of one container
    text_chars: int = 50_000_000  # text of one object
    line_chars: int = 10_000_000  # one line
    pages: int = 2_000
    cells: int = 2_000_000
    fields: int = 20_000  # form fields
    seconds: float = 60.0  # one object


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of bytes. The module docstring's first line is its title.

    `recognise(head, name)` sees the first 4,096 bytes and the claimed name and answers 0 (no) to
    100 (certain); content beats name. `read` yields Text, child Blobs (read in their turn) and
    Gaps, and raises nothing on bad input. `store` is True where each child is an object of its own
    (mbox): a unit to count and to sample.
    """

    name: str
    recognise: Callable[[bytes, str], int]
    read: Callable[[Blob, Limits], Iterator[Text | Blob | Gap]]
    store: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate that a pattern found: the value, where it stands, and its surroundings."""

    value: str
    start: int
    before: str  # up to 80 characters in front, same line
    after: str  # up to 40 characters behind, same line
    text: Text


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a validator says of a hit."""

    confidence: Confidence
    normal: str  # normalised value: the input of the keyed digest
    context: str = ""  # the word, label or column header that decided it


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of value. The module docstring's first line is its title.

    `patterns` are Hyperscan expressions over UTF-8 text without lookaround or captures; boundaries
    and context are the business of `rule`, which sees every hit and answers None for "no".
    `examples` are (text, expected normalised values); `counterexamples` must give nothing of
    confidence likely or certain. The conformance test and `leftopen detectors --check` run them.
    """

    name: str
    patterns: tuple[str, ...]
    rule: Callable[[Hit], Ruling | None]
    severity: Severity
    tier: Tier | None  # None: says nothing about a person
    examples: tuple[tuple[str, tuple[str, ...]], ...]
    counterexamples: tuple[str, ...]
    source: str  # where the rule comes from: RFC, statute, vendor page
    keep: int = 0  # how many last characters the redacted form may show
    strong_key: bool = False  # two mentions with the same value are the same person
    flags: tuple[str, ...] = ()  # "caseless"


@dataclass(frozen=True, slots=True)
class FormRule:
    """One government form. `judge` sees all texts of one document (one carrier file)."""

    name: str
    judge: Callable[[Sequence[Text], Keyring], Form | None]
    source: str
    severity: dict[str, Severity] = field(default_factory=dict)  # by FormState value


@dataclass(frozen=True, slots=True)
class MarkingRule:
    """One marking system, judged by position and grammar over the texts of one document."""

    name: str
    judge: Callable[[Sequence[Text]], Iterator[Marking]]
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    source: str
