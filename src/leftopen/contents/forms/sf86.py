"""SF-86, Questionnaire for National Security Positions

Told apart by carrier: AcroForm and XFA fields, e-QIP and eApp XML, and print (flattened PDF,
e-QIP signature forms and releases). Anchors are matched on letters and digits only, since text
layers split words ("NA TIO NAL SECURITY POSITIONS"). Text *about* the form is never the form: it
takes the masthead as printed, or an e-QIP header with a request number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from leftopen.contents.api import FormRule, Text, TextKind
from leftopen.contents.fields import Field, parse
from leftopen.contents.found import document_of
from leftopen.model.finding import Form, FormState, Severity
from leftopen.model.redact import Keyring

_FILLED = 5  # non-default text values in sections 1-7 that make it completed
_HEAD = 1500  # squeezed characters in front of the masthead where a guide says that it is one
_NOT_SQUEEZED = bytes(n for n in range(256) if not chr(n).isalnum() or n > 127)
_LONGEST = 4_000_000  # squeezed characters of one document that are looked at
_MONTHS = "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER"
_TITLE = "NATIONALSECURITYPOSITIONS"
_MASTHEAD = re.compile(
    rf"STANDARDFORM86REVISED({'|'.join(_MONTHS.split())})(\d{{4}})USOFFICEOFPERSONNELMANAGEMENT"
)
_REQUEST = re.compile(r"INVESTIGATIONREQUEST(\d{5,10})(?:FORAPPLICANTSSN(\d{9}))?")
_DOCUMENT = re.compile(r"EQIPDOCUMENTTYPE(FCR|MEL|CER|REL)")
_GUIDE = re.compile(
    r"TRAINING|JOBAID|FREQUENTLYASKED|GUIDETO|GUIDEFOR|HOWTO|TIPSFOR|LESSON|SAMPLEONLY|WEBINAR"
)
_SSN = re.compile(
    r"(?:SOCIAL\s+SECURITY\s+NUMBER|\bSSN)\b[^\n\d]{0,40}(?:\n[^\n\d]{0,60})?"
    r"(?<!\d)(\d{3})[-\u2010-\u2015 ]?(\d{2})[-\u2010-\u2015 ]?(\d{4})(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,2}/\d{1,2}/\d{4}")
_DEFAULTS = frozenset({"", "off", "/off", "no", "0", "1", "none", "select", "mm/dd/yyyy"})
_CHOICE = re.compile(r"radiobutton|checkbox|#area|^cb|button", re.IGNORECASE)
_SECTION = re.compile(r"sections?_?(\d{1,2})(?:[-.](?:\d\.)?(\d{1,2}))?", re.IGNORECASE)
_PARTS = {
    "FCR": "credit release",
    "MEL": "medical release",
    "CER": "certification",
    "REL": "general release",
}
# Children of XMP/.../Responses/Pooled, by section number (18F/e-QIP-prototype, CC0).
_POOLED = {
    "ContactInformation": "7",
    "USPassport": "8",
    "Citizenship": "9",
    "DualCitizenship": "10",
    "ResidenceHistory": "11",
    "Education": "12",
    "EmploymentActivities": "13",
    "EmploymentRecord": "13",
    "FormerFederalServiceActivities": "13",
    "SelectiveServiceRegistration": "14",
    "MilitaryHistory": "15",
    "PersonalReferences": "16",
    "Spouse": "17",
    "RelativesAndAssociates": "18",
    "ForeignContacts": "19",
    "ForeignFinancialInterests": "20",
    "ForeignBusinessActivities": "20",
    "ForeignTravels": "20",
    "MedicalRecord": "21",
    "MedicalRecord2": "21",
    "PoliceRecord": "22",
    "IllegalDrugUse": "23",
    "UseOfAlcohol": "24",
    "InvestigationRecord": "25",
    "FinancialRecord": "26",
    "InformationSystemUse": "27",
    "CivilCourtRecord": "28",
    "AssociationRecord": "29",
}
_IDENTIFYING = {"FullName": "1", "Birth": "2", "SSN": "4", "OtherNamesUsed": "5"}


def _judge(texts: Sequence[Text], keyring: Keyring) -> Form | None:
    fields = [f for text in texts if text.kind is TextKind.FORM for f in parse(text.fields)]
    if any("XMP" in field.path[:2] for field in fields):
        return _xml(texts, fields, keyring)
    return _filled(texts, fields, keyring) or _printed(texts, keyring)


def _xml(texts: Sequence[Text], fields: Sequence[Field], keyring: Keyring) -> Form | None:
    names = {f.path[-2:]: f.value for f in fields}
    form = names.get(("Form", "Name"), "").replace("-", "").upper()
    schema = " ".join(f.value for f in fields if f.leaf.lower().endswith("schemalocation"))
    if form != "SF86" and not (not form and "SF86" in schema.upper()):
        return None
    answers = [f for f in fields if "Pooled" in f.path and "@" not in f.leaf]
    sections = _order({_pooled(f) for f in answers if f.value.casefold() not in _DEFAULTS})
    ssn = re.sub(r"\D", "", names.get(("Applicant", "SSN"), ""))
    state = FormState.PARTIAL if sections or ssn else FormState.BLANK
    if len(ssn) == 9 and sections:
        state = FormState.COMPLETED
    edition = names.get(("Form", "Version"), "") or "".join(re.findall(r"\d{4}-\d\d", schema)[:1])
    return _form(texts, keyring, state, "xml", edition, sections, ssn)


def _pooled(field: Field) -> str:
    at = field.path.index("Pooled")
    child, below = (*field.path[at + 1 :], "", "")[:2]
    if child == "IdentifyingInformation":
        place = "Place" in field.path
        return "3" if place else _IDENTIFYING.get(below, "6")
    return _POOLED.get(child, "")


def _filled(texts: Sequence[Text], fields: Sequence[Field], keyring: Keyring) -> Form | None:
    """AcroForm or XFA: judged by values of text fields, wherever the page text may be."""
    forms = [text for text in texts if text.kind is TextKind.FORM]
    masthead = _masthead(_squeezed(texts))
    named = {s for f in fields for s in _named_sections(f)}
    if not forms or not (masthead or {"1-6", "7-9"} & named or len(named) >= 4):
        return None
    values = [f for f in fields if _is_answer(f)]
    ssns = [re.sub(r"\D", "", f.value) for f in values if f.leaf.upper().startswith("SSN")]
    ssn = next((number for number in ssns if len(number) == 9), "")
    answered = [f for f in values if not f.leaf.upper().startswith("SSN")]
    early = [f for f in answered if {"1-6", "7-9"} & set(_named_sections(f))]
    sections = {s for f in answered for s in _named_sections(f)} | ({"4"} if ssn else set())
    state = FormState.PARTIAL if values else FormState.BLANK
    if ssn or len(early) >= _FILLED:
        state = FormState.COMPLETED
    carrier = "xfa" if all(text.carrier == "xfa" for text in forms) else "acroform"
    return _form(texts, keyring, state, carrier, masthead or "", _order(sections), ssn)


def _is_answer(field: Field) -> bool:
    return field.value.casefold() not in _DEFAULTS and not _CHOICE.search(field.leaf)


def _named_sections(field: Field) -> Iterator[str]:
    """Sections by field name: `Sections1-6`, `Section9.1-9.4`, `section13_2`, `Section21e1`."""
    for step in field.path:
        if found := _SECTION.match(step):
            first, last = found.groups()
            joint = step.lower().startswith("sections") and last and int(last) > int(first)
            yield f"{first}-{last}" if joint else first


def _printed(texts: Sequence[Text], keyring: Keyring) -> Form | None:
    squeezed = _squeezed(texts)
    edition = _masthead(squeezed)
    request = _REQUEST.search(squeezed)
    named = _TITLE in squeezed or "SF86FORMAT" in squeezed
    if not named or (edition is None and not (request and _DOCUMENT.search(squeezed))):
        return None
    raw = "\n".join(text.text for text in texts if text.kind is not TextKind.HEADER)[:_LONGEST]
    ssn = next((n for _, n in _REQUEST.findall(squeezed) if n), "") or next(
        ("".join(parts) for parts in _SSN.findall(raw)), ""
    )
    state = FormState.BLANK
    if ssn or _signed(raw):
        state = FormState.COMPLETED
    elif re.search(rf"date of birth\W{{0,20}}{_DATE.pattern}", raw, re.IGNORECASE) or request:
        state = FormState.PARTIAL
    parts = sorted({_PARTS[kind] for kind in _DOCUMENT.findall(squeezed)})
    sections = (*(("4",) if ssn else ()), *parts)
    return _form(texts, keyring, state, "print", edition or "", sections, ssn)


def _signed(raw: str) -> bool:
    """The "digitally signed by" line with a date within two lines of it."""
    for found in re.finditer(r"digitally\s+signed\s+by", raw, re.IGNORECASE):
        if _DATE.search(raw, max(0, found.start() - 160), found.end() + 160):
            return True
    return False


def _squeezed(texts: Sequence[Text]) -> str:
    """Letters and digits only, upper case: what survives any text layer."""
    whole = "".join(text.text for text in texts if text.kind is TextKind.BODY)[:_LONGEST]
    return whole.upper().encode("ascii", "ignore").translate(None, _NOT_SQUEEZED).decode("ascii")


def _masthead(squeezed: str) -> str | None:
    """The edition (YYYY-MM) of the printed masthead; None without one or under a guide's title."""
    found = _MASTHEAD.search(squeezed)
    if not found or _GUIDE.search(squeezed, max(0, found.start() - _HEAD), found.start()):
        return None
    return f"{found[2]}-{_MONTHS.split().index(found[1]) + 1:02d}"


def _order(sections: set[str]) -> tuple[str, ...]:
    return tuple(sorted(sections - {""}, key=lambda s: (int(s.split("-")[0]), s)))


def _form(
    texts: Sequence[Text],
    keyring: Keyring,
    state: FormState,
    carrier: str,
    edition: str,
    sections: tuple[str, ...],
    ssn: str,
) -> Form:
    return Form(
        form="sf86",
        state=state,
        place=str(document_of(texts[0])),
        edition=edition,
        carrier=carrier,
        sections=sections,
        subject=f"us_ssn:{keyring.digest('us_ssn', ssn)}" if len(ssn) == 9 else "",
    )


FORM = FormRule(
    name="sf86",
    judge=_judge,
    source="research/contents.md 2; OPM SF-86 (OMB 3206-0005); 18F/e-QIP-prototype (CC0)",
    severity={
        FormState.COMPLETED: Severity.CRITICAL,
        FormState.PARTIAL: Severity.HIGH,
        FormState.BLANK: Severity.LOW,
        FormState.UNKNOWN: Severity.MEDIUM,
    },
)
