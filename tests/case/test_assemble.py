from __future__ import annotations

from typing import Any

import pytest

from leftopen.case.library import bundled
from leftopen.case.similar import Index
from leftopen.case.window import exposures_from
from leftopen.case.words import duration, title, volume
from leftopen.model.case import Investigation
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.finding import Severity
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.record import from_json, to_json

from .records import (
    MAIL,
    NOW,
    at,
    case,
    cause,
    contents,
    exposure,
    finding,
    investigation,
    look,
    trace,
)


def exchange(uid: str, day: int) -> Evidence:
    return Evidence(
        uid=uid,
        endpoint=MAIL,
        time=at(day),
        request="GET /",
        answer="",
        answer_bytes=0,
        answer_digest="",
    )


def test_the_title_is_in_plain_words() -> None:
    assert case(contents=contents()).title == (
        "Mail archive on 127.0.0.10:8080 gave 2,000 messages to anybody"
    )


@pytest.mark.parametrize(
    ("parts", "sensors", "expected"),
    [
        ({"protocol": "redis"}, (), "Key-value store on 127.0.0.10:8080 gave data to anybody"),
        (
            {"protocol": "mongodb", "size": Size(objects=1, unit="documents")},
            (),
            "Database on 127.0.0.10:8080 gave 1 document to anybody",
        ),
        (
            {"protocol": "s3", "size": Size(objects=5_000, unit="files", complete=False)},
            (),
            "Storage bucket on 127.0.0.10:8080 gave at least 5,000 files to anybody",
        ),
        (
            {"protocol": "imap", "access": Access.LISTS},
            (),
            "Mail server on 127.0.0.10:8080 listed the names of what it holds to anybody",
        ),
        (
            {"protocol": "other", "endpoint": Endpoint(address="::1", port=1, name="a\nb")},
            (),
            "Service on a\\u000ab:1 gave data to anybody",
        ),
        (
            {},
            ("shodan",),
            "Web server on 127.0.0.10:8080 gave data to anybody, says shodan; not confirmed",
        ),
    ],
)
def test_titles(parts: dict[str, Any], sensors: tuple[str, ...], expected: str) -> None:
    (made,) = exposures_from([look(20, **parts)], as_of=NOW)
    assert title(made, None, sensors=sensors) == expected


def test_amounts_in_words() -> None:
    assert (volume(3 * 10**12), volume(999)) == ("3.0 TB", "999 bytes")
    assert [duration(s) for s in (0, 60, 7_100, 7_200, 172_800)] == [
        "0 minutes",
        "1 minute",
        "118 minutes",
        "2 hours",
        "2 days",
    ]


def test_what_no_stage_answered_is_a_gap_of_the_case() -> None:
    gaps = case().gaps
    assert [(g.stage, g.reason) for g in gaps] == [
        (stage, Reason.NOT_GIVEN) for stage in (Stage.CONTENTS, Stage.CAUSE, Stage.TRACE)
    ]
    assert all(g.place == "127.0.0.10:8080" for g in gaps)


def test_answered_questions_leave_no_gap() -> None:
    assert case(contents=contents(), causes=[cause()], trace=trace()).gaps == ()


def test_a_stages_own_gap_is_not_doubled() -> None:
    own = Gap(stage=Stage.TRACE, reason=Reason.UNREADABLE, place="a.log")
    found = case(contents=contents(), causes=[cause()], gaps=[own, own]).gaps
    assert [(g.place, g.count) for g in found] == [("a.log", 2)]


def test_an_unknown_opening_is_a_gap_of_the_case() -> None:
    (one,) = exposures_from([look(20)], [look(8, sensor="shodan")], as_of=NOW)
    (found,) = [g for g in case(exposure=one).gaps if g.stage is Stage.CASE]
    assert "it may have been open long before 2023-02-08 00:00 UTC" in found.detail


def test_gaps_of_an_exposure_that_is_not_given_are_the_runs() -> None:
    gap = Gap(stage=Stage.CONTENTS, reason=Reason.CRASHED, place="x")
    made = investigation(exposure(), gaps={"gone": [gap], "": [gap]})
    assert [g.count for g in made.gaps] == [2]


@pytest.mark.parametrize("part", ["contents", "causes", "trace"])
def test_answers_to_an_exposure_that_is_not_given_are_refused(part: str) -> None:
    answers = {"contents": contents(), "causes": [cause()], "trace": trace()}
    with pytest.raises(ValueError, match=f"{part} for an exposure that is not given: gone"):
        investigation(exposure(), **{part: {"gone": answers[part]}})


def test_evidence_goes_to_the_case_whose_looks_name_it() -> None:
    one = exposure(evidence=("b", "a"))
    given = [exchange("a", 20), exchange("b", 19), exchange("other", 18), exchange("a", 20)]
    made = investigation(one, evidence=given)
    assert [e.uid for e in made.cases[0].evidence] == ["b", "a"]


def test_cases_are_ordered_worst_first() -> None:
    looks = [look(20, endpoint=Endpoint(address=f"127.0.0.{n}", port=80)) for n in (1, 2, 3)]
    every = exposures_from(looks, as_of=NOW)
    made = investigation(*every, contents={every[1].uid: contents(finding("us_ssn"))})
    assert [(c.exposure.endpoint.address[-1], c.severity.value) for c in made.cases] == [
        ("2", "critical"),
        ("1", "medium"),
        ("3", "medium"),
    ]


def test_the_same_input_gives_the_same_bytes_and_they_read_back() -> None:
    def made() -> Investigation:
        one = exposure()
        return investigation(
            one, contents={one.uid: contents(finding("us_ssn"))}, library=Index(bundled())
        )

    assert to_json(made()) == to_json(made())
    assert from_json(to_json(made()), Investigation) == made()
    assert len(made().cases[0].similar) == 5


def test_no_library_and_no_wish_give_no_similar_cases() -> None:
    assert case().similar == ()
    assert investigation(exposure(), library=bundled(), similar=0).cases[0].similar == ()


def test_severity_reasons_say_what_was_not_known() -> None:
    found = case()
    assert found.severity is Severity.MEDIUM
    assert "medium: what is in there was not examined and can be anything" in found.severity_reasons
    assert "medium: no log was handed over: who came in is not known" in found.severity_reasons
