"""Documents as they lie in a personnel office's mail: PDF forms, sheets, letters, archives."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

from leftopen.demo.people import Person

_EPOCH = (2023, 1, 1, 0, 0, 0)  # a fixed time in every archive: same seed, same bytes
# A few of the 6,197 fields of the fillable SF-86, under their real names.
_SECTIONS = ("Sections1-6[0]", "Sections7-9[0]", "Section10\\.1-10\\.2[0]", "Section11[0]")


def sf86(person: Person | None, *, partial: bool = False) -> bytes:
    """A fillable SF-86 in small: the first sections, as AcroForm fields. None: a blank one."""
    import pikepdf

    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(612, 792))
    font = pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
    )
    page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
    page.Contents = pdf.make_stream(_page_text(_TITLE))
    root = pdf.make_indirect(pikepdf.Dictionary(T=pikepdf.String("form1[0]"), Kids=[]))
    for section in _SECTIONS:
        _add_section(pdf, page, root, section, _answers(section, person, partial))
    pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[root], NeedAppearances=True)
    return _saved(pdf)


_TITLE = (
    "Standard Form 86    Revised November 2016    U.S. Office of Personnel Management",
    "5 CFR Parts 731, 732, and 736    Form approved: OMB No. 3206 0005",
    "QUESTIONNAIRE FOR NATIONAL SECURITY POSITIONS",
    "Section 1 - Full Name    Section 2 - Date of Birth    Section 3 - Place of Birth",
    "Section 4 - Social Security Number    Section 5 - Other Names Used",
)


def _answers(section: str, person: Person | None, partial: bool) -> dict[str, str]:
    """Field name to value; every field exists, also in a blank form."""
    names = {
        "Sections1-6[0]": {
            "TextField11[0]": "last",
            "TextField11[1]": "first",
            "From_Datefield_Name_2[0]": "born",
            "SSN[0]": "ssn",
            "TextField11[2]": "height",
            "TextField11[3]": "hair",
        },
        "Sections7-9[0]": {
            "p3-t68[1]": "email",
            "p3-t68[2]": "phone",
            "TextField11[7]": "country",
            "SSN[1]": "ssn",
        },
    }.get(section, {"TextField11[0]": "street", "From_Datefield_Name_2[0]": "since"})
    if person is None or (partial and section != "Sections1-6[0]"):
        return dict.fromkeys(names, "")
    known = {
        "last": person.last,
        "first": person.first,
        "born": f"{person.born:%m/%d/%Y}",
        "ssn": person.ssn if not partial else "",
        "height": "5ft 9in",
        "hair": "brown" if not partial else "",
        "email": person.email,
        "phone": person.phone,
        "country": "United States",
        "street": f"{person.born.day} Harbour Lane",
        "since": "01/2015",
    }
    return {field: known[what] for field, what in names.items()}


def _add_section(
    pdf: object, page: object, root: object, section: str, answers: dict[str, str]
) -> None:
    import pikepdf

    assert isinstance(pdf, pikepdf.Pdf)
    parent = pdf.make_indirect(
        pikepdf.Dictionary(T=pikepdf.String(section), Parent=root, Kids=pikepdf.Array())
    )
    root.Kids.append(parent)  # type: ignore[attr-defined]  # a PDF dictionary
    for name, value in answers.items():
        field = pikepdf.Dictionary(
            FT=pikepdf.Name.Tx,
            T=pikepdf.String(name),
            Parent=parent,
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Widget,
            Rect=[50, 50, 200, 70],
        )
        if value:
            field.V = pikepdf.String(value)
        parent.Kids.append(pdf.make_indirect(field))


def encrypted_pdf(lines: Sequence[str], password: str) -> bytes:
    """A PDF that nobody reads without the password."""
    import pikepdf

    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(612, 792))
    page.Contents = pdf.make_stream(_page_text(lines))
    return _saved(pdf, encryption=pikepdf.Encryption(owner=password, user=password))


def _page_text(lines: Sequence[str]) -> bytes:
    shown = (
        b"(" + line.encode("latin-1", "replace").replace(b"(", rb"\(").replace(b")", rb"\)") + b")"
        for line in lines
    )
    return b"BT /F1 9 Tf 14 TL 40 740 Td " + b" Tj T* ".join(shown) + b" Tj ET"


def _saved(pdf: object, **options: object) -> bytes:
    out = io.BytesIO()
    pdf.save(out, deterministic_id="encryption" not in options, **options)  # type: ignore[attr-defined]
    return out.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    """A ZIP with fixed times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, data)
    return out.getvalue()


ROSTER = ("Rank", "Last Name", "First Name", "SSN", "DoD ID Number", "Date of Birth", "Phone")


def roster_rows(people: Sequence[Person]) -> list[tuple[str, ...]]:
    """One row a person, in the order of `ROSTER`."""
    return [
        (p.rank, p.last, p.first, p.ssn, p.dod_id, f"{p.born:%Y-%m-%d}", p.phone) for p in people
    ]


def roster_csv(people: Sequence[Person]) -> bytes:
    """The roster as CSV with a header row."""
    return "\r\n".join(",".join(row) for row in (ROSTER, *roster_rows(people))).encode()


def roster_xlsx(people: Sequence[Person]) -> bytes:
    """The roster as a workbook with inline strings (ECMA-376, the least that opens)."""
    rows = "".join(
        f'<row r="{r}">'
        + "".join(
            f'<c r="{chr(65 + c)}{r}" t="inlineStr"><is><t>{escape(v)}</t></is></c>'
            for c, v in enumerate(row)
        )
        + "</row>"
        for r, row in enumerate((ROSTER, *roster_rows(people)), 1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return archive(
        {
            "[Content_Types].xml": _types(
                {"/xl/workbook.xml": f"{kind}.sheet.main+xml"}
                | {"/xl/worksheets/sheet1.xml": f"{kind}.worksheet+xml"}
            ),
            "_rels/.rels": _relation(f"{office}/officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
            '<sheet name="Roster" sheetId="1" r:id="rId1"/></sheets></workbook>'.encode(),
            "xl/_rels/workbook.xml.rels": _relation(f"{office}/worksheet", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": (
                f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'.encode()
            ),
        }
    )


def letter_docx(paragraphs: Sequence[str]) -> bytes:
    """A letter in Word's format, the least that opens."""
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    body = "".join(f"<w:p><w:r><w:t>{escape(p)}</w:t></w:r></w:p>" for p in paragraphs)
    return archive(
        {
            "[Content_Types].xml": _types({"/word/document.xml": kind}),
            "_rels/.rels": _relation(f"{office}/officeDocument", "word/document.xml"),
            "word/document.xml": (
                f'<w:document xmlns:w="{main}"><w:body>{body}</w:body></w:document>'.encode()
            ),
        }
    )


def _types(parts: dict[str, str]) -> bytes:
    space = "http://schemas.openxmlformats.org/package/2006/content-types"
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    listed = "".join(f'<Override PartName="{n}" ContentType="{t}"/>' for n, t in parts.items())
    return (
        f'<Types xmlns="{space}"><Default Extension="rels" ContentType="{rels}"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    ).encode()


def _relation(kind: str, target: str) -> bytes:
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    return (
        f'<Relationships xmlns="{space}">'
        f'<Relationship Id="rId1" Type="{kind}" Target="{target}"/></Relationships>'
    ).encode()


def photo(rng: random.Random, size: int) -> bytes:
    """Bytes that look like a JPEG and hold nothing."""
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + rng.randbytes(size) + b"\xff\xd9"
