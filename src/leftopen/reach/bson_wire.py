"""BSON, as far as a reader of MongoDB needs it: bounded decoding, encoding of commands, JSON.

A length that lies, nesting without end or a type that nobody knows is a ProtocolError. What has no
counterpart in Python is kept as a `Raw` and written back as it came. https://bsonspec.org/spec.html
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from leftopen.model.errors import ProtocolError

MAX_DEPTH: Final = 64  # MongoDB itself refuses more than 100
MAX_ITEMS: Final = 200_000  # elements of one document, nested ones counted
_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY = 1, 2, 3, 4, 5
_OBJECT_ID, _BOOL, _DATE, _NULL, _REGEX, _DB_POINTER = 7, 8, 9, 10, 11, 12
_CODE, _SYMBOL, _SCOPED, _INT32, _INT64 = 13, 14, 15, 16, 18
_FIXED: Final = {6: 0, _OBJECT_ID: 12, _DATE: 8, 17: 8, 19: 16, 0x7F: 0, 0xFF: 0}
_NUMBERS: Final = {_DOUBLE: "<d", _INT32: "<i", _INT64: "<q"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Raw:
    """A value of another type, with the bytes that stand for it."""

    kind: int
    data: bytes


Value = Mapping[str, "Value"] | list["Value"] | str | bool | int | float | Raw | None
Document = dict[str, Value]


class _Reader:
    """A position in the bytes of one document."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.items = 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.data) - self.at:
            raise ProtocolError("a BSON length that lies")
        self.at += size
        return self.data[self.at - size : self.at]

    def length(self) -> int:
        return int(struct.unpack("<i", self.take(4))[0])

    def name(self) -> bytes:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise ProtocolError("a BSON name without an end")
        return self.take(end + 1 - self.at)[:-1]

    def string(self) -> str:
        text = self.take(self.length())
        if text[-1:] != b"\0":
            raise ProtocolError("a BSON string without an end")
        return text[:-1].decode("utf-8", "replace")

    def document(self, depth: int = 0) -> Document:
        start = self.at
        size = self.length()
        if depth > MAX_DEPTH or not 5 <= size <= len(self.data) - start:
            raise ProtocolError("a BSON document too deep, or with a length that lies")
        found: Document = {}
        while kind := self.take(1)[0]:
            self.items += 1
            if self.items > MAX_ITEMS:
                raise ProtocolError(f"a BSON document of more than {MAX_ITEMS} elements")
            name = self.name().decode("utf-8", "replace")
            found[name] = self.value(kind, depth)
        if self.at != start + size:
            raise ProtocolError("a BSON document with a length that lies")
        return found

    def value(self, kind: int, depth: int) -> Value:
        if kind in _NUMBERS:
            number: int | float = struct.unpack(
                _NUMBERS[kind], self.take(4 if kind == _INT32 else 8)
            )[0]
            return number
        if kind in (_STRING, _SYMBOL, _CODE):
            return self.string()
        if kind in (_DOCUMENT, _ARRAY):
            inner = self.document(depth + 1)
            return inner if kind == _DOCUMENT else list(inner.values())
        if kind == _BOOL:
            return self.take(1) != b"\0"
        return None if kind == _NULL else self._raw(kind)

    def _raw(self, kind: int) -> Raw:
        start = self.at
        if kind in _FIXED:
            self.take(_FIXED[kind])
        elif kind == _BINARY:
            self.take(self.length() + 1)
        elif kind == _REGEX:
            self.name()
            self.name()
        elif kind == _DB_POINTER:
            self.string()
            self.take(12)
        elif kind == _SCOPED:
            self.take(self.length() - 4)
        else:
            raise ProtocolError(f"BSON type {kind} does not exist")
        return Raw(kind, self.data[start : self.at])


def decode(data: bytes) -> Document:
    """One document that fills `data`; raises ProtocolError for anything else."""
    reader = _Reader(data)
    found = reader.document()
    if reader.at != len(data):
        raise ProtocolError("bytes after the end of a BSON document")
    return found


def encode(document: Mapping[str, Value]) -> bytes:
    """The bytes of one document, elements in their order (the first one names a command)."""
    body = b"".join(_element(name.encode("utf-8"), value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(name: bytes, value: Value) -> bytes:
    if b"\0" in name:
        raise ProtocolError("a name with a NUL, which BSON cannot write")
    kind, data = _written(value)
    return bytes((kind,)) + name + b"\0" + data


def _written(value: Value) -> tuple[int, bytes]:
    if isinstance(value, Raw):
        return value.kind, value.data
    if value is None:
        return _NULL, b""
    if isinstance(value, bool):
        return _BOOL, bytes((value,))
    if isinstance(value, int):
        small = -(2**31) <= value < 2**31
        return (_INT32, struct.pack("<i", value)) if small else (_INT64, struct.pack("<q", value))
    if isinstance(value, float):
        return _DOUBLE, struct.pack("<d", value)
    if isinstance(value, str):
        text = value.encode("utf-8")
        return _STRING, struct.pack("<i", len(text) + 1) + text + b"\0"
    if isinstance(value, list):
        return _ARRAY, encode({str(at): item for at, item in enumerate(value)})
    return _DOCUMENT, encode(value)


def to_json(document: Mapping[str, Value]) -> bytes:
    """A document as JSON text: dates in ISO 8601, ObjectIds in hex, bytes in base64."""
    return msgspec.json.encode(_plain(document))


def _plain(value: Value) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if not isinstance(value, Raw):
        return value
    if value.kind == _DATE:
        milliseconds = struct.unpack("<q", value.data)[0]
        try:
            return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
        except OverflowError:  # BSON has dates that Python has not
            return milliseconds
    if value.kind == _OBJECT_ID:
        return value.data.hex()
    return base64.b64encode(value.data[5:] if value.kind == _BINARY else value.data).decode()
