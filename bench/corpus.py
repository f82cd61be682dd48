"""A seeded corpus of invented mail for the benchmarks: bodies, reply chains and attachments.

The mix follows a government mailbox as research/contents_measured.md section 1 describes it:
28 % plain, 22 % alternative in quoted-printable, 8 % HTML in base64, 20 % replies, 22 % with
attachments; a little over half of all bytes are pictures. The same seed gives the same bytes.
"""

from __future__ import annotations

import base64
import io
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pikepdf

_FIRST = "James Mary Robert Patricia John Jennifer Michael Linda David Susan Karen Nancy"
FIRST = _FIRST.split()
_LAST = "Smith Johnson Brown Jones Garcia Miller Davis Wilson Moore Taylor Thomas White"
LAST = _LAST.split()
_WORDS = (
    "the of and to in is for on with that this please be will are attached report meeting unit "
    "schedule training travel order request review update status office building vehicle fuel "
    "personnel form signature deadline Monday Friday brief command contract supply range thanks"
)
WORDS = _WORDS.split()
POOL = 60  # distinct attachments of each kind


@dataclass(frozen=True)
class Person:
    """One invented person."""

    name: str
    address: str
    ssn: str
    edipi: str
    born: str
    phone: str


def person(rng: random.Random) -> Person:
    """An invented person with an SSN that can have been issued."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    area = rng.choice([n for n in range(1, 900) if n != 666])
    return Person(
        name=f"{first} {last}",
        address=f"{first}.{last}{rng.randrange(99)}@mail.mil".lower(),
        ssn=f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}",
        edipi=f"1{rng.randrange(10**9):09d}",
        born=f"{rng.randint(1950, 2004)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        phone=f"({rng.randint(201, 989)}) 555-{rng.randrange(10000):04d}",
    )


def sentence(rng: random.Random) -> str:
    """Some words."""
    return " ".join(rng.choices(WORDS, k=rng.randint(6, 16))).capitalize() + "."


def prose(rng: random.Random, lines: int) -> list[str]:
    """Lines of words, some of which name a person."""
    out = []
    for _ in range(lines):
        who = person(rng)
        out.append(
            rng.choices(
                [
                    sentence(rng),
                    f"{who.name}, SSN {who.ssn}, DOB {who.born}, cell {who.phone}.",
                    f"DoD ID {who.edipi} for {who.name} ({who.address})",
                    f"Work order {rng.randrange(10**9):010d}, tracking 1Z{rng.randrange(10**16)}.",
                ],
                weights=[85, 5, 5, 5],
            )[0]
        )
    return out


def html(rng: random.Random) -> str:
    """A page as mail programs write them, every third with a data table."""
    body = "".join(f"<p class=MsoNormal><span>{line}</span></p>\n" for line in prose(rng, 14))
    if rng.random() < 0.3:
        rows = "".join(
            f"<tr><td>{p.name}</td><td>{p.ssn}</td><td>{p.born}</td></tr>"
            for p in (person(rng) for _ in range(6))
        )
        body += f"<table><tr><th>Name</th><th>SSN</th><th>DOB</th></tr>{rows}</table>"
    return f"<html><head><style>p{{margin:0}}</style></head><body>{body}</body></html>"


def pdf(rng: random.Random) -> bytes:
    """Two pages of text under Flate."""
    document = pikepdf.new()
    font = document.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
    )
    for _ in range(2):
        page = document.add_blank_page()
        page.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        lines = [line.replace("(", "").replace(")", "") for line in prose(rng, 48)]
        shown = "".join(f"({line}) Tj T*\n" for line in lines)
        page.obj.Contents = document.make_stream(
            f"BT /F1 9 Tf 12 TL 40 760 Td\n{shown}ET".encode("latin-1", "replace")
        )
    out = io.BytesIO()
    document.save(out, compress_streams=True)
    return out.getvalue()


def docx(rng: random.Random) -> bytes:
    """A Word document, its words in runs."""
    paragraphs = "".join(
        "<w:p>"
        + "".join(
            f"<w:r><w:rPr/><w:t xml:space='preserve'>{line[n : n + 17]}</w:t></w:r>"
            for n in range(0, len(line), 17)
        )
        + "</w:p>"
        for line in prose(rng, 40)
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "word/document.xml",
            '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
            f"<w:body>{paragraphs}</w:body></w:document>",
        )
    return out.getvalue()


def roster(rng: random.Random) -> list[list[str]]:
    """A table of people."""
    rows = [["Name", "SSN", "DOB", "DoD ID", "Phone"]]
    rows += [[p.name, p.ssn, p.born, p.edipi, p.phone] for p in (person(rng) for _ in range(60))]
    return rows


def xlsx(rng: random.Random) -> bytes:
    """A workbook with one sheet, the SSNs stored as numbers."""
    cells = []
    for n, row in enumerate(roster(rng), 1):
        line = ""
        for column, value in zip("ABCDE", row, strict=True):
            if column == "B" and n > 1:
                line += f'<c r="{column}{n}"><v>{int(value.replace("-", ""))}</v></c>'
            else:
                line += f'<c r="{column}{n}" t="inlineStr"><is><t>{value}</t></is></c>'
        cells.append(f'<row r="{n}">{line}</row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Roster" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>'
        f"{''.join(cells)}</sheetData></worksheet>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def csv(rng: random.Random) -> bytes:
    """A table as text."""
    return "".join(",".join(row) + "\r\n" for row in roster(rng)).encode()


def zipped(rng: random.Random) -> bytes:
    """A table inside an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("roster.csv", csv(rng))
    return out.getvalue()


def jpeg(rng: random.Random) -> bytes:
    """The beginning of a picture and noise."""
    return b"\xff\xd8\xff\xe0\x00\x10JFIF" + rng.randbytes(rng.randint(40_000, 160_000))


KINDS: dict[str, tuple[str, Callable[[random.Random], bytes], float]] = {
    "report.pdf": ("application/pdf", pdf, 14),
    "memo.docx": ("application/octet-stream", docx, 10),
    "roster.xlsx": ("application/octet-stream", xlsx, 8),
    "roster.csv": ("text/csv", csv, 6),
    "files.zip": ("application/zip", zipped, 4),
    "photo.jpg": ("image/jpeg", jpeg, 50),
}


class Corpus:
    """Writes messages from pools of attachments."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.pool = {
            name: [base64.encodebytes(make(self.rng)).decode() for _ in range(POOL)]
            for name, (_, make, _) in KINDS.items()
        }

    def message(self) -> str:
        """One message with its headers."""
        rng = self.rng
        sender, to = person(rng), person(rng)
        day, hour = rng.randint(1, 28), rng.randint(0, 23)
        head = (
            f"Received: from gw{rng.randrange(99)}.mail.mil (10.{rng.randrange(255)}.0.1)\n"
            f"\tby mx.mail.mil with ESMTPS id {rng.randrange(10**14)}\n"
            f"Message-ID: <{rng.randrange(10**20)}@mail.mil>\n"
            f'From: "{sender.name}" <{sender.address}>\nTo: "{to.name}" <{to.address}>\n'
            f"Date: Mon, {day} Jan 2023 {hour:02d}:00:00 -0500\nSubject: {sentence(rng)}\n"
            "MIME-Version: 1.0\n"
        )
        kinds: list[Callable[[], str]] = [
            self.plain,
            self.alternative,
            self.base64,
            self.reply,
            self.mixed,
        ]
        return head + rng.choices(kinds, [28, 22, 8, 20, 22])[0]()

    def plain(self) -> str:
        """Seven-bit text."""
        text = "\n".join(prose(self.rng, self.rng.randint(5, 40)))
        return f"Content-Type: text/plain; charset=us-ascii\n\n{text}\n"

    def reply(self) -> str:
        """Text and one to five levels of quotation."""
        lines = prose(self.rng, 8)
        for level in range(1, self.rng.randint(2, 6)):
            lines += [">" * level + " " + line for line in prose(self.rng, 10)]
        text = "\n".join(lines)
        return f"Content-Type: text/plain; charset=utf-8\n\n{text}\n"

    def alternative(self) -> str:
        """Text and HTML in quoted-printable with soft line breaks."""
        mark = f"b{self.rng.randrange(10**12)}"
        parts = ""
        texts = {"plain": "\n".join(prose(self.rng, 14)), "html": html(self.rng)}
        for kind, text in texts.items():
            parts += (
                f"--{mark}\nContent-Type: text/{kind}; charset=utf-8\n"
                f"Content-Transfer-Encoding: quoted-printable\n\n{_quoted(text)}\n"
            )
        return f'Content-Type: multipart/alternative; boundary="{mark}"\n\n{parts}--{mark}--\n'

    def base64(self) -> str:
        """HTML in base64."""
        body = base64.encodebytes(html(self.rng).encode()).decode()
        return (
            "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + body
        )

    def mixed(self) -> str:
        """Text with one to three attachments."""
        mark = f"b{self.rng.randrange(10**12)}"
        text = "\n".join(prose(self.rng, 10))
        parts = f"--{mark}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        weights = [weight for _, _, weight in KINDS.values()]
        for name in self.rng.choices(list(KINDS), weights, k=self.rng.randint(1, 3)):
            parts += (
                f'--{mark}\nContent-Type: {KINDS[name][0]}; name="{name}"\n'
                f'Content-Disposition: attachment; filename="{name}"\n'
                f"Content-Transfer-Encoding: base64\n\n{self.rng.choice(self.pool[name])}"
            )
        return f'Content-Type: multipart/mixed; boundary="{mark}"\n\n{parts}--{mark}--\n'


def _quoted(text: str) -> str:
    out = []
    for line in text.replace("=", "=3D").split("\n"):
        while len(line) > 75:
            at = 72 if line[70:72].find("=") < 0 else 69
            out.append(line[:at] + "=")
            line = line[at:]
        out.append(line)
    return "\n".join(out)


def write_mbox(path: Path, size: int, seed: int) -> int:
    """Write an mbox of at least `size` bytes; gives the number of messages."""
    corpus, written, count = Corpus(seed), 0, 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        while written < size:
            message = corpus.message().replace("\nFrom ", "\n>From ")
            written += file.write(f"From - Mon Jan  2 00:00:00 2023\n{message}\n")
            count += 1
    return count
