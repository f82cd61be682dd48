"""Opens the database: an SQLite file by default, PostgreSQL by URL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from leftopen.model.errors import StoreError

BUSY_SECONDS = 30  # how long a write waits for another process's write
_SQLITE_MAGIC = b"SQLite format 3\0"


def connect(where: str | Path) -> tuple[Engine, Path | None]:
    """An engine for a path or URL, and the file's path where there is one.

    Raises:
        StoreError: not a database of ours, or it cannot be reached.
    """
    text = str(where)
    if "://" not in text:
        return _sqlite(Path(text)), Path(text)
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreError("this database URL cannot be read") from None
    if url.get_backend_name() == "sqlite" and url.database:
        return _sqlite(Path(url.database)), Path(url.database)
    if url.get_backend_name() != "postgresql":
        raise StoreError(f"{url.get_backend_name()} is not supported: give a file or postgresql://")
    return _postgresql(url), None


def _postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        return create_engine(url, hide_parameters=True)
    except (ImportError, NoSuchModuleError):
        raise StoreError("PostgreSQL needs the psycopg package: install psycopg[binary]") from None


def _sqlite(path: Path) -> Engine:
    _prepare_file(path)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _prepare_file(path: Path) -> None:
    """Make the file, or tighten it, so that only its owner reads it; refuse what is not SQLite."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, 0o600)
            head = os.read(fd, len(_SQLITE_MAGIC))
        finally:
            os.close(fd)
    except OSError as e:
        raise StoreError(f"{path}: {e.strerror}") from None
    if head not in (b"", _SQLITE_MAGIC):
        raise StoreError(f"{path} is not a Leftopen store (not an SQLite file)")


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _on_begin, not by the driver
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL, NORMAL survives a killed process whole; after a power cut the last units may be
    # missing as a whole, and a resumed run simply does them again.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later can fail at its first write.
    kind = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {kind}")


@contextlib.contextmanager
def transaction(engine: Engine, what: str, *, writes: bool = False) -> Iterator[Connection]:
    """One transaction: all of it or nothing.

    Raises:
        StoreError: the database refused; `what` says in a few words what was being done.
    """
    try:
        with engine.connect() as connection:
            begun = connection.execution_options(writes=writes)
            with begun.begin():
                yield begun
    except (SQLAlchemyError, sqlite3.Error) as e:  # the second from _on_connect, not wrapped
        reason = str(getattr(e, "orig", None) or e).strip().splitlines()[0]
        raise StoreError(f"{what}: {reason}") from None
