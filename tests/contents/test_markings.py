"""Markings by position and grammar, and the prose that must not be one."""

from __future__ import annotations

import pytest

from leftopen.contents import registry
from leftopen.contents.api import MarkingRule, Text, TextKind
from leftopen.contents.engine import Engine
from leftopen.contents.markings.classification import level_of
from leftopen.model.blob import Provenance
from leftopen.model.finding import Confidence, Marking
from leftopen.model.redact import Keyring

ENGINE = Engine(Keyring(b"test key of a case"))
PLACE = Provenance().child("message", "#1")


def markings(text: str, subject: str = "", carrier: str = "plain") -> list[Marking]:
    texts = [Text(text, TextKind.BODY, PLACE.child("stream", "body"), carrier=carrier)]
    if subject:
        place = PLACE.child("field", "headers")
        texts.insert(0, Text("", TextKind.HEADER, place, (("Subject", subject),), "eml"))
    return list(ENGINE.examine(texts).markings)


@pytest.mark.parametrize("rule", registry.markings(), ids=lambda r: r.name)
def test_conforms_to_its_examples(rule: MarkingRule) -> None:
    for text in rule.examples:
        assert rule.name in [m.system for m in markings(text)], text
    for text in rule.counterexamples:
        assert rule.name not in [m.system for m in markings(text)], text


# Banners as the CAPCO register writes them.
@pytest.mark.parametrize(
    ("banner", "level"),
    [
        ("SECRET//NOFORN", "SECRET"),
        ("CONFIDENTIAL//REL TO USA, AUS, CAN, GBR", "CONFIDENTIAL"),
        ("TOP SECRET//HCS-P SUB/SI-G ABCD EFGH/TK//ORCON/NOFORN", "TOP SECRET"),
        ("TOP SECRET//SI//NOFORN", "TOP SECRET"),
        ("SECRET//RD-CNWDI//NOFORN", "SECRET"),
        ("SECRET//FRD//NOFORN", "SECRET"),
        ("SECRET//FGI GBR//REL TO USA, GBR", "SECRET"),
        ("TOP SECRET//SAR-BUTTER POPCORN//NOFORN", "TOP SECRET"),
        ("SECRET//ORCON/NOFORN//LIMDIS", "SECRET"),
        ("SECRET//NOFORN//EXDIS", "SECRET"),
        ("SECRET//SI//RELIDO//FISA", "SECRET"),
        ("SECRET//DISPLAY ONLY AFG", "SECRET"),
        ("//COSMIC TOP SECRET", "TOP SECRET"),
        ("//JOINT SECRET CAN GBR USA", "SECRET"),
        ("//DEU SECRET//NOFORN", "SECRET"),
        ("UNCLASSIFIED//FOUO", "UNCLASSIFIED"),
        ("SECRET//HOT SAUCE", ""),
        ("SECRET //NOFORN", ""),
        ("Secret//NOFORN", ""),
        ("VERY SECRET//NOFORN", ""),
    ],
)
def test_banner_grammar(banner: str, level: str) -> None:
    assert level_of(banner) == level


def test_confidence_grows_with_places() -> None:
    (once,) = markings("SECRET//NOFORN\nbody")
    (twice,) = markings("SECRET//NOFORN\nbody\nSECRET//NOFORN")
    assert (once.confidence, twice.confidence) == (Confidence.LIKELY, Confidence.CERTAIN)
    assert (twice.level, twice.basis) == ("SECRET", "first and last line")


def test_a_banner_in_the_middle_of_a_long_text_is_prose() -> None:
    lines = [f"line {n}" for n in range(12)]
    assert not markings("\n".join([*lines, "SECRET//NOFORN", *lines]))
    assert not markings("\n".join([*lines, "CUI", *lines]))


def test_subject_and_body_together_are_certain() -> None:
    (alone,) = markings("Roster attached.", subject="Re: [CUI] roster")
    (both,) = markings("CUI\nRoster attached.", subject="[CUI] roster")
    assert (alone.confidence, alone.basis) == (Confidence.LIKELY, "subject")
    assert both.confidence is Confidence.CERTAIN


@pytest.mark.parametrize(
    "subject", ["(S) bike for sale", "(C) notice", "[SECRET] santa", "(U) all"]
)
def test_a_letter_in_a_subject_is_no_marking(subject: str) -> None:
    assert not markings("Hello.", subject=subject)


def test_html_and_plain_of_one_message_count_once() -> None:
    plain = Text("CUI\nbody", TextKind.BODY, PLACE, carrier="plain")
    html = Text("CUI\nbody", TextKind.BODY, PLACE, carrier="html")
    (found,) = ENGINE.examine([plain, html]).markings
    assert found.confidence is Confidence.LIKELY


def test_an_attachment_is_marked_by_itself() -> None:
    attached = Text("CUI\nx\nCUI", TextKind.BODY, PLACE.child("part", "a.txt"), carrier="plain")
    cover = Text("See attached.", TextKind.BODY, PLACE.child("stream", "body"), carrier="plain")
    (found,) = ENGINE.examine([cover, attached]).markings
    assert found.place.endswith("a.txt")


@pytest.mark.parametrize(
    "text",
    [
        "SECRET\nof my success\nSECRET INGREDIENT",
        "CONFIDENTIAL\nThis e-mail is confidential and privileged.\nCONFIDENTIAL",
        "Eligibility: TOP SECRET\nInvestigation: SSBI",
        "NOTICE: for official use only in this building",
        "Declassify on: 20300101 is what the second line should read.",
        "DECLASSIFIED 12/01/2001\nSECRET//NOFORN\ntext\nSECRET//NOFORN",
        "RELEASE IN PART B6\nSECRET\nClassified by Director ~ Reason: 1.4(D) ~ Declassify on: 2030",
        "SECRET//NOFORN\nSECRET//REL TO USA, GBR\nCONFIDENTIAL//NOFORN\nTOP SECRET//SI\nyes",
    ],
)
def test_never(text: str) -> None:
    assert not markings(text)


def test_authority_block_without_a_banner() -> None:
    run_on = "Classified by Director ~ Class: SECRET ~ Reason: 1.4(D) ~ Declassify on: 2032/01/01"
    (found,) = markings(f"cable\n{run_on}")
    assert (found.confidence, found.basis) == (Confidence.CERTAIN, "authority block")
    assert found.level == "SECRET"
