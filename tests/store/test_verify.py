from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.store.store import Store

from .conftest import START, Begin, gap, report

Edit = Callable[[str], None]


@pytest.fixture
def filled(store: Store, begin: Begin) -> Store:
    run = begin()
    for unit in ("a", "b", "c"):
        run.finish("reach", unit, [gap(f"{unit}{n}", count=n + 1) for n in range(3)])
    run.finish("reach", "empty", [])
    run.close(START)
    store.save_investigation(run.id, report(run.info()))
    return store


def test_an_untouched_store_has_no_problem(filled: Store) -> None:
    assert list(filled.verify()) == []


COPY_RECORD = """INSERT INTO record SELECT run_id, type, stage, unit, 9, json FROM record
    WHERE unit = 'b' AND number = 0;"""
SWAP_RECORDS = """UPDATE record SET number = 100 WHERE unit = 'b' AND number = 0;
    UPDATE record SET number = 0 WHERE unit = 'b' AND number = 1;
    UPDATE record SET number = 1 WHERE unit = 'b' AND number = 100;"""
SWAP_UNITS = """UPDATE unit SET seq = 100 WHERE name = 'a';
    UPDATE unit SET seq = 1 WHERE name = 'b';
    UPDATE unit SET seq = 2 WHERE name = 'a';"""
DROP_UNIT = "DELETE FROM unit WHERE name = '{0}'; DELETE FROM record WHERE unit = '{0}';"
NEW_UNIT = """INSERT INTO unit SELECT run_id, stage, 'new', 5, 0, payload_sha256, digest, digest
    FROM unit WHERE name = 'empty';"""


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE record SET json = replace(json, 'b1', 'b7')", "unit reach b: its records"),
        ("UPDATE record SET type = 'Size' WHERE unit = 'b'", "unit reach b: its records"),
        ("DELETE FROM record WHERE unit = 'b' AND number = 2", "unit reach b: its records"),
        ("DELETE FROM record WHERE unit = 'b'", "unit reach b: its records"),
        ("UPDATE record SET unit = 'empty' WHERE unit = 'b'", "unit reach empty: its records"),
        (COPY_RECORD, "unit reach b: its records"),
        (SWAP_RECORDS, "unit reach b: its records"),
        ("UPDATE record SET unit = 'x' WHERE unit = 'b'", "x: records of a unit that was never"),
        ("UPDATE record SET run_id = 'x' WHERE unit = 'b'", "record rows of a run that is not"),
        (SWAP_UNITS, "does not follow"),
        (DROP_UNIT.format("b"), "unit reach c: is number 3"),
        (DROP_UNIT.format("empty"), "does not end where the run says"),
        (NEW_UNIT, "unit reach new: its entry was changed"),
        ("UPDATE unit SET name = 'z' WHERE name = 'empty'", "unit reach z: its entry was changed"),
        ("UPDATE unit SET records = 2 WHERE name = 'b'", "unit reach b: its records"),
        ("UPDATE unit SET payload_sha256 = 'x' WHERE name = 'b'", "unit reach b: its entry"),
        ("UPDATE unit SET digest = 'x' WHERE name = 'b'", "unit reach b: its entry"),
        ("UPDATE run SET scope_sha256 = 'x'", "unit reach a: does not follow"),
        ("UPDATE run SET organisation = 'x'", "unit reach a: does not follow"),
        ("UPDATE run SET started = '2020-01-01T00:00:00+00:00'", "unit reach a: does not follow"),
        ("UPDATE run SET chain_head = 'x'", "does not end where the run says"),
        ("UPDATE investigation SET json = replace(json, 'Example', 'Other')", "its report: was"),
        ("UPDATE investigation SET json = '{'", "the report"),
        ("UPDATE investigation SET run_id = 'x'", "investigation rows of a run"),
    ],
)
def test_an_edit_is_found(filled: Store, edit: Edit, sql: str, said: str) -> None:
    edit(f"PRAGMA foreign_keys = OFF; {sql};")
    found = "\n".join(filled.verify())
    assert said.replace("the report", "its report") in found


def test_a_report_of_another_chain_is_found(store: Store, begin: Begin, edit: Edit) -> None:
    run = begin()
    run.finish("reach", "a", [gap("a")])
    store.save_investigation(run.id, report(run.info()))
    edit("DELETE FROM unit; DELETE FROM record; UPDATE run SET chain_length = 0;")
    assert any("was made from another chain" in problem for problem in store.verify())


def test_runs_are_checked_apart(store: Store, begin: Begin, edit: Edit) -> None:
    first, second = begin("1" * 64), begin("2" * 64)
    first.finish("reach", "a", [gap("a")])
    second.finish("reach", "a", [gap("a")])
    edit(f"UPDATE record SET json = json || ' ' WHERE run_id = '{second.id}'")
    found = list(store.verify())
    assert len(found) == 1
    assert second.id in found[0]
