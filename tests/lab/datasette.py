"""Datasette (of PyPI): a database as pages and as JSON; it knows no login by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import servers
from lab.config import Config
from leftopen.model.exposure import Access


@contextmanager
def datasette() -> Iterator[servers.Server]:
    """One table of one row."""
    port = servers.free_port()
    with servers.scratch() as folder:
        with closing(sqlite3.connect(folder / "people.db")) as database, database:
            database.execute("CREATE TABLE person (name TEXT)")
            database.execute("INSERT INTO person VALUES ('Ada')")
        servers.give(folder)
        argv = [servers.from_pypi("datasette"), "serve", "-h", servers.CLIENT, "-p", str(port)]
        with servers.running([*argv, str(folder / "people.db")], folder, port) as server:
            yield server


_OPEN = Config("datasette: open", "datasette", Access.GIVES_DATA, datasette, 8001)
CONFIGS = (_OPEN,)
