"""Recomputes the chain of custody and names everything that does not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from leftopen.model.case import Investigation
from leftopen.model.errors import StoreError
from leftopen.store import chain
from leftopen.store.runs import decode_stored
from leftopen.store.schema import INVESTIGATION, RECORD, RUN, UNIT, in_bytes


def problems(connection: Connection) -> Iterator[str]:
    """One line for each thing in the store that was changed, removed, moved or added."""
    known: set[str] = set()
    for run in connection.execute(select(RUN).order_by(RUN.c.number)).all():
        known.add(run.id)
        yield from _run_problems(connection, run)
    for table in (UNIT, RECORD, INVESTIGATION):
        found = connection.execute(select(table.c.run_id).distinct()).scalars().all()
        for run_id in sorted(set(found) - known):
            yield f"{table.name} rows of a run that is not there: {run_id}"


def _run_problems(connection: Connection, run: Row[Any]) -> Iterator[str]:
    heads = [_genesis(run)]
    chosen = select(UNIT).where(UNIT.c.run_id == run.id).order_by(UNIT.c.seq)
    units = connection.execute(chosen).all()
    payloads = _payloads(connection, run.id)
    for place, unit in enumerate(units, 1):
        where = f"run {run.id}, unit {unit.stage} {unit.name}"
        if unit.seq != place:
            yield f"{where}: is number {unit.seq} of the chain and ought to be {place}"
        if unit.previous != heads[-1]:
            yield f"{where}: does not follow the entry before it (moved, removed or added)"
        digest = chain.entry_digest(
            run.id, unit.seq, unit.stage, unit.name, unit.payload_sha256, unit.previous
        )
        if digest != unit.digest:
            yield f"{where}: its entry was changed"
        count, payload = payloads.pop((unit.stage, unit.name), _NOTHING)
        if (count, payload) != (unit.records, unit.payload_sha256):
            yield f"{where}: its records were changed, removed, moved or added"
        heads.append(unit.digest)
    for stage, name in sorted(payloads):
        yield f"run {run.id}, unit {stage} {name}: records of a unit that was never finished"
    if (run.chain_head, run.chain_length) != (heads[-1], len(units)):
        yield f"run {run.id}: the chain does not end where the run says (entries removed or added)"
    yield from _report_problems(connection, run.id, heads)


_NOTHING = (0, chain.payload_digest(()))


def _genesis(run: Row[Any]) -> str:
    return chain.genesis(
        run.id, run.scope_sha256, run.vantage, run.organisation, run.version, run.started
    )


def _payloads(connection: Connection, run_id: str) -> dict[tuple[str, str], tuple[int, str]]:
    """Number of records and payload digest of each unit that has records, from the records."""
    order = (in_bytes(connection, RECORD.c.stage), in_bytes(connection, RECORD.c.unit))
    chosen = select(RECORD).where(RECORD.c.run_id == run_id).order_by(*order, RECORD.c.number)
    made: dict[tuple[str, str], tuple[int, str]] = {}
    at: tuple[str, str] | None = None
    rows: list[tuple[str, str]] = []
    for row in connection.execution_options(yield_per=1000).execute(chosen):
        if (row.stage, row.unit) != at:
            if at is not None:
                made[at] = (len(rows), chain.payload_digest(rows))
            at, rows = (row.stage, row.unit), []
        rows.append((row.type, row.json))
    if at is not None:
        made[at] = (len(rows), chain.payload_digest(rows))
    return made


def _report_problems(connection: Connection, run_id: str, heads: list[str]) -> Iterator[str]:
    chosen = select(INVESTIGATION).where(INVESTIGATION.c.run_id == run_id)
    row = connection.execute(chosen).first()
    if row is None:
        return
    where = f"run {run_id}, its report"
    if hashlib.sha256(row.json.encode("utf-8", "surrogatepass")).hexdigest() != row.sha256:
        yield f"{where}: was changed after it was saved"
    try:
        made = decode_stored(row.json, Investigation, where).run
    except StoreError as e:
        yield str(e)
        return
    if made.chain_length >= len(heads) or heads[made.chain_length] != made.chain_head:
        yield f"{where}: was made from another chain than the one in this store"
