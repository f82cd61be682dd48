"""Severity, exit code, merged gaps and signals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.case.gaps import merge_gaps
from leftopen.case.severity import severity_of
from leftopen.case.window import exposures_from
from leftopen.model.cause import Agreement, Origin, Truth
from leftopen.model.exposure import Access
from leftopen.model.finding import People, Severity
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.time import Bound
from leftopen.model.trace import Bytes, PartyKind, Verdict, VerdictWord

from .records import (
    NOW,
    at,
    case,
    cause,
    contents,
    exposure,
    factor,
    finding,
    investigation,
    look,
    source,
    trace,
    visit,
)


def gap(stage: Stage = Stage.REACH, reason: Reason = Reason.TIMEOUT, **parts: Any) -> Gap:
    return Gap(stage=stage, reason=reason, **{"place": "somewhere", **parts})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, Severity.MEDIUM),
        ({"contents": contents(finding("us_ssn"))}, Severity.CRITICAL),
        ({"contents": contents(finding("phone", Severity.LOW))}, Severity.MEDIUM),
        ({"contents": contents(), "trace": trace(VerdictWord.EXFILTRATED)}, Severity.HIGH),
        (
            {"contents": contents(objects_read=2_000), "trace": trace(VerdictWord.EXFILTRATED)},
            Severity.MEDIUM,
        ),
        (
            {"contents": contents(objects_read=2_000), "trace": trace(VerdictWord.NO_EVIDENCE)},
            Severity.LOW,
        ),
        ({"contents": contents(objects_read=2_000)}, Severity.MEDIUM),
        (
            {"contents": contents(objects_read=2_000), "trace": trace(VerdictWord.UNKNOWN)},
            Severity.MEDIUM,
        ),
    ],
)
def test_severity_is_the_worst_and_not_knowing_never_lowers_it(
    parts: dict[str, Any], expected: Severity
) -> None:
    judged, reasons = severity_of(
        exposure(), parts.get("contents"), parts.get("trace"), confirmed=True
    )
    assert judged is expected
    assert reasons[0].startswith(expected.value)
    assert len(reasons) >= 3


def test_exit_code_of_open_cases_is_by_the_worst() -> None:
    one = exposure()
    other = exposures_from([look(20, Access.LISTS, protocol="imap")], as_of=NOW)[0]
    known = {one.uid: contents(finding("us_ssn")), other.uid: contents()}
    assert investigation(one, other, contents=known).exit_code == 14
    assert investigation(other, contents={other.uid: known[other.uid]}).exit_code == 12


def test_exit_code_without_open_cases() -> None:
    closed = exposures_from([look(18), look(19, Access.CLOSED)], as_of=NOW)[0]
    reported = exposures_from([], [look(8, sensor="shodan")], as_of=NOW)[0]
    told: dict[str, Any] = {"contents": {}, "trace": {}}
    assert investigation(**told).exit_code == 0
    assert investigation(targets=0, **told).exit_code == 3
    assert investigation(gaps={"": [gap()]}, **told).exit_code == 20
    assert investigation(gaps={"gone": [gap()]}, **told).exit_code == 20
    assert investigation(targets=0, gaps={"": [gap()]}, **told).exit_code == 20
    assert investigation(reported, **told).exit_code == 20
    assert investigation(closed, **told).exit_code == 20  # its opening is not known: a gap
    assert investigation(closed=[look(20, Access.ASKS_CREDENTIAL)], **told).exit_code == 0
    assert investigation(closed=[look(20, Access.UNDETERMINED)], **told).exit_code == 20
    for value, code in ((Truth.YES, 20), (Truth.UNKNOWN, 20), (Truth.NO, 0)):
        assert investigation(other_causes=[cause(is_open=value)], **told).exit_code == code


def test_a_closed_case_without_gaps_leaves_nothing_open() -> None:
    looks = [look(17, Access.CLOSED), look(18), look(19, Access.CLOSED)]
    closed = exposures_from(looks, as_of=NOW)[0]
    answered = {
        "contents": {closed.uid: contents()},
        "causes": {closed.uid: [cause()]},
        "trace": {closed.uid: trace()},
    }
    assert investigation(closed, **answered).exit_code == 0


def test_a_report_that_is_answered_in_full_is_still_not_confirmed() -> None:
    shut = {"127.0.0.10:8080": [Bound(time=at(3), basis="mtime")]}
    seen = [look(8, sensor="shodan")]
    reported = exposures_from([], seen, as_of=NOW, known_closed_before=shut)[0]
    answered = {
        "contents": {reported.uid: contents()},
        "causes": {reported.uid: [cause()]},
        "trace": {reported.uid: trace()},
    }
    made = investigation(reported, **answered)
    assert made.cases[0].gaps == ()
    assert made.exit_code == 20


def test_gaps_of_one_place_are_merged_and_none_is_lost() -> None:
    merged = merge_gaps(
        [
            gap(Stage.TRACE, Reason.UNPARSED, detail="b", count=2, size=10),
            gap(Stage.REACH, place="z"),
            gap(Stage.TRACE, Reason.UNPARSED, detail="a", count=3, size=5),
            gap(Stage.REACH, place="a"),
        ]
    )
    assert [(g.stage.value, g.place, g.detail, g.count, g.size) for g in merged] == [
        ("reach", "a", "", 1, 0),
        ("reach", "z", "", 1, 0),
        ("trace", "somewhere", "a; b", 5, 15),
    ]


def test_an_unknown_count_stays_unknown_when_merged() -> None:
    assert merge_gaps([gap(count=0), gap(count=3)])[0].count == 0


@given(
    st.lists(
        st.builds(
            gap,
            st.sampled_from(Stage),
            st.sampled_from(Reason),
            place=st.sampled_from("ab"),
            detail=st.sampled_from(["", "x", "y", "z", "w", "v"]),
            count=st.integers(1, 5),
        )
    )
)
def test_merging_keeps_the_sum_and_does_not_depend_on_the_order(gaps: list[Gap]) -> None:
    merged = merge_gaps(gaps)
    assert sum(g.count for g in merged) == sum(g.count for g in gaps)
    assert merged == merge_gaps(gaps[::-1])
    assert {(g.stage, g.reason, g.place) for g in merged} == {
        (g.stage, g.reason, g.place) for g in gaps
    }


def said(**parts: Any) -> str:
    return "\n".join(s.signal for s in case(**parts).signals)


_OLD = {"first": datetime(2011, 1, 1, tzinfo=UTC), "last": NOW}
_DEFAULT = factor("auth", Origin(kind="default", detail="redis 6.2"))
_PEOPLE = People(lower=1, best=2, upper=3, by_tier={"identity_theft": 148})
_BLANK = gap(Stage.TRACE, Reason.NO_COUNT)
_LOCKED = gap(Stage.CONTENTS, Reason.ENCRYPTED, count=4)
_LOCKED_UNKNOWN = gap(Stage.CONTENTS, Reason.ENCRYPTED, count=0)
_SEEN_FIRST = exposures_from([look(20)], [look(8, sensor="shodan")], as_of=NOW)[0]
_REPORTED = exposures_from([], [look(8, sensor="shodan")], as_of=NOW)[0]
_LEFT = Verdict(word=VerdictWord.EXFILTRATED, reasons=("r",), bytes_out=Bytes(low=83_000_000))


@pytest.mark.parametrize(
    ("with_it", "without_it", "signal"),
    [
        ({}, {"exposure": _REPORTED}, "Web server gave data to anybody, without a password"),
        ({"exposure": _REPORTED}, {}, "reported by an outside sensor"),
        ({"causes": [cause(_DEFAULT)]}, {"causes": [cause()]}, "A default of nginx opened it"),
        (
            {"causes": [cause(agreement=Agreement.CONFLICT_CLOSED)]},
            {"causes": [cause()]},
            "says closed, and the service was open",
        ),
        ({"exposure": _SEEN_FIRST}, {}, "Shodan saw it 12 days before the owner's first look"),
        ({"exposure": _REPORTED}, {}, "Shodan saw it, and no probe of the owner did"),
        (
            {"trace": trace(visits=(visit(PartyKind.RESEARCHER),))},
            {"trace": trace(visits=(visit(PartyKind.UNKNOWN),))},
            "A researcher from outside was in the logs",
        ),
        (
            {"contents": contents(finding("sf86_completed", objects=41))},
            {"contents": contents(finding("sf86_blank"))},
            "Filled-in forms lay in the store: Title of sf86_completed (41)",
        ),
        ({"contents": contents(people=_PEOPLE)}, {"contents": contents()}, "Data of 148 people"),
        (
            {"contents": contents(finding("cui", Severity.HIGH))},
            {"contents": contents()},
            "Objects with markings",
        ),
        ({"contents": contents(**_OLD)}, {"contents": contents()}, "kept data from 2011 on"),
        (
            {"trace": trace(verdict=_LEFT)},
            {"trace": trace(VerdictWord.ACCESSED)},
            "Data left to outsiders, at least 83.0 MB",
        ),
        ({}, {"trace": trace()}, "No log of the exposed service was at hand"),
        (
            {"trace": trace(sources=(source("app"),))},
            {"trace": trace(sources=(source("app"), source("flow")))},
            "No flow log",
        ),
        (
            {"trace": trace()},
            {},
            "No log speaks for 2 days of the time in which it was open",
        ),
        (
            {"trace": trace(sources=(source("app", NOW),))},
            {"trace": trace()},
            "The oldest log begins 20 days after it can have been opened",
        ),
        ({"gaps": [_BLANK]}, {}, "A log that ought to count bytes has blanks"),
        ({"gaps": [_LOCKED]}, {}, "4 encrypted objects could not be read"),
        ({"gaps": [_LOCKED_UNKNOWN]}, {}, "Encrypted objects could not be read"),
        ({"exposure": _SEEN_FIRST}, {}, "Nobody knows since when it was open"),
    ],
)
def test_signals(with_it: dict[str, Any], without_it: dict[str, Any], signal: str) -> None:
    assert signal in said(**with_it)
    assert signal not in said(**without_it)
