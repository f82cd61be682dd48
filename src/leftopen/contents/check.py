"""Runs the examples that detectors and markings carry: for `leftopen detectors --check`."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import registry
from leftopen.contents.api import Detector, Text, TextKind
from leftopen.contents.engine import Engine
from leftopen.model.blob import Provenance
from leftopen.model.finding import Confidence
from leftopen.model.redact import Keyring

_SURE = (Confidence.CERTAIN, Confidence.LIKELY)


def check_examples() -> Iterator[str]:
    """One line for each example that fails; nothing when all hold."""
    keyring = Keyring(bytes(32))
    for detector in registry.detectors():
        for text, expected in detector.examples:
            found = _digests(detector, text, keyring)
            wanted = {keyring.digest(detector.name, value) for value in expected}
            if found != wanted:
                yield f"{detector.name}: example {text!r} gives {len(found)} values, not {expected}"
        for text in detector.counterexamples:
            if _digests(detector, text, keyring):
                yield f"{detector.name}: counterexample {text!r} is found"
    for marking in registry.markings():
        yield from (
            f"{marking.name}: example {text!r} is not found"
            for text in marking.examples
            if not any(True for _ in marking.judge([_body(text)]))
        )
        yield from (
            f"{marking.name}: counterexample {text!r} is found"
            for text in marking.counterexamples
            if any(m.confidence in _SURE for m in marking.judge([_body(text)]))
        )


def _digests(detector: Detector, text: str, keyring: Keyring) -> set[str]:
    matches = Engine(keyring).examine([_body(text)]).matches
    return {m.digest for m in matches if m.detector == detector.name and m.confidence in _SURE}


def _body(text: str) -> Text:
    return Text(text=text, kind=TextKind.BODY, place=Provenance())
