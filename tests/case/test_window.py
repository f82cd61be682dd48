from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.case.assemble import state_of
from leftopen.case.window import exposure_uid, exposures_from, same_service
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Observation, Size
from leftopen.model.time import Bound, Interval

from .records import MAIL, NOW, at, look


def shodan(day: int, access: Access = Access.GIVES_DATA, **parts: object) -> Observation:
    return look(day, access, sensor="shodan", **parts)


def test_own_probe_alone_leaves_both_ends_open() -> None:
    (found,) = exposures_from([look(20)], as_of=NOW)
    assert found.opened.after is None
    assert found.opened.before == found.closed.after
    assert found.closed.before is None
    assert found.opened.before is not None
    assert found.opened.before.time == at(20)
    assert "own probe" in found.opened.before.basis
    assert state_of(found) == "open"


def test_a_sighting_moves_the_first_sign_of_being_open() -> None:
    (found,) = exposures_from([look(20)], [shodan(8), shodan(12)], as_of=NOW)
    assert found.opened.before is not None
    assert found.opened.before.time == at(8)
    assert "shodan, not proved by us" in found.opened.before.basis
    assert [o.time for o in found.observations] == [at(8), at(12), at(20)]
    assert found.window(NOW) == Interval(start=at(8), end=NOW)


def test_a_mark_says_since_when_at_the_earliest() -> None:
    mtime = Bound(time=at(3), basis="nginx.conf last changed")
    late = Bound(time=at(9), basis="changed after it was seen open")
    (found,) = exposures_from(
        [look(20)], [shodan(8)], as_of=NOW, known_closed_before={"127.0.0.10:8080": [late, mtime]}
    )
    assert found.opened.after == mtime
    assert found.window(NOW).start == at(3)


def test_an_observed_closing_wins_over_a_mark() -> None:
    mtime = Bound(time=at(5), basis="mtime")
    looks = [look(2, Access.CLOSED, protocol=""), look(4, Access.ASKS_CREDENTIAL), look(20)]
    (found,) = exposures_from(looks, as_of=NOW, known_closed_before={"127.0.0.10:8080": [mtime]})
    assert found.opened.after is not None
    assert found.opened.after.time == at(4)
    assert "asked for a credential" in found.opened.after.basis


def test_a_service_that_only_answered_is_a_sign_but_not_past_a_closed_look() -> None:
    speaks = [shodan(3, Access.SPEAKS), shodan(6, Access.SPEAKS)]
    (found,) = exposures_from([look(20)], speaks, as_of=NOW)
    assert found.opened.before is not None
    assert found.opened.before.time == at(3)
    assert "not known" in found.opened.before.basis
    shut = look(5, Access.CLOSED, protocol="")
    (found,) = exposures_from([shut, look(20)], speaks, as_of=NOW)
    assert found.opened.after is not None
    assert found.opened.before is not None
    assert (found.opened.after.time, found.opened.before.time) == (at(5), at(6))


@pytest.mark.parametrize("access", [Access.FILTERED, Access.SPEAKS, Access.UNDETERMINED])
def test_what_settles_nothing_closes_nothing(access: Access) -> None:
    (found,) = exposures_from([look(18), look(20, access)], as_of=NOW)
    assert found.closed.before is None
    assert state_of(found) == "open"


def test_closed_between_the_last_open_and_the_first_closed_look() -> None:
    looks = [look(17), look(18), look(19, Access.ASKS_CREDENTIAL), look(20, Access.CLOSED)]
    (found,) = exposures_from(looks, as_of=NOW)
    assert found.closed.after is not None
    assert found.closed.before is not None
    assert (found.closed.after.time, found.closed.before.time) == (at(18), at(19))
    assert state_of(found) == "closed"
    assert found.window(NOW).end == at(19)


def test_opened_again_is_open() -> None:
    (found,) = exposures_from([look(17), look(18, Access.CLOSED), look(19)], as_of=NOW)
    assert state_of(found) == "open"
    assert found.window(NOW) == Interval(start=at(17), end=NOW)


def test_a_closing_mark_is_used_where_no_look_says_so() -> None:
    mark = Bound(time=at(19), basis="deployment record")
    (found,) = exposures_from([look(18)], as_of=NOW, known_closed_after={"127.0.0.10:8080": [mark]})
    assert found.closed.before == mark


def test_a_sighting_alone_is_only_reported() -> None:
    (found,) = exposures_from([], [shodan(8), shodan(9)], as_of=NOW)
    assert state_of(found) == "reported"
    assert found.uid == exposure_uid(MAIL, "http")
    (shut,) = exposures_from([look(20, Access.CLOSED, protocol="")], [shodan(8)], as_of=NOW)
    assert state_of(shut) == "reported"
    assert shut.closed.before is not None
    assert shut.closed.before.time == at(20)


def test_a_sighting_that_proves_nothing_is_no_case() -> None:
    assert exposures_from([], [shodan(8, Access.SPEAKS)], as_of=NOW) == ()


def test_a_sighting_by_another_protocol_name_is_not_a_second_case() -> None:
    found = exposures_from([look(20, protocol="elasticsearch")], [shodan(8)], as_of=NOW)
    assert [(e.protocol, len(e.observations)) for e in found] == [("elasticsearch", 2)]


def test_names_decide_where_both_sides_have_one() -> None:
    a = Endpoint(address="127.0.0.1", port=80, name="a.example")
    moved = Endpoint(address="127.0.0.2", port=80, name="A.example.")
    b = Endpoint(address="127.0.0.1", port=80, name="b.example")
    bare = Endpoint(address="127.0.0.1", port=80)
    assert same_service(a, moved)
    assert not same_service(a, b)
    assert same_service(a, bare)
    assert not same_service(bare, Endpoint(address="127.0.0.1", port=81))
    assert not same_service(bare, Endpoint(address="127.0.0.1", port=80, transport="udp"))


def test_two_protocols_of_one_endpoint_are_two_cases() -> None:
    closed = look(21 - 2, Access.ASKS_CREDENTIAL, protocol="imap")
    found = exposures_from([look(18), look(18, protocol="imap"), closed], as_of=NOW)
    assert [(e.protocol, state_of(e)) for e in found] == [("http", "open"), ("imap", "closed")]
    assert len({e.uid for e in found}) == 2


def test_our_own_proof_decides_what_it_gives() -> None:
    size = Size(objects=3)
    looks = [look(19, Access.LISTS, product="nginx", size=size), look(20, Access.LISTS)]
    (found,) = exposures_from(looks, [shodan(8, product="Apache")], as_of=NOW)
    assert (found.access, found.product, found.size) == (Access.LISTS, "nginx", size)


def test_a_look_after_the_reports_time_bounds_nothing() -> None:
    (found,) = exposures_from([look(18), look(25, Access.CLOSED)], [shodan(28)], as_of=NOW)
    assert found.closed.before is None
    assert found.closed.after is not None
    assert found.closed.after.time == at(18)
    assert len(found.observations) == 3


looks = st.builds(
    look,
    st.integers(1, 28),
    st.sampled_from(Access),
    sensor=st.sampled_from(["leftopen", "shodan"]),
    protocol=st.sampled_from(["", "http", "imap"]),
    endpoint=st.sampled_from([MAIL, Endpoint(address="127.0.0.10", port=8080, name="a.example")]),
)


@given(st.lists(looks, max_size=12))
def test_bounds_are_ordered_and_nothing_depends_on_the_order_given(
    seen: list[Observation],
) -> None:
    own = [o for o in seen if o.sensor == "leftopen"]
    outside = [o for o in seen if o.sensor != "leftopen"]
    found = exposures_from(own, outside, as_of=NOW)
    assert found == exposures_from(own[::-1], outside[::-1], as_of=NOW)
    assert len({e.uid for e in found}) == len(found)
    for exposure in found:
        times = [
            bound.time
            for event in (exposure.opened, exposure.closed)
            for bound in (event.after, event.before)
            if bound
        ]
        assert times == sorted(times)
        assert all(time <= NOW for time in times)
    proved = {(o.endpoint, o.protocol) for o in own if o.access in (Access.LISTS, "gives_data")}
    assert proved <= {(e.endpoint, e.protocol) for e in found}
