"""XDR (RFC 4506), read within bounds and written: the encoding of Sun RPC and NFS."""

from __future__ import annotations

import struct
from typing import Final

from leftopen.model.errors import ProtocolError

MAX_OPAQUE: Final = 1 << 20


class Reader:
    """Reads one answer from its first byte on; whatever is not there is a ProtocolError."""

    def __init__(self, data: bytes) -> None:
        """`data` is the whole answer."""
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read yet."""
        return len(self._data) - self._at

    def fixed(self, size: int) -> bytes:
        """Opaque data of a known length, with its padding to four bytes (section 4.9)."""
        whole = size + -size % 4
        if whole > self.left:
            raise ProtocolError(f"an answer that ends {whole - self.left} bytes early")
        data = self._data[self._at : self._at + size]
        self._at += whole
        return data

    def uint(self) -> int:
        """An unsigned integer of 32 bits (4.2)."""
        return int.from_bytes(self.fixed(4), "big")

    def hyper(self) -> int:
        """An unsigned integer of 64 bits (4.5)."""
        return int.from_bytes(self.fixed(8), "big")

    def signed(self) -> int:
        """A signed integer of 64 bits (4.5)."""
        return int.from_bytes(self.fixed(8), "big", signed=True)

    def flag(self) -> bool:
        """A boolean, which is 0 or 1 (4.4); also what goes before an optional item (4.19)."""
        value = self.uint()
        if value > 1:
            raise ProtocolError(f"a boolean with the value {value}")
        return value == 1

    def opaque(self, limit: int = MAX_OPAQUE) -> bytes:
        """Opaque data or a string after its length (4.10, 4.11), at most `limit` bytes."""
        size = self.uint()
        if size > limit:
            raise ProtocolError(f"{size} bytes where {limit} are allowed")
        return self.fixed(size)

    def uints(self, limit: int) -> list[int]:
        """A counted array of integers (4.13), at most `limit`."""
        count = self.uint()
        if count > limit:
            raise ProtocolError(f"{count} items where {limit} are allowed")
        return [self.uint() for _ in range(count)]


def uints(*values: int) -> bytes:
    """Unsigned integers of 32 bits, one after the other."""
    return struct.pack(f">{len(values)}I", *values)


def hyper(value: int) -> bytes:
    """An unsigned integer of 64 bits."""
    return struct.pack(">Q", value)


def opaque(data: bytes) -> bytes:
    """Opaque data or a string: its length, itself, zeros up to four bytes."""
    return uints(len(data)) + data + bytes(-len(data) % 4)


def pattern(least: int, most: int) -> bytes:
    """A regular expression for an `opaque` of `least` to `most` bytes (below 256), and no other.

    One alternative for each padded length, so that a length never covers what follows it.
    """
    parts = []
    for padded in range(4 * ((least + 3) // 4), most + 4, 4):
        low, high = max(least, padded - 3, 0), min(most, padded)
        parts.append(rb"[\x%02x-\x%02x].{%d}" % (low, high, padded))
    return rb"\x00\x00\x00(?:" + b"|".join(parts) + rb")"
