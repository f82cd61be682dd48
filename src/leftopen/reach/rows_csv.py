"""Rows of a database as CSV: the form in which tables are handed to the next stage."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

Row = Sequence[bytes | None]


def as_csv(rows: Iterable[Row]) -> bytes:
    """Rows, the names of the columns first, as UTF-8 CSV; NULL becomes an empty field."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([(value or b"").decode("utf-8", "replace") for value in row])
    return out.getvalue().encode()
