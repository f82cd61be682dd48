"""A random order over numbers that needs no list of them: a keyed permutation.

A Feistel network on pairs (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002, the
generalised construction): with a * b a little over the size, positions that lead beyond it are
left out. Its round functions are tables of random numbers, a few kilobytes for each round, so a
number costs no more than a hash would.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from hashlib import shake_256


class Order:
    """Every number below `size` once, in the order of a key; position 0 comes first."""

    def __init__(self, size: int, key: bytes) -> None:
        """The same size and key give the same order on every machine."""
        self.size = size
        self._rows = math.isqrt(max(0, size - 1)) + 1
        self._columns = max(1, -(-size // self._rows))
        self._tables = [
            _table(key + bytes([n]), *pair)
            for n, pair in enumerate(2 * [(self._columns, self._rows), (self._rows, self._columns)])
        ]

    @property
    def positions(self) -> int:
        """One more than the last position; a few of them hold no number."""
        return self._rows * self._columns if self.size else 0

    def walk(self, start: int = 0, step: int = 1) -> Iterator[tuple[int, int]]:
        """Position and number of every `step`th position from `start` on."""
        first, second, third, fourth = self._tables
        rows, columns, size = self._rows, self._columns, self.size
        for at in range(start, self.positions, step):
            row, column = divmod(at, columns)
            row = (row + first[column]) % rows
            column = (column + second[row]) % columns
            row = (row + third[column]) % rows
            column = (column + fourth[row]) % columns
            if (number := row * columns + column) < size:
                yield at, number


def _table(key: bytes, inputs: int, below: int) -> list[int]:
    """A random number below `below` for each input (its bias is that of 2**64 % below)."""
    words = struct.unpack(f"<{inputs}Q", shake_256(key).digest(8 * inputs))
    return [word % below for word in words]
