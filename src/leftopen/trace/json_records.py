"""JSON logs to raw records: one document with a list, or one value a line; nothing dropped.

Cloud services write either a document ({"records": [...]}), that document once a line, or one
record a line. A record is handed on undecoded, for the format to decode by its own types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, Row, Trouble, frame
from leftopen.trace.lines import BAD_KEPT

DOCUMENT_MAX = 256 << 20  # bytes of one document, or of one line
BATCH = 100_000  # records made into columns at once
DIGITS = 18  # of a count that fits a column
SEEN_MAX = 200_000
NAME_MAX = 200
# Broken JSON, broken UTF-8 or lone surrogates, and nesting without end.
BAD_JSON = (msgspec.DecodeError, ValueError, RecursionError)
_BETWEEN = re.compile(r"[\s,]*")
_raw = msgspec.json.Decoder(msgspec.Raw)
_list = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of a file; `broken` more stood there that nothing can be read of."""

    raws: list[msgspec.Raw | bytes]
    broken: int = 0
    blank: int = 0
    troubles: tuple[Trouble, ...] = ()


def records(blocks: Iterator[bytes], key: str) -> Iterator[Records]:
    """The records of a file; `key` names the list in a document."""
    parts: list[bytes] = []
    size, by_line = 0, None
    for block in blocks:
        parts.append(block)
        size += len(block)
        if by_line is None and b"\n" in block:
            parts = [b"".join(parts)]
            by_line = _has_lines(parts[0].lstrip())
            if by_line:
                yield from _by_line(chain(parts, blocks), _Documents(key))
                return
        if size > DOCUMENT_MAX:
            yield _too_large()
            return
    data = b"".join(parts)
    if data.strip():
        yield from _Documents(key).document(data)


def _has_lines(data: bytes) -> bool | None:
    """Whether a file is one value a line; None: not enough of it is there to tell.

    A broken first line (a rotated log begins anywhere) must not hide the lines below it.
    """
    first, end, rest = data.partition(b"\n")
    if not end:
        return None
    if _is_value(first):
        return True
    if first.rstrip().endswith((b"[", b"{")):
        return False  # a document, printed with indents
    second, end, _ = rest.partition(b"\n")
    return second.lstrip()[:1] == b"{" and _is_value(second) if end else None


def _is_value(text: bytes) -> bool:
    try:
        _raw.decode(text)
    except BAD_JSON:
        return False
    return True


def _too_large() -> Records:
    detail = f"a document over {DOCUMENT_MAX} bytes; split it"
    return Records([], broken=1, troubles=(Trouble(Reason.TOO_LARGE, detail),))


def _by_line(blocks: Iterator[bytes], documents: _Documents) -> Iterator[Records]:
    tail = b""
    for block in blocks:
        data = tail + block
        end = data.rfind(b"\n") + 1
        tail = data[end:]
        if end:
            yield documents.lines(data[: end - 1].split(b"\n"))
        if len(tail) > DOCUMENT_MAX:
            yield _too_large()
            return
    if tail.strip():
        yield documents.lines([tail])


class _Documents:
    """Takes documents apart that name their list by one key."""

    def __init__(self, key: str) -> None:
        self._mark = f'"{key}"'.encode()
        self._start = re.compile(rf'^\s*\{{[^\[\]{{}}]*"{re.escape(key)}"\s*:\s*\[')
        self._key = key
        self._envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def lines(self, lines: list[bytes]) -> Records:
        """Each line a record, or a document of records."""
        raws: list[msgspec.Raw | bytes] = []
        blank = 0
        for line in lines:
            if not line or line.isspace():
                blank += 1
            elif self._mark in line[:4096] and (inner := self._inside(line)) is not None:
                raws += inner
            else:
                raws.append(line)
        return Records(raws, blank=blank)

    def document(self, data: bytes) -> Iterator[Records]:
        """A whole file as one document; or, where that is broken, its whole records."""
        inner = self._inside(data)
        if inner is not None:
            yield Records([*inner])
        elif _is_value(data):
            yield Records([data])
        else:
            yield self._salvage(data.decode("utf-8", "replace"))

    def _inside(self, data: bytes) -> list[msgspec.Raw] | None:
        try:
            if data.lstrip()[:1] == b"[":
                return _list.decode(data)
            return _list.decode(self._envelope.decode(data)[self._key])
        except (*BAD_JSON, KeyError):
            return None

    def _salvage(self, text: str) -> Records:
        """Records of a cut document, or documents one after the other, up to the break."""
        start = self._start.match(text) or re.match(r"\s*\[", text)
        at, decode = start.end() if start else 0, json.JSONDecoder().raw_decode
        raws: list[msgspec.Raw | bytes] = []
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
            if start and text[at : at + 1] == "]":  # the list ended: another document may follow
                at = re.compile(r"\][\s}]*").match(text, at).end()  # type: ignore[union-attr]
                start = self._start.match(text[at : at + 4096])
                at += start.end() if start else 0
                continue
            if at >= len(text):
                return Records(raws)
            try:
                end = decode(text, at)[1]
            except BAD_JSON:
                detail = f"the document breaks off at character {at} of {len(text)}"
                return Records(raws, 1, troubles=(Trouble(Reason.CORRUPT, detail),))
            whole = text[at:end].encode("utf-8", "surrogatepass")
            inner = None if start else self._inside(whole)
            raws += [whole] if inner is None else inner
            at = end


Parse = Callable[[int, msgspec.Raw | bytes], list[Row] | None]


def by_record(
    blocks: Iterator[bytes],
    key: str,
    parse: Parse,
    finish: Callable[[], list[Row]] = list,
    troubles: Callable[[], tuple[Trouble, ...]] = tuple,
) -> Iterator[Chunk]:
    """Read record by record: `parse(number, raw)` gives rows, or None to reject the record.

    `finish` gives rows that are due when the file ends, `troubles` what was met since the last
    call. Blank lines count as lines and have a number.
    """
    number = 1
    for part in records(blocks, key):
        for at in range(0, max(1, len(part.raws)), BATCH):
            last = at + BATCH >= len(part.raws)
            made = _chunk(part.raws[at : at + BATCH], number, parse)
            number += made.lines
            if last:
                made = replace(
                    made,
                    lines=made.lines + part.broken + part.blank,
                    rejected=made.rejected + part.broken,
                    blank=part.blank,
                    bad=(*made.bad, number)[:BAD_KEPT] if part.broken else made.bad,
                    troubles=part.troubles,
                )
                number += part.broken + part.blank
            yield replace(made, troubles=(*made.troubles, *troubles()))
    yield Chunk(rows=frame(finish()), lines=0, rejected=0, troubles=troubles())


def _chunk(raws: list[msgspec.Raw | bytes], first: int, parse: Parse) -> Chunk:
    rows: list[Row] = []
    bad: list[int] = []
    for number, raw in enumerate(raws, first):
        made = parse(number, raw)
        if made is None:
            bad.append(number)
        else:
            rows += made
    return Chunk(rows=frame(rows), lines=len(raws), rejected=len(bad), bad=tuple(bad[:BAD_KEPT]))


def natural(value: object) -> int | None:
    """A count that a service wrote as a number or as text; None: none, or none that is whole."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= DIGITS else None
    if isinstance(value, float):
        return int(value) if 0 <= value <= 10**DIGITS else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= 10**DIGITS else None
    return None


class Seen:
    """Identifiers met before, the last ones of a bounded number: for at-least-once delivery."""

    def __init__(self, limit: int = SEEN_MAX) -> None:
        self._limit = limit
        self._new: set[str] = set()
        self._old: set[str] = set()

    def before(self, name: str) -> bool:
        """Whether this name was met before; an empty one never was."""
        if not name or name in self._new or name in self._old:
            return bool(name)
        if len(self._new) >= self._limit:
            self._new, self._old = set(), self._new
        self._new.add(name[:NAME_MAX])
        return False
