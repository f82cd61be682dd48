"""AWS CloudTrail records: S3 data events, and who switched the log off.

A document {"Records": [...]} per file, or one record a line. Traps, each handled here: only data
events (GetObject...) speak of reading, and they are off by default; a file of management events
alone says nothing of who read; bytes are in additionalEventData.bytesTransferredOut, which most
records lack: unknown, never 0; the same event may be delivered twice (eventID); sourceIPAddress
may name an AWS service or "AWS Internal" instead of a client; anonymous callers are
ANONYMOUS_PRINCIPAL; CopyObject by a stranger takes the source; a request that failed to
authenticate is not logged at all; eventTime is UTC and records are not in order. StopLogging,
DeleteTrail and changed event selectors become a Gap: from there on the trail may be silent. Whether
no file is missing is what the digest chain tells: trace/cloudtrail_digest.py
(docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row, Trouble
from leftopen.trace.instants import address, utc
from leftopen.trace.json_records import BAD_JSON, Seen, by_record, natural

OBJECT_MAX, AGENT_MAX = 4096, 200
GIVES = ("GetObject", "GetObjectTorrent", "SelectObjectContent", "CopyObject", "UploadPartCopy")
COPIES = ("CopyObject", "UploadPartCopy")
LISTS = (
    *("ListObjects", "ListObjectsV2", "ListObjectVersions", "ListBuckets"),
    *("ListMultipartUploads", "ListParts"),
)
# Of cloudtrail.amazonaws.com: after these the trail may no longer record.
SWITCHES = (
    *("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"),
    *("StopEventDataStoreIngestion", "DeleteEventDataStore"),
)


class _Who(msgspec.Struct):
    type: str | None = None
    principalId: str | None = None
    accountId: str | None = None


class _Record(msgspec.Struct):
    eventTime: str
    eventSource: str
    eventName: str
    sourceIPAddress: str | None = None
    userAgent: str | None = None
    errorCode: str | None = None
    eventID: str | None = None
    userIdentity: _Who | None = None
    requestParameters: dict[str, Any] | None = None
    additionalEventData: dict[str, Any] | None = None


_record = msgspec.json.Decoder(_Record)


def recognise(head: bytes, name: str) -> int:
    """By the names that every record has."""
    if head.lstrip()[:1] not in (b"{", b"["):
        return 0
    names = (b'"eventSource"', b'"eventName"', b'"eventTime"', b'"eventVersion"')
    return 97 if all(n in head for n in names) else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """S3 data events by caller and object; everything else shows that the trail was recording."""
    reader = _Reader()
    return by_record(blocks, "Records", reader.rows, troubles=reader.troubles)


class _Reader:
    def __init__(self) -> None:
        self._seen = Seen()
        self._switched: list[Trouble] = []

    def troubles(self) -> tuple[Trouble, ...]:
        """Who changed the trail, since the last call."""
        made, self._switched = tuple(self._switched), []
        return made

    def rows(self, number: int, raw: msgspec.Raw | bytes) -> list[Row] | None:
        """One record; an event that came before gives no row."""
        try:
            record = _record.decode(raw)
        except BAD_JSON:
            return None
        time = utc(record.eventTime)
        if time is None:
            return None
        if self._seen.before(record.eventID or ""):
            return []
        failed = bool(record.errorCode)
        if record.eventSource == "cloudtrail.amazonaws.com":
            if record.eventName in SWITCHES and not failed:
                detail = f"{record.eventName} at {record.eventTime[:40]}: the trail was changed"
                self._switched.append(Trouble(Reason.NO_LOG, detail))
            return [Row(number, time)]
        if record.eventSource != "s3.amazonaws.com":
            return [Row(number, time)]
        return [_row(number, time, record)]


def _row(number: int, time: int, record: _Record) -> Row:
    act = _act(record)
    extra = record.additionalEventData or {}
    size = natural(extra.get("bytesTransferredOut"))
    if record.eventName in COPIES and act >= Act.PART:
        size = size or None  # it went into another bucket: how much is not said
    elif size is None and act < Act.LISTED:
        size = 0
    return Row(
        line=number,
        time=time,
        client=address(record.sourceIPAddress or ""),
        act=act,
        status=_status(record.errorCode),
        bytes=size,
        object=_object(record) if act >= Act.PART else None,
        agent=(record.userAgent or "")[:AGENT_MAX] or None,
        user=not _anonymous(record.userIdentity),
    )


def _act(record: _Record) -> Act:
    if record.errorCode:
        return Act.TOUCHED
    if record.eventName in GIVES:
        asked = record.requestParameters or {}
        part = any(name.lower() in ("range", "x-amz-copy-source-range") for name in asked)
        whole = record.eventName in ("GetObject", "CopyObject") and not part
        return Act.WHOLE if whole else Act.PART
    return Act.LISTED if record.eventName in LISTS else Act.LOOKED


def _object(record: _Record) -> str:
    asked = record.requestParameters or {}
    source = asked.get("x-amz-copy-source")
    if record.eventName in COPIES and isinstance(source, str):
        return f"/{source.removeprefix('/')}"[:OBJECT_MAX]
    return f"/{asked.get('bucketName', '')}/{asked.get('key', '')}"[:OBJECT_MAX]


def _status(error: str | None) -> int:
    if not error:
        return 2
    return 5 if error in ("InternalError", "ServiceUnavailable", "SlowDown") else 4


def _anonymous(who: _Who | None) -> bool:
    if who is None:
        return True
    return (
        "ANONYMOUS_PRINCIPAL" in (who.principalId, who.accountId) or who.principalId == "Anonymous"
    )


def _event(**changes: object) -> dict[str, object]:
    made: dict[str, object] = {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AWSAccount",
            "principalId": "",
            "accountId": "ANONYMOUS_PRINCIPAL",
        },
        "eventTime": "2023-02-08T03:12:45Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "[Wget/1.21]",
        "requestParameters": {"bucketName": "mail", "key": "box/a b.pst"},
        "additionalEventData": {"bytesTransferredIn": 0.0, "bytesTransferredOut": 2097152.0},
        "eventCategory": "Data",
    }
    return made | changes


def _example(*events: dict[str, object]) -> str:
    return json.dumps({"Records": events})


_USER = {"type": "IAMUser", "principalId": "AIDA", "accountId": "123456789012"}

FORMAT = LogFormat(
    name="cloudtrail",
    kind="audit",
    protocols=("s3",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=_example(
                _event(eventID="1"),
                _event(eventID="1"),
                _event(additionalEventData=None, userIdentity=_USER),
                _event(eventName="ListObjects", requestParameters={"bucketName": "mail"}),
                _event(errorCode="AccessDenied", additionalEventData=None),
                _event(
                    eventName="CopyObject",
                    requestParameters={"bucketName": "theirs", "x-amz-copy-source": "mail/x"},
                ),
                _event(sourceIPAddress="AWS Internal"),
                _event(eventSource="ec2.amazonaws.com", eventName="DescribeInstances"),
                _event(requestParameters={"bucketName": "m", "key": "k", "Range": "bytes=0-9"}),
            ),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/mail/box/a b.pst",
                    "user": False,
                },
                {"line": 3, "bytes": None, "act": Act.WHOLE, "user": True},
                {"line": 4, "act": Act.LISTED, "object": None},
                {"line": 5, "act": Act.TOUCHED, "status": 4, "bytes": 0},
                {"line": 6, "act": Act.WHOLE, "object": "/mail/x"},
                {"line": 7, "client": None},
                {"line": 8, "client": None, "act": Act.TOUCHED},
                {"line": 9, "act": Act.PART},
            ),
        ),
    ),
    counterexamples=(
        _example(_event(eventTime="9999-12-31T23:59:59Z")),
        _example(_event(eventTime=5)),
        _example(_event(sourceIPAddress="s3.amazonaws.com")),
        '{"Records": [{"eventVersion": "1.08", "eventSource": "x", "eventName": "y"}, 7]}',
    ),
    source="docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html",
    unit="record",
)
