"""Samba full_audit (syslog).

vfs_full_audit(8). A line is prefix|operation|ok or fail|arguments. Traps: the default success list
is none, so an empty log proves nothing; the owner makes the prefix, and only %I in it names the
client: without an address the reader is "unattributed"; reads (pread, sendfile) are events without
sizes: bytes are unknown, and a file is taken to be read in part; names of operations belong to the
version of Samba (open and openat and create_file); the time is syslog's, mostly without year and
zone. A file that was opened to read without a read in the log counts as read in part, because most
owners log no reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, scattered
from leftopen.trace.syslog import unframe

READS = ("pread", "pread_send", "pread_recv", "read", "sendfile", "offload_read_send")
OPENS = ("open", "openat", "create_file")
LISTS = ("opendir", "readdir", "fdopendir", "readdir_attr", "get_shadow_copy_data")
_OPERATION = re.compile(
    r"\|(?P<op>[a-z][a-z0-9_]{2,40})\|(?P<how>ok|fail(?: \([^|]{0,255}\))?)(?:\||$)"
)
_WRITING = re.compile(r"^(?:w|0x[0-9a-f]{1,16}\|file\|(?:create|overwrite|supersede))")
_SEEN = re.compile(
    rb"smbd_audit(?:\[\d{1,10}\])?: [^\n]{0,4096}?\|[a-z][a-z0-9_]{2,40}\|(?:ok|fail)"
)


def recognise(head: bytes, name: str) -> int:
    """By lines of smbd_audit with an operation and its outcome, in a syslog of any programs."""
    return scattered(head[:65536], _SEEN)


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Operations of each client; lines of other programs show that the log was recording."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        framed = unframe(text, clock)
        if framed.time is None:
            return None
        if framed.tag != "smbd_audit":
            return [Row(number, framed.time)]
        found = _OPERATION.search("|" + framed.text[:8192])
        return None if found is None else [_row(number, framed.time, found)]

    return by_line(blocks, parse, clock=lambda: clock.said)


def _row(number: int, time: int, found: re.Match[str]) -> Row:
    prefix = found.string[1 : found.start() + 1].split("|")
    addresses = [a for a in map(web.host_and_port, prefix) if a]
    row = Row(number, time, addresses[0][0] if addresses else web.UNATTRIBUTED)
    operation, arguments = found["op"], found.string[found.end() :]
    if found["how"] != "ok":
        return row
    row = row._replace(act=Act.LOOKED)
    if operation in LISTS:
        return row._replace(act=Act.LISTED, bytes=None)
    if operation in READS or (operation in OPENS and not _no_file(operation, arguments)):
        name = arguments.rsplit("|", 1)[-1][: web.OBJECT_MAX]
        return row._replace(act=Act.PART, bytes=None, object=name)
    return row


def _no_file(operation: str, arguments: str) -> bool:
    """Opened to write, or a folder."""
    return bool(_WRITING.match(arguments)) or (operation == "create_file" and "|dir|" in arguments)


# Lines as vfs_full_audit.c writes them, with the prefix of its manual (%u|%I).
EXAMPLE = (
    "Feb  8 03:12:44 fs smbd_audit[811]: nobody|203.0.113.9|connect|ok|mail\n"
    "Feb  8 03:12:45 fs smbd_audit: nobody|203.0.113.9|opendir|ok|.\n"
    "Feb  8 03:12:46 fs smbd_audit: nobody|203.0.113.9|create_file|ok|0x120089|file|open|a b.pst\n"
    "Feb  8 03:12:47 fs smbd_audit: nobody|203.0.113.9|pread_send|ok|a b.pst\n"
    "Feb  8 03:12:48 fs smbd_audit: nobody|203.0.113.9|openat|ok|w|up.txt\n"
    "\n"
    "Feb  8 03:12:49 fs smbd_audit: nobody|203.0.113.9|open|fail (Permission denied)|r|x\n"
    "Feb  8 03:12:50 fs smbd_audit: nobody|mail|sendfile|ok|c.pst\n"
    "Feb  8 03:12:51 fs sshd[9]: Connection closed by 198.51.100.4\n"
)

FORMAT = LogFormat(
    name="samba_audit",
    kind="audit",
    protocols=("smb",),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=False,
    examples=(
        Example(
            text=EXAMPLE,
            options=ReadOptions(year=2023),
            rows=(
                {"line": 1, "time": 1675825964, "client": "203.0.113.9", "act": Act.LOOKED},
                {"line": 2, "act": Act.LISTED, "bytes": None},
                {"line": 3, "act": Act.PART, "bytes": None, "object": "a b.pst"},
                {"line": 4, "act": Act.PART, "bytes": None, "object": "a b.pst"},
                {"line": 5, "act": Act.LOOKED, "object": None, "bytes": 0},
                {"line": 7, "act": Act.TOUCHED, "object": None},
                {"line": 8, "client": web.UNATTRIBUTED, "act": Act.PART, "object": "c.pst"},
                {"line": 9, "client": None},
            ),
        ),
    ),
    counterexamples=(
        "Feb 31 03:12:44 fs smbd_audit[811]: nobody|203.0.113.9|pread|ok|a\n",
        "Feb  8 03:12:44 fs smbd_audit[811]: nobody|203.0.113.9|pread\n",
        "nobody|203.0.113.9|pread|ok|a\n",
    ),
    source="samba.org vfs_full_audit(8), source3/modules/vfs_full_audit.c",
)
