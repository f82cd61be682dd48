"""The store: runs that can be resumed, their reports, and the library of earlier cases."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from leftopen.model.case import Case, EarlierCase, Investigation, RunInfo
from leftopen.model.errors import StoreError
from leftopen.model.record import to_json
from leftopen.store import chain, verify
from leftopen.store.engine import connect, transaction
from leftopen.store.lock import FileLock, Lock, SessionLock
from leftopen.store.migrations import migrate
from leftopen.store.runs import Run, decode_stored, run_info, stamp
from leftopen.store.schema import INVESTIGATION, PAGE, RUN, in_bytes


class Store:
    """One database. A context manager; leaving it releases every run that is still open."""

    __slots__ = ("_engine", "_open_runs", "_path")

    def __init__(self, engine: Engine, path: Path | None) -> None:
        """Use `Store.open`."""
        self._engine = engine
        self._path = path
        self._open_runs: list[Run] = []

    @classmethod
    def open(cls, where: str | Path) -> Store:
        """Open a store and bring its tables up to date: an SQLite file or `postgresql://...`.

        A new file is made with permission 0600, an existing one is tightened to it.

        Raises:
            StoreError: it cannot be opened, is not a store, or is from a newer version.
        """
        engine, path = connect(where)
        try:
            with transaction(engine, f"opening {path or 'the database'}", writes=True) as c:
                migrate(c)
        except StoreError:
            engine.dispose()
            raise
        return cls(engine, path)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the runs that are still open (they can be resumed) and disconnect."""
        for run in self._open_runs:
            run.release()
        self._open_runs.clear()
        self._engine.dispose()

    def begin_run(
        self,
        scope_sha256: str,
        vantage: str,
        organisation: str,
        started: datetime,
        version: str,
        *,
        resume: bool | None = None,
    ) -> Run:
        """Begin a run over a scope, or resume one.

        `resume` None: the newest run of the same scope, vantage and version is resumed when it
        is unfinished (another version may read its records differently), else a new one begins.
        True: the newest one is resumed even when it is finished or of another version. False:
        always a new one. A resumed run counts it in `resumed`.

        Raises:
            StoreError: another process runs over this scope; or there is nothing to resume.
        """
        lock = self._lock(scope_sha256)
        try:
            with transaction(self._engine, "beginning the run", writes=True) as c:
                last = _newest(c, scope_sha256, vantage)
                if resume and last is None:
                    raise StoreError("there is no run of this scope to resume")
                if last is not None and _resumes(last, version, resume):
                    run_id = _resume(c, last)
                else:
                    run_id = _new_run(c, scope_sha256, vantage, organisation, started, version)
        except BaseException:
            lock.release()
            raise
        run = Run(self._engine, run_id, lock)
        self._open_runs.append(run)
        return run

    def run(self, run_id: str) -> Run:
        """A run of this store, for reading.

        Raises:
            StoreError: there is none of this id.
        """
        run = Run(self._engine, run_id, None)
        run.info()
        return run

    def runs(self) -> tuple[RunInfo, ...]:
        """All runs, oldest first."""
        with transaction(self._engine, "reading the runs") as c:
            return tuple(map(run_info, c.execute(select(RUN).order_by(RUN.c.number))))

    def latest_run(self) -> RunInfo | None:
        """The newest run, finished or not."""
        return runs[-1] if (runs := self.runs()) else None

    def chain_head(self, run_id: str) -> str:
        """The digest of the last entry of a run's chain."""
        return self.run(run_id).chain_head

    def verify(self) -> Iterator[str]:
        """Recompute every payload digest and every chain; one line for each problem."""
        with transaction(self._engine, "verifying the store") as c:
            yield from verify.problems(c)

    def save_investigation(self, run_id: str, investigation: Investigation) -> None:
        """Keep the report of a run; a second one of the same run replaces the first.

        Raises:
            StoreError: it is the report of another run, or there is no such run.
        """
        if investigation.run.run_id != run_id:
            raise StoreError(f"this is the report of run {investigation.run.run_id}, not {run_id}")
        self.run(run_id)
        json = to_json(investigation).decode()
        row = {"run_id": run_id, "sha256": hashlib.sha256(json.encode()).hexdigest(), "json": json}
        with transaction(self._engine, "saving the report", writes=True) as c:
            c.execute(delete(INVESTIGATION).where(INVESTIGATION.c.run_id == run_id))
            c.execute(insert(INVESTIGATION).values(**row))

    def investigation(self, run_id: str) -> Investigation | None:
        """The report of a run, or None where none was saved."""
        chosen = select(INVESTIGATION.c.json).where(INVESTIGATION.c.run_id == run_id)
        with transaction(self._engine, "reading a report") as c:
            json = c.execute(chosen).scalar()
        return decode_stored(json, Investigation, f"the report of {run_id}") if json else None

    def cases(self) -> tuple[Case, ...]:
        """Every case of every report once, as the newest report has it, ordered by uid."""
        newest: dict[str, Case] = {}
        for info in self.runs():
            report = self.investigation(info.run_id)
            newest.update({c.uid: c for c in report.cases} if report else {})
        return tuple(newest[uid] for uid in sorted(newest))

    def add_page(self, page: EarlierCase) -> None:
        """Add a page to the library of earlier cases; the same uid replaces."""
        row = {"uid": page.uid, "json": to_json(page).decode()}
        with transaction(self._engine, "adding a page", writes=True) as c:
            c.execute(delete(PAGE).where(PAGE.c.uid == page.uid))
            c.execute(insert(PAGE).values(**row))

    def pages(self) -> tuple[EarlierCase, ...]:
        """The library, ordered by uid."""
        with transaction(self._engine, "reading the library") as c:
            found = c.execute(select(PAGE).order_by(in_bytes(c, PAGE.c.uid))).all()
        return tuple(decode_stored(p.json, EarlierCase, f"page {p.uid}") for p in found)

    def page(self, uid: str) -> EarlierCase | None:
        """One page of the library, or None."""
        with transaction(self._engine, "reading the library") as c:
            json = c.execute(select(PAGE.c.json).where(PAGE.c.uid == uid)).scalar()
        return decode_stored(json, EarlierCase, f"page {uid}") if json else None

    def _lock(self, scope_sha256: str) -> Lock:
        name = hashlib.sha256(scope_sha256.encode()).hexdigest()
        if self._path is None:
            return SessionLock(self._engine, name)
        return FileLock(self._path.with_name(f"{self._path.name}-run-{name[:16]}.lock"))


def _newest(c: Connection, scope_sha256: str, vantage: str) -> Row[Any] | None:
    same = (RUN.c.scope_sha256 == scope_sha256, RUN.c.vantage == vantage)
    return c.execute(select(RUN).where(*same).order_by(RUN.c.number.desc()).limit(1)).first()


def _resumes(last: Row[Any], version: str, resume: bool | None) -> bool:
    if resume is None:
        return last.finished is None and last.version == version
    return resume


def _resume(c: Connection, last: Row[Any]) -> str:
    changed = {"resumed": last.resumed + 1, "finished": None}
    c.execute(update(RUN).where(RUN.c.id == last.id).values(**changed))
    return str(last.id)


def _new_run(
    c: Connection,
    scope_sha256: str,
    vantage: str,
    organisation: str,
    started: datetime,
    version: str,
) -> str:
    run_id = f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    said = {
        "scope_sha256": scope_sha256,
        "vantage": vantage,
        "organisation": organisation,
        "version": version,
        "started": stamp(started),
    }
    number = (c.execute(select(func.max(RUN.c.number))).scalar() or 0) + 1
    head = chain.genesis(run_id, **said)
    row = {"id": run_id, "number": number, "resumed": 0, "chain_head": head, "chain_length": 0}
    c.execute(insert(RUN).values(**row, **said))
    return run_id
