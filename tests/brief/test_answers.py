"""The verdict and the five answers: every sentence backed by a record, unknown said as unknown."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from leftopen.brief import answers
from leftopen.model.case import Case
from leftopen.model.cause import Agreement
from leftopen.model.exposure import Access
from leftopen.model.finding import Contents, People
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.time import Between, Bound
from leftopen.model.trace import Behaviour, Bytes, VerdictWord


def _example() -> ModuleType:
    path = Path(__file__).with_name("example_investigation.py")
    spec = importlib.util.spec_from_file_location("example_investigation", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ex = _example()


def with_word(word: VerdictWord, left: Bytes) -> Case:
    case = ex.mail_case()
    verdict = replace(case.trace.verdict, word=word, bytes_out=left)
    made: Case = replace(case, trace=replace(case.trace, verdict=verdict))
    return made


def test_verdict_of_the_story() -> None:
    assert answers.verdict(ex.mail_case()) == (
        "This server gave its mail to anybody who asked, without a login, for at least 12 and at "
        "most 17 days (first known open 8 Feb 2023, closed by 20 Feb 2023). Of 2,000 messages, "
        "391 were read. They hold data of 180 to 263 people (best count 214), and 41 of them hold "
        "“Completed SF-86 (questionnaire for national security positions)”. The setting "
        "“autoindex on” in /etc/nginx/conf.d/archive.conf:22 opened it. At least 103 MB left to "
        "outsiders, at least 83.1 MB of it to one unknown client, 203.0.113.77. For 31 hours no "
        "log can speak."
    )


def test_verdict_of_a_case_of_which_almost_nothing_is_known() -> None:
    assert answers.verdict(ex.quiet_case()) == (
        "This server shows the names of its data to anybody who asks, without a login; it was "
        "seen open once, on 20 Feb 2023, and more is not known. What is in there was not examined "
        "and is not known. What opened it is not known. No log was handed over: who came in and "
        "how much left is not known."
    )


@pytest.mark.parametrize(
    ("opened", "closed", "said"),
    [
        ((None, 8), (20, 21), "for at least 12 days; the true start is not known"),
        ((3, 8), (20, None), "for at least 12 days and not known to be closed"),
        ((3, 8), (None, 21), "for how long is not known"),
        ((None, None), (None, None), "for how long is not known"),
    ],
)
def test_unknown_ends_are_said(
    opened: tuple[int | None, int | None], closed: tuple[int | None, int | None], said: str
) -> None:
    def ends(days: tuple[int | None, int | None]) -> Between:
        bounds = [Bound(time=ex.at(d), basis="x") if d else None for d in days]
        return Between(after=bounds[0], before=bounds[1])

    case = ex.mail_case()
    exposure = replace(case.exposure, opened=ends(opened), closed=ends(closed))
    assert said in answers.verdict(replace(case, exposure=exposure))


def test_a_report_of_others_is_not_a_proof() -> None:
    case = replace(ex.mail_case(), state=answers.REPORTED)
    assert "no probe of this run confirmed it" in answers.verdict(case)
    reach = answers.answers(case)[0]
    assert (reach.key, reach.known) == ("Reported, not confirmed", False)


def test_access_without_proof_is_not_a_yes() -> None:
    case = ex.mail_case()
    exposure = replace(case.exposure, access=Access.UNDETERMINED)
    reach = answers.answers(replace(case, exposure=exposure))[0]
    assert (reach.key, reach.known) == ("Not proved", False)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (VerdictWord.ACCESSED, "Outsiders had access to data: how much left is not known."),
        (VerdictWord.CONTACTED, "no log shows data leaving"),
        (VerdictWord.NO_EVIDENCE, "In the time that logs cover, no outsider shows up."),
        (VerdictWord.UNKNOWN, "Whether anybody took data is not known."),
    ],
)
def test_each_verdict_has_its_sentence(word: VerdictWord, said: str) -> None:
    case = with_word(word, Bytes(low=0))
    assert said in answers.verdict(case)
    assert answers.answers(case)[3].known is (word is not VerdictWord.UNKNOWN)


def test_unread_contents_are_not_empty_contents() -> None:
    unread = Contents(objects_total=9, objects_read=0, people=People(lower=0, best=0, upper=0))
    case = replace(ex.mail_case(), contents=unread)
    assert "Nothing of the contents could be read" in answers.verdict(case)
    assert answers.answers(case)[1].known is False
    read = replace(unread, objects_read=9)
    assert "All 9 messages were read: no personal data were found" in answers.verdict(
        replace(case, contents=read)
    )


def test_a_cause_that_does_not_explain_is_not_the_cause() -> None:
    case = ex.mail_case()
    other = tuple(replace(c, agreement=Agreement.CONFLICT_CLOSED) for c in case.causes)
    cause = answers.answers(replace(case, causes=other))[2]
    assert (cause.key, cause.known) == ("Not known", False)


def test_full_coverage_is_claimed_only_when_it_is_full() -> None:
    case = ex.mail_case()
    coverage = replace(case.trace.coverage, holes=(), any=1.0)
    full = replace(case, trace=replace(case.trace, coverage=coverage), gaps=())
    limits = answers.answers(full)[4]
    assert (limits.key, limits.known) == ("No hour without a log", True)
    assert "No gap was recorded" in limits.text
    doubtful = replace(full, trace=replace(full.trace, coverage=replace(coverage, any=0.9)))
    assert answers.answers(doubtful)[4].known is False


def test_unseen_time_is_the_holes() -> None:
    assert answers.unseen(ex.mail_case().trace) == timedelta(hours=30, minutes=58)


def test_outsiders_are_sorted_by_bytes_and_never_ours() -> None:
    clients = [v.client for v in answers.outsiders(ex.mail_case().trace)]
    assert clients[:2] == ["203.0.113.77", "192.0.2.44"]
    assert clients[-1] == "192.0.2.18"
    assert not {"10.4.0.8", "10.4.9.2"} & set(clients)
    takers = [v.client for v in answers.outsiders(ex.mail_case().trace) if answers.took(v)]
    assert len(takers) == 4
    assert Behaviour.LOOKED not in {
        v.behaviour for v in ex.mail_case().trace.visits if answers.took(v)
    }


@pytest.mark.parametrize(
    ("counts", "number", "phrase"),
    [
        ((1,), "1", "1 item"),
        ((1_600, 21), "1,621", "1,621 items"),
        ((3, 0), "at least 3", "at least 3 items"),
        ((0, 0), "not known", "an unknown number of items"),
    ],
)
def test_counts_of_gaps(counts: tuple[int, ...], number: str, phrase: str) -> None:
    gaps = [Gap(stage=Stage.CASE, reason=Reason.EMPTY, place="x", count=n) for n in counts]
    assert answers.gap_items(gaps) == number
    assert answers.gap_phrase(gaps) == phrase


def test_a_long_path_keeps_its_line() -> None:
    case = ex.mail_case()
    factor = case.causes[0].cause.factors[1]
    origin = replace(factor.origin, file="/srv/" + "x" * 900 + "/archive.conf")
    cause = replace(case.causes[0].cause, factors=(replace(factor, origin=origin),))
    long = replace(case, causes=(replace(case.causes[0], cause=cause),))
    assert "xx/archive.conf:22 opened it" in answers.verdict(long)
    assert len(answers.verdict(long)) < 900
