"""The base of every record, and its one way to and from JSON."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen, slotted value. Subclasses must be declared `frozen=True, kw_only=True`."""


def to_json(value: Any) -> bytes:
    """Encode a record (or a container of records) as canonical JSON: same value, same bytes."""
    return msgspec.json.encode(value, order="deterministic")


def from_json(data: bytes | str, type_: type[T]) -> T:
    """Decode JSON into a record type.

    Raises:
        msgspec.ValidationError: the JSON does not describe a `type_`.
        msgspec.DecodeError: the bytes are not JSON.
    """
    return msgspec.json.decode(data, type=type_)


def to_plain(value: Any) -> Any:
    """The same value as dicts, lists and strings, for templates and for a JSON envelope."""
    return msgspec.to_builtins(value, order="deterministic")
