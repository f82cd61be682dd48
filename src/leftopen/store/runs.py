"""One run in the store: its finished units and their records."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Row, insert, select, update

from leftopen.model.case import RunInfo
from leftopen.model.errors import StoreError
from leftopen.model.record import Record, from_json
from leftopen.store import chain
from leftopen.store.engine import transaction
from leftopen.store.lock import Lock
from leftopen.store.schema import RECORD, RUN, UNIT, encode, in_bytes, storable

R = TypeVar("R", bound=Record)
_NAME_LIMIT = 1000
_BATCH = 1000


def stamp(time: datetime) -> str:
    """An aware time as stored: UTC, ISO 8601."""
    return time.astimezone(UTC).isoformat()


def run_info(row: Row[Any]) -> RunInfo:
    """The public view of a row of the run table."""
    return RunInfo(
        run_id=row.id,
        version=row.version,
        started=datetime.fromisoformat(row.started),
        finished=datetime.fromisoformat(row.finished) if row.finished else None,
        resumed=row.resumed,
        chain_head=row.chain_head,
        chain_length=row.chain_length,
    )


class Run:
    """A run, to write to while its lock is held and to read from at any time."""

    __slots__ = ("_engine", "_lock", "id")

    def __init__(self, engine: Engine, run_id: str, lock: Lock | None) -> None:
        """Use `Store.begin_run` or `Store.run`; without a lock it can only be read."""
        self._engine = engine
        self._lock = lock
        self.id = run_id

    def info(self) -> RunInfo:
        """Its metadata as they are now."""
        with transaction(self._engine, "reading the run") as c:
            return run_info(_row(c, self.id))

    @property
    def chain_head(self) -> str:
        """The digest of the last finished unit's entry."""
        return self.info().chain_head

    def done(self, stage: str, unit: str) -> bool:
        """Whether this unit was finished, by this process or before it was resumed."""
        with transaction(self._engine, "reading the units") as c:
            return c.execute(_unit(self.id, stage, unit)).first() is not None

    def done_units(self, stage: str) -> frozenset[str]:
        """All finished units of a stage."""
        chosen = select(UNIT.c.name).where(UNIT.c.run_id == self.id, UNIT.c.stage == stage)
        with transaction(self._engine, "reading the units") as c:
            return frozenset(c.execute(chosen).scalars())

    def finish(self, stage: str, unit: str, records: Iterable[Record] = ()) -> None:
        """Store a unit's records, its done mark and its chain entry: all at once or not at all.

        Raises:
            StoreError: the unit is already finished, the run is closed, a record may not be
                stored, or the database refused. Nothing of the unit was stored.
        """
        for name in (stage, unit):
            _check_name(name)
        if self._lock is None:
            raise StoreError(f"run {self.id} is not open for writing")
        made = [encode(record) for record in records]
        with transaction(self._engine, f"storing {stage} {unit}", writes=True) as c:
            row = _row(c, self.id, lock=True)
            if c.execute(_unit(self.id, stage, unit)).first() is not None:
                raise StoreError(f"{stage} {unit} is already finished; nothing counts twice")
            _write_unit(c, row, stage, unit, made)

    def records(self, type_: type[R], stage: str | None = None) -> Iterator[R]:
        """The records of one type, ordered by stage, unit and place in the unit.

        The order does not depend on the order in which units were finished.

        Raises:
            StoreError: the type is never stored, or a record cannot be read.
        """
        if not storable(type_):
            raise StoreError(f"a {type_.__name__} is never stored")
        kept = (RECORD.c.run_id == self.id, RECORD.c.type == type_.__name__)
        chosen = select(RECORD.c.json, RECORD.c.stage, RECORD.c.unit, RECORD.c.number).where(*kept)
        if stage is not None:
            chosen = chosen.where(RECORD.c.stage == stage)
        decoder = msgspec.json.Decoder(type_)
        with transaction(self._engine, "reading records") as c:
            order = (in_bytes(c, RECORD.c.stage), in_bytes(c, RECORD.c.unit), RECORD.c.number)
            found = c.execution_options(yield_per=_BATCH).execute(chosen.order_by(*order))
            for row in found:
                try:
                    record = decoder.decode(row.json)
                except msgspec.DecodeError as e:
                    where = f"{row.stage} {row.unit} record {row.number}"
                    raise StoreError(f"run {self.id}: {where} cannot be read: {e}") from None
                yield record

    def close(self, finished: datetime) -> None:
        """Mark the run as finished at this time and let others use its scope again."""
        if self._lock is None:
            raise StoreError(f"run {self.id} is not open for writing")
        with transaction(self._engine, "closing the run", writes=True) as c:
            c.execute(update(RUN).where(RUN.c.id == self.id).values(finished=stamp(finished)))
        self.release()

    def release(self) -> None:
        """Stop writing without finishing: the run can be resumed later."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _NAME_LIMIT:
        raise StoreError(f"a stage or unit name has 1 to {_NAME_LIMIT} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise StoreError("a stage or unit name holds control characters or broken Unicode")


def _row(connection: Connection, run_id: str, *, lock: bool = False) -> Row[Any]:
    chosen = select(RUN).where(RUN.c.id == run_id)
    row = connection.execute(chosen.with_for_update() if lock else chosen).first()
    if row is None:
        raise StoreError(f"there is no run {run_id} in this store")
    return row


def _unit(run_id: str, stage: str, unit: str) -> Any:
    at = (UNIT.c.run_id == run_id, UNIT.c.stage == stage, UNIT.c.name == unit)
    return select(UNIT.c.seq).where(*at)


def _write_unit(
    c: Connection, run: Row[Any], stage: str, unit: str, made: list[tuple[str, str]]
) -> None:
    seq, payload = run.chain_length + 1, chain.payload_digest(made)
    digest = chain.entry_digest(run.id, seq, stage, unit, payload, run.chain_head)
    c.execute(
        insert(UNIT).values(
            run_id=run.id,
            stage=stage,
            name=unit,
            seq=seq,
            records=len(made),
            payload_sha256=payload,
            previous=run.chain_head,
            digest=digest,
        )
    )
    at = {"run_id": run.id, "stage": stage, "unit": unit}
    rows = [{**at, "number": n, "type": t, "json": j} for n, (t, j) in enumerate(made)]
    if rows:
        c.execute(insert(RECORD), rows)
    head = {"chain_head": digest, "chain_length": seq}
    c.execute(update(RUN).where(RUN.c.id == run.id).values(**head))


def decode_stored(data: str, type_: type[R], what: str) -> R:
    """A stored JSON text as its record.

    Raises:
        StoreError: it does not describe one; `what` names it.
    """
    try:
        return from_json(data, type_)
    except msgspec.DecodeError as e:
        raise StoreError(f"{what} cannot be read: {e}") from None
