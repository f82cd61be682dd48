from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leftopen.model.blob import Blob, Provenance
from leftopen.model.cause import Cause
from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import StoreError
from leftopen.model.exposure import ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.record import Record, to_json
from leftopen.model.trace import AccessEvent, Place
from leftopen.store.runs import Run
from leftopen.store.store import Store

from .conftest import START, Begin, gap


def test_a_finished_unit_is_done_and_gives_its_records_back(begin: Begin) -> None:
    run = begin()
    run.finish("reach", "127.0.0.1:80", [gap("a"), Endpoint(address="127.0.0.1", port=80)])
    assert run.done("reach", "127.0.0.1:80")
    assert not run.done("reach", "127.0.0.1:81")
    assert not run.done("contents", "127.0.0.1:80")
    assert run.done_units("reach") == {"127.0.0.1:80"}
    assert list(run.records(Gap)) == [gap("a")]
    assert list(run.records(Endpoint)) == [Endpoint(address="127.0.0.1", port=80)]


def test_the_order_of_records_does_not_depend_on_the_order_of_finishing(store: Store) -> None:
    units = {"b": [gap("b0"), gap("b1")], "B": [gap("B0")], "ä": [gap("ä0")], "a": [gap("a0")]}
    told: list[list[Gap]] = []
    for scope, order in (("1" * 64, list(units)), ("2" * 64, list(reversed(units)))):
        run = store.begin_run(scope, "outside", "Example", START, "0.1.0")
        for unit in order:
            run.finish("reach", unit, units[unit])
        run.finish("cause", "z", [gap("z0")])
        told.append(list(run.records(Gap)))
    assert told[0] == told[1]
    assert [g.place for g in told[0]] == ["z0", "B0", "a0", "b0", "b1", "ä0"]


def test_records_of_one_stage(begin: Begin) -> None:
    run = begin()
    run.finish("reach", "a", [gap("r")])
    run.finish("trace", "a", [gap("t")])
    assert [g.place for g in run.records(Gap, stage="trace")] == ["t"]


def test_finishing_twice_is_refused_and_changes_nothing(begin: Begin) -> None:
    run = begin()
    run.finish("reach", "a", [gap("first")])
    before = run.info()
    with pytest.raises(StoreError, match="already finished"):
        run.finish("reach", "a", [gap("second")])
    assert run.info() == before
    assert [g.place for g in run.records(Gap)] == ["first"]


def test_a_unit_without_records_is_done_and_in_the_chain(begin: Begin) -> None:
    run = begin()
    before = run.chain_head
    run.finish("reach", "quiet")
    assert run.done("reach", "quiet")
    assert run.info().chain_length == 1
    assert run.chain_head != before


class Own(Record, frozen=True, kw_only=True):
    place: str = ""


def _named_gap() -> Record:
    """A type of another module that calls itself Gap."""
    return type("Gap", (Own,), {}, frozen=True, kw_only=True)()  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    "record",
    [
        Blob(data=b"x", place=Provenance()),
        ObjectRef(path="/secret.eml"),
        AccessEvent(time=START, client="127.0.0.1", source=Place(file="a", line=1)),
        Own(),
        _named_gap(),
    ],
    ids=lambda r: type(r).__module__ + type(r).__name__,
)
def test_records_that_can_hold_values_are_refused(begin: Begin, record: Record) -> None:
    run = begin()
    with pytest.raises(StoreError, match="may not be stored"):
        run.finish("contents", "a", [gap("fine"), record])
    assert not run.done("contents", "a")
    assert list(run.records(Gap)) == []


def test_a_forbidden_record_cannot_hide_in_a_field(begin: Begin) -> None:
    hidden: Any = (ObjectRef(path="/secret.eml"),)
    cause = Cause(
        rule="r",
        product="p",
        protocol="http",
        title="t",
        open="yes",
        factors=hidden,  # type: ignore[arg-type]
    )
    with pytest.raises(StoreError, match="does not fit its own type"):
        begin().finish("cause", "a", [cause])


def test_a_type_that_is_never_stored_cannot_be_asked_for(begin: Begin) -> None:
    with pytest.raises(StoreError, match="never stored"):
        list(begin().records(Blob))


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "\ud800", "x" * 1001])
def test_unit_names_are_checked(begin: Begin, name: str) -> None:
    with pytest.raises(StoreError):
        begin().finish("reach", name, [])


def test_broken_unicode_in_a_record_stores_nothing(begin: Begin) -> None:
    run = begin()
    with pytest.raises(StoreError, match="does not fit"):
        run.finish("reach", "a", [gap("\ud800")])
    assert not run.done("reach", "a")


def test_an_unfinished_run_is_resumed_and_counts_it(begin: Begin) -> None:
    first = begin()
    first.finish("reach", "a", [gap("a")])
    first.release()
    second = begin()
    assert second.id == first.id
    assert second.info().resumed == 1
    assert second.done("reach", "a")


def test_a_finished_run_is_followed_by_a_new_one(begin: Begin) -> None:
    first = begin()
    first.close(START + timedelta(hours=1))
    assert first.info().finished == START + timedelta(hours=1)
    second = begin()
    assert second.id != first.id
    assert second.info().resumed == 0


def test_a_finished_run_can_be_resumed_on_request(begin: Begin) -> None:
    first = begin()
    first.close(START)
    again = begin(resume=True)
    assert again.id == first.id
    assert again.info().finished is None
    again.finish("trace", "late", [gap("late")])


def test_a_new_run_can_be_asked_for(begin: Begin) -> None:
    first = begin()
    first.release()
    assert begin(resume=False).id != first.id


def test_there_must_be_something_to_resume(begin: Begin) -> None:
    with pytest.raises(StoreError, match="no run of this scope"):
        begin(resume=True)
    assert begin().info().resumed == 0  # and the refusal has given its lock back


def test_another_version_or_vantage_does_not_resume(store: Store, begin: Begin) -> None:
    first = begin()
    first.release()
    newer = store.begin_run("ab" * 32, "outside", "Example", START, "0.2.0")
    newer.release()
    inside = store.begin_run("ab" * 32, "inside", "Example", START, "0.1.0")
    assert len({first.id, newer.id, inside.id}) == 3


def test_a_closed_run_takes_no_more_units(begin: Begin) -> None:
    run = begin()
    run.close(START)
    with pytest.raises(StoreError, match="not open for writing"):
        run.finish("reach", "a", [])
    with pytest.raises(StoreError, match="not open for writing"):
        run.close(START)


def test_a_run_opened_for_reading_takes_no_units(store: Store, begin: Begin) -> None:
    begin().finish("reach", "a", [gap("a")])
    info = store.latest_run()
    assert info is not None
    reader = store.run(info.run_id)
    assert list(reader.records(Gap)) == [gap("a")]
    with pytest.raises(StoreError, match="not open for writing"):
        reader.finish("reach", "b", [])


def test_the_chain_entry_can_be_recomputed_by_hand(begin: Begin) -> None:
    run = begin()
    genesis = run.chain_head
    run.finish("reach", "a", [gap("x")])
    payload = hashlib.sha256(b'["Gap",' + to_json(gap("x")) + b"]\n").hexdigest()
    entry = ["leftopen-unit-1", run.id, 1, "reach", "a", payload, genesis]
    assert run.chain_head == hashlib.sha256(to_json(entry)).hexdigest()


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    units=st.dictionaries(
        st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20),
        st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=4),
        max_size=5,
    ),
    data=st.data(),
)
def test_any_units_in_any_order_read_back_whole(
    store: Store, units: dict[str, list[str]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(units)))  # may end the example: nothing is open yet
    run = store.begin_run("cd" * 32, "outside", "Example", START, "0.1.0", resume=False)
    for unit in order:
        run.finish("reach", unit, [gap(place) for place in units[unit]])
    ordered = sorted(units, key=lambda name: name.encode())
    assert [g.place for g in run.records(Gap)] == [p for unit in ordered for p in units[unit]]
    assert list(store.verify()) == []
    run.release()


def test_reading_while_writing(store: Store, begin: Callable[..., Run]) -> None:
    run = begin()
    run.finish("reach", "a", [gap(str(n)) for n in range(5)])
    for n, seen in enumerate(run.records(Gap)):
        run.finish("contents", str(n), [seen])
    assert len(run.done_units("contents")) == 5
