"""Documents that hold one invented SSN, in every ordinary encoding; built afresh for each test."""

from __future__ import annotations

import base64
import gzip
import io
import os
import re
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pikepdf
import pytest

from leftopen.contents.api import Limits, Text
from leftopen.contents.examine import examine_unit
from leftopen.contents.extract import extract
from leftopen.model.blob import Blob, Provenance
from leftopen.model.gap import Gap, Reason
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring

SSN = "219-45-6788"
DIGITS = SSN.replace("-", "")
LOST = "012-45-6788"  # a spreadsheet makes 12456788 of it
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def data(relative: str) -> Path:
    """A public fixture; the test is skipped when it is absent, and fails under CI."""
    path = DATA / relative
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} must be there under CI")
        pytest.skip(f"{path} is not there")
    return path


def blob(content: bytes, name: str = "", media_type: str = "") -> Blob:
    """A blob at the root."""
    return Blob(data=content, place=Provenance(), name=name, media_type=media_type)


def read(content: bytes, name: str = "", limits: Limits | None = None) -> list[Text | Gap]:
    """Everything that comes out of these bytes."""
    return list(extract(blob(content, name), limits))


def texts(items: list[Text | Gap]) -> list[Text]:
    """The texts of it."""
    return [item for item in items if isinstance(item, Text)]


def reasons(items: list[Text | Gap]) -> list[Reason]:
    """The reasons of its Gaps."""
    return [item.reason for item in items if isinstance(item, Gap)]


def normal(text: str) -> str:
    """Text with all hyphens alike, as detectors see it."""
    return re.sub("[\u2010-\u2015]", "-", text)


def mail(
    body: str, *, encoding: str = "7bit", kind: str = "plain", charset: str = "utf-8"
) -> bytes:
    """A message whose body is encoded by hand."""
    if encoding == "base64":
        body = base64.encodebytes(body.encode(charset)).decode()
    return (
        f"From: a@example.org\nTo: b@example.org\nSubject: roster\nMIME-Version: 1.0\n"
        f"Content-Type: text/{kind}; charset={charset}\n"
        f"Content-Transfer-Encoding: {encoding}\n\n{body}\n"
    ).encode()


def attached(content: bytes, name: str) -> bytes:
    """A message with one attachment."""
    message = EmailMessage()
    message["From"] = "a@example.org"
    message["Subject"] = "files"
    message.set_content("see file\n")
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return bytes(message)


def zipped(files: dict[str, bytes | str], stored: str = "") -> bytes:
    """A zip archive; the member `stored` is not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            method = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, method)
    return out.getvalue()


def docx(body: str, **others: str) -> bytes:
    """A Word document; `others` are further parts of word/ by their names."""
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    parts: dict[str, bytes | str] = {
        "word/document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>"
    }
    for name, inside in others.items():
        parts[f"word/{name}.xml"] = f"<w:part {space}>{inside}</w:part>"
    return zipped(parts)


def run(text: str) -> str:
    """A paragraph of Word."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def word_table(rows: list[list[str]]) -> str:
    """A table of Word."""
    lines = ("".join(f"<w:tc>{run(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{line}</w:tr>" for line in lines) + "</w:tbl>"


def xlsx(sheet_data: str) -> bytes:
    """A workbook with one sheet, its cells as XML."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return zipped(
        {
            "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
            f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
            '<sheet name="Roster" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship '
            f'Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet_data}'
            "</sheetData></worksheet>",
        }
    )


def number_sheet(number: str) -> bytes:
    """A roster whose SSN is a number."""
    return xlsx(
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>SSN</t></is></c></row>'
        '<row r="2"><c r="A2" t="inlineStr"><is><t>Ann Roe</t></is></c>'
        f'<c r="B2"><v>{number}</v></c></row>'
    )


def pdf(
    content: str = "",
    *,
    fields: dict[str, str] | None = None,
    xfa: str = "",
    appearance: bool = False,
    password: str = "",
) -> bytes:
    """A page with a content stream, form fields without appearance, and an XFA dataset."""
    document = pikepdf.new()
    page = document.add_blank_page()
    font = pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
    )
    page.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
    page.obj.Contents = document.make_stream(content.encode())
    if fields is not None or xfa:
        form = pikepdf.Dictionary(Fields=pikepdf.Array())
        parent = document.make_indirect(pikepdf.Dictionary(T="form1[0]", Kids=pikepdf.Array()))
        for name, value in (fields or {}).items():
            leaf = pikepdf.Dictionary(T=name, FT=pikepdf.Name.Tx, Parent=parent)
            if value:
                leaf.V = pikepdf.String(value)
            if appearance:
                leaf.Subtype, leaf.Rect = pikepdf.Name.Widget, pikepdf.Array([72, 600, 300, 620])
                stream = document.make_stream(shown(value).encode())
                stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
                stream.BBox = pikepdf.Array([0, 0, 228, 20])
                leaf.AP = pikepdf.Dictionary(N=stream)
            parent.Kids.append(document.make_indirect(leaf))
        form.Fields.append(parent)
        if xfa:
            data_ = document.make_stream(xfa.encode())
            form.XFA = pikepdf.Array([pikepdf.String("datasets"), data_])
        document.Root.AcroForm = form
    out = io.BytesIO()
    locked = pikepdf.Encryption(user=password, owner=password) if password else False
    document.save(out, compress_streams=True, encryption=locked)
    return out.getvalue()


def shown(text: str) -> str:
    """A content stream that shows a text."""
    return f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"


KERNED = "BT /F1 12 Tf 72 700 Td [(SSN 219) 5 (-45-) 12 (67) -3 (88)] TJ ET"
XFA = (
    '<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><form1>'
    f"<Section4><SSN>{SSN}</SSN></Section4><Blank/></form1></xfa:data></xfa:datasets>"
)
SPLIT_XML = (
    b'<?xml version="1.0"?><XMP><Applicant><SSN><FirstThree>219</FirstThree><NextTwo>45</NextTwo>'
    b"<LastFour>6788</LastFour></SSN></Applicant></XMP>"
)
RFC822 = (
    b"From: a@example.org\nSubject: fw\nMIME-Version: 1.0\n"
    b"Content-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: message/rfc822\n\n"
    + mail(f"SSN {SSN}", encoding="base64")
    + b"\n--q--\n"
)
HTML_TABLE = (
    "<html><body><table><tr><th>Name</th><th>SSN</th></tr>"
    f"<tr><td>Ann Roe</td><td>{DIGITS}</td></tr></table></body></html>"
)


def in_worker(root: Path, unit: str, key: bytes) -> bytes:
    """What a worker process does; here, where a spawned one can import it."""
    return to_json(list(examine_unit(root, unit, Keyring(key))))


# name -> (bytes, claimed name, what must be in the text)
MATRIX: dict[str, tuple[bytes, str, str]] = {
    "plain": (mail(f"SSN {SSN}"), "", SSN),
    "quoted-printable soft break": (
        mail(f"SSN {SSN[:5]}=\n{SSN[5:]}", encoding="quoted-printable"),
        "",
        SSN,
    ),
    "base64": (mail(f"SSN {SSN}", encoding="base64"), "", SSN),
    "HTML entity": (mail(f"<p>{SSN.replace('-', '&#45;')}</p>", kind="html"), "", SSN),
    "HTML inline tags": (mail(f"<p>{SSN[:4]}<b>{SSN[4:]}</b></p>", kind="html"), "", SSN),
    "HTML soft hyphen": (mail("<p>219&shy;-45-6788</p>", kind="html"), "", SSN),
    "U+2011": (mail(SSN.replace("-", "\u2011")), "", SSN),
    "HTML table": (HTML_TABLE.encode(), "", f"SSN: {DIGITS}"),
    "UTF-16 without mark": (f"SSN {SSN}\r\n".encode("utf-16-le"), "", SSN),
    "UTF-16 mail in base64": (mail(f"SSN {SSN}", encoding="base64", charset="utf-16"), "", SSN),
    "docx in split runs": (
        docx("<w:p><w:r><w:t>219-4</w:t></w:r><w:r><w:t>5-6788</w:t></w:r></w:p>"),
        "",
        SSN,
    ),
    "docx table": (docx(word_table([["Name", "SSN"], ["Ann", DIGITS]])), "", f"SSN: {DIGITS}"),
    "docx header": (docx(run("x"), header1=run(f"SSN {SSN}")), "memo.docx", SSN),
    "docx comment": (docx(run("x"), comments=run(f"SSN {SSN}")), "memo.docx", SSN),
    "docx footnote": (docx(run("x"), footnotes=run(f"SSN {SSN}")), "memo.docx", SSN),
    "docx deleted": (
        docx(f"<w:p><w:del><w:r><w:delText>{SSN}</w:delText></w:r></w:del></w:p>"),
        "",
        SSN,
    ),
    "gzip": (gzip.compress(f"SSN {SSN}\n".encode()), "notes.txt.gz", SSN),
    "PDF under Flate": (pdf(shown(f"SSN {SSN}")), "", SSN),
    "PDF kerned": (pdf(KERNED), "", SSN),
    "PDF AcroForm": (pdf(fields={"SSN[0]": SSN, "Last[0]": ""}), "", f"form1[0].SSN[0]: {SSN}"),
    "PDF AcroForm with appearance": (
        pdf(fields={"SSN[0]": SSN}, appearance=True),
        "",
        f"form1[0].SSN[0]: {SSN}",
    ),
    "PDF XFA only": (pdf(xfa=XFA), "", f"SSN: {SSN}"),
    "rtf": (b"{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}SSN 219\\_45\\_6788\\par}", "", SSN),
    "xlsx number": (number_sheet(f"{DIGITS}"), "", f"SSN: {DIGITS}"),
    "xlsx lost zero": (number_sheet("12456788"), "", f"SSN: {LOST.replace('-', '')}"),
    "csv": (f"Name,SSN\nAnn Roe,{SSN}\nJo Doe,\n".encode(), "roster.csv", f"SSN: {SSN}"),
    "csv without a name": (
        f"Name;SSN;DOB\nAnn Roe;{SSN};1970\nJo Doe;x;1971\nA B;y;1972\n".encode(),
        "",
        f"SSN: {SSN}",
    ),
    "split XML": (SPLIT_XML, "", f"SSN: {SSN}"),
    "JSON": (b'{"person": {"name": "Ann", "ssn": "219-45-6788"}}', "", f"ssn: {SSN}"),
    "JSON escapes": (b'{"ssn": "219\\u002d45\\u002d6788", "n": 1}', "", f"ssn: {SSN}"),
    "eApp JSON": (
        b'{"SSN": {"props": {"first": "219", "middle": "45", "last": "6788"}}}',
        "",
        f"SSN.props: {SSN}",
    ),
    "zip in zip": (
        zipped({"a.zip": zipped({"b.txt": f"SSN {SSN}"})}),
        "",
        SSN,
    ),
    "nested rfc822": (RFC822, "", SSN),
    "attached without ending": (attached(pdf(shown(SSN)), "Attachment_Request_ID_20"), "", SSN),
}
