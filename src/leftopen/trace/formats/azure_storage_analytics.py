"""Azure Storage Analytics logs (version 1.0 and 2.0, "classic", in the $logs container).

Semicolons between fields; a field that holds a semicolon, a quote or a newline is quoted and HTML
encoded. Traps, each handled here: the requester is "address:port"; request-status names the kind
of access (AnonymousSuccess has no login, a SAS is a link that anybody may hold); the status may be
"Unknown" where a request broke off; response-packet-size is the body and is empty where nothing is
known, never 0; the log is at-least-once, so a record with the request id and operation number of
an earlier one counts once; failed anonymous requests are not logged at all, except 304, time-outs
and server errors, so its silence proves no absence of attempts; it comes up to an hour late and
out of order (learn.microsoft.com/rest/api/storageservices/storage-analytics-log-format).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.azure_names import AGENT_MAX, BROKE_OFF, act_of, object_of, sent_of
from leftopen.trace.instants import address, utc
from leftopen.trace.json_records import Seen, natural
from leftopen.trace.lines import by_line, share

FIELDS_LEAST = 30  # of version 1.0; 2.0 adds ten
(_TIME, _OPERATION, _STATUS, _CODE, _AUTH) = (1, 2, 3, 4, 7)
(_URL, _KEY, _ID, _NUMBER, _CLIENT, _SIZE, _AGENT) = (11, 12, 13, 14, 15, 20, 27)
_LINE = re.compile(
    r"[12]\.0;\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z;[A-Za-z]{2,60};[A-Za-z]+;"
)
_FIELD = re.compile(r'"[^"]*"|[^;"]*')


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(96, share(head, _LINE))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests by caller and object."""
    seen = Seen()

    def parse(number: int, text: str) -> list[Row] | None:
        fields = _fields(text) if _LINE.match(text) else []
        time = utc(fields[_TIME]) if len(fields) >= FIELDS_LEAST else None
        if time is None:
            return None
        made = _row(number, time, fields)
        repeated = made is not None and seen.before(f"{fields[_ID]} {fields[_NUMBER]}".strip())
        return None if made is None else [] if repeated else [made]

    return by_line(blocks, parse)


def _fields(text: str) -> list[str]:
    """The fields of a line, decoded; an empty list where the quotes do not add up."""
    if '"' not in text:
        return text.split(";")
    made: list[str] = []
    at = 0
    while True:
        found = _FIELD.match(text, at)
        if found is None:
            return []
        made.append(html.unescape(found[0].strip('"')))
        at = found.end()
        if at == len(text):
            return made
        if text[at] != ";":
            return []
        at += 1


def _row(number: int, time: int, fields: list[str]) -> Row | None:
    client = address(fields[_CLIENT])
    size = natural(fields[_SIZE])
    if (client is None and fields[_CLIENT]) or (size is None and fields[_SIZE]):
        return None
    operation, broke_off = fields[_OPERATION], fields[_STATUS].endswith(BROKE_OFF)
    code = natural(fields[_CODE]) or 0
    status = code if 100 <= code <= 599 else 200 if broke_off else 0
    act = act_of(operation, status, size, cut=broke_off)
    return Row(
        line=number,
        time=time,
        client=client,
        act=act,
        status=status // 100,
        bytes=sent_of(operation, size, act),
        object=object_of(fields[_URL], fields[_KEY]) if act >= Act.PART else None,
        agent=fields[_AGENT][:AGENT_MAX] or None,
        user=fields[_AUTH] not in ("anonymous", "sas", ""),
    )


def _example(**changes: str) -> str:
    values = {
        "status": "AnonymousSuccess",
        "code": "200",
        "operation": "GetBlob",
        "auth": "anonymous",
        "id": "a84aa705-8a85-48c5-b064-b43bd22979c3",
        "client": "203.0.113.9:4362",
        "size": "2097152",
        "time": "2023-02-08T03:12:45.0363223Z",
    } | changes
    return (
        "1.0;{time};{operation};{status};{code};17;15;{auth};;mail;blob;"
        '"https://mail.blob.core.windows.net/box/a%20b.pst?sv=1&amp;sig=XXXX&quot;;";'
        '"/mail/box/a b.pst";{id};0;{client};2011-08-18;252;0;265;{size};0;;;'
        '"&quot;0x8CE1B6EA95033D5&quot;";Friday, 09-Sep-11 18:31:58 GMT;;"Wget/1.2";;\n'
    ).format(**values)


FORMAT = LogFormat(
    name="azure_storage_analytics",
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
            + _example()
            + _example(id="b", operation="ListBlobs", status="SASSuccess", auth="sas")
            + _example(id="c", status="AnonymousNetworkError", code="Unknown", size="")
            + _example(id="d", status="Success", auth="authenticated", code="206")
            + _example(id="e", status="SASAuthorizationError", auth="sas", code="403", size="200")
            + _example(id="f", operation="CopyBlobSource", client="10.0.0.1", size=""),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "object": "/box/a%20b.pst",
                    "agent": "Wget/1.2",
                    "user": False,
                },
                {"line": 3, "act": Act.LISTED, "user": False, "object": None},
                {"line": 4, "act": Act.PART, "bytes": None},
                {"line": 5, "act": Act.PART, "user": True},
                {"line": 6, "act": Act.TOUCHED, "status": 4},
                {"line": 7, "act": Act.WHOLE, "bytes": None, "client": "10.0.0.1"},
            ),
        ),
    ),
    counterexamples=(
        _example(time="2023-02-31T03:12:45.0363223Z"),
        _example(client="nobody"),
        _example(size="-1"),
        _example(size="99999999999999999999"),
        _example(code='2"00'),
        "1.0;2023-02-08T03:12:45.0363223Z;GetBlob;AnonymousSuccess;200;17\n",
    ),
    source="learn.microsoft.com/rest/api/storageservices/storage-analytics-log-format",
)
