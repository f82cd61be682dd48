from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from leftopen.model.case import EarlierCase, RunInfo
from leftopen.model.errors import StoreError
from leftopen.store.schema import METADATA
from leftopen.store.store import Store

from .conftest import START, Begin, gap, report


def test_the_file_is_for_its_owner_only(path: Path, store: Store, begin: Begin) -> None:
    begin().finish("reach", "a", [gap("a")])
    made = sorted(path.parent.iterdir())
    assert len(made) >= 3  # the database, its write-ahead log, the lock of the open run
    assert {stat.S_IMODE(p.stat().st_mode) for p in made} == {0o600}


def test_an_existing_file_is_tightened(path: Path) -> None:
    Store.open(path).close()
    path.chmod(0o644)
    Store.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_database_is_in_wal_mode(path: Path, store: Store) -> None:
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_tables_are_those_of_the_schema(path: Path, store: Store) -> None:
    engine = create_engine(f"sqlite:///{path}")
    made = inspect(engine)
    for table in METADATA.tables.values():
        names = [c["name"] for c in made.get_columns(table.name)]
        assert names == [c.name for c in table.columns]
    assert set(made.get_table_names()) == {*METADATA.tables, "schema_version"}
    engine.dispose()


def test_an_sqlite_url_and_a_path_are_the_same(path: Path) -> None:
    with Store.open(f"sqlite:///{path}") as store:
        store.begin_run("ab" * 32, "outside", "Example", START, "0.1.0")
    with Store.open(path) as store:
        assert len(store.runs()) == 1


def test_a_newer_schema_is_refused_in_one_line(path: Path, edit: Callable[[str], None]) -> None:
    Store.open(path).close()
    edit("INSERT INTO schema_version VALUES (9999);")
    with pytest.raises(StoreError, match="use a newer Leftopen") as refused:
        Store.open(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"\x7fELF" * 100, b"SQLite format 3\0" + b"\xff" * 5000, b"x"])
def test_what_is_not_a_store_is_refused_in_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError) as refused:
        Store.open(path)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == content


def test_places_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Store.open(tmp_path / "no" / "folder")
    with pytest.raises(StoreError, match="directory"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match="mysql is not supported"):
        Store.open("mysql://someone:hidden@127.0.0.1/x")
    with pytest.raises(StoreError, match="cannot be read"):
        Store.open("://")


def test_runs_and_the_latest(store: Store, begin: Begin) -> None:
    assert store.latest_run() is None
    first, second = begin("1" * 64), begin("2" * 64)
    assert [r.run_id for r in store.runs()] == [first.id, second.id]
    assert store.latest_run() == second.info()
    assert store.chain_head(first.id) == first.info().chain_head
    with pytest.raises(StoreError, match="no run"):
        store.chain_head("other")


def test_reports_are_kept_and_replaced(store: Store, begin: Begin) -> None:
    run = begin()
    assert store.investigation(run.id) is None
    store.save_investigation(run.id, report(run.info()))
    run.finish("case", "report", [])
    run.close(START + timedelta(hours=1))
    final = report(run.info())
    store.save_investigation(run.id, final)
    assert store.investigation(run.id) == final
    assert list(store.verify()) == []


def test_a_report_belongs_to_its_run(store: Store, begin: Begin) -> None:
    first, second = begin("1" * 64), begin("2" * 64)
    with pytest.raises(StoreError, match="is the report of run"):
        store.save_investigation(first.id, report(second.info()))
    with pytest.raises(StoreError, match="no run"):
        store.save_investigation("x", report(RunInfo(run_id="x", version="", started=START)))


def test_pages_replace_by_uid(store: Store) -> None:
    pages = [EarlierCase(uid=uid, title=uid) for uid in ("b", "B", "a")]
    for page in pages:
        store.add_page(page)
    newer = EarlierCase(uid="a", title="newer")
    store.add_page(newer)
    assert store.pages() == (pages[1], newer, pages[0])
    assert store.page("a") == newer
    assert store.page("c") is None


def test_one_run_at_a_time_over_one_scope(path: Path, begin: Begin) -> None:
    run = begin()
    with Store.open(path) as other:
        with pytest.raises(StoreError, match=f"another run is using it: process {os.getpid()} on"):
            other.begin_run("ab" * 32, "outside", "Example", START, "0.1.0")
        other.begin_run("ef" * 32, "outside", "Example", START, "0.1.0").release()
        run.release()
        assert other.begin_run("ab" * 32, "outside", "Example", START, "0.1.0").id == run.id


def test_no_lock_file_stays_behind(path: Path, begin: Begin) -> None:
    run = begin()
    assert len(list(path.parent.glob("*.lock"))) == 1
    run.release()
    run.release()
    assert list(path.parent.glob("*.lock")) == []


HOLDER = """
import os
import sys
from datetime import UTC, datetime
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.store.store import Store

with Store.open(sys.argv[1]) as store:
    started = datetime(2023, 2, 20, tzinfo=UTC)
    run = store.begin_run("ab" * 32, "outside", "Example", started, "0.1.0")
    at = len(run.done_units("reach"))
    if sys.argv[2] == "fork":
        if os.fork():
            os._exit(0)
        print("ready", flush=True)
        sys.stdin.read()
        print("the worker was alive", flush=True)
        os._exit(0)
    print("ready", flush=True)
    if sys.argv[2] == "hold":
        sys.stdin.read()
    while True:
        made = [Gap(stage=Stage.REACH, reason=Reason.TIMEOUT, place=f"{at}/{n}") for n in range(40)]
        run.finish("reach", f"{at:06}", made)
        at += 1
        print(at, flush=True)
"""


def start(path: Path, mode: str) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    return holder


def kill(holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=20)


def test_a_second_process_is_refused_and_a_dead_ones_lock_is_taken_over(path: Path) -> None:
    holder = start(path, "hold")
    try:
        with Store.open(path) as store:
            with pytest.raises(StoreError, match=f"process {holder.pid} on"):
                store.begin_run("ab" * 32, "outside", "Example", START, "0.1.0")
            kill(holder)
            run = store.begin_run("ab" * 32, "outside", "Example", START, "0.1.0")
            assert run.info().resumed == 1
    finally:
        kill(holder)


def test_a_forked_worker_does_not_keep_a_dead_runs_lock(path: Path) -> None:
    with start(path, "fork") as orphaned:
        orphaned.wait(timeout=20)
        with Store.open(path) as store:
            run = store.begin_run("ab" * 32, "outside", "Example", START, "0.1.0")
            assert run.info().resumed == 1
        assert orphaned.communicate(timeout=20)[0] == "the worker was alive\n"


def test_killed_at_any_moment_no_unit_is_half_there(path: Path) -> None:
    done = 0
    for number in range(8):
        holder = start(path, "work")
        assert holder.stdout is not None
        for _ in range(number * 3 + 1):  # another moment each time, not on a unit's boundary
            told = int(holder.stdout.readline())
        kill(holder)
        with Store.open(path) as store:
            assert list(store.verify()) == []
            info = store.latest_run()
            assert info is not None
            run = store.run(info.run_id)
            units = run.done_units("reach")
            assert len(units) == info.chain_length >= told > done
            done = len(units)
            places = [g.place for g in run.records(type(gap("")))]
            assert places == [f"{u}/{n}" for u in range(done) for n in range(40)]
            assert info.resumed == number
