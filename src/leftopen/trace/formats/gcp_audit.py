"""Google Cloud audit logs (Cloud Logging entries with an AuditLog payload, JSON).

Traps, each handled here: Data Access records are off by default and, above all, Google writes
none for what is open to allUsers or allAuthenticatedUsers, so on a public bucket the log proves no
absence: said as a Gap for every file; no record counts bytes, so what was given is unknown, never
0; callerIp may be "private", "gce-internal-ip" or missing; status.code is a gRPC code, absent for
success; methodName tells a reading of an object (storage.objects.get) from a listing; a long
operation has two records of one insertId and operation, first and last
(cloud.google.com/logging/docs/audit, cloud.google.com/storage/docs/audit-logging).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row, Trouble
from leftopen.trace.instants import address, utc
from leftopen.trace.json_records import BAD_JSON, Seen, by_record

OBJECT_MAX, AGENT_MAX = 4096, 200
SILENT = (
    "Google writes no data access record for what allUsers or allAuthenticatedUsers may read: "
    "this log cannot show who read a public bucket"
)
GIVES = (
    *("storage.objects.get", "google.storage.objects.get"),
    *("jobservice.getqueryresults", "tabledata.list", "datastore.lookup"),
)
LISTS = ("storage.objects.list", "storage.buckets.list", "google.storage.objects.list")
PERMISSION_DENIED, UNAUTHENTICATED = 7, 16  # google.rpc.Code
SERVER_FAULTS = (2, 4, 8, 12, 13, 14, 15)  # unknown, deadline, exhausted, ..., unavailable, loss


class _Who(msgspec.Struct):
    principalEmail: str | None = None
    principalSubject: str | None = None


class _Caller(msgspec.Struct):
    callerIp: str | None = None
    callerSuppliedUserAgent: str | None = None


class _Status(msgspec.Struct):
    code: int = 0


class _Payload(msgspec.Struct):
    serviceName: str = ""
    methodName: str = ""
    resourceName: str = ""
    authenticationInfo: _Who | None = None
    requestMetadata: _Caller | None = None
    status: _Status | None = None


class _Entry(msgspec.Struct):
    protoPayload: _Payload
    timestamp: str
    insertId: str = ""
    logName: str = ""


_entry = msgspec.json.Decoder(_Entry)


def recognise(head: bytes, name: str) -> int:
    """By the payload."""
    if head.lstrip()[:1] not in (b"{", b"[") or b'"protoPayload"' not in head:
        return 0
    known = b"cloudaudit.googleapis.com" in head or b"google.cloud.audit.AuditLog" in head
    return 97 if known else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Calls by caller and resource."""
    seen, said = Seen(), [Trouble(Reason.NO_LOG, SILENT)]

    def parse(number: int, raw: msgspec.Raw | bytes) -> list[Row] | None:
        try:
            entry = _entry.decode(raw)
        except BAD_JSON:
            return None
        time = utc(entry.timestamp)
        if time is None:
            return None
        repeated = seen.before(f"{entry.insertId} {entry.timestamp}" if entry.insertId else "")
        return [] if repeated else [_row(number, time, entry.protoPayload)]

    def troubles() -> tuple[Trouble, ...]:
        return (said.pop(),) if said else ()

    return by_record(blocks, "entries", parse, troubles=troubles)


def _row(number: int, time: int, payload: _Payload) -> Row:
    caller, who = payload.requestMetadata or _Caller(), payload.authenticationInfo or _Who()
    act = _act(payload)
    return Row(
        line=number,
        time=time,
        client=address(caller.callerIp or ""),
        act=act,
        status=_status(payload.status.code if payload.status else 0),
        bytes=None if act >= Act.LISTED else 0,
        object=payload.resourceName[:OBJECT_MAX] or payload.methodName if act >= Act.PART else None,
        agent=(caller.callerSuppliedUserAgent or "")[:AGENT_MAX] or None,
        user=bool(who.principalEmail or who.principalSubject),
    )


def _act(payload: _Payload) -> Act:
    if payload.status and payload.status.code:
        return Act.TOUCHED
    if payload.methodName in GIVES:
        return Act.WHOLE
    return Act.LISTED if payload.methodName in LISTS else Act.LOOKED


def _status(code: int) -> int:
    return 2 if not code else 5 if code in SERVER_FAULTS else 4


def _example(**changes: object) -> str:
    payload: dict[str, object] = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "status": {},
        "authenticationInfo": {"principalEmail": "kim@example.org"},
        "requestMetadata": {
            "callerIp": "203.0.113.9",
            "callerSuppliedUserAgent": "gsutil/5",
            "requestAttributes": {"time": "2023-02-08T03:12:45.1Z", "auth": {}},
        },
        "serviceName": "storage.googleapis.com",
        "methodName": "storage.objects.get",
        "resourceName": "projects/_/buckets/mail/objects/box/a b.pst",
    }
    entry = {
        "protoPayload": payload | changes,
        "insertId": changes.get("insertId", ""),
        "resource": {"type": "gcs_bucket"},
        "timestamp": changes.get("timestamp", "2023-02-08T03:12:45.102847Z"),
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access",
    }
    return json.dumps(entry) + "\n"


FORMAT = LogFormat(
    name="gcp_audit",
    kind="audit",
    protocols=("gcs with login",),  # no exposure: public reads leave no record
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=_example()
            + _example(methodName="storage.objects.list", authenticationInfo={})
            + _example(status={"code": 7, "message": "no"})
            + _example(requestMetadata={"callerIp": "gce-internal-ip"})
            + _example(insertId="a")
            + _example(insertId="a")
            + _example(
                serviceName="compute.googleapis.com", methodName="v1.compute.firewalls.patch"
            ),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": None,
                    "object": "projects/_/buckets/mail/objects/box/a b.pst",
                    "agent": "gsutil/5",
                    "user": True,
                },
                {"line": 2, "act": Act.LISTED, "user": False, "bytes": None},
                {"line": 3, "act": Act.TOUCHED, "status": 4, "bytes": 0},
                {"line": 4, "client": None},
                {"line": 5, "act": Act.WHOLE},
                {"line": 7, "act": Act.LOOKED, "bytes": 0, "object": None},
            ),
        ),
    ),
    counterexamples=(
        _example(timestamp="9999-12-31T23:59:59Z"),
        _example(timestamp=5),
        _example(requestMetadata=7),
        _example(requestMetadata={"callerIp": "private"}),
    ),
    source="cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog",
    unit="record",
)
