"""One store in one answer: counted once, in any order, in plain words, without a value."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from leftopen.contents.api import Text, TextKind
from leftopen.contents.engine import Engine
from leftopen.contents.summarise import summarise
from leftopen.model.blob import Provenance
from leftopen.model.finding import Confidence, Contents, Finding, ObjectReport, Severity
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring

KEYRING = Keyring(b"test key of a case")
ENGINE = Engine(KEYRING)
MASTHEAD = (
    "Standard Form 86\nRevised November 2016\nU.S. Office of Personnel Management\n"
    "QUESTIONNAIRE FOR NATIONAL SECURITY POSITIONS\n"
)


def report(number: int, text: str, *, digest: str = "", **more: Any) -> ObjectReport:
    judged = ENGINE.examine([Text(text, TextKind.BODY, Provenance(), carrier="plain")])
    return ObjectReport(
        object_id=f"object {number}",
        place=f"store > message {number}",
        digest=digest or f"digest {number}",
        group=f"box {number % 3}",
        time=datetime(2019 + number % 5, 1, 1, tzinfo=UTC),
        bytes=100,
        kind="eml",
        matches=judged.matches,
        forms=judged.forms,
        markings=judged.markings,
        mentions=judged.mentions,
        **more,
    )


def ssn(number: int) -> str:
    return f"SSN: 212-44-{9000 + number}"


def summed(reports: Sequence[ObjectReport], **more: Any) -> Contents:
    arguments: dict[str, Any] = {
        "objects_total": len(reports),
        "bytes_total": None,
        "population": None,
        "gaps": (),
    }
    return summarise(reports, **(arguments | more), keyring=KEYRING)


def finding(contents: Contents, kind: str) -> Finding:
    return next(f for f in contents.findings if f.kind == kind)


def test_findings_are_grouped_and_worst_first() -> None:
    contents = summed(
        [
            report(1, f"{ssn(1)}\n{ssn(2)}"),
            report(2, ssn(1)),
            report(3, "CUI\nx\nCUI"),
            report(4, f"{MASTHEAD}Social Security Number: 212-44-9003"),
            report(5, MASTHEAD),
        ]
    )
    found = finding(contents, "us_ssn")
    assert (found.matches, found.distinct, found.objects) == (4, 3, 3)
    assert found.title == "US Social Security number"
    assert found.examples == ("###-##-####",)
    assert found.places[0] == "store > message 1"
    kinds = [f.kind for f in contents.findings]
    assert kinds[0] == "sf86_completed"
    assert {"sf86_blank", "cui", "us_ssn"} <= set(kinds)
    ranks = [f.severity.rank for f in contents.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert contents.severity is Severity.CRITICAL
    assert finding(contents, "sf86_blank").severity is Severity.LOW


def test_a_classified_marking_is_critical() -> None:
    contents = summed([report(1, "SECRET//NOFORN\nx\nSECRET//NOFORN")])
    assert contents.severity is Severity.CRITICAL
    assert "SECRET//NOFORN" in finding(contents, "classification").examples


def test_copies_count_once_but_their_objects_are_known() -> None:
    contents = summed([report(1, ssn(1), digest="same"), report(2, ssn(1), digest="same")])
    found = finding(contents, "us_ssn")
    assert (found.matches, found.objects, contents.duplicates) == (1, 1, 1)
    assert contents.objects_read == 2
    assert contents.subjects[0].objects == ("object 1", "object 2")
    assert contents.people.best == 1


def test_an_impossible_number_does_not_raise_the_severity() -> None:
    contents = summed([report(1, "SSN: 666-12-3456")])
    found = finding(contents, "us_ssn")
    assert (found.confidence, found.severity) == (Confidence.POSSIBLE, Severity.MEDIUM)


def test_order_does_not_change_a_byte() -> None:
    reports = [report(n, f"{ssn(n % 7)}\nDOB: 02/{n % 28 + 1}/1970") for n in range(40)]
    gaps = [
        Gap(stage=Stage.CONTENTS, reason=Reason.ENCRYPTED, place="a", count=3),
        Gap(stage=Stage.CONTENTS, reason=Reason.NOT_SAMPLED, place="b", count=900),
    ]
    population = {"": 940}
    first = to_json(summed(reports, population=population, gaps=gaps, objects_total=940))
    for seed in range(5):
        random.Random(seed).shuffle(reports)
        again = summed(reports, population=population, gaps=gaps[::-1], objects_total=940)
        assert to_json(again) == first


def test_unread_parts_are_stated_and_what_was_left_out_is_not_unread() -> None:
    gaps = [
        Gap(stage=Stage.CONTENTS, reason=Reason.ENCRYPTED, place="a", count=3),
        Gap(stage=Stage.CONTENTS, reason=Reason.REFUSED, place="a", count=2),
        Gap(stage=Stage.CONTENTS, reason=Reason.NOT_SAMPLED, place="b", count=900),
    ]
    contents = summed([report(1, ssn(1))], gaps=gaps)
    assert (contents.people.unread, contents.objects_failed) == (5, 2)
    assert "5 parts could not be read" in contents.summary


def test_a_sample_is_projected_by_stratum() -> None:
    reports = [report(n, ssn(n) if n % 2 else "hello", stratum="a") for n in range(20)]
    contents = summed(reports, objects_total=200, population={"a": 200})
    estimate = finding(contents, "us_ssn").estimate
    assert estimate is not None
    assert estimate.low <= 100 <= estimate.high
    assert (estimate.population, estimate.sampled, estimate.exact) == (200, 20, False)


def test_people_of_a_sample_are_projected_as_a_floor() -> None:
    """400 people in 1,000 objects of which 100 are read; each person is in two or three."""
    rng = random.Random(4)
    owners = [rng.randrange(400) for _ in range(1000)]
    truth = len(set(owners))
    sample = [report(n, ssn(owners[n])) for n in range(100)]
    people = summed(sample, objects_total=1000, population={"": 1000}).people
    assert people.sampled
    assert people.projected is not None
    assert people.best <= people.projected.low <= truth <= people.projected.high
    assert people.projected.value <= truth * 1.2
    everyone = [report(n, ssn(owners[n])) for n in range(1000)]
    whole = summed(everyone, population={"": 1000}).people
    assert (whole.best, whole.sampled, whole.projected) == (truth, False, None)


def test_the_summary_says_it_in_plain_words() -> None:
    reports = [report(n, ssn(n % 4)) for n in range(12)]
    contents = summed(reports, objects_total=2000, population={"": 2000})
    assert contents.summary.startswith(
        "A mail store of about 2,000 messages in 3 mailboxes, 2019 to 2023. "
        "12 of them were read. It holds 4 different Social Security numbers in 12 objects"
    )
    assert "4 people are affected, 4 of them by data that calls for a notice." in contents.summary
    assert "this is a floor" in contents.summary
    assert "900" not in contents.summary
    assert (contents.first, contents.last) == (
        datetime(2019, 1, 1, tzinfo=UTC),
        datetime(2023, 1, 1, tzinfo=UTC),
    )


def test_nothing_read_is_nothing_known() -> None:
    contents = summed([], objects_total=5)
    assert contents.severity is None
    assert "nothing is known" in contents.summary


def test_nothing_found_is_said_of_what_was_read_only() -> None:
    contents = summed([report(1, "hello")], objects_total=1)
    assert "recognised in what was read" in contents.summary
