"""Azure Storage resource logs: callers, copies, unknown sizes, and what breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import blank, hostile_between, lines, mutated, read_all, rejected, rows
from leftopen.trace.api import Act
from leftopen.trace.formats.azure_storage_read import FORMAT, _example


def one(**changes: object) -> dict[str, object]:
    (made,) = rows(read_all(FORMAT, _example(**changes).encode())).to_dicts()
    return made


def test_the_vendors_sample() -> None:
    # learn.microsoft.com/azure/storage/blobs/monitor-blob-storage, archived to a storage account
    text = (
        '{"time":"2019-02-28T19:10:21.2123117Z","resourceId":"/subscriptions/0/resourceGroups/rg/'
        'providers/Microsoft.Storage/storageAccounts/testaccount1/blobServices/default",'
        '"category":"StorageWrite","operationName":"PutBlob","operationVersion":"2017-04-17",'
        '"schemaVersion":"1.0","statusCode":201,"statusText":"Success","durationMs":5,'
        '"callerIpAddress":"192.168.0.1:11111","correlationId":"ad881411","location":"uswestcentral",'
        '"uri":"http://mystorageaccount.blob.core.windows.net/cont1/blobname?timeout=10"}\n'
    )
    (made,) = rows(read_all(FORMAT, text.encode())).to_dicts()
    assert (made["client"], made["act"], made["status"]) == ("192.168.0.1", Act.LOOKED, 2)


@pytest.mark.parametrize(
    ("kind", "user"),
    [("Anonymous", False), ("SAS Key", False), ("Account Key", True), ("OAuth", True), ("", False)],
)
def test_who_had_a_login(kind: str, user: bool) -> None:
    assert one(identity={"type": kind})["user"] is user


@pytest.mark.parametrize(
    ("operation", "code", "act"),
    [
        ("GetBlob", 200, Act.WHOLE),
        ("GetBlob", 206, Act.PART),
        ("GetBlob", 304, Act.LOOKED),
        ("GetBlob", 403, Act.TOUCHED),
        ("GetBlobProperties", 200, Act.LOOKED),
        ("ListContainers", 200, Act.LISTED),
        ("QueryBlobContents", 200, Act.PART),
        ("GetFile", "200", Act.WHOLE),
        ("GetBlob", "\x1b[2J", Act.TOUCHED),
    ],
)
def test_acts(operation: str, code: object, act: Act) -> None:
    assert one(operationName=operation, statusCode=code)["act"] == act


@pytest.mark.parametrize("size", [None, "", -1, 10**30, "x", 1e300])
def test_a_size_that_is_none_is_unknown_never_zero(size: object) -> None:
    assert one(properties={"responseBodySize": size})["bytes"] is None


@pytest.mark.parametrize("size", [2097152, "2097152", 2097152.0])
def test_sizes_as_number_and_text(size: object) -> None:
    assert one(properties={"responseBodySize": size})["bytes"] == 2097152


def test_a_copy_into_another_account_is_the_whole_object_of_unknown_size() -> None:
    made = one(operationName="CopyBlobSource", properties={"responseBodySize": 0})
    assert (made["act"], made["bytes"], made["object"]) == (Act.WHOLE, None, "/box/a%20b.pst")


@pytest.mark.parametrize("time", ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "", "2023"])
def test_impossible_times_are_rejected(time: str) -> None:
    assert rejected(read_all(FORMAT, _example(time=time).encode())) == 1


def test_a_signature_in_the_uri_is_never_kept() -> None:
    assert "sig" not in json.dumps({k: str(v) for k, v in one().items()})


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, _example() + _example())
    found = read_all(FORMAT, (_example() + "\n\r\n" + _example()).encode())
    assert (lines(found), blank(found), rejected(found)) == (4, 2, 0)


@given(data=st.one_of(st.binary(max_size=200), mutated(_example() + _example())))
@settings(max_examples=80, deadline=None)
def test_fuzz_azure_storage_read(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
