"""Where a sweep stands, as bytes that a run stores and a later process goes on from."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import msgspec

from leftopen.model.errors import UsageError

FORM: Final = 1
MAX_WAITING: Final = 1 << 22  # numbers; far more than any engine has on the way
MAX_NOTES: Final = 20


class Point(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Everything a sweep needs to go on, without any address in it."""

    form: int = FORM
    identity: bytes  # of the scope, the names' addresses and the shard
    part: int
    round: int
    position: int  # of the permutation; what comes before was asked in this round
    waiting: bytes  # numbers below `position` without an answer yet, 4 bytes each
    answered: bytes  # a bit for each number
    open: bytes
    asked: int  # in the first rounds of all parts
    fresh: int  # answers in this round
    raw: bool
    notes: tuple[str, ...] = ()

    def numbers(self) -> list[int]:
        """The numbers in `waiting`."""
        return list(struct.unpack(f"<{len(self.waiting) // 4}I", self.waiting))


def pack_numbers(numbers: list[int]) -> bytes:
    """For `Point.waiting`."""
    return struct.pack(f"<{len(numbers)}I", *numbers)


def dump(point: Point) -> bytes:
    """As bytes; mostly silent networks take a few kilobytes."""
    return zlib.compress(msgspec.msgpack.encode(point), 1)


def load(data: bytes, identity: bytes, bits: int) -> Point:
    """Read what `dump` wrote for the same sweep, with bitmaps of `bits` bytes.

    Raises:
        UsageError: the bytes are damaged, or belong to another scope or shard.
    """
    limit = 2 * bits + 4 * MAX_WAITING + 65_536
    unpacker = zlib.decompressobj()
    try:
        point = msgspec.msgpack.decode(unpacker.decompress(data, limit), type=Point)
    except (zlib.error, msgspec.MsgspecError) as e:
        raise UsageError(f"the stored state of the sweep is damaged: {e}; sweep anew") from None
    if point.form != FORM or point.identity != identity:
        raise UsageError(
            "the stored state belongs to a sweep of another scope or shard; sweep anew"
        )
    sizes = (len(point.answered), len(point.open))
    if sizes != (bits, bits) or len(point.waiting) % 4 or min(point.position, point.part) < 0:
        raise UsageError("the stored state of the sweep is damaged: wrong sizes; sweep anew")
    if any(number >= 8 * bits for number in point.numbers()):
        raise UsageError("the stored state of the sweep is damaged: wrong numbers; sweep anew")
    return point
