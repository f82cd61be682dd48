"""Every detector, by its own examples, and what context and boundaries do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.contents import registry
from leftopen.contents.api import Detector, Text, TextKind
from leftopen.contents.cards import luhn, patterned
from leftopen.contents.dates import parse
from leftopen.contents.engine import Engine
from leftopen.contents.ssn import ADVERTISED
from leftopen.model.blob import Provenance
from leftopen.model.finding import Confidence, Match
from leftopen.model.redact import Keyring

KEYRING = Keyring(b"test key of a case")
ENGINE = Engine(KEYRING)
SURE = (Confidence.CERTAIN, Confidence.LIKELY)


def matches(text: str, kind: TextKind = TextKind.BODY) -> list[Match]:
    return list(ENGINE.examine([Text(text, kind, Provenance())]).matches)


def digests(found: list[Match], detector: str, confidences: tuple[Confidence, ...]) -> list[str]:
    return [m.digest for m in found if m.detector == detector and m.confidence in confidences]


@pytest.mark.parametrize("detector", registry.detectors(), ids=lambda d: d.name)
def test_conforms_to_its_examples(detector: Detector) -> None:
    assert detector.examples
    assert detector.counterexamples
    assert detector.source
    assert registry.title_of(detector)
    for text, values in detector.examples:
        expected = [KEYRING.digest(detector.name, value) for value in values]
        assert digests(matches(text), detector.name, SURE) == expected, text
    for text in detector.counterexamples:
        assert digests(matches(text), detector.name, SURE) == [], text


SSN = "212-44-9012"
SPELLINGS = [
    "212-44-9012",
    "212 44 9012",
    "212.44.9012",
    "212\u201044\u20109012",
    "212\u201144\u20119012",
    "212\u201344\u20139012",
    "212\u00a044\u00a09012",
    "212 - 44 - 9012",
    "212449012",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_one_value(spelling: str) -> None:
    found = matches(f"His SSN: {spelling}, see file.")
    assert digests(found, "us_ssn", (Confidence.CERTAIN,)) == [
        KEYRING.digest("us_ssn", "212449012")
    ]


@pytest.mark.parametrize("number", sorted(ADVERTISED))
def test_advertised_numbers_are_nobodys(number: str) -> None:
    assert not matches(f"SSN: {number[:3]}-{number[3:5]}-{number[5:]}")


def test_a_labelled_impossible_number_is_kept_as_possible() -> None:
    (found,) = matches("Applicant SSN 666-11-1000")
    assert found.confidence is Confidence.POSSIBLE
    assert not matches("part 666-11-1000 of the kit")


def test_a_column_header_is_context_for_its_own_cells_only() -> None:
    row = (
        "Name: Jane Doe\tSSN: 212449012\tOrder: 212449013\tEDIPI: 1098765432\tTicket: 1098765433\n"
    )
    found = matches(row, TextKind.TABLE)
    assert [(m.detector, m.digest) for m in found] == [
        ("us_ssn", KEYRING.digest("us_ssn", "212449012")),
        ("us_dod_id", KEYRING.digest("us_dod_id", "1098765432")),
    ]
    assert found[0].context == "ssn"


def test_a_lost_leading_zero_counts_under_an_ssn_column_only() -> None:
    assert [m.digest for m in matches("SSN: 1449012\tId: 1449013\n", TextKind.TABLE)] == [
        KEYRING.digest("us_ssn", "001449012")
    ]
    assert not matches("SSN: 1449012")


def test_words_are_compared_whole() -> None:
    assert not matches("public assn 212449012")
    assert not matches("Zdodid 1098765432")


def test_a_label_does_not_reach_over_another_label() -> None:
    found = matches("SSN 212-44-9012 order number 536904399")
    assert len(found) == 1


def test_the_nearest_label_decides() -> None:
    assert not matches("SSN pending, invoice 536904399")
    assert [m.detector for m in matches("SSN pending, cell 703-555-0142")] == ["phone"]


def test_a_label_behind_belongs_to_the_next_value() -> None:
    found = matches("536904399 SSN: 212-44-9012")
    assert [m.digest for m in found] == [KEYRING.digest("us_ssn", "212449012")]


def test_a_form_field_name_is_context() -> None:
    fields = (("form1[0].Sections1-6[0].SSN[0]", "212449012"),)
    judged = ENGINE.examine([Text("", TextKind.FORM, Provenance(), fields, "acroform")])
    (found,) = judged.matches
    assert (found.detector, found.confidence) == ("us_ssn", Confidence.CERTAIN)


def test_one_stretch_of_text_is_one_value() -> None:
    found = matches("DoD ID 7035550142 and phone 703-555-0142 and SSN 703-55-0142")
    assert [m.detector for m in found] == ["us_dod_id", "phone", "us_ssn"]


def test_card_keeps_four_digits_and_ssn_none() -> None:
    card, ssn = matches("Visa 4012 8888 8888 1881\nSSN 212-44-9012")
    assert card.redacted == "#### #### #### 1881"
    assert ssn.redacted == "###-##-####"


@given(st.integers(0, 10**15 - 1))
@settings(max_examples=200, deadline=None)
def test_luhn_finds_every_single_wrong_digit(number: int) -> None:
    body = f"{number:015}"
    digit = next(d for d in "0123456789" if luhn(body + d))
    good = body + digit
    place = number % 16
    wrong = good[:place] + str((int(good[place]) + 1) % 10) + good[place + 1 :]
    assert luhn(good)
    assert not luhn(wrong)


@pytest.mark.parametrize("number", ["4" * 16, "4567890123456789", "4000400140024003"])
def test_patterns_are_no_cards(number: str) -> None:
    assert patterned(number)
    assert not patterned("4012888888881881")


@given(st.text(alphabet="0123456789-/. abcdefjmnprsuvyFEBthof,", max_size=40))
@settings(max_examples=300, deadline=None)
def test_date_parser_never_fails(text: str) -> None:
    day = parse(text)
    assert day is None or 1 <= day.month <= 12


FORMS = [
    "02/14/1970", "2/14/70", "14.02.1970", "1970-02-14", "19700214", "02141970", "14 Feb 1970",
    "14FEB70", "14-FEB-70", "February 14, 1970", "Feb 14 1970", "14th of February 1970",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_twelve_forms_of_one_day(form: str) -> None:
    found = matches(f"Date of birth: {form}")
    assert [m.digest for m in found] == [KEYRING.digest("date_of_birth", "1970-02-14")]


@given(st.text(max_size=300), st.sampled_from(list(TextKind)))
@settings(max_examples=200, deadline=None)
def test_any_text_is_judged_without_a_gap(text: str, kind: TextKind) -> None:
    judged = ENGINE.examine([Text(text, kind, Provenance())])
    assert judged.gaps == ()
