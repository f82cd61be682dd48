"""Azure Storage resource logs (diagnostic setting: StorageRead, StorageWrite, StorageDelete).

Records as Azure Monitor archives them: hourly PT1H.json, one record a line or in a list. Traps,
each handled here: the caller is "address:port"; statusCode may be text, or "Unknown" where the
request broke off; what left is responseBodySize, absent is unknown and never 0; operationName
tells an object (GetBlob) from a listing and from mere properties, and a copy into another account
is a "...Source" operation that the service itself made and that sends the caller nothing;
identity.type Anonymous has no login, and a shared link (SAS) has none either: whoever holds it.
The category must have been switched on: a missing hour is a quiet hour or a switched-off log, so
hours are not vouched for (learn.microsoft.com/azure/storage/blobs/monitor-blob-storage-reference).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.azure_names import AGENT_MAX, BROKE_OFF, act_of, object_of, sent_of
from leftopen.trace.instants import address, utc
from leftopen.trace.json_records import BAD_JSON, by_record, natural

CATEGORIES = ("StorageRead", "StorageWrite", "StorageDelete")


class _Identity(msgspec.Struct):
    type: str = ""


class _Properties(msgspec.Struct):
    objectKey: str = ""
    userAgentHeader: str = ""
    responseBodySize: int | float | str | None = None


class _Record(msgspec.Struct):
    time: str
    category: str
    operationName: str
    callerIpAddress: str = ""
    statusCode: int | str = 0
    statusText: str = ""
    uri: str = ""
    identity: _Identity | None = None
    properties: _Properties | None = None


_record = msgspec.json.Decoder(_Record)


def recognise(head: bytes, name: str) -> int:
    """By the category of the first records."""
    if head.lstrip()[:1] not in (b"{", b"[") or b'"operationName"' not in head:
        return 0
    flat = head.replace(b" ", b"")
    return 96 if any(f'"category":"{c}"'.encode() in flat for c in CATEGORIES) else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests by caller and object."""
    return by_record(blocks, "records", _rows)


def _rows(number: int, raw: msgspec.Raw | bytes) -> list[Row] | None:
    try:
        record = _record.decode(raw)
    except BAD_JSON:
        return None
    time = utc(record.time)
    if time is None or record.category not in CATEGORIES:
        return None
    client = address(record.callerIpAddress)
    if client is None and record.callerIpAddress:
        return None
    about = record.properties or _Properties()
    code = natural(record.statusCode) or 0
    status = code if 100 <= code <= 599 else 0
    size = natural(about.responseBodySize)
    broke_off = record.statusText.endswith(BROKE_OFF)
    if broke_off and not status:
        status = 200  # the answer had begun: what of it arrived is unknown
    read_something = record.category == "StorageRead"
    act = act_of(record.operationName, status, size, cut=broke_off)
    if not read_something:
        act = min(act, Act.LOOKED)
    return [
        Row(
            line=number,
            time=time,
            client=client,
            act=act,
            status=status // 100,
            bytes=sent_of(record.operationName, size, act),
            object=_object(record, about) if act >= Act.PART else None,
            agent=about.userAgentHeader[:AGENT_MAX] or None,
            user=_login(record.identity),
        )
    ]


def _object(record: _Record, about: _Properties) -> str:
    return object_of(record.uri, about.objectKey, record.operationName)


def _login(identity: _Identity | None) -> bool:
    kind = identity.type.lower() if identity else ""
    return bool(kind) and kind != "anonymous" and not kind.startswith("sas")


def _example(**changes: object) -> str:
    record: dict[str, object] = {
        "time": "2023-02-08T03:12:45.2123117Z",
        "resourceId": "/subscriptions/0/storageAccounts/mail/blobServices/default",
        "category": "StorageRead",
        "operationName": "GetBlob",
        "schemaVersion": "1.0",
        "statusCode": 200,
        "statusText": "Success",
        "callerIpAddress": "203.0.113.9:11111",
        "identity": {"type": "Anonymous"},
        "properties": {
            "accountName": "mail",
            "userAgentHeader": "azcopy/10",
            "objectKey": "/mail/box/a.pst",
            "responseHeaderSize": 294,
            "responseBodySize": 2097152,
        },
        "uri": "https://mail.blob.core.windows.net/box/a%20b.pst?sv=2019&sig=XXXX",
    }
    return json.dumps(record | changes) + "\n"


_LISTING = {"operationName": "ListBlobs", "callerIpAddress": "[2001:db8::7]:443"}
_DENIED = {"statusCode": "404", "statusText": "ClientOtherError", "properties": None}
_COPIED = {"operationName": "CopyBlobSource", "properties": {"responseBodySize": 0}}
_WRITTEN = {"category": "StorageWrite", "operationName": "PutBlob"}
_BROKEN = {"statusCode": "Unknown", "statusText": "AnonymousNetworkError"}

FORMAT = LogFormat(
    name="azure_storage_read",
    kind="app",
    protocols=("azure_blob",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=_example()
            + _example(**_LISTING)
            + _example(**_DENIED)
            + _example(**_COPIED)
            + _example(**_WRITTEN)
            + _example(**_BROKEN)
            + _example(identity={"type": "OAuth"}, properties={"objectKey": "/x"}),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/box/a%20b.pst",
                    "agent": "azcopy/10",
                    "user": False,
                },
                {"line": 2, "client": "2001:db8::7", "act": Act.LISTED, "object": None},
                {"line": 3, "act": Act.TOUCHED, "status": 4, "bytes": 0, "agent": None},
                {"line": 4, "act": Act.WHOLE, "bytes": None},
                {"line": 5, "act": Act.LOOKED, "object": None},
                {"line": 6, "act": Act.PART, "bytes": 2097152},
                {"line": 7, "act": Act.WHOLE, "bytes": None, "user": True},
            ),
        ),
        Example(
            text='{"records":[' + _example().strip() + "]}",
            rows=({"line": 1, "client": "203.0.113.9", "bytes": 2097152},),
        ),
    ),
    counterexamples=(
        _example(time="9999-12-31T23:59:59Z"),
        _example(callerIpAddress="\x1b[2Jx"),
        _example(category="Other"),
        _example(callerIpAddress=5),
        '{"category": "StorageRead", "operationName": "GetBlob"}\n',
    ),
    source="learn.microsoft.com/azure/storage/blobs/monitor-blob-storage-reference",
    unit="record",
)
