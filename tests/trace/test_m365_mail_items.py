"""MailItemsAccessed: messages by name, all of a folder where the record cannot say."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act, Chunk, ReadOptions
from leftopen.trace.formats import m365_mail_items
from log_cases import hostile, rows_of

LINES = m365_mail_items.FORMAT.examples[0].text
BIND, SYNC = LINES.splitlines(keepends=True)[:2]


def chunks(data: bytes) -> list[Chunk]:
    found = list(m365_mail_items.read(iter([data]), ReadOptions()))
    assert all(0 <= c.rejected <= c.lines for c in found)
    return found


def test_sync_and_throttling_are_said() -> None:
    (made,) = chunks((BIND + SYNC).encode())
    said = " ".join(t.detail for t in made.troubles)
    assert "whole folders" in said
    assert "24 hours are unlogged" in said
    (made,) = chunks(BIND.encode())
    assert made.troubles == ()


def test_record_inside_a_record() -> None:
    outer = json.dumps({"RecordType": 50, "AuditData": BIND})
    assert rows_of(m365_mail_items.FORMAT, outer) == rows_of(m365_mail_items.FORMAT, BIND)


def test_messages_of_one_record_are_bounded() -> None:
    items = [{"InternetMessageId": f"<{n}@example.org>"} for n in range(20_000)]
    record = {**json.loads(BIND), "Folders": [{"FolderItems": items}]}
    found = rows_of(m365_mail_items.FORMAT, json.dumps(record))
    assert len(found) == m365_mail_items.ITEMS_MAX + 1
    assert found[-1]["units"] == 10_000  # the others are counted, not named


def test_counts_that_are_none_are_one_at_least() -> None:
    for count in (None, -1, 10**30, "9", True):
        (row,) = rows_of(
            m365_mail_items.FORMAT, json.dumps({**json.loads(SYNC), "OperationCount": count})
        )
        assert (row["units"], row["bytes"], row["act"]) == (1, None, Act.WHOLE)


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        (made,) = chunks(BIND.replace("2023", year).encode())
        assert (made.lines, made.rejected) == (1, 1)


def test_hostile_records_are_counted() -> None:
    for line in hostile(BIND, "203.0.113.9", "Bind", "<a@example.org>", "2023-02-08"):
        assert sum(c.lines for c in chunks(line + BIND.encode())) in (2, 3)
    for data in (b"[" * 200_000, b'{"a":' * 100_000, b'"AuditData"\n"' + b"x" * 200_000):
        assert sum(c.rejected for c in chunks(data)) == 1


JSON = st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5)


@given(
    st.dictionaries(
        st.sampled_from(["Folders", "OperationProperties", "ClientIPAddress", "AuditData"]), JSON
    )
)
@settings(max_examples=60, deadline=None)
def test_fuzz_values(item: dict[str, object]) -> None:
    (made,) = chunks(json.dumps({**json.loads(BIND), **item}).encode())
    assert made.lines == 1
