"""The door of contents: objects, places, digests, units, streaming; no value in what it gives."""

from __future__ import annotations

import multiprocessing
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contents.planted import SSN, attached, blob, data, in_worker, mail, zipped
from leftopen.contents import examine
from leftopen.contents.api import Limits
from leftopen.model.blob import Blob, Provenance
from leftopen.model.errors import UsageError
from leftopen.model.finding import ObjectReport
from leftopen.model.gap import Gap, Reason
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring

KEYRING = Keyring(b"k" * 32)
DATED = mail(f"SSN: {SSN}").replace(b"Subject", b"Date: Mon, 2 Jan 2023 10:00:00 -0500\nSubject", 1)
BOX = b"".join(b"From a@b Mon Jan  2 00:00:00 2023\n" + DATED + b"\n" for _ in range(3))


def reports(items: list[ObjectReport | Gap]) -> list[ObjectReport]:
    return [item for item in items if isinstance(item, ObjectReport)]


def gaps(items: list[ObjectReport | Gap]) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap)]


def test_a_mail_is_one_object_with_its_date_and_matches() -> None:
    place = Provenance().child("store", "INBOX")
    items = list(
        examine.examine_blob(
            Blob(data=DATED, place=place), KEYRING, name="INBOX/1", group="INBOX", stratum="s"
        )
    )
    (report,) = reports(items)
    assert report.kind == "eml"
    assert report.time == datetime(2023, 1, 2, 15, tzinfo=UTC)
    assert report.object_id == KEYRING.digest("object", "INBOX/1")
    assert report.digest == KEYRING.digest("bytes", blob(DATED).digest)
    assert (report.place, report.group, report.stratum) == ("INBOX", "INBOX", "s")
    assert [match.detector for match in report.matches] == ["us_ssn"]
    assert report.matches[0].place == "body"
    assert SSN.encode() not in to_json(items)


def test_a_given_time_beats_the_header() -> None:
    given = datetime(2020, 1, 1, tzinfo=UTC)
    items = list(examine.examine_blob(blob(DATED), KEYRING, name="x", time=given))
    assert reports(items)[0].time == given


def test_a_mailbox_is_an_object_per_message() -> None:
    found = reports(list(examine.examine_blob(blob(BOX), KEYRING, name="box")))
    assert [r.object_id for r in found] == [KEYRING.digest("object", f"box#{n}") for n in (1, 2, 3)]
    assert [r.place for r in found] == ["#1", "#2", "#3"]
    assert len({r.digest for r in found}) == 1  # the same bytes: one digest


def test_gaps_of_parts_name_the_object() -> None:
    message = attached(b"Rar!\x1a\x07\0" + b"\0" * 40, "x.rar")
    place = Provenance().child("store", "INBOX")
    items = list(examine.examine_blob(Blob(data=message, place=place), KEYRING, name="m"))
    (gap,) = gaps(items)
    assert (gap.reason, gap.place) == (Reason.UNSUPPORTED, "INBOX > x.rar")
    assert len(reports(items)) == 1


def test_an_unreadable_object_is_still_an_object() -> None:
    items = list(examine.examine_blob(blob(b"\0\1\2" * 99), KEYRING, name="x"))
    assert [gap.reason for gap in gaps(items)] == [Reason.UNSUPPORTED]
    assert reports(items)[0].kind == ""


def tree(root: Path) -> Path:
    (root / "Mail/cur").mkdir(parents=True)
    (root / "Mail/new").mkdir()
    (root / "Mail/cur/1:2,S").write_bytes(DATED)
    (root / "Mail/new/2").write_bytes(DATED)
    (root / "box.mbox").write_bytes(BOX)
    (root / "50%.txt").write_text("words")
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.txt")).write_text("words")
    return root


def test_a_tree_is_walked_in_order_and_nothing_is_passed_over(tmp_path: Path) -> None:
    root = tree(tmp_path)
    units = examine.list_units(root)
    assert units == [
        "50%25.txt",
        "Mail/cur/1:2,S",
        "Mail/new/2",
        "box.mbox",
        "caf%E9.txt",
        "link",
        "pipe",
    ]
    items = list(examine.examine_path(root, KEYRING))
    assert {r.group for r in reports(items)} == {"", "Mail"}
    assert len(reports(items)) == 7
    assert [(gap.reason, gap.place) for gap in gaps(items)] == [
        (Reason.OUT_OF_SCOPE, "link"),
        (Reason.UNSUPPORTED, "pipe"),
    ]
    by_unit = [i for u in units for i in examine.examine_unit(root, u, KEYRING)]
    assert to_json(by_unit) == to_json(items)


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "up").symlink_to(tmp_path)
    items = list(examine.examine_path(tmp_path, KEYRING))
    assert [gap.reason for gap in gaps(items)] == [Reason.OUT_OF_SCOPE]


def test_a_file_that_vanished_is_a_gap(tmp_path: Path) -> None:
    items = list(examine.examine_unit(tmp_path, "gone.txt", KEYRING))
    assert [gap.reason for gap in gaps(items)] == [Reason.UNREADABLE]


def test_nothing_at_the_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or directory"):
        list(examine.examine_path(tmp_path / "nothing", KEYRING))


def test_a_file_over_the_limit_is_cut_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_bytes(b"word " * 100_000)
    items = list(examine.examine_path(tmp_path, KEYRING, Limits(blob_bytes=100_000)))
    cut = [gap for gap in gaps(items) if gap.reason is Reason.TOO_LARGE]
    assert [gap.size for gap in cut if gap.size == 400_000] == [400_000]
    assert reports(items)[0].bytes == 100_000


def test_one_file_is_named_after_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"SSN: {SSN}")
    (report,) = reports(list(examine.examine_path(tmp_path / "a.txt", KEYRING)))
    assert report.place == "a.txt"
    assert report.object_id == KEYRING.digest("object", "a.txt")


def test_a_large_mailbox_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "large.mbox"
    message = b"From a@b Mon Jan  2 00:00:00 2023\n" + attached(b"\xff\xd8\xff" * 300_000, "a.jpg")
    with path.open("wb") as file:
        for _ in range(60):
            file.write(message + b"\n")
    list(examine.examine_blob(blob(DATED), KEYRING, name="warm"))
    tracemalloc.start()
    count = sum(isinstance(i, ObjectReport) for i in examine.examine_path(path, KEYRING))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60
    assert peak < 8 * len(message) < path.stat().st_size / 5


def test_a_unit_gives_the_same_in_a_spawned_process(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"r.csv": f"Name,SSN\nAnn,{SSN}\n"}))
    here = to_json(list(examine.examine_unit(tmp_path, "a.zip", KEYRING)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        job = pool.apply_async(in_worker, (tmp_path, "a.zip", KEYRING.raw))
        there = job.get(timeout=60)
    assert here == there
    assert b"us_ssn" in here


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Mon, 2 Jan 2023 10:00:00 -0500", datetime(2023, 1, 2, 15, tzinfo=UTC)),
        ("2 Jan 2023 10:00 +0130", datetime(2023, 1, 2, 8, 30, tzinfo=UTC)),
        ("Mon, 02 Jan 2023 10:00:00 GMT", datetime(2023, 1, 2, 10, tzinfo=UTC)),
        ("Mon, 02 Jan 2023 10:00:60 -0000", datetime(2023, 1, 2, 10, 0, 59, tzinfo=UTC)),
        ("Thu, 31 Feb 2023 10:00:00 +0000", None),
        ("yesterday", None),
        ("2023-01-02T10:00:00Z", datetime(2023, 1, 2, 10, tzinfo=UTC)),
        ("2023-01-02T99:00:00Z", None),
        ("1 Jan 0001 00:00:00 +9999", None),
        ("", None),
    ],
)
def test_dates(text: str, wanted: datetime | None) -> None:
    assert examine.parse_date(text) == wanted


def test_eqip_pdf_without_an_ending_is_a_completed_form() -> None:
    path = data("eqip/nuxeo-Attachment_Request_ID_20006343_Attachment_ID_52881")
    (report,) = reports(list(examine.examine_path(path, KEYRING)))
    assert report.kind == "pdf"
    assert [(form.form, form.state.value) for form in report.forms] == [("sf86", "completed")]
