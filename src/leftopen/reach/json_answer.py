"""An HTTP answer as a typed value: whole, of the right types, or not at all."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from leftopen.net.http import Response

T = TypeVar("T")


def parsed(answer: Response, kind: type[T]) -> T | None:
    """The body as JSON of this type; None when it is cut, broken, too deep or something else."""
    try:
        return msgspec.json.decode(answer.body, type=kind) if answer.complete else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
