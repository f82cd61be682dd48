"""What the engine found, with the value still in it: lives in memory, between engine and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leftopen.contents.api import Detector, Hit, Ruling, Text
from leftopen.model.blob import Provenance
from leftopen.model.finding import Confidence

# Steps below a document: its pages, sheets, rows and fields are parts of the same document.
_BELOW = frozenset({"page", "sheet", "row", "table", "field", "fields", "form", "slide", "stream"})
_RANK = {Confidence.CERTAIN: 0, Confidence.LIKELY: 1, Confidence.POSSIBLE: 2}


@dataclass(frozen=True, slots=True)
class Found:
    """One hit that a detector ruled on."""

    detector: Detector
    ruling: Ruling
    hit: Hit
    source: int = 0  # number of its text in the object

    @property
    def end(self) -> int:
        """Offset behind the value."""
        return self.hit.start + len(self.hit.value)

    @property
    def key(self) -> str:
        """Detector and normalised value in clear: never leaves memory."""
        return f"{self.detector.name}:{self.ruling.normal}"

    @property
    def counts(self) -> bool:
        """Whether it says something of a person: sure enough, or a labelled odd value.

        A labelled number that cannot have been issued (e-QIP knows pseudo-SSNs) still names
        one person in this store.
        """
        return self.ruling.confidence is not Confidence.POSSIBLE or bool(self.ruling.context)

    @property
    def order(self) -> tuple[int, int, int, int, str]:
        """Sorts the reading to keep first: surest, then most harmful, then longest."""
        return (
            _RANK[self.ruling.confidence],
            -self.detector.severity.rank,
            -len(self.hit.value),
            self.hit.start,
            self.detector.name,
        )


def documents(texts: Sequence[Text]) -> list[list[Text]]:
    """The texts of one object by document: a message with its headers, an attachment, a file."""
    grouped: dict[Provenance, list[Text]] = {}
    for text in texts:
        grouped.setdefault(document_of(text), []).append(text)
    return list(grouped.values())


def document_of(text: Text) -> Provenance:
    """The place of the document that a text is a part of."""
    steps = text.place.steps
    while steps and steps[-1].kind in _BELOW:
        steps = steps[:-1]
    return Provenance(steps=steps)
