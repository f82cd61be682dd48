"""Invented people with invented identifiers of the right shape."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

FIRST = (
    *("Adele", "Bruno", "Carla", "Dario", "Elena", "Felix", "Greta", "Hugo", "Irina", "Jonas"),
    *("Katja", "Linus", "Mara", "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Stefan", "Tessa"),
    *("Ulrich", "Vera", "Wanda", "Xavier", "Yara", "Zeno"),
)
LAST = (
    *("Abendroth", "Brackwater", "Calloway", "Dunmore", "Eastvale", "Farrowby", "Gildersleeve"),
    *("Hathersage", "Inglethorpe", "Jessamine", "Kestrel", "Lockridge", "Merriweather"),
    *("Northcott", "Oakhollow", "Pemberwick", "Quillfeather", "Ravensdale", "Silverbrook"),
    *("Thistlewood", "Underhill", "Vandermeer", "Wetherby", "Yarborough", "Zellweger"),
)
RANKS = ("SGT", "SSG", "CPT", "MAJ", "LTC", "SPC", "Mr.", "Ms.")


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person. Nothing of it belongs to anybody."""

    first: str
    last: str
    rank: str
    ssn: str  # AAA-GG-SSSS, assignable area
    dod_id: str  # ten digits
    born: date
    phone: str
    card: str  # sixteen digits, passes Luhn

    @property
    def email(self) -> str:
        """An address below the reserved example domain's .mil-like neighbour."""
        return f"{self.first}.{self.last}.mil@mail.mil".lower()


def make_people(rng: random.Random, count: int) -> list[Person]:
    """`count` people, no two with the same SSN, DoD ID or card."""
    people: list[Person] = []
    seen: set[str] = set()
    while len(people) < count:
        person = _person(rng)
        keys = {person.ssn, person.dod_id, person.card}
        if not keys & seen:
            seen |= keys
            people.append(person)
    return people


def _person(rng: random.Random) -> Person:
    area = rng.choice([n for n in (rng.randint(1, 899) for _ in range(4)) if n != 666] or [123])
    return Person(
        first=rng.choice(FIRST),
        last=rng.choice(LAST),
        rank=rng.choice(RANKS),
        ssn=f"{area:03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}",
        dod_id=f"1{rng.randint(0, 999_999_999):09}",
        born=date(1958, 1, 1) + timedelta(days=rng.randint(0, 15_000)),
        phone=f"({rng.randint(201, 989)}) 555-{rng.randint(100, 9999):04}",
        card=_card(rng),
    )


def _card(rng: random.Random) -> str:
    """A Visa-shaped number with the right check digit (ISO/IEC 7812-1, Luhn)."""
    digits = [4, *(rng.randint(0, 9) for _ in range(14))]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return "".join(map(str, digits)) + str(-sum(doubled) % 10)
