"""The tables as they are after the last migration, and which records they may hold."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Connection, MetaData, Table, Text, collate

from leftopen.model.case import EarlierCase
from leftopen.model.cause import Cause, CauseFinding
from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import StoreError
from leftopen.model.exposure import Evidence, Exposure, Observation, Size
from leftopen.model.finding import (
    Contents,
    Estimate,
    Finding,
    Form,
    Marking,
    Match,
    Mention,
    ObjectReport,
    People,
    Subject,
)
from leftopen.model.gap import Gap
from leftopen.model.record import Record, to_json
from leftopen.model.run import Listing, Partial, Swept
from leftopen.model.time import Between, Bound, Interval
from leftopen.model.trace import Coverage, Source, TraceResult, TrafficBin, Verdict, Visit

METADATA = MetaData()

RUN = Table(
    "run",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger),
    Column("scope_sha256", Text),
    Column("vantage", Text),
    Column("organisation", Text),
    Column("version", Text),
    Column("started", Text),
    Column("finished", Text),
    Column("resumed", BigInteger),
    Column("chain_head", Text),
    Column("chain_length", BigInteger),
)

UNIT = Table(
    "unit",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger),
    Column("records", BigInteger),
    Column("payload_sha256", Text),
    Column("previous", Text),
    Column("digest", Text),
)

RECORD = Table(
    "record",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("type", Text),
    Column("stage", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("json", Text),
)

INVESTIGATION = Table(
    "investigation",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("sha256", Text),
    Column("json", Text),
)

PAGE = Table("page", METADATA, Column("uid", Text, primary_key=True), Column("json", Text))

# Only what is redacted by construction. Blob, Text and ObjectRef hold values or real names;
# AccessEvent is a log line as it was written.
_STORABLE: tuple[type[Record], ...] = (
    *(Between, Bound, Cause, CauseFinding, Contents, Coverage, EarlierCase, Endpoint, Estimate),
    *(Evidence, Exposure, Finding, Form, Gap, Interval, Marking, Match, Mention, ObjectReport),
    *(Observation, People, Size, Source, Subject, TraceResult, TrafficBin, Verdict, Visit),
    *(Listing, Partial, Swept),
)
DECODERS = {type_.__name__: msgspec.json.Decoder(type_) for type_ in _STORABLE}


def storable(type_: type) -> bool:
    """Whether records of exactly this type may be stored."""
    return type_ in _STORABLE


def encode(record: Record) -> tuple[str, str]:
    """Type name and canonical JSON of a record.

    The JSON is read back at once: a record of a type that may not be stored cannot hide in a
    field of one that may, and what is stored can be read.

    Raises:
        StoreError: this type may not be stored, or a field holds what its type does not allow.
    """
    name = type(record).__name__
    if not storable(type(record)):
        raise StoreError(f"a {name} may not be stored: it can hold a value or a real name")
    try:
        made = to_json(record)
        DECODERS[name].decode(made)
        return name, made.decode()
    except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError) as e:
        raise StoreError(f"this {name} does not fit its own type and was not stored: {e}") from None


def in_bytes(connection: Connection, column: Column[str]) -> ColumnElement[str]:
    """The column for ORDER BY: by code point, the same in every database and locale."""
    return collate(column, "C") if connection.dialect.name == "postgresql" else column
