"""SF-86 told completed, partial or blank, against public synthetic forms and look-alikes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from leftopen.contents.api import Text, TextKind
from leftopen.contents.engine import Engine
from leftopen.contents.extract import extract
from leftopen.contents.forms.sf86 import FORM
from leftopen.model.blob import Blob, Provenance
from leftopen.model.finding import Form, FormState
from leftopen.model.redact import Keyring

KEYRING = Keyring(b"test key of a case")
DATA = Path(__file__).parents[3] / "shared" / "data" / "eqip"


def fixture(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{path} is absent (SOURCES.md)")
    return path


def texts_of(data: bytes, name: str = "") -> list[Text]:
    items = extract(Blob(data=data, place=Provenance(), name=name))
    return [item for item in items if isinstance(item, Text)]


def form_of(data: bytes, name: str = "") -> Form | None:
    forms = Engine(KEYRING).examine(texts_of(data, name)).forms
    assert len(forms) <= 1
    return forms[0] if forms else None


def key(ssn: str) -> str:
    return f"us_ssn:{KEYRING.digest('us_ssn', ssn)}"


def body(text: str) -> Form | None:
    return FORM.judge([Text(text, TextKind.BODY, Provenance())], KEYRING)


BRANCHES = {
    "Psychological": "21",
    "Financial": "26",
    "Substance.Drug": "23",
    "Legal.Police": "22",
}


def says_yes(node: Any) -> bool:
    """Whether any branch below a part of the scenario is answered Yes."""
    if isinstance(node, dict):
        if node.get("type") == "branch" and node.get("props", {}).get("value") == "Yes":
            return True
        return any(map(says_yes, node.values()))
    return isinstance(node, list) and any(map(says_yes, node))


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_xml_agrees_with_the_scenario(number: int) -> None:
    truth = json.loads(fixture(f"sf86-test{number}.json").read_bytes())
    ssn = truth["Identification"]["ApplicantSSN"]["props"]["ssn"]["props"]
    form = form_of(fixture(f"sf86-test{number}.xml").read_bytes())
    assert form is not None
    assert (form.form, form.state, form.carrier) == ("sf86", FormState.COMPLETED, "xml")
    assert form.edition == "2017-07"
    assert form.subject == key(ssn["first"] + ssn["middle"] + ssn["last"])
    assert {"1", "2", "3", "4", "6", "7"} <= set(form.sections)
    for part, section in BRANCHES.items():
        top, _, prefix = part.partition(".")
        answered = any(says_yes(v) for k, v in truth[top].items() if k.startswith(prefix))
        assert (section in form.sections) == answered, (part, form.sections)


@pytest.mark.parametrize("name", ["sf85-test1.xml", "sf85p-test1.xml", "signature-form-SF85.pdf"])
def test_another_form_is_no_sf86(name: str) -> None:
    assert form_of(fixture(name).read_bytes(), name) is None


PRINTS = {
    "nuxeo-Attachment_Request_ID_20006343_Attachment_ID_52881": ("credit release", "2010-12"),
    "nuxeo-Attachment_Request_ID_20006343_Attachment_ID_52882": ("medical release", "2010-12"),
    "nuxeo-Attachment_Request_ID_20006343_Attachment_ID_52883": ("certification", ""),
    "nuxeo-Attachment_Request_ID_20006343_Attachment_ID_52884": ("general release", "2010-12"),
}


@pytest.mark.parametrize("name", PRINTS)
def test_eqip_prints_by_content_alone(name: str) -> None:
    form = form_of(fixture(name).read_bytes())
    assert form is not None
    assert (form.state, form.carrier) == (FormState.COMPLETED, "print")
    assert (form.sections, form.edition) == (("4", PRINTS[name][0]), PRINTS[name][1])
    assert form.subject == key("123106666")


@pytest.mark.parametrize("name", ["release-credit-SF86.pdf", "release-medical-SF86.pdf"])
def test_releases_name_their_subject(name: str) -> None:
    form = form_of(fixture(name).read_bytes())
    assert form is not None
    assert (form.state, form.edition, form.subject) == (
        FormState.COMPLETED,
        "2017-07",
        key("123121234"),
    )


def test_a_signed_certification_is_completed_without_a_number() -> None:
    form = form_of(fixture("signature-form-SF86.pdf").read_bytes())
    assert form is not None
    assert (form.state, form.subject) == (FormState.COMPLETED, "")


MASTHEAD = (
    "Standard Form 86\nRevised November 2016\nU.S. Office of Personnel Management\n"
    "5 CFR Parts 731, 732, and 736\nForm approved: OMB No. 3206 0005\n"
    "QUESTIONNAIRE FOR NA TIO NAL SECURITY POSITIONS\n"
)


def test_a_blank_print_is_blank_even_with_split_words() -> None:
    form = body(MASTHEAD + "Section 4 - Social Security Number\nSection 18 - Relativ es\n")
    assert form is not None
    assert (form.state, form.edition) == (FormState.BLANK, "2016-11")


def test_a_print_with_only_a_birth_date_is_partial() -> None:
    form = body(MASTHEAD + "Date of birth\n02/14/1970\nSocial Security Number\n")
    assert form is not None
    assert form.state is FormState.PARTIAL


@pytest.mark.parametrize(
    "text",
    [
        "Please send me your SF-86 (Questionnaire for National Security Positions) by Friday.",
        "A Guide for the Standard Form 86\nSF-86 training, tips for applicants\n" + MASTHEAD
        + "Social Security Number: 123-45-6789",
        "Section 1 Full Name, Section 2 Date of Birth, Section 4 Social Security Number, "
        "Section 18 Relatives: QUESTIONNAIRE FOR NATIONAL SECURITY POSITIONS, SSN 123-45-6789",
        "Standard Form 86, Revised November 2016, is the form to use.",
    ],
)  # fmt: skip
def test_text_about_the_form_is_never_the_form(text: str) -> None:
    assert body(text) is None


FIELDS = {
    "form1[0].Sections1-6[0].SSN[0]": "",
    "form1[0].Sections1-6[0].TextField11[0]": "",
    "form1[0].Sections1-6[0].TextField11[1]": "",
    "form1[0].Sections7-9[0].TextField11[0]": "",
    "form1[0].Section18_3[0].#subform[0].SSN[0]": "",
    "form1[0].Section18_3[0].TextField11[3]": "",
    "form1[0].Section21e1[0].RadioButtonList[0]": "Off",
    "form1[0].section13_2[0].School6_State[0]": "",
    "form1[0].Section9\\.1-9\\.4[0].suffix[0]": "",
}


def acroform(values: dict[str, str], *, xfa: str = "") -> bytes:
    """A one-page look-alike with the field names of the 136-page form."""
    pdf = pikepdf.new()
    pdf.add_blank_page()
    fields = [
        pikepdf.Dictionary(FT=pikepdf.Name("/Tx"), T=pikepdf.String(name), V=pikepdf.String(value))
        for name, value in (FIELDS | values).items()
    ]
    form = pikepdf.Dictionary(Fields=pikepdf.Array([pdf.make_indirect(f) for f in fields]))
    if xfa:
        stream = pdf.make_stream(xfa.encode())
        form = pikepdf.Dictionary(
            Fields=pikepdf.Array([]), XFA=pikepdf.Array([pikepdf.String("datasets"), stream])
        )
    pdf.Root.AcroForm = pdf.make_indirect(form)
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def test_acroform_completed_with_its_sections() -> None:
    filled = {
        "form1[0].Sections1-6[0].SSN[0]": "212449012",
        "form1[0].Section18_3[0].#subform[0].SSN[0]": "212449012",
        "form1[0].section13_2[0].School6_State[0]": "VA",
    }
    form = form_of(acroform(filled))
    assert form is not None
    assert (form.state, form.carrier) == (FormState.COMPLETED, "acroform")
    assert form.subject == key("212449012")
    # The number repeats on every page of the form: section 18 holds no answer.
    assert form.sections == ("4", "13")


def test_acroform_partial() -> None:
    form = form_of(acroform({"form1[0].Sections1-6[0].TextField11[0]": "Doe"}))
    assert form is not None
    assert (form.state, form.sections, form.subject) == (FormState.PARTIAL, ("1-6",), "")


def test_five_answers_in_the_first_sections_are_completed_without_a_number() -> None:
    filled = {f"form1[0].Sections1-6[0].TextField11[{n}]": f"answer {n}" for n in range(5)}
    form = form_of(acroform(filled))
    assert form is not None
    assert (form.state, form.subject) == (FormState.COMPLETED, "")


def test_acroform_blank_is_known_by_its_masthead() -> None:
    place = Provenance().child("part", "sf86.pdf")
    page = Text(MASTHEAD, TextKind.BODY, place.child("page", "#1"), carrier="pdf")
    fields = Text("", TextKind.FORM, place.child("form", "fields"), (), "acroform", 6197)
    form = FORM.judge([page, fields], KEYRING)
    assert form is not None
    assert (form.state, form.carrier, form.place) == (FormState.BLANK, "acroform", "sf86.pdf")


XFA = (
    '<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><form1>'
    "<Sections1-6><SSN>{}</SSN><TextField11>{}</TextField11></Sections1-6>"
    "<Sections7-9><TextField11/></Sections7-9></form1></xfa:data></xfa:datasets>"
)


def test_xfa_only_completed() -> None:
    form = form_of(acroform({}, xfa=XFA.format("212449012", "Doe")))
    assert form is not None
    assert (form.state, form.carrier) == (FormState.COMPLETED, "xfa")
    assert form.subject == key("212449012")


def test_other_forms_with_an_ssn_field_are_not_it() -> None:
    fields = (("topmostSubform[0].CopyA[0].SSN[0]", "212449012"),)
    assert FORM.judge([Text("", TextKind.FORM, Provenance(), fields, "acroform")], KEYRING) is None
