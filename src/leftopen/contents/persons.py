"""Persons in an XML form: a name element, and what else stands under the same parent.

The layout of the e-QIP export (18F/e-QIP-prototype, CC0): `Relatives/Relative[ID]/LegalName/Last`,
`Birth/Date/Month`, `SSN/FirstThree`. A repeated element is told apart by its `ID` attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from leftopen.contents import names
from leftopen.contents.dates import parse

_WHOLE_NAMES = frozenset({"Supervisor", "Doctor", "HealthCareProfessional", "Requestor"})
# Other names of a person who is already there.
_ALIASES = ("OtherName", "IssuedLegalName", "IssuedName", "MothersMaidenName", "Record")


@dataclass(slots=True)
class Person:
    """One person of a form, in clear: lives in memory only."""

    role: str
    name: str
    born: str = ""  # ISO date
    values: list[str] = field(default_factory=list)  # everything under its element, squeezed


def persons(fields: Iterable[tuple[str, str]]) -> list[Person]:
    """The persons named in a form, in document order."""
    parents: dict[str, dict[str, str]] = {}
    for path, value in _indexed(fields):
        parent, _, leaf = path.rpartition("/")
        parents.setdefault(parent, {})[leaf] = value
    found: dict[str, Person] = {}
    for parent, leaves in parents.items():
        container, name = _named(parent, leaves)
        if name and not any(alias in parent for alias in _ALIASES):
            found.setdefault(container, Person(_role(container), name))
    for parent, leaves in parents.items():
        owner = parent
        while owner and owner not in found:
            owner = owner.rpartition("/")[0]
        if owner:
            _collect(found[owner], parent.removeprefix(owner).strip("/"), leaves)
    return list(found.values())


def _named(parent: str, leaves: dict[str, str]) -> tuple[str, str]:
    """(path of the person's element, normalised name), names "" where this holds none."""
    if "Last" in leaves and "First" in leaves:
        container = parent.rpartition("/")[0].removesuffix("/FullName")
        return container, names.normalise(f"{leaves['Last']}, {leaves['First']}")
    if "Name" in leaves and parent.rpartition("/")[2].partition("#")[0] in _WHOLE_NAMES:
        return parent, names.normalise(leaves["Name"])
    return parent, ""


def _collect(person: Person, below: str, leaves: dict[str, str]) -> None:
    if below == "Birth/Date":
        day = parse("-".join(leaves.get(part, "") for part in ("Year", "Month", "Day")))
        person.born = day.isoformat() if day else ""
    if "FirstThree" in leaves:
        parts = ("FirstThree", "NextTwo", "LastFour")
        person.values.append("".join(leaves.get(part, "") for part in parts))
    person.values += (re.sub(r"[^0-9A-Za-z]", "", value).upper() for value in leaves.values())


def _role(container: str) -> str:
    tail = container.rsplit("/", 2)[-2:]
    if "IdentifyingInformation" in container:
        return "subject"
    if any("Spouse" in step or "Cohabitant" in step for step in tail):
        return "spouse"
    return "relative" if "Relative" in container else "contact"


def _indexed(fields: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Paths in which a repeated element carries its ordinal, told by its `ID` attribute."""
    seen: dict[str, int] = {}
    for path, value in fields:
        if path.endswith("@ID"):
            seen[path[:-3]] = seen.get(path[:-3], 0) + 1
        elif "@" not in path:
            steps, at = [], ""
            for step in path.split("/"):
                at = f"{at}/{step}" if at else step
                steps.append(f"{step}#{seen[at]}" if at in seen else step)
            yield "/".join(steps), value
