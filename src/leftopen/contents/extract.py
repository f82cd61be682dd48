"""From one object's bytes to all text in it: archives, attachments and embedded files included.

Every limit ends in a Gap. A reader that fails costs its own item, never the object.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from leftopen.contents import charset, mime, registry
from leftopen.contents.api import Format, Limits, Text
from leftopen.contents.place import gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_PIECE = 4_000_000  # characters of one Text: what the engine holds at once
_LOOK_BACK = 10_000  # how far before the end of a piece a place to cut is looked for
# Characters that are not seen and split a value: soft hyphen, zero width space, word joiner, mark.
_INVISIBLE = ("\u00ad", "\u200b", "\u2060", "\ufeff")
_FINAL = (KeyboardInterrupt, SystemExit, GeneratorExit)


def extract(
    blob: Blob, limits: Limits | None = None, known: Format | None = None
) -> Iterator[Text | Gap]:
    """All text of an object, part by part, and a Gap for every part that has none to give.

    `known` is the format where the caller knows it (a message of an mbox). Identical parts are
    read once. Never raises on account of the bytes.
    """
    return _Extraction(limits or Limits()).run(blob, known)


def recognise(blob: Blob) -> Format | None:
    """The format that is surest of these bytes, or None. Content beats the claimed name."""
    head = blob.data[: mime.HEAD]
    names = {blob.name, mime.ending_of(blob.media_type)} if blob.media_type else {blob.name}
    best, sure = None, 0
    for candidate in registry.formats():
        for name in names:
            score = candidate.recognise(head, name)
            if score > sure:
                best, sure = candidate, score
    return best


@dataclass(slots=True)
class _Frame:
    blob: Blob
    items: Iterator[Text | Blob | Gap]
    depth: int
    given: bool = False  # any text, part or Gap


class _Extraction:
    """What one object has left of its limits, and which parts were seen."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.deadline = time.monotonic() + limits.seconds
        self.bytes = limits.total_bytes
        self.chars = limits.text_chars
        self.members = limits.members
        self.seen: set[tuple[str, str]] = set()

    def run(self, blob: Blob, known: Format | None) -> Iterator[Text | Gap]:
        """Depth first, with a stack of our own: nesting in the input is none of ours."""
        stack: list[_Frame] = []
        yield from self.enter(blob, known, stack)
        while stack:
            frame = stack[-1]
            if time.monotonic() > self.deadline:
                detail = f"not finished within {self.limits.seconds:g} s"
                yield gap(Reason.TIMEOUT, frame.blob.place, detail, size=len(frame.blob.data))
                return
            item = self.advance(frame)
            if item is None:
                stack.pop()
                if not frame.given:
                    yield gap(Reason.EMPTY, frame.blob.place, size=len(frame.blob.data))
                continue
            if isinstance(item, Text):
                frame.given |= bool(item.field_count or item.fields or item.text.strip())
                yield from self.text(item)
                continue
            frame.given = True
            if isinstance(item, Blob):
                yield from self.enter(item, None, stack)
            else:
                yield item

    def advance(self, frame: _Frame) -> Text | Blob | Gap | None:
        """The next item of a reader; its failure is an item too, and its last."""
        try:
            return next(frame.items, None)
        except BaseException as error:
            # BaseException: a panic in a Rust reader (pyo3) derives from it and from nothing else.
            if isinstance(error, _FINAL):
                raise
            frame.items = iter(())
            detail = f"{type(error).__name__} in the reader"  # its message may quote a value
            size = len(frame.blob.data)
            return gap(Reason.CRASHED, frame.blob.place, detail, size=size)

    def enter(self, blob: Blob, known: Format | None, stack: list[_Frame]) -> Iterator[Gap]:
        """Start reading a blob, or say why not."""
        size = len(blob.data)
        if not blob.complete:
            yield gap(Reason.TOO_LARGE, blob.place, "cut at the limit on bytes", size=size)
        if not size:
            yield gap(Reason.EMPTY, blob.place)
            return
        format_ = known or recognise(blob)
        if format_ is None:
            yield _unread(blob)
            return
        if stack:
            key = (format_.name, blob.digest)
            if key in self.seen:
                return  # the same bytes were read above: their values are reported there
            self.seen.add(key)
            refusal = self.refuse(blob, len(stack))
            if refusal:
                yield refusal
                return
        limits = self.limits
        if self.bytes < limits.blob_bytes:
            limits = replace(limits, blob_bytes=self.bytes)
        stack.append(_Frame(blob, format_.read(blob, limits), len(stack)))

    def refuse(self, blob: Blob, depth: int) -> Gap | None:
        """Whether a child is over one of the limits of the whole object."""
        size = len(blob.data)
        self.bytes -= size
        self.members -= 1
        if depth > self.limits.depth:
            return gap(Reason.TOO_DEEP, blob.place, f"nested deeper than {depth - 1}", size=size)
        if self.bytes < 0:
            self.bytes = 0
            return gap(Reason.TOO_LARGE, blob.place, "parts over the limit on bytes", size=size)
        if self.members < 0:
            return gap(Reason.TOO_LARGE, blob.place, "parts over the limit on members", size=size)
        return None

    def text(self, text: Text) -> Iterator[Text | Gap]:
        """A text within the limits, in pieces that the engine can hold."""
        words = text.text
        if not words and not text.fields and not text.field_count:
            return
        if not words.isascii():
            words = _visible(words)
        if len(words) > self.chars:
            over = len(words) - self.chars
            yield gap(Reason.TOO_LARGE, text.place, "text over the limit", size=over)
            words = words[: self.chars]
        self.chars -= len(words)
        most = min(_PIECE, self.limits.line_chars)
        if len(words) <= most:
            yield text if words is text.text else replace(text, text=words)
            return
        for n, piece in enumerate(_pieces(words, most)):
            fields = text.fields if n == 0 else ()
            yield replace(text, text=piece, fields=fields)


def _visible(words: str) -> str:
    for mark in _INVISIBLE:
        if mark in words:
            words = words.replace(mark, "")
    # Lone surrogates (broken UTF-16, JSON escapes) cannot be encoded again.
    return words.encode("utf-8", "replace").decode("utf-8")


def _pieces(words: str, most: int) -> Iterator[str]:
    """Cut at a line end, else at a blank, else where it must be: a line may have 100 MB."""
    at = 0
    while at < len(words):
        end = min(len(words), at + most)
        if end < len(words):
            for mark in ("\n", " ", "\t", ",", ">"):
                found = words.rfind(mark, max(at, end - _LOOK_BACK), end)
                if found > at:
                    end = found + 1
                    break
        yield words[at:end]
        at = end


def _unread(blob: Blob) -> Gap:
    head = blob.data[: mime.HEAD]
    found = mime.media_type_of(head)
    size = len(blob.data)
    if found.startswith("image/"):
        return gap(Reason.IMAGE_ONLY, blob.place, found, size=size)
    if found == "application/pgp-encrypted":
        return gap(Reason.ENCRYPTED, blob.place, "OpenPGP data", size=size)
    what = found or blob.media_type or "unknown bytes"
    if not found and charset.looks_like_text(head):
        what = "text of an unknown kind"
    return gap(Reason.UNSUPPORTED, blob.place, f"no reader for: {what}", size=size)
