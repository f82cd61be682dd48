"""The plugin type of trace: LogFormat, and the columns that every reader normalises to.

A format turns byte blocks into Chunks: a Polars frame in SCHEMA and the count of what it read.
The rule above all others: lines in = parsed + rejected + blank, for every file, always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import polars as pl

from leftopen.model.gap import Reason


class Act(IntEnum):
    """What one record says its client got, in ascending order."""

    TOUCHED = 0  # connected, was refused, or failed
    LOOKED = 1  # an answer without data: banner, redirect, headers, a login
    LISTED = 2  # names of objects
    PART = 3  # an object in part, or cut short
    WHOLE = 4  # an object whole, as far as the log can say


SCHEMA: dict[str, pl.DataType] = {
    "line": pl.Int64(),  # 1-based number in the file
    "time": pl.Int64(),  # seconds since 1970, UTC
    "client": pl.String(),  # null: about no client, but evidence that the log was recording
    "port": pl.Int64(),  # local port; 0 where the log does not name it
    "act": pl.Int8(),  # Act
    "status": pl.Int8(),  # hundreds digit of the status; 0 where there is none
    "bytes": pl.Int64(),  # sent to the client; null: not counted, never 0
    "content": pl.Int64(),  # of these, bytes that certainly arrived (0 where it cannot tell)
    "units": pl.Int64(),  # objects served without being named (message bodies)
    "object": pl.String(),  # path of the object served, undecoded; null where there is none
    "agent": pl.String(),  # user agent; null where the log has none
    "user": pl.Boolean(),  # came in with a login
}


class Row(NamedTuple):
    """One record, for readers that work line by line. Fields as in SCHEMA."""

    line: int
    time: int
    client: str | None = None
    port: int = 0
    act: int = Act.TOUCHED
    status: int = 0
    bytes: int | None = 0
    content: int = 0
    units: int = 0
    object: str | None = None
    agent: str | None = None
    user: bool = False


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    """The records as columns."""
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a file that was not read; becomes a Gap with the file's name."""

    reason: Reason
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a log, read. `rows` may hold fewer or more records than `parsed` lines."""

    rows: pl.DataFrame
    lines: int
    rejected: int
    blank: int = 0
    bad: tuple[int, ...] = ()  # numbers of the first rejected lines
    claimed: tuple[tuple[int, int], ...] = ()  # stretches that the format itself vouches for
    origin: str = ""  # which recorder wrote it, where the records say so
    clock: str = ""  # what had to be assumed about the times
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader is told about a file."""

    zone: str = "UTC"  # IANA name, for formats without one in their lines
    mtime: float = 0.0  # of the file: the year of lines that have none
    year: int | None = None  # of the first line; None: inferred from `mtime`
    port: int | None = None  # flow logs: keep clients of this local port only


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and what must come out of it: one mapping of SCHEMA fields per row."""

    text: str
    rows: tuple[Mapping[str, Any], ...]
    options: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True, slots=True)
class LogFormat:
    """One log format. The module docstring's first line is its title.

    `recognise(head, name)` sees the first 64 KiB after decompression and answers 0 (no) to 100
    (certain). `read` takes byte blocks cut anywhere and raises nothing on bad input.
    `counterexamples` are texts of which every line must be rejected or say nothing of a client.
    """

    name: str
    kind: str  # app, session, flow, audit, metric, counter
    protocols: tuple[str, ...]  # what it speaks for; () for a flow log: any, by port
    recognise: Callable[[bytes, str], int]
    read: Callable[[Iterator[bytes], ReadOptions], Iterator[Chunk]]
    byte_meaning: str  # content, app, l3, none
    names_objects: bool
    tight: bool  # its counts are what left, not what was handed to the kernel
    stamped: str  # start or end of the request
    has_zone: bool
    examples: tuple[Example, ...]
    counterexamples: tuple[str, ...]
    source: str  # where the format is described
    unit: str = "line"  # what Source.lines counts
