"""Azure Activity log (control plane, JSON): az monitor activity-log list, or the archived form.

It records who changed what of a resource, and says nothing of reading: no row names a client, and
no bytes are counted. It is read because its records show when a log was switched off: deleting a
diagnostic setting or a flow log becomes a Gap. Kept for 90 days. Two shapes: the API's
(eventTimestamp, operationName.value) and the archived one (time, operationName), which writes
operation names in capitals (learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, Example, LogFormat, ReadOptions, Row, Trouble
from leftopen.trace.instants import utc
from leftopen.trace.json_records import BAD_JSON, by_record

SWITCHES = (
    "microsoft.insights/diagnosticsettings/delete",
    "microsoft.network/networkwatchers/flowlogs/delete",
    "microsoft.network/networkwatchers/configureflowlog/action",
)
DONE = ("succeeded", "success", "")


class _Named(msgspec.Struct):
    value: str = ""


class _Record(msgspec.Struct):
    operationName: str | _Named
    time: str = ""
    eventTimestamp: str = ""
    resourceId: str = ""
    resultType: str = ""
    status: str | _Named | None = None


_record = msgspec.json.Decoder(_Record)


def recognise(head: bytes, name: str) -> int:
    """By the names of either shape."""
    if head.lstrip()[:1] not in (b"{", b"[") or b'"operationName"' not in head:
        return 0
    if b'"eventTimestamp"' in head and b'"authorization"' in head:
        return 95
    flat = head.replace(b" ", b"")
    archived = b'"category":"Administrative"' in flat or b'"category":"Action"' in flat
    written = b'"category":"Write"' in flat or b'"category":"Delete"' in flat
    return 94 if (archived or written) and b'"resourceId"' in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Rows that show the log was recording, and a Gap for every switched-off one."""
    switched: list[Trouble] = []

    def parse(number: int, raw: msgspec.Raw | bytes) -> list[Row] | None:
        try:
            record = _record.decode(raw)
        except BAD_JSON:
            return None
        time = utc(record.time or record.eventTimestamp)
        if time is None:
            return None
        operation = _value(record.operationName).lower()
        done = (record.resultType or _value(record.status or "")).lower() in DONE
        if operation in SWITCHES and done:
            stamp = (record.time or record.eventTimestamp)[:40]
            detail = f"{operation} of {record.resourceId[:200]} at {stamp}"
            switched.append(Trouble(Reason.NO_LOG, f"a log was changed or switched off: {detail}"))
        return [Row(number, time)]

    def troubles() -> tuple[Trouble, ...]:
        made = tuple(switched)
        switched.clear()
        return made

    return by_record(blocks, "records", parse, troubles=troubles)


def _value(name: str | _Named) -> str:
    return name if isinstance(name, str) else name.value


def _example(**changes: object) -> str:
    record: dict[str, object] = {
        "time": "2023-02-08T03:12:45.2123117Z",
        "resourceId": "/SUBSCRIPTIONS/0/NETWORKSECURITYGROUPS/NSG",
        "operationName": "MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/SECURITYRULES/WRITE",
        "category": "Administrative",
        "resultType": "Success",
        "callerIpAddress": "203.0.113.9",
    }
    return json.dumps(record | changes) + "\n"


API = json.dumps(
    [
        {
            "authorization": {"action": "Microsoft.Insights/diagnosticSettings/delete"},
            "callerIpAddress": "203.0.113.9",
            "eventTimestamp": "2023-02-08T03:12:45.2123117Z",
            "operationName": {
                "value": "Microsoft.Insights/diagnosticSettings/delete",
                "localizedValue": "Delete diagnostic setting",
            },
            "resourceId": "/subscriptions/0/storageAccounts/mail",
            "status": {"value": "Succeeded"},
        }
    ]
)

FORMAT = LogFormat(
    name="azure_activity",
    kind="audit",
    protocols=("control plane",),  # no exposure: it cannot show who read
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=_example(),
            rows=({"line": 1, "time": 1675825965, "client": None, "bytes": 0},),
        ),
        Example(text=API, rows=({"line": 1, "time": 1675825965, "client": None},)),
    ),
    counterexamples=(
        _example(time="9999-12-31T23:59:59Z"),
        _example(operationName=5),
        _example(),
    ),
    source="learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema",
    unit="record",
)
