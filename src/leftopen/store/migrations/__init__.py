"""The history of the tables: numbered SQL files, each applied once, in one transaction.

Each file is plain SQL that SQLite and PostgreSQL both take. A file that was released is never
edited; a change is a new file.
"""

from __future__ import annotations

from importlib import resources

from sqlalchemy import Connection, text

from leftopen.model.errors import StoreError

# Any number will do, as long as it is ours: it names the lock under which PostgreSQL migrates.
_MIGRATION_LOCK = 0x4C454654


def statements() -> dict[int, tuple[str, ...]]:
    """The SQL statements of every migration, by its number, ascending."""
    files = sorted(
        f.name for f in resources.files(__package__).iterdir() if f.name.endswith(".sql")
    )
    return {int(name.split("_", 1)[0]): _split(name) for name in files}


def _split(name: str) -> tuple[str, ...]:
    whole = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    plain = "\n".join(line for line in whole.splitlines() if not line.startswith("--"))
    return tuple(part.strip() for part in plain.split(";\n") if part.strip(" \n;"))


def migrate(connection: Connection) -> int:
    """Bring the tables up to date inside the caller's transaction; the version reached.

    Raises:
        StoreError: the tables are from a newer version than this one knows.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MIGRATION_LOCK})
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)")
    )
    at = connection.execute(text("SELECT max(version) FROM schema_version")).scalar() or 0
    known = statements()
    newest = max(known)
    if at > newest:
        raise StoreError(
            f"the store has schema {at} and this version knows {newest}: use a newer Leftopen"
        )
    for number in (n for n in known if n > at):
        for statement in known[number]:
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO schema_version VALUES (:n)"), {"n": number})
    return newest
