"""Microsoft 365 unified audit log (MailItemsAccessed; JSON, JSON lines or CSV export).

learn.microsoft.com, Use MailItemsAccessed to investigate compromised accounts. Traps: CreationTime
is UTC without a Z; ClientIPAddress may be a back-end of Microsoft; no record counts bytes:
unknown, never 0; Bind names the messages (aggregated over two minutes, repeats within an hour
dropped), Sync names a folder, and the vendor's rule is to take all of it as read; IsThrottled True
means over 1,000 binds in 24 hours, and the next 24 hours are unlogged: all is to be taken as read;
eDiscovery is not in it; records come up to 24 hours late, so the end of an export is thin. Sync
and throttling are said as troubles of the file. In exports the record is a text inside a record
("AuditData").
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row, Trouble, frame
from leftopen.trace.clock import Clock
from leftopen.trace.lines import BAD_KEPT

DOCUMENT_MAX = 256 << 20  # bytes of one export
BATCH = 50_000  # records made into columns at once
ITEMS_MAX = 10_000  # messages named by one record
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|\+00:00)?")
_OWN = b"MailItemsAccessed"
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, Any])
_BAD = (msgspec.DecodeError, ValueError, RecursionError)
_SYNC = "Sync records of whole folders: all of a folder is to be taken as read"
_THROTTLED = "throttled mailboxes: the next 24 hours are unlogged, all is to be taken as read"


def recognise(head: bytes, name: str) -> int:
    """By the operation and the fields of the audit schema."""
    if _OWN not in head:
        return 0
    schema = b"AuditData" in head or b"CreationTime" in head
    return 96 if schema else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Messages read by each client. One "line" is one record."""
    held = bytearray()
    for block in blocks:
        held += block
        if len(held) > DOCUMENT_MAX:
            trouble = Trouble(Reason.TOO_LARGE, f"an export over {DOCUMENT_MAX} bytes; split it")
            yield Chunk(rows=frame(()), lines=1, rejected=1, bad=(1,), troubles=(trouble,))
            return
    if held.strip():
        yield from _Reader(options).read(bytes(held).removeprefix(b"\xef\xbb\xbf"))


def _records(data: bytes) -> Iterator[dict[str, Any] | None]:
    """Each record of an export; None for one that cannot be read."""
    start = data.lstrip()[:1]
    if start == b"[":
        try:
            raws = _array.decode(data)
        except _BAD:
            yield None  # a cut array: nothing in it is certain
            return
        for raw in raws:
            yield _decoded(bytes(raw))
    elif start == b"{":
        for line in data.split(b"\n"):
            if line.strip():
                yield _decoded(line)
    else:
        yield from _table(data.decode("utf-8", "replace"))


def _table(text: str) -> Iterator[dict[str, Any] | None]:
    rows = csv.DictReader(io.StringIO(text.replace("\0", "")))
    try:
        for row in rows:
            yield _decoded((row.get("AuditData") or "").encode())
    except csv.Error:
        yield None


def _decoded(data: bytes) -> dict[str, Any] | None:
    """The audit record, also where it is a text inside another one."""
    try:
        item = _object.decode(data)
        inner = item.get("AuditData")
        return _object.decode(inner) if isinstance(inner, str) else item
    except _BAD:
        return None


class _Reader:
    """Makes rows of records, in batches."""

    def __init__(self, options: ReadOptions) -> None:
        self._clock = Clock("UTC", options.mtime)
        self._rows: list[Row] = []
        self._bad: list[int] = []
        self._syncs = self._throttled = self._failed = self._count = 0

    def read(self, data: bytes) -> Iterator[Chunk]:
        """All of it; whatever cannot be read is counted."""
        for number, item in enumerate(_records(data), start=1):
            self._count += 1
            if not self._take(number, item):
                self._failed += 1
                self._bad += [number] if len(self._bad) < BAD_KEPT else []
            if self._count >= BATCH:
                yield self._chunk()
        yield self._chunk()

    def _chunk(self) -> Chunk:
        said = ((_SYNC, self._syncs), (_THROTTLED, self._throttled))
        made = Chunk(
            rows=frame(self._rows),
            lines=self._count,
            rejected=self._failed,
            bad=tuple(self._bad),
            troubles=tuple(Trouble(Reason.NO_COUNT, text, n) for text, n in said if n),
        )
        self._rows, self._bad = [], []
        self._syncs = self._throttled = self._failed = self._count = 0
        return made

    def _take(self, number: int, item: dict[str, Any] | None) -> bool:
        found = _ISO.fullmatch(str((item or {}).get("CreationTime") or ""))
        time = self._clock.iso(found[1], "Z") if found else None
        if item is None or time is None:
            return False
        row = Row(number, time)
        if item.get("Operation") != "MailItemsAccessed":
            self._rows.append(row)
            return True
        peer = web.host_and_port(_text(item, "ClientIPAddress") or _text(item, "ClientIP"))
        mine = row._replace(
            client=peer[0] if peer else web.UNATTRIBUTED,
            act=Act.WHOLE,
            bytes=None,
            agent=_text(item, "ClientInfoString")[: web.AGENT_MAX] or None,
            user=True,
        )
        told = _properties(item)
        self._syncs += told.get("MailAccessType") == "Sync"
        self._throttled += told.get("IsThrottled", "").lower() == "true"
        self._rows += _messages(mine, item)
        return True


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (v for v in value if isinstance(v, dict))


def _properties(item: dict[str, Any]) -> dict[str, str]:
    told = _dicts(item.get("OperationProperties"))
    return {_text(p, "Name"): str(p.get("Value") or "") for p in told}


def _messages(row: Row, item: dict[str, Any]) -> list[Row]:
    """One row a message that is named; else one for the record, with the count it gives."""
    names: list[str] = []
    for folder in _dicts(item.get("Folders")):
        named = (_text(entry, "InternetMessageId") for entry in _dicts(folder.get("FolderItems")))
        names += [name for name in named if name]
    if names:
        rest = [row._replace(units=len(names) - ITEMS_MAX)] if len(names) > ITEMS_MAX else []
        return [*(row._replace(object=n[: web.OBJECT_MAX]) for n in names[:ITEMS_MAX]), *rest]
    count = item.get("OperationCount")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < 10**9:
        count = 1
    return [row._replace(units=count)]


def _record(kind: str, throttled: str, folders: str, time: str = "2023-02-08T03:12:45") -> str:
    return (
        f'{{"CreationTime":"{time}","Operation":"MailItemsAccessed","UserId":"kim@example.org",'
        '"ClientIPAddress":"203.0.113.9","ClientInfoString":"Client=REST;",'
        f'"OperationProperties":[{{"Name":"MailAccessType","Value":"{kind}"}},'
        f'{{"Name":"IsThrottled","Value":"{throttled}"}}],"OperationCount":2,{folders}}}'
    )


_BIND = _record(
    *("Bind", "False"),
    '"Folders":[{"Path":"\\\\Inbox","FolderItems":[{"InternetMessageId":"<a@example.org>"},'
    '{"InternetMessageId":"<b@example.org>"}]}]',
)
_FOLDER = _record("Sync", "True", '"Item":{"ParentFolder":{"Path":"\\\\Inbox"}}')
_OTHER = '{"CreationTime":"2023-02-08T03:12:46","Operation":"UserLoggedIn","ClientIP":"192.0.2.1"}'
_QUOTED = _BIND.replace('"', '""')
_WANTED: tuple[dict[str, Any], ...] = (
    {
        "line": 1,
        "time": 1675825965,
        "client": "203.0.113.9",
        "act": Act.WHOLE,
        "bytes": None,
        "object": "<a@example.org>",
        "agent": "Client=REST;",
        "user": True,
    },
    {"line": 1, "object": "<b@example.org>", "units": 0},
)

FORMAT = LogFormat(
    name="m365_mail_items",
    kind="audit",
    protocols=("imap", "pop3", "http"),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=f"{_BIND}\n{_FOLDER}\n{_OTHER}\n",
            rows=(
                *_WANTED,
                {"line": 2, "act": Act.WHOLE, "units": 2, "object": None, "bytes": None},
                {"line": 3, "client": None},
            ),
        ),
        Example(text=f"[{_BIND}]", rows=_WANTED),
        Example(
            text='"CreationDate","UserIds","Operations","AuditData"\r\n'
            f'"2/8/2023 3:12:45 AM","k@example.org","MailItemsAccessed","{_QUOTED}"\r\n',
            rows=_WANTED,
        ),
    ),
    counterexamples=(
        _BIND.replace("2023-02-08", "2023-02-30"),
        _BIND[:-9],
        f"[{_BIND},",
        '{"Operation":"MailItemsAccessed","ClientIPAddress":"203.0.113.9"}',
    ),
    source="learn.microsoft.com/purview/audit-log-investigate-accounts",
    unit="record",
)
