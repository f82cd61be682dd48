"""Counting people: bounds that hold the truth, and orders that do not matter."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from leftopen.contents import names
from leftopen.contents.api import Text, TextKind
from leftopen.contents.engine import Engine
from leftopen.contents.extract import extract
from leftopen.contents.people import count
from leftopen.model.blob import Blob, Provenance
from leftopen.model.finding import Mention, ObjectReport, People, Subject, Tier
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring

KEYRING = Keyring(b"test key of a case")
ENGINE = Engine(KEYRING)
DATA = Path(__file__).parents[3] / "shared" / "data" / "eqip"


def fixture(name: str) -> bytes:
    path = DATA / name
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{path} is absent (SOURCES.md)")
    return path.read_bytes()


def report(number: int, *mentions: Mention) -> ObjectReport:
    return ObjectReport(object_id=f"o{number}", place="", digest=f"d{number}", mentions=mentions)


def counted(*mentions: Mention) -> tuple[People, tuple[Subject, ...]]:
    return count([report(n, mention) for n, mention in enumerate(mentions)], 0)


def bounds(*mentions: Mention) -> tuple[int, int, int]:
    people, _ = counted(*mentions)
    return people.lower, people.best, people.upper


def person(
    *, ssn: str = "", edipi: str = "", name: str = "", dob: str = "", elements: str = ""
) -> Mention:
    strong = [f"us_ssn:{ssn}"] * bool(ssn) + [f"us_dod_id:{edipi}"] * bool(edipi)
    known = ["us_ssn"] * bool(ssn) + ["us_dod_id"] * bool(edipi) + ["date_of_birth"] * bool(dob)
    surname = name.rpartition(" ")[2]
    return Mention(
        strong=tuple(strong),
        medium=(f"name_dob:{name}|{dob}",) if name and dob else (),
        weak=(f"name:{name}", f"surname:{surname}") if name else (),
        elements=tuple(known + elements.split()),
    )


def test_one_number_in_two_places_is_one_person() -> None:
    assert bounds(person(ssn="1"), person(ssn="1", name="jane doe")) == (1, 1, 1)


def test_strong_keys_chain() -> None:
    assert bounds(person(ssn="1"), person(edipi="2"), person(ssn="1", edipi="2")) == (1, 1, 1)


def test_name_and_birth_date_merge_but_a_name_never_does() -> None:
    assert bounds(person(name="a b", dob="1"), person(name="a b", dob="1")) == (0, 1, 1)
    assert bounds(person(name="a b", dob="1"), person(name="a b", dob="2")) == (0, 2, 2)
    sensitive = person(name="a b", elements="sf86")
    assert bounds(person(ssn="1", name="a b"), sensitive, sensitive) == (1, 1, 2)


def test_a_name_alone_with_nothing_sensitive_is_not_counted() -> None:
    people, subjects = counted(person(name="a b", elements="phone"))
    assert (people.lower, people.best, people.upper) == (0, 0, 0)
    assert people.by_tier[Tier.CONTACT] == 1
    assert subjects == ()


def test_one_number_with_two_surnames_is_merged_and_flagged() -> None:
    people, (subject,) = counted(person(ssn="1", name="jane doe"), person(ssn="1", name="jane roe"))
    assert people.best == 1
    assert "two surnames" in subject.conflict


def test_two_numbers_with_one_name_and_birth_date_stay_two_and_are_flagged() -> None:
    both = person(ssn="1", name="a b", dob="1"), person(ssn="2", name="a b", dob="1")
    people, subjects = counted(*both)
    assert people.lower == people.best == 2
    assert all("typing error" in subject.conflict for subject in subjects)
    # Somebody who fits both of them is one of them: in the upper bound only.
    assert bounds(*both, person(name="a b", dob="1")) == (2, 2, 3)


def test_tiers_and_who_must_be_told() -> None:
    people, _ = counted(
        person(ssn="1"), person(edipi="2"), person(name="a b", dob="1"), person(name="c d")
    )
    assert people.by_tier == {"identity_theft": 1, "sensitive": 1, "contact_only": 2}
    assert people.notifiable == 2


def test_a_card_without_a_name_widens_the_upper_bound_only() -> None:
    card = Mention(medium=("payment_card:1",), elements=("payment_card",))
    assert bounds(card, card) == (0, 0, 1)


def test_unread_units_are_stated_and_never_added() -> None:
    people, _ = count([report(1, person(ssn="1"))], 7)
    assert (people.upper, people.unread) == (1, 7)


MENTIONS = st.builds(
    person,
    ssn=st.sampled_from(["", "1", "2", "3"]),
    edipi=st.sampled_from(["", "1", "2"]),
    name=st.sampled_from(["", "a b", "a c", "d e"]),
    dob=st.sampled_from(["", "1", "2"]),
    elements=st.sampled_from(["", "sf86", "phone"]),
)


@given(st.lists(MENTIONS, max_size=14), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_order_never_matters(mentions: list[Mention], rng: random.Random) -> None:
    reports = [report(n, mention) for n, mention in enumerate(mentions)]
    people, subjects = count(reports, 0)
    assert people.lower <= people.best <= people.upper
    assert people.lower <= len({key for m in mentions for key in m.strong})
    rng.shuffle(reports)
    assert count(reports, 0) == (people, subjects)


@given(st.lists(MENTIONS, max_size=10))
@settings(max_examples=100, deadline=None)
def test_reading_a_store_twice_counts_nobody_twice(mentions: list[Mention]) -> None:
    once, _ = count([report(n, m) for n, m in enumerate(mentions)], 0)
    twice, _ = count([report(n, m) for n, m in enumerate(mentions * 2)], 0)
    assert once == twice


def examine(*texts: Text) -> tuple[People, tuple[Subject, ...], list[Mention]]:
    mentions = list(ENGINE.examine(texts).mentions)
    people, subjects = count([report(1, *mentions)], 0)
    return people, subjects, mentions


def test_one_row_is_one_person() -> None:
    roster = (
        "Last Name: Doe\tFirst Name: Jane\tSSN: 212-44-9012\tDOB: 02/14/1970\tEDIPI: 1098765432\n"
        "Last Name: Roe\tFirst Name: Rich\tSSN: 212-44-9013\tDOB: 03/14/1971\tEDIPI: 1098765433\n"
    )
    people, subjects, _ = examine(Text(roster, TextKind.TABLE, Provenance()))
    assert (people.lower, people.best, people.upper) == (2, 2, 2)
    assert subjects[0].elements == ("date_of_birth", "us_dod_id", "us_ssn")


def test_a_spouse_in_the_row_is_another_person() -> None:
    row = "Name: Doe, Jane\tSSN: 212-44-9012\tSpouse Name: Doe, John\tSpouse SSN: 212-44-9013\n"
    people, _, mentions = examine(Text(row, TextKind.TABLE, Provenance()))
    assert people.lower == 2
    assert sorted(m.role for m in mentions) == ["spouse", "subject"]
    assert len({m.weak for m in mentions}) == 2


def test_several_numbers_in_one_paragraph_are_not_tied() -> None:
    text = "SSNs: 212-44-9012 and 212-44-9013, DOB 02/14/1970"
    people, subjects, _ = examine(Text(text, TextKind.BODY, Provenance()))
    assert people.lower == 2
    assert all("date_of_birth" not in s.elements for s in subjects if "us_ssn" in s.elements)


def test_a_roster_row_and_a_mail_meet_by_name_and_birth_date() -> None:
    row = Text(
        "Name: DOE, JANE A\tSSN: 212-44-9012\tDOB: 02/14/1970\n", TextKind.TABLE, Provenance()
    )
    mail = Text("Name: Jane Doe\nDOB: 14 Feb 1970\n", TextKind.BODY, Provenance())
    people, (subject,), _ = examine(row, mail)
    assert (people.lower, people.best, people.upper) == (1, 1, 1)
    assert "Social Security number" in subject.basis


def header(*fields: tuple[str, str]) -> Text:
    return Text("", TextKind.HEADER, Provenance(), fields, "eml")


def test_parties_of_a_message_are_contacts_by_address() -> None:
    first = header(("From", '"Doe, Jane" <jane.doe@navy.mil>'), ("To", "b@example.com"))
    people, subjects, mentions = examine(first, header(("From", "JANE.DOE@navy.mil")))
    assert (people.lower, people.upper, people.by_tier[Tier.CONTACT]) == (0, 0, 2)
    assert subjects == ()
    assert {m.role for m in mentions} >= {"sender", "recipient"}


def test_a_certificate_makes_the_senders_address_a_strong_key() -> None:
    signer = Text(
        "Signer: DOE.JANE.Q.1098765432\nSigner-Address: jane.doe@navy.mil\n",
        TextKind.HEADER,
        Provenance(),
        (("Signer", "DOE.JANE.Q.1098765432"), ("Signer-Address", "jane.doe@navy.mil")),
        "certificate",
    )
    people, (subject,), _ = examine(header(("From", "Jane Doe <jane.doe@navy.mil>")), signer)
    assert (people.lower, people.best) == (1, 1)
    assert subject.tier is Tier.CONTACT
    assert set(subject.elements) >= {"us_dod_id", "email_mil_gov"}


def scenario_names(node: Any, path: str = "") -> Iterator[str]:
    """Names of people in a scenario, other names of the same person left out."""
    if isinstance(node, dict):
        props = node.get("props", {})
        alias = any(
            word in path for word in ("Other", "Passport", "Document", "Certif", "Maiden", "Bankr")
        )
        if node.get("type") == "name" and props.get("first") and props.get("last") and not alias:
            yield names.normalise(f"{props['last']}, {props['first']}")
        for key, value in node.items():
            yield from scenario_names(value, f"{path}/{key}")
    elif isinstance(node, list):
        for value in node:
            yield from scenario_names(value, path)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_an_sf86_holds_more_people_than_one(number: int) -> None:
    truth = set(scenario_names(json.loads(fixture(f"sf86-test{number}.json"))))
    data = fixture(f"sf86-test{number}.xml")
    ssns = {
        "".join(node.itertext()).replace("\n", "").replace(" ", "")
        for node in etree.fromstring(data).iter("SSN")
    }
    texts = [t for t in extract(Blob(data=data, place=Provenance())) if isinstance(t, Text)]
    people, subjects, mentions = examine(*texts)
    assert people.lower <= len(truth) <= people.upper
    assert people.by_tier[Tier.IDENTITY_THEFT] == len(ssns) == people.lower
    assert all("sf86" in subject.elements for subject in subjects)
    shown = to_json([people, subjects, mentions]).decode().lower()
    assert not [ssn for ssn in ssns if ssn in shown]
    assert not [name for name in truth if len(name) > 8 and name in shown]
