"""Who is named in one object: values tied to persons by row, form, header or paragraph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from leftopen.contents import names
from leftopen.contents.api import Text, TextKind
from leftopen.contents.context import front
from leftopen.contents.found import Found, document_of
from leftopen.contents.persons import persons
from leftopen.model.finding import Form, FormState, Mention
from leftopen.model.redact import Keyring

CERTIFICATE, SIGNER_ADDRESS = "certificate", "Signer-Address"  # as formats/pkcs7 names them
_MAX_MENTIONS = 20_000
_HEADER_CHARS = 20_000
_ROW_CHARS = 20_000
# `"Name" <address>`, `Name <address>`, `address` (RFC 5322 3.4 as mail programs write it).
_PARTY = re.compile(
    r"(?:\"([^\"]{0,200})\"|([^\",;<>@]{0,200}))\s{0,8}<([^<>\s@]{1,64}@[\w.-]{3,190})>"
    r"|([^\s<>,;:\"()@]{1,64}@[\w.-]{3,190})"
)
_CELL = re.compile(r"([^:\t]{1,60}): (.*)")
_ROLES = (
    ("spouse", re.compile(r"\b(?:spouse|wife|husband|cohabitant)\b", re.IGNORECASE)),
    (
        "relative",
        re.compile(
            r"\b(?:child|son|daughter|dependents?|dependants?|father|mother|relatives?|parent|kin"
            r"|beneficiary)\b",
            re.IGNORECASE,
        ),
    ),
    ("contact", re.compile(r"\b(?:emergency|reference|supervisor|sponsor)\b", re.IGNORECASE)),
)
_SENDERS = frozenset({"from", "sender"})
_RECIPIENTS = frozenset({"to", "cc", "bcc"})


class Builder:
    """Makes mentions with keyed keys; holds nothing but the keyring."""

    __slots__ = ("_keyring",)

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def key(self, kind: str, value: str) -> str:
        """`kind:digest`; the kind stays readable since counting depends on it."""
        return f"{kind}:{self._keyring.digest(kind, value)}"

    def person(
        self,
        found: Iterable[Found],
        place: str,
        *,
        name: str = "",
        role: str = "subject",
        elements: Iterable[str] = (),
        strong: Iterable[str] = (),
        born: str = "",
    ) -> Mention | None:
        """One person with all that was found of it; None where nothing identifies or harms."""
        values = [item for item in found if item.counts]
        keys = {self.key(f.detector.name, f.ruling.normal) for f in values if f.detector.strong_key}
        weak = {self.key("name", name), self.key("surname", names.surname(name))} if name else set()
        medium: set[str] = set()
        for item in values:
            kind, value = item.detector.name, item.ruling.normal
            if kind == "payment_card":
                medium.add(self.key(kind, value))
            elif kind == "date_of_birth":
                born = value
            if name and kind in ("phone", "email_mil_gov"):
                medium.add(self.key(f"name_{kind}", f"{name}|{value}"))
        if born:
            weak.add(self.key("date_of_birth", born))
        if name and born:
            medium.add(self.key("name_dob", f"{name}|{born}"))
        known = {item.detector.name for item in values} | set(elements)
        known |= {"date_of_birth"} if born else set()
        keys |= set(strong)
        if not known or not (keys or medium or weak):
            return None
        return Mention(
            strong=tuple(sorted(keys)),
            medium=tuple(sorted(medium)),
            weak=tuple(sorted(weak)),
            elements=tuple(sorted(known)),
            role=role,
            place=place,
        )

    def address(
        self, address: str, name: str, role: str, place: str, *, owned: bool = False
    ) -> Mention:
        """A party of a message: contact tier, joined over messages by the address.

        `owned`: a certificate of this message proves it, so it is a strong key.
        """
        official = address.endswith((".mil", ".gov"))
        medium = [self.key("email", address)]
        weak = [self.key("name", name), self.key("surname", names.surname(name))] if name else []
        return Mention(
            strong=tuple(medium) if owned else (),
            medium=tuple(medium),
            weak=tuple(sorted(weak)),
            elements=("email_mil_gov" if official else "email",),
            role=role,
            place=place,
        )


def mentions_of(
    texts: Sequence[Text], found: Sequence[Found], forms: Sequence[Form], keyring: Keyring
) -> tuple[Mention, ...]:
    """All persons named in one object, without repeats, in a stable order.

    Args:
        texts: the object's texts.
        found: what the detectors ruled on, values included.
        forms: the forms recognised in it.
        keyring: makes the keys; no value and no name leaves this function.
    """
    make = Builder(keyring)
    by_text: dict[int, list[Found]] = {}
    for item in found:
        by_text.setdefault(item.source, []).append(item)
    owned = {
        value.lower()
        for text in texts
        if text.carrier == CERTIFICATE
        for name, value in text.fields
        if name == SIGNER_ADDRESS
    }
    made: list[Mention | None] = []
    for n, text in enumerate(texts):
        made += _of_text(make, text, by_text.get(n, ()), _form_of(text, forms), owned)
    made += (_applicant(make, form) for form in forms if form.state is not FormState.BLANK)
    unique = dict.fromkeys(mention for mention in made if mention is not None)
    return tuple(unique)[:_MAX_MENTIONS]


def _form_of(text: Text, forms: Sequence[Form]) -> Form | None:
    place = str(document_of(text))
    return next((form for form in forms if form.place == place), None)


def _of_text(
    make: Builder, text: Text, found: Sequence[Found], form: Form | None, owned: set[str]
) -> Iterator[Mention | None]:
    if text.carrier == CERTIFICATE:
        yield _signer(make, text, found, owned)
    elif text.kind is TextKind.HEADER:
        yield from _parties(make, text, owned)
        rest = [f for f in found if f.detector.name != "email_mil_gov"]
        yield from _blocks(make, text, rest)
    elif text.kind is TextKind.TABLE:
        yield from _rows(make, text, found)
    elif text.kind is TextKind.FORM and text.carrier in ("xml", "xfa") and text.fields:
        yield from _named(make, text, found, form)
    elif form is not None and form.subject:
        yield from _form_page(make, text, found, form)
    else:
        yield from _blocks(make, text, found)


def _signer(make: Builder, text: Text, found: Sequence[Found], owned: set[str]) -> Mention | None:
    """A certificate proves who owns an address (S/MIME; the CN of a CAC carries the DoD ID)."""
    ids = [f for f in found if f.detector.strong_key]
    addresses = [make.key("email", address) for address in sorted(owned)]
    if len({f.key for f in ids}) > 1 or len(addresses) != 1:
        addresses = []
    name = names.certificate(ids[0].hit.value) if ids else ""
    return make.person(
        ids,
        str(text.place),
        name=name,
        role="sender",
        strong=addresses,
        elements=["email"] if addresses else (),
    )


def _applicant(make: Builder, form: Form) -> Mention | None:
    elements = [form.form, "us_ssn"] if form.subject else [form.form]
    if form.subject:
        return make.person((), form.place, strong=[form.subject], elements=elements)
    return Mention(
        weak=(make.key("form", f"{form.form}|{form.place}"),),
        elements=tuple(elements),
        place=form.place,
    )


def _rows(make: Builder, text: Text, found: Sequence[Found]) -> Iterator[Mention | None]:
    """One row of a table is one person (and one for each other role in its headers)."""
    for row in _split(found, text.text, "\n"):
        grouped: dict[str, list[Found]] = {}
        for item in row:
            grouped.setdefault(_role(front(item.hit)), []).append(item)
        low = max(0, row[0].hit.start - _ROW_CHARS)
        start = text.text.rfind("\n", low, row[0].hit.start) + 1 or low
        line = text.text[start : start + _ROW_CHARS].partition("\n")[0]
        for role, items in sorted(grouped.items()):
            yield from _one_or_many(make, items, str(text.place), _row_name(line, role), role)


def _row_name(line: str, role: str) -> str:
    cells = {}
    for cell in line.split("\t"):
        if (pair := _CELL.match(cell)) and _role(pair[1]) == role:
            cells[_unroled(pair[1])] = pair[2]
    return names.in_row(cells)


def _role(label: str) -> str:
    return next((role for role, words in _ROLES if words.search(label)), "subject")


def _unroled(label: str) -> str:
    for _, words in _ROLES:
        label = words.sub("", label)
    return " ".join(label.replace("'s", " ").split())


def _blocks(make: Builder, text: Text, found: Sequence[Found]) -> Iterator[Mention | None]:
    """A paragraph, else a line, is one person where it holds one value of each kind at most."""
    scanned = found[0].hit.text.text if found else ""
    for paragraph in _split(found, scanned, "\n\n"):
        if _single(paragraph):
            yield from _block(make, paragraph, text)
            continue
        for line in _split(paragraph, scanned, "\n"):
            yield from _block(make, line, text)


def _split(found: Sequence[Found], text: str, border: str) -> list[list[Found]]:
    """Neighbours that no border stands between, `found` being in order."""
    parts: list[list[Found]] = []
    at = 0
    for item in found:
        if not parts or text.find(border, at, item.hit.start) >= 0:
            parts.append([])
        parts[-1].append(item)
        at = item.hit.start
    return parts


def _single(found: Sequence[Found]) -> bool:
    kinds: dict[str, set[str]] = {}
    for item in found:
        if item.detector.strong_key or item.detector.name == "date_of_birth":
            kinds.setdefault(item.detector.name, set()).add(item.ruling.normal)
    return all(len(values) == 1 for values in kinds.values())


def _block(make: Builder, found: Sequence[Found], text: Text) -> Iterator[Mention | None]:
    place = str(text.place)
    mails = [f for f in found if f.detector.name == "email_mil_gov"]
    rest = [f for f in found if f.detector.name not in ("email_mil_gov", "phone")]
    for mail in {f.ruling.normal: f for f in mails}.values():
        yield make.address(mail.ruling.normal, "", "contact", place)
    if rest:
        name = next(filter(None, (names.before_value(f.hit.before) for f in rest)), "")
        phones = [f for f in found if f.detector.name == "phone"]
        tied = [*rest, *phones] if len(phones) == 1 else rest
        yield from _one_or_many(make, tied, place, name or _labelled(rest[0]), "subject")


def _labelled(item: Found) -> str:
    """The value of a `Name:` line in the paragraph of a hit."""
    text = item.hit.text.text
    low = max(0, item.hit.start - 400)
    start = max(text.rfind("\n\n", low, item.hit.start), low)
    found = re.search(r"\bName\s*:\s*([^\n\t;:\d]{3,60})", text[start : item.hit.start])
    return names.normalise(found[1]) if found else ""


def _one_or_many(
    make: Builder, found: Sequence[Found], place: str, name: str, role: str
) -> Iterator[Mention | None]:
    if _single(found):
        yield make.person(found, place, name=name, role=role)
        return
    for item in found:  # several numbers of one kind: several people, nothing is tied
        if item.detector.strong_key or item.detector.tier is not None:
            yield make.person([item], place, role=role)


def _form_page(
    make: Builder, text: Text, found: Sequence[Found], form: Form
) -> Iterator[Mention | None]:
    """Print or AcroForm: what stands beside the applicant's number is the applicant's."""
    place = str(text.place)
    numbers = {
        f.ruling.normal
        for f in found
        if f.detector.name == "us_ssn" and _key(make, f) != form.subject
    }
    own = [f for f in found if not (f.detector.name == "us_ssn" and f.ruling.normal in numbers)]
    births = {f.ruling.normal for f in own if f.detector.name == "date_of_birth"}
    own = [f for f in own if f.detector.name != "date_of_birth" or len(births) == 1]
    yield make.person(own, place, strong=[form.subject], elements=[form.form, "us_ssn"])
    for item in found:
        if item.ruling.normal in numbers:
            yield make.person([item], place, role="relative", elements=[form.form])


def _key(make: Builder, item: Found) -> str:
    return make.key(item.detector.name, item.ruling.normal)


def _parties(make: Builder, text: Text, owned: set[str]) -> Iterator[Mention]:
    seen = set()
    for field, value in text.fields:
        kind = field.lower()
        if kind not in _SENDERS and kind not in _RECIPIENTS:
            continue
        role = "sender" if kind in _SENDERS else "recipient"
        for party in _PARTY.finditer(value[:_HEADER_CHARS]):
            display = party[1] or party[2] or ""
            address = (party[3] or party[4]).lower().rstrip(".")
            if address not in seen:
                seen.add(address)
                proved = role == "sender" and address in owned
                name = names.normalise(display)
                yield make.address(address, name, role, str(text.place), owned=proved)


def _named(
    make: Builder, text: Text, found: Sequence[Found], form: Form | None
) -> Iterator[Mention | None]:
    """Persons of an XML form, and numbers that no person's element holds."""
    place = str(text.place)
    everyone = persons(text.fields)
    if not everyone:
        yield from _blocks(make, text, found)
        return
    sure = {f.ruling.normal: f for f in found if f.detector.strong_key and f.counts}
    elements = [form.form] if form else []
    tied: set[str] = set()
    for one in everyone:
        numbers = [sure[value] for value in dict.fromkeys(one.values) if value in sure]
        tied.update(item.ruling.normal for item in numbers)
        yield make.person(
            numbers, place, name=one.name, role=one.role, elements=elements, born=one.born
        )
    for value, item in sure.items():
        if value not in tied:  # a form asks for the applicant's own passport outside of a name
            own = form is not None and form.subject and item.detector.name != "us_ssn"
            strong = [form.subject] if form and own else []
            yield make.person([item], place, elements=elements, strong=strong)
