"""One run at a time over one scope: locks that end with the process that holds them.

SQLite: an flock on a file beside the database, so a killed holder leaves nothing locked.
PostgreSQL: an advisory lock of the session, which the server drops when the connection ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text

from leftopen.model.errors import StoreError


class Lock(Protocol):
    """Held from its making until `release`."""

    def release(self) -> None:
        """Give it up; a second call does nothing."""


class FileLock:
    """An exclusive flock on `path`, which is removed again when it is released."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another process (or this one) holds it; the message names who.
        """
        self._path = path
        self._fd = self._take()
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"process {os.getpid()} on {os.uname().nodename}".encode())
        _HELD.add(self)

    def _take(self) -> int:
        while True:
            try:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as e:
                raise StoreError(f"{self._path}: {e.strerror}") from None
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(fd, 200).decode("ascii", "replace")
                os.close(fd)
                raise StoreError(f"another run is using it: {holder or self._path.name}") from None
            except OSError as e:
                os.close(fd)
                raise StoreError(f"{self._path} cannot be locked: {e.strerror}") from None
            # The holder may have removed the file between our open and our lock: then this lock
            # is on a file that nobody else will open, and the look must start again.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.stat(self._path)):
                    return fd
            os.close(fd)

    def release(self) -> None:
        """Remove the file and give up the lock."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)
            self.forget()

    def forget(self) -> None:
        """Close the descriptor only: what a forked child does with its parent's lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_HELD: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_HELD):
        lock.forget()


# An flock belongs to the open file, which a forked worker shares: without this, an orphaned
# worker would keep a dead run's lock.
os.register_at_fork(after_in_child=_forget_all)


class SessionLock:
    """A PostgreSQL advisory lock on its own connection."""

    def __init__(self, engine: Engine, name: str) -> None:
        """Take the lock named by `name`, a hex digest.

        Raises:
            StoreError: another session holds it.
        """
        self._connection: Connection | None = engine.connect()
        number = int.from_bytes(bytes.fromhex(name[:16]), "big", signed=True)
        taken = self._connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": number})
        held = bool(taken.scalar())
        # Ends the transaction, not the session: the lock stays, and no snapshot is kept open.
        self._connection.commit()
        if not held:
            self.release()
            raise StoreError("another run is using it, from another session of this database")

    def release(self) -> None:
        """End the session, and the lock with it."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
