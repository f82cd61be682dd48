"""One conformance test over all formats, and what is particular to some of them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile

import pikepdf
import pytest

from contents.planted import (
    RFC822,
    SPLIT_XML,
    SSN,
    XFA,
    attached,
    blob,
    docx,
    mail,
    number_sheet,
    pdf,
    read,
    reasons,
    run,
    shown,
    texts,
    xlsx,
    zipped,
)
from leftopen.contents import registry
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.model.gap import Reason


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"words"))
    return out.getvalue()


ODT = zipped(
    {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": "<o:document-content "
        'xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><o:body>'
        "<text:p>SSN <text:span>219</text:span>-45-6788 end</text:p></o:body></o:document-content>",
    },
    stored="mimetype",
)
SLIDES = zipped(
    {
        "ppt/presentation.xml": "<p/>",
        "ppt/slides/slide1.xml": '<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>219-45</a:t></a:r>'
        "<a:r><a:t>-6788</a:t></a:r></a:p></p:sld>",
        "ppt/notesSlides/notesSlide1.xml": '<n xmlns:a="a"><a:p><a:t>note</a:t></a:p></n>',
    }
)
SIGNED = (
    bytes.fromhex("308006092a864886f70d010702a0803080020101310030 80".replace(" ", ""))
    + bytes.fromhex("06092a864886f70d010701a080 2480 0414".replace(" ", ""))
    + b"Subject: x\nTo: y\n\nhi"
    + b"\0\0\0\0"
    + bytes.fromhex("0603550403131b")
    + b"DOE.JOHN.Q.1234567890 12345"
)
# A sample of each format, under a name that says nothing.
SAMPLES: dict[str, bytes] = {
    "compressed": gzip.compress(b"words\n"),
    "csv": b"Name,SSN,DOB\na,b,c\nd,e,f\ng,h,i\n",
    "docx": docx(run("words")),
    "eml": mail("words"),
    "html": b"<!DOCTYPE html><html><body><p>words</p></body></html>",
    "json": b'{"key": "words", "other": [1, 2]}',
    "mbox": b"From a@b Mon Jan  2 00:00:00 2023\n" + mail("words"),
    "ndjson": b'{"a": "words"}\n{"a": "more"}\n',
    "odf": ODT,
    "ole": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
    "pdf": pdf(shown("words")),
    "pkcs7": SIGNED,
    "pptx": SLIDES,
    "rtf": b"{\\rtf1 words\\par}",
    "tar": tarred(),
    "text": b"words and more words\n",
    "xlsx": number_sheet("1"),
    "xml": SPLIT_XML,
    "zip": zipped({"a.txt": "words"}),
}


@pytest.mark.parametrize("format_", registry.formats(), ids=lambda f: f.name)
def test_every_format_keeps_the_contract(format_: Format) -> None:
    title = registry.title_of(format_)
    assert title.endswith(".")
    assert title[0].isupper()
    sample = SAMPLES[format_.name]
    for name in ("", "Attachment_Request_ID_20006343", "lies.exe"):
        scores = {f.name: f.recognise(sample[:4096], name) for f in registry.formats()}
        assert all(0 <= score <= 100 for score in scores.values())
        if format_.name not in ("docx", "xlsx", "pptx"):  # found through the zip directory
            assert max(scores, key=lambda key: scores[key]) == format_.name, scores
    assert list(format_.read(blob(sample), Limits()))
    assert read(sample)


def test_every_format_has_a_sample() -> None:
    assert {f.name for f in registry.formats()} == set(SAMPLES)


def test_only_human_headers_are_text() -> None:
    message = (
        b"Received: from x (10.0.0.1) id 4111111111111111\nMessage-ID: <219-45-6788@x>\n"
        b"X-Spam: 219-45-6788\nDKIM-Signature: v=1; b=219456788\n"
        b"From: =?utf-8?q?J=C3=B6rg?= <j@x>\nto: a@b\nSubject: A\n folded\n"
        b"Date: Mon, 2 Jan 2023 10:00:00 -0500\n\nbody\n"
    )
    header = texts(read(message))[0]
    assert header.kind is TextKind.HEADER
    assert header.fields == (
        ("From", "Jörg <j@x>"),
        ("To", "a@b"),
        ("Subject", "A folded"),
        ("Date", "Mon, 2 Jan 2023 10:00:00 -0500"),
    )
    assert SSN not in header.text


def test_names_of_attachments_are_in_the_header() -> None:
    header = texts(read(attached(b"x" * 10, "Smith SSN 219-45-6788.txt")))[0]
    assert ("Attachment", "Smith SSN 219-45-6788.txt") in header.fields
    assert SSN in header.text


def test_an_attached_message_stands_below_its_own_place() -> None:
    found = texts(read(RFC822))
    subjects = [dict(t.fields)["Subject"] for t in found if t.kind is TextKind.HEADER]
    assert subjects == ["fw", "roster"]
    assert {len(t.place.steps) for t in found} == {1, 2}


def test_a_multipart_without_parts_is_read_as_text() -> None:
    message = (
        b"From: a\nSubject: b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=zz\n\n"
    )
    items = read(message + f"SSN {SSN}\n".encode())
    assert any(SSN in text.text for text in texts(items))
    assert Reason.CORRUPT in reasons(items)


def test_an_mbox_is_split_at_separators_only() -> None:
    box = (
        b"From a@b Mon Jan  2 00:00:00 2023\n" + mail("one\nFrom here we go\n>From there\n") + b"\n"
        b"From a@b Mon Jan  2 00:00:00 2023\r\n" + mail("two")
    )
    found = texts(read(box, "x.mbox"))
    bodies = [t.text for t in found if t.kind is TextKind.BODY]
    assert len(bodies) == 2
    assert "\nFrom here we go\nFrom there" in bodies[0]
    assert str(found[0].place) == "#1 > headers"


def test_form_fields_are_counted_filled_or_not() -> None:
    filled = pdf(fields={"SSN[0]": SSN, "Last[0]": "Roe", "First[0]": "", "Off": ""}, xfa=XFA)
    forms = {t.carrier: t for t in texts(read(filled)) if t.kind is TextKind.FORM}
    assert forms["acroform"].field_count == 4
    assert forms["acroform"].fields == (("form1[0].SSN[0]", SSN), ("form1[0].Last[0]", "Roe"))
    assert forms["xfa"].field_count == 2
    assert forms["xfa"].fields == (("data/form1/Section4/SSN", SSN),)
    blank = pdf(fields={"SSN[0]": "", "Last[0]": ""})
    form = next(t for t in texts(read(blank)) if t.kind is TextKind.FORM)
    assert (form.field_count, form.fields) == (2, ())


def test_a_field_tree_that_bites_its_tail_ends() -> None:
    document = pikepdf.new()
    document.add_blank_page()
    node = document.make_indirect(pikepdf.Dictionary(T="a", V=pikepdf.String(SSN)))
    node.Kids = pikepdf.Array([node, node])
    document.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([node]))
    out = io.BytesIO()
    document.save(out)
    assert len(read(out.getvalue())) < 5


def test_a_page_that_is_a_picture_is_a_gap() -> None:
    document = pikepdf.new()
    page = document.add_blank_page()
    picture = document.make_stream(b"\0" * 300)
    picture.Type, picture.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    picture.Width, picture.Height, picture.BitsPerComponent = 10, 10, 8
    picture.ColorSpace = pikepdf.Name.DeviceRGB
    page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I0=picture))
    page.obj.Contents = document.make_stream(b"q 500 0 0 500 0 0 cm /I0 Do Q")
    out = io.BytesIO()
    document.save(out)
    assert reasons(read(out.getvalue())) == [Reason.IMAGE_ONLY]


def test_a_file_inside_a_pdf_is_read() -> None:
    document = pikepdf.new()
    document.add_blank_page()
    document.attachments["r.csv"] = f"Name,SSN\nAnn,{SSN}\n".encode()
    out = io.BytesIO()
    document.save(out)
    found = [t for t in texts(read(out.getvalue())) if SSN in t.text]
    assert [str(t.place) for t in found] == ["r.csv"]


def test_xml_keeps_leaves_in_fields_and_joins_in_text() -> None:
    found = texts(read(SPLIT_XML))[0]
    assert found.fields == (
        ("XMP/Applicant/SSN/FirstThree", "219"),
        ("XMP/Applicant/SSN/NextTwo", "45"),
        ("XMP/Applicant/SSN/LastFour", "6788"),
    )
    assert found.text == f"XMP/Applicant/SSN: {SSN}\n"
    assert (found.kind, found.carrier) == (TextKind.FORM, "xml")


def test_records_of_json_are_rows() -> None:
    hits = {"hits": {"hits": [{"_source": {"name": f"P{n}", "ssn": SSN}} for n in range(3)]}}
    table = next(t for t in texts(read(json.dumps(hits).encode())) if t.kind is TextKind.TABLE)
    assert table.text.count("\n") == 3
    assert table.text.splitlines()[0] == f"_source.name: P0\t_source.ssn: {SSN}"


@pytest.mark.parametrize(
    "message",
    [
        {
            "subject": "roster",
            "from": {"emailAddress": {"name": "Ann Roe", "address": "ann@mail.mil"}},
            "toRecipients": [{"emailAddress": {"name": "Bob", "address": "b@mail.mil"}}],
            "body": {"contentType": "html", "content": "<p>SSN <b>219</b>-45-6788</p>"},
        },
        {
            "_id": "1",
            "_source": {
                "Subject": "roster",
                "From": "Ann Roe <ann@mail.mil>",
                "to": ["Bob <b@mail.mil>"],
                "body": f"SSN {SSN}",
            },
        },
    ],
)
def test_mail_in_json_is_mail(message: dict[str, object]) -> None:
    found = texts(read(json.dumps({"value": [message, message | {"x": 1}]}).encode()))
    header = next(t for t in found if t.kind is TextKind.HEADER)
    assert dict(header.fields)["Subject"] == "roster"
    assert dict(header.fields)["From"] == "Ann Roe <ann@mail.mil>"
    assert dict(header.fields)["To"] == "Bob <b@mail.mil>"
    assert any(SSN in t.text for t in found if t.kind is TextKind.BODY)


def test_a_file_in_base64_inside_json_is_read() -> None:
    encoded = base64.urlsafe_b64encode(pdf(shown(f"SSN {SSN}"))).decode().rstrip("=")
    found = texts(read(json.dumps({"name": "a", "data": encoded}).encode()))
    assert any(SSN in t.text and t.carrier == "pdf" for t in found)


def test_lines_of_ndjson_that_are_no_json_are_named_and_read() -> None:
    items = read(f'{{"a": "x"}}\n{{"ssn": "{SSN}"}}\n{{"broken {SSN}\n'.encode())
    assert reasons(items) == [Reason.UNPARSED]
    assert sum(SSN in t.text for t in texts(items)) == 2


def test_a_signed_mail_gives_signer_and_content() -> None:
    found = texts(read(SIGNED))
    assert found[0].fields[0] == ("Signer", "DOE.JOHN.Q.1234567890 12345")
    assert any(dict(t.fields).get("Subject") == "x" for t in found)


@pytest.mark.parametrize(("content", "carrier"), [(ODT, "odf"), (SLIDES, "pptx")])
def test_other_office_documents(content: bytes, carrier: str) -> None:
    found = texts(read(content))
    assert any(SSN in t.text and t.carrier == carrier for t in found)


def test_a_quotation_mark_that_never_closes_loses_no_row() -> None:
    rows = "".join(f"name{n},{n}\n" for n in range(30_000))
    items = read(f'Name,SSN\nAnn,{SSN}\n"open,1\n{rows}'.encode(), "x.csv")
    assert reasons(items) == [Reason.UNPARSED]
    whole = "".join(t.text for t in texts(items))
    assert f"SSN: {SSN}" in whole
    assert "name29999" in whole


def test_dates_and_numbers_of_a_sheet_are_plain() -> None:
    cells = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>Born</t></is></c>'
        '<c r="C1" t="inlineStr"><is><t>Amount</t></is></c></row>'
        '<row r="2"><c r="A2" t="inlineStr"><is><t>Ann</t></is></c>'
        '<c r="B2" t="d"><v>1970-05-01T00:00:00</v></c><c r="C2"><v>12.5</v></c></row>'
    )
    assert texts(read(xlsx(cells)))[0].text.splitlines()[1] == (
        "Name: Ann\tBorn: 1970-05-01\tAmount: 12.5"
    )


def test_text_is_never_shown_by_its_place() -> None:
    found: list[Text] = texts(read(zipped({f"SSN {SSN}.txt": "words"})))
    assert SSN not in str(found[0].place)
