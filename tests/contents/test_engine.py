"""The engine as a whole: places, limits, crashes, no false alarm on real mail, no value kept."""

from __future__ import annotations

import base64
import os
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from leftopen.contents import engine, registry
from leftopen.contents.api import Detector, Hit, Ruling, Text, TextKind
from leftopen.contents.engine import Engine, Judged
from leftopen.contents.examine import examine_blob
from leftopen.contents.summarise import summarise
from leftopen.model.blob import Blob, Provenance
from leftopen.model.finding import Confidence, ObjectReport, Severity
from leftopen.model.gap import Gap, Reason
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring

KEYRING = Keyring(b"test key of a case")
DATA = Path(__file__).parents[3] / "shared" / "data"
STEP = 10  # every tenth message of the corpus


def body(text: str) -> Text:
    return Text(text, TextKind.BODY, Provenance().child("part", "note.txt"), carrier="plain")


def ham() -> Iterator[tuple[str, bytes]]:
    path = DATA / "mail" / "spamassassin_ham_2750.tar.xz"
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{path} is absent (SOURCES.md)")
    with tarfile.open(path) as archive:
        for number, member in enumerate(m for m in archive if m.isfile()):
            file = archive.extractfile(member) if number % STEP == 0 else None
            if file:
                yield member.name, file.read()


def test_no_false_alarm_on_real_mail() -> None:
    reports: list[ObjectReport] = []
    for name, data in ham():
        blob = Blob(data=data, place=Provenance())
        items = examine_blob(blob, KEYRING, name=name)
        reports += [item for item in items if isinstance(item, ObjectReport)]
    assert len(reports) >= 250
    sure = (Confidence.CERTAIN, Confidence.LIKELY)
    kinds = {m.detector for r in reports for m in r.matches if m.confidence in sure}
    assert kinds <= {"phone", "email_mil_gov", "date_of_birth"}
    assert not [marking for report in reports for marking in report.markings]
    assert not [form for report in reports for form in report.forms]


def test_offsets_count_characters_behind_wide_ones() -> None:
    text = "é€😀 SSN 212-44-9012 and ü SSN 212-44-9013"
    first, second = Engine(KEYRING).examine([body(text)]).matches
    assert text[first.offset :].startswith("212-44-9012")
    assert text[second.offset :].startswith("212-44-9013")
    assert first.place == "note.txt"


def test_lone_surrogates_and_nulls_are_text_too() -> None:
    judged = Engine(KEYRING).examine([body("\udc80\0 SSN 212-44-9012 \ud800")])
    assert [m.detector for m in judged.matches] == ["us_ssn"]


def test_survives_pickling_for_worker_processes() -> None:
    copy = pickle.loads(pickle.dumps(Engine(KEYRING)))
    texts = [body("SSN 212-44-9012")]
    assert copy.examine(texts) == Engine(KEYRING).examine(texts)


def test_no_text_is_nothing() -> None:
    assert Engine(KEYRING).examine([]) == Judged()


def test_matches_over_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_MATCHES", 10)
    text = "\n".join(f"SSN 212-44-{n}" for n in range(9000, 9025))
    judged = Engine(KEYRING).examine([body(text)])
    assert len(judged.matches) == 10
    (gap,) = judged.gaps
    assert (gap.reason, gap.count) == (Reason.TOO_LARGE, 15)


def test_candidates_over_the_limit_are_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_CANDIDATES", 5)
    text = "\n".join(f"SSN 212-44-{n}" for n in range(9000, 9025))
    judged = Engine(KEYRING).examine([body(text)])
    assert len(judged.matches) == 5
    assert [gap.reason for gap in judged.gaps] == [Reason.TOO_LARGE]


def _broken(hit: Hit) -> Ruling | None:
    raise ValueError(f"cannot judge {hit.value}")


def test_a_rule_that_fails_is_a_gap_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Detector(
        name="broken",
        patterns=(r"ABC-\d{4}",),
        rule=_broken,
        severity=Severity.LOW,
        tier=None,
        examples=(),
        counterexamples=(),
        source="",
    )
    detectors = (*registry.detectors(), broken)
    monkeypatch.setattr(registry, "detectors", lambda: detectors)
    engine._compiled.cache_clear()
    try:
        judged = Engine(KEYRING).examine([body("ABC-1234 and SSN 212-44-9012")])
    finally:
        engine._compiled.cache_clear()
    assert [m.detector for m in judged.matches] == ["us_ssn"]
    (gap,) = judged.gaps
    assert (gap.reason, gap.detail) == (Reason.CRASHED, "broken: ValueError")
    assert "1234" not in repr(gap)


PLANTED = (
    *("212449012", "4012888888881881", "1098765432", "1970-02-14", "02/14/1970", "512345678"),
    *("jane.q.doe@us.navy.mil", "7035550142", "quimby", "703-555-0142", "212-44-9012"),
)
MESSAGE = b"""From: "Quimby, Jane" <jane.q.doe@us.navy.mil>
To: other@example.com
Subject: SSN 212-44-9012 of QUIMBY
Date: Fri, 3 Feb 2023 10:00:00 +0000
Content-Type: text/plain; charset=utf-8

Quimby, Jane 212-44-9012
Date of birth: 02/14/1970
Visa 4012 8888 8888 1881, EDIPI 1098765432, cell 703-555-0142
passport no 512345678
"""


def test_no_value_is_in_any_record() -> None:
    items = list(examine_blob(Blob(data=MESSAGE, place=Provenance()), KEYRING, name="a.eml"))
    (report,) = [item for item in items if isinstance(item, ObjectReport)]
    gaps = [item for item in items if isinstance(item, Gap)]
    assert {m.detector for m in report.matches} == {d.name for d in registry.detectors()}
    contents = summarise(
        [report], objects_total=1, bytes_total=1, population=None, gaps=gaps, keyring=KEYRING
    )
    written = to_json([report, gaps, contents])
    for value in PLANTED:
        digits = "".join(c for c in value if c.isalnum())
        for spelling in {value, digits}:
            assert spelling.encode() not in written.lower(), spelling
            assert spelling.encode("utf-16-le") not in written
            assert base64.b64encode(spelling.encode())[:-4] not in written


def test_a_long_line_of_digits_costs_little() -> None:
    judged = Engine(KEYRING).examine([body("1" * 400_000), body("123-45-" * 60_000)])
    assert judged.matches == ()
    assert judged.gaps == ()
