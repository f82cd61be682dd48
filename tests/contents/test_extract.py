"""One invented SSN in every ordinary encoding, and limits that end in a Gap."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contents.planted import (
    MATRIX,
    SSN,
    attached,
    blob,
    data,
    docx,
    mail,
    normal,
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
from leftopen.contents.extract import extract, recognise
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason


@pytest.mark.parametrize("name", MATRIX)
def test_every_encoding_gives_the_value(name: str) -> None:
    content, claimed, wanted = MATRIX[name]
    found = texts(read(content, claimed))
    assert any(wanted in normal(text.text) for text in found), [t.text for t in found]


def test_a_pdf_is_told_by_its_bytes_whatever_it_claims() -> None:
    for name, media_type in (("", ""), ("a.txt", "text/plain"), ("x.docx", "image/png")):
        found = recognise(blob(pdf(shown("x")), name, media_type))
        assert found is not None
        assert found.name == "pdf"


def test_a_docx_without_telling_bytes_is_found_in_the_directory() -> None:
    content = zipped({"a.bin": b"\0" * 9000, "word/document.xml": "<d xmlns='x'><t>hello</t></d>"})
    assert any("hello" in text.text for text in texts(read(content)))


def test_identical_parts_are_read_once() -> None:
    inner = zipped({"a.txt": f"SSN {SSN}"})
    found = texts(read(zipped({"1.zip": inner, "2.zip": inner})))
    assert sum(SSN in text.text for text in found) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, Reason.IMAGE_ONLY),
        (b"Rar!\x1a\x07\0" + b"\0" * 50, Reason.UNSUPPORTED),
        (bytes(range(256)) * 20, Reason.UNSUPPORTED),
        (zipped({"a": "x"})[:-30], Reason.CORRUPT),
        (docx(run("x"))[:-30], Reason.CORRUPT),
        (pdf(shown("x"))[:200], Reason.CORRUPT),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"junk", Reason.CORRUPT),
        (b"<?xml version='1.0'?><a><b>1</a>", Reason.CORRUPT),
        (b'{"a": 1, "b": }', Reason.CORRUPT),
        (b"[" * 100_000 + b"]" * 100_000, Reason.TOO_DEEP),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Reason.TOO_DEEP),
    ],
)
def test_what_cannot_be_read_is_a_gap(content: bytes, reason: Reason) -> None:
    assert reason in reasons(read(content, "x.json" if content[:1] == b"[" else ""))


def test_a_truncated_document_still_gives_what_is_left() -> None:
    content = pdf(shown(f"SSN {SSN}"))
    items = read(content[: content.rindex(b"xref")])
    assert Reason.CORRUPT in reasons(items)
    assert any(SSN in text.text for text in texts(items))


def test_a_zip_bomb_costs_no_memory_and_is_named() -> None:
    bomb = zipped({"a.txt": b"\0" * 150_000_000})
    limits = Limits(blob_bytes=20_000_000)
    started = time.process_time()
    items = read(zipped({f"{n}.zip": bomb + bytes([n]) for n in range(3)}), limits=limits)
    assert reasons(items).count(Reason.TOO_LARGE) == 3
    assert time.process_time() - started < 5


def test_a_lying_directory_does_not_help_a_bomb() -> None:
    content = bytearray(zipped({"a.txt": b"\0" * 60_000_000}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")  # claims ten bytes
    items = read(bytes(content), limits=Limits(blob_bytes=5_000_000))
    assert reasons(items)
    assert not any(len(text.text) > 5_000_000 for text in texts(items))


def test_a_huge_central_directory_is_refused() -> None:
    content = zipped({f"{n}": "" for n in range(3000)})
    assert Reason.TOO_LARGE in reasons(read(content, limits=Limits(members=100)))


def test_passwords_are_never_guessed() -> None:
    content = bytearray(zipped({"secret.txt": "x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert reasons(read(bytes(content))) == [Reason.ENCRYPTED]
    locked = pdf(shown(SSN), password="unknown")
    assert reasons(read(locked)) == [Reason.ENCRYPTED]
    office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    assert reasons(read(office)) == [Reason.ENCRYPTED]
    enveloped = bytes.fromhex("308006092a864886f70d010703a080") + b"\0" * 40
    assert reasons(read(enveloped)) == [Reason.ENCRYPTED]


def test_1200_nested_mails_give_the_outer_ones_and_a_gap() -> None:
    level = (
        "From: a@example.org\nTo: b@example.org\nSubject: level\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=b{0}x\n\n--b{0}x\nContent-Type: text/plain\n\n"
        "word {0}\n--b{0}x\nContent-Type: message/rfc822\n\n"
    )
    items = read("".join(level.format(n) for n in range(1200)).encode())
    assert Reason.TOO_DEEP in reasons(items)
    assert {"word 0", "word 1"} <= {text.text.strip() for text in texts(items)}


@pytest.mark.parametrize("word", [b"a 219-45-6788 ", b"a"])
def test_a_line_of_100_mb_comes_in_pieces(word: bytes) -> None:
    started = time.process_time()
    items = read(word * (100_000_000 // len(word)))
    assert time.process_time() - started < 5
    assert max(len(text.text) for text in texts(items)) <= 4_000_000
    assert reasons(items) == [Reason.TOO_LARGE]
    # Pieces are cut between words, so no value is lost at a cut.
    if b" " in word:
        assert all(text.text.endswith(" ") for text in texts(items)[:-1])


@pytest.mark.parametrize(
    "content",
    [
        b"<html>" + b"<div>" * 300_000 + b"x",
        b"<html>" + b"<table><tr><td>" * 100_000 + b"x",
        b"<html>" + b"<" * 3_000_000,
        b"<html>" + b"<a " * 1_000_000,
        b"<html>" + b"<!-- " * 1_000_000,
        b"{\\rtf" + b"{" * 300_000,
        b"<a>" * 100_000,
        b"From: a\nTo: b\nSubject: c\n" + b"X: y\n" * 200_000,
    ],
)
def test_hostile_markup_takes_linear_time(content: bytes) -> None:
    started = time.process_time()
    read(content)
    assert time.process_time() - started < 4


def test_entities_of_a_document_are_not_expanded() -> None:
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">'
        b'<!ENTITY f SYSTEM "file:///etc/passwd">]><z><x>&b;</x><y>&f;</y></z>'
    )
    items = read(bomb)
    assert reasons(items) == [Reason.UNPARSED]
    assert not any("lol" in text.text or "root:" in text.text for text in texts(items))


def test_a_sheet_of_two_far_cells_is_refused_before_it_is_allocated() -> None:
    cells = '<row r="1"><c r="A1"><v>1</v></c></row>'
    cells += '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    assert reasons(read(xlsx(cells))) == [Reason.TOO_LARGE]


def test_limits_of_the_whole_object_hold() -> None:
    many = zipped({f"{n}.txt": f"text {n}" for n in range(30)})
    items = read(many, limits=Limits(members=10))
    assert len(texts(items)) == 10
    assert Reason.TOO_LARGE in reasons(items)
    items = read(many, limits=Limits(total_bytes=50))
    assert 0 < len(texts(items)) < 10
    assert Reason.TOO_LARGE in reasons(items)
    assert reasons(read(many, limits=Limits(seconds=-1))) == [Reason.TIMEOUT]
    assert reasons(read(b"word " * 100, limits=Limits(text_chars=10))) == [Reason.TOO_LARGE]


def test_a_reader_that_fails_costs_its_own_part_only() -> None:
    def broken(_blob: Blob, _limits: Limits) -> object:
        yield Text("first", TextKind.BODY, _blob.place)
        raise RuntimeError("219-45-6788")

    format_ = Format(name="broken", recognise=lambda head, name: 0, read=broken)  # type: ignore[arg-type]
    items = list(extract(blob(b"x"), None, format_))
    assert reasons(items) == [Reason.CRASHED]
    assert texts(items)[0].text == "first"
    assert SSN not in str(items)


def test_a_tar_gives_its_files() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a/b.txt")
        content = f"SSN {SSN}".encode()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    found = texts(read(out.getvalue()))
    assert SSN in found[0].text
    assert str(found[0].place) == "a/b.txt"


def test_ham_loses_no_message() -> None:
    with tarfile.open(data("mail/spamassassin_ham_2750.tar.xz")) as archive:
        members = [member for member in archive if member.isfile()]
        assert len(members) == 2750
        for member in members[::10]:
            stream = archive.extractfile(member)
            assert stream
            items = read(stream.read())
            assert any(text.text.strip() for text in texts(items)), member.name
            assert Reason.CRASHED not in reasons(items), member.name


def test_eqip_files_all_give_text() -> None:
    for path in sorted(data("eqip").iterdir()):
        items = read(path.read_bytes())
        assert sum(len(text.text) for text in texts(items)) > 300, path.name
        assert not set(reasons(items)) - {Reason.IMAGE_ONLY}, path.name


def test_eqip_xml_and_json_give_the_same_number() -> None:
    path = data("eqip/sf86-test1.xml")
    both = [path.read_bytes(), path.with_suffix(".json").read_bytes()]
    for content in both:
        assert any("323-93-9103" in text.text for text in texts(read(content)))


SEEDS = {name: content for name, (content, _, _) in MATRIX.items()}


@given(st.binary(max_size=3000), st.sampled_from(registry.formats()))
@settings(max_examples=150, deadline=None)
def test_no_reader_raises_on_any_bytes(content: bytes, format_: Format) -> None:
    _exhaust(format_, content)


@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=8)), max_size=12),
    st.integers(0, 10**6),
)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_reader_raises_on_damaged_documents(
    name: str, edits: list[tuple[int, bytes]], cut: int
) -> None:
    content = bytearray(SEEDS[name])
    for at, replacement in edits:
        at %= len(content)
        content[at : at + len(replacement)] = replacement
    damaged = bytes(content[: len(content) - cut % 64])
    best = recognise(blob(damaged))
    if best:
        _exhaust(best, damaged)
    assert Reason.CRASHED not in reasons(read(damaged))


def _exhaust(format_: Format, content: bytes) -> None:
    if not format_.recognise(content[:4096], ""):
        return
    limits = Limits(seconds=5, blob_bytes=5_000_000)
    for item in format_.read(blob(content), limits):
        assert isinstance(item, (Text, Blob, Gap))


def test_a_member_without_a_name_is_read() -> None:
    # Found by fuzzing: zipfile's own is_dir() fails on it.
    content = zipped({"n": "words"}).replace(b"n", b"\0")  # zipfile cuts names at NUL
    assert texts(read(content))[0].text == "words"


def test_a_broken_zip_member_costs_itself() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:  # stored, so that a changed byte is a wrong sum
        archive.writestr("good.txt", "good words")
        archive.writestr("bad.txt", "bad words!")
    content = out.getvalue().replace(b"bad words!", b"bad w0rds!")
    items = read(content)
    assert [text.text for text in texts(items)] == ["good words"]
    assert reasons(items) == [Reason.CORRUPT]


def test_an_attachment_names_its_place() -> None:
    items = read(attached(zipped({"in/r.csv": f"Name,SSN\nAnn,{SSN}\n"}), "all.zip"))
    places = [str(text.place) for text in texts(items) if SSN in text.text]
    assert places == ["all.zip > in/r.csv"]


@pytest.mark.parametrize(
    "charset", ["DEFAULT", "x-unknown", "base64", "idna", "\0", "unknown-8bit"]
)
def test_an_unknown_charset_costs_nothing_but_accents(charset: str) -> None:
    message = mail(f"caf\xe9 SSN {SSN}", charset="latin-1").replace(b"latin-1", charset.encode())
    items = read(message)
    assert any(SSN in text.text for text in texts(items))
    assert not reasons(items)


def test_broken_base64_is_read_as_far_as_it_goes() -> None:
    good = mail(f"SSN {SSN} and more words to follow here\n", encoding="base64")
    items = read(good.rstrip() + b"A\n")
    assert any(SSN in text.text for text in texts(items))
    assert reasons(items) == [Reason.CORRUPT]
