"""The same store on a real PostgreSQL that the test starts itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from leftopen.model.errors import StoreError
from leftopen.model.gap import Gap
from leftopen.store.runs import Run
from leftopen.store.store import Store
from servers import postgresql, postgresql_sql

from .conftest import START, gap, report

pytest.importorskip("psycopg", reason="psycopg, the driver of PostgreSQL, is not installed")
pytestmark = pytest.mark.real

# A locale that sorts "a" before "B": the order of records must not follow it.
_DATABASE = "CREATE DATABASE team TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en';"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgresql(sql=_DATABASE) as server:
        yield f"postgresql://owner@/team?host={server.folder}&port={server.port}"


def begin(store: Store, scope: str = "ab" * 32) -> Run:
    return store.begin_run(scope, "outside", "Example", START, "0.1.0")


def test_a_run_from_its_beginning_to_its_report(url: str) -> None:
    with Store.open(url) as store:
        run = begin(store, "1" * 64)
        for unit in ("b", "B", "ä", "a"):
            run.finish("reach", unit, [gap(f"{unit}{n}") for n in range(2)])
        with pytest.raises(StoreError, match="already finished"):
            run.finish("reach", "a", [])
        expected = ["B0", "B1", "a0", "a1", "b0", "b1", "ä0", "ä1"]
        assert [g.place for g in run.records(Gap)] == expected
        run.close(START + timedelta(hours=1))
        saved = report(run.info())
        store.save_investigation(run.id, saved)
    with Store.open(url) as store:
        assert list(store.verify()) == []
        assert store.investigation(run.id) == saved


def test_one_run_at_a_time_and_a_gone_sessions_lock_is_free(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as two:
        run = begin(one)
        with pytest.raises(StoreError, match="another run is using it"):
            begin(two)
        begin(two, "2" * 64).release()
        one.close()
        again = begun_when_free(two)
        assert (again.id, again.info().resumed) == (run.id, 1)


def begun_when_free(store: Store) -> Run:
    """A session that has gone holds its lock until the server has noticed that it has."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return begin(store)
        except StoreError:
            if time.monotonic() > deadline:
                raise


def test_a_changed_record_is_found() -> None:
    with postgresql() as server:
        url = f"postgresql://owner@/postgres?host={server.folder}&port={server.port}"
        with Store.open(url) as store:
            begin(store).finish("reach", "a", [gap("a")])
            postgresql_sql(server, "UPDATE record SET json = replace(json, 'a', 'b');")
            assert any("its records were changed" in p for p in store.verify())


def test_a_server_that_is_not_there_is_one_line(url: str) -> None:
    with pytest.raises(StoreError, match="opening the database") as refused:
        Store.open("postgresql://owner:hidden-word@127.0.0.1:1/team")
    assert "\n" not in str(refused.value)
    assert "hidden-word" not in str(refused.value)
