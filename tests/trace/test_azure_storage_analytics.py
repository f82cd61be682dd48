"""Azure Storage Analytics logs: quoting, duplicates, statuses, and what breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.trace.api import Act
from leftopen.trace.formats.azure_storage_analytics import FORMAT, _example


def one(**changes: str) -> dict[str, object]:
    (made,) = rows(read_all(FORMAT, _example(**changes).encode())).to_dicts()
    return made


def test_the_vendors_samples() -> None:
    # learn.microsoft.com/azure/storage/common/storage-analytics-logging
    text = (
        "1.0;2011-07-28T18:02:40.6271789Z;PutBlob;Success;201;28;21;authenticated;sally;sally;"
        'blob;"http://sally.blob.core.windows.net/thumbnails/lake.jpg?timeout=30000";'
        '"/sally/thumbnails/lake.jpg";fb658ee6-6123-41f5-81e2-4bfdc178fea3;0;201.9.10.20:3525;'
        '2009-09-19;438;100;223;0;100;;"66CbMXKirxDeTr82SXBKbg==";"0x8CE1B67AD25AA05";'
        'Thursday, 28-Jul-11 18:02:40 GMT;;"";;"7/28/2011 6:02:40 PM ba98eb12-700b-4d53-9230"\n'
        "1.0;2011-08-09T18:52:40.9241789Z;GetBlob;AnonymousSuccess;200;18;10;anonymous;;myaccount;"
        'blob;"https://myaccount.blob.core.windows.net/thumb&amp;nails/lake.jpg?timeout=30000";'
        '"/myaccount/thumbnails/lake.jpg";a84aa705-8a85-48c5-b064-b43bd22979c3;0;123.100.2.10;'
        '2009-09-19;252;0;265;100;0;;;"0x8CE1B6EA95033D5";Friday, 09-Sep-11 18:31:58 GMT;;;;'
        '"7/28/2011"\n'
    )
    found = read_all(FORMAT, text.encode())
    put, get = rows(found).to_dicts()
    assert rejected(found) == 0
    assert (put["client"], put["act"], put["user"]) == ("201.9.10.20", Act.LOOKED, True)
    assert (get["client"], get["act"], get["bytes"]) == ("123.100.2.10", Act.WHOLE, 100)
    assert get["object"] == "/thumb&nails/lake.jpg"


def test_the_second_delivery_counts_once_and_a_batch_by_its_numbers() -> None:
    text = _example() + _example() + _example().replace(";0;203.", ";1;203.")
    found = read_all(FORMAT, text.encode())
    assert rows(found)["line"].to_list() == [1, 3]
    assert rejected(found) == 0


def test_version_2_has_more_fields() -> None:
    text = _example().replace("1.0;", "2.0;", 1).rstrip("\n") + ";t;o;a;u;b;r;x;y;z;w\n"
    assert rows(read_all(FORMAT, text.encode())).height == 1


def test_an_unknown_size_is_null_for_data_and_nothing_for_a_refusal() -> None:
    assert one(size="")["bytes"] is None
    assert one(size="", code="404", status="AnonymousClientOtherError")["bytes"] == 0


def test_anonymous_and_sas_have_no_login() -> None:
    assert [one(auth=a)["user"] for a in ("anonymous", "sas", "authenticated", "bearer")] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("client", ["203.0.113.9", "203.0.113.9:1", "[2001:db8::1]:9"])
def test_callers(client: str) -> None:
    assert one(client=client)["client"] in ("203.0.113.9", "2001:db8::1")


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, _example() + _example(id="b"))


@given(data=st.one_of(st.binary(max_size=200), mutated(_example() + _example(id="b"))))
@settings(max_examples=80, deadline=None)
def test_fuzz_azure_storage_analytics(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
