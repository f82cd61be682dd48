"""ProFTPD ExtendedLog (default format: the common log format with FTP commands).

proftpd.org, mod_log LogFormat default: "%h %l %u %t \\"%r\\" %s %b". Traps: the same shape as a web
log, but 226 after RETR is the download and 426, 451 or 550 its end in the middle; the time has an
offset and is the end of the command; %h is a name with UseReverseDNS; anonymous logins are "ftp" or
"anonymous", not "-"; which commands are logged is the owner's choice (a log of WRITE or AUTH alone
says nothing of downloads). Aborted transfers count what entered the socket (65,536 for 53,248
taken, research/trace.md 2.4): only finished ones are certain. TransferLog has the format xferlog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import MONTHS, Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import FRAME_PYTHON

_VERBS = (
    *(
        "USER",
        "PASS",
        "ACCT",
        "AUTH",
        "PBSZ",
        "PROT",
        "CCC",
        "QUIT",
        "SYST",
        "FEAT",
        "OPTS",
        "TYPE",
    ),
    *("MODE", "STRU", "PWD", "XPWD", "CWD", "XCWD", "CDUP", "XCUP", "PORT", "PASV", "EPRT", "EPSV"),
    *("REST", "RETR", "STOR", "STOU", "APPE", "ALLO", "DELE", "RNFR", "RNTO", "MKD", "XMKD", "RMD"),
    *(
        "XRMD",
        "LIST",
        "NLST",
        "MLSD",
        "MLST",
        "STAT",
        "SIZE",
        "MDTM",
        "MFMT",
        "SITE",
        "HELP",
        "NOOP",
    ),
    *("ABOR", "HOST", "LANG", "CLNT", "REIN", "SMNT", "RANG", "HASH", "XMD5", "XSHA1", "XCRC"),
)
LISTING = ("LIST", "NLST", "MLSD", "MLST", "STAT")
ANONYMOUS = ("-", "", "ftp", "anonymous", "(none)")
_LINE = re.compile(
    FRAME_PYTHON + r"(?P<client>[0-9A-Za-z:][0-9A-Za-z.:_%-]{0,252}) [^ ]{1,255} "
    r"(?P<login>[^\[\"]{1,255}) \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):"
    r"(?P<hms>\d\d:\d\d:\d\d) (?P<zone>[+-]\d{4})\] "
    rf'"(?P<verb>(?i:{"|".join(_VERBS)}))(?: (?P<name>.{{0,4096}}))?" '
    r"(?P<code>\d{3}|-) (?P<size>\d{1,60}|-)\s*"
)


def recognise(head: bytes, name: str) -> int:
    """The share of lines in the common format whose command is one of FTP."""
    return min(97, share(head, _LINE) + 2) if share(head, _LINE) else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Commands of each client."""
    clock = Clock("UTC", options.mtime)

    def parse(number: int, text: str) -> list[Row] | None:
        found = _LINE.fullmatch(text)
        if found is None:
            return None
        month = f"{MONTHS.get(found['month'], 0):02d}"
        stamp = f"{found['year']}-{month}-{found['day']}T{found['hms']}"
        time = clock.iso(stamp, found["zone"])
        return None if time is None else [_row(number, time, found)]

    return by_line(blocks, parse)


def _row(number: int, time: int, found: re.Match[str]) -> Row:
    verb, code = found["verb"].upper(), int(found["code"].replace("-", "0"))
    user = found["login"].strip().lower() not in ANONYMOUS
    size = 0 if found["size"] == "-" else web.count_of(found["size"])
    row = Row(number, time, found["client"].lower(), status=code // 100, user=user)
    if code > 599:
        row = row._replace(status=0)
    done = 200 <= code <= 299
    if verb in LISTING and done:
        return row._replace(act=Act.LISTED, bytes=size)
    if verb != "RETR":
        return row._replace(act=Act.LOOKED if 100 <= code <= 399 else Act.TOUCHED)
    if not done and size == 0:
        return row  # refused or missing: an attempt
    return row._replace(
        act=Act.WHOLE if done else Act.PART,
        bytes=None if done and found["size"] == "-" else size,
        content=(size or 0) if done else 0,
        object=found["name"] or "",
    )


EXAMPLE = (
    '203.0.113.9 UNKNOWN - [08/Feb/2023:04:12:44 +0100] "USER anonymous" 331 -\n'
    '203.0.113.9 UNKNOWN ftp [08/Feb/2023:04:12:45 +0100] "RETR /pub/a b.mbox" 226 2097152\n'
    '203.0.113.9 UNKNOWN kim [08/Feb/2023:04:12:46 +0100] "RETR b.mbox" 426 65536\n'
    "\n"
    'host.example.org - ftp [08/Feb/2023:04:12:47 +0100] "LIST -a" 226 700\n'
    '203.0.113.9 UNKNOWN ftp [08/Feb/2023:04:12:48 +0100] "RETR no" 550 -\n'
    '203.0.113.9 UNKNOWN ftp [08/Feb/2023:04:12:49 +0100] "RETR c" 226 -\n'
)

FORMAT = LogFormat(
    name="proftpd",
    kind="app",
    protocols=("ftp",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=True,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {"line": 1, "client": "203.0.113.9", "act": Act.LOOKED, "user": False},
                {
                    "line": 2,
                    "time": 1675825965,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097152,
                    "content": 2097152,
                    "object": "/pub/a b.mbox",
                    "user": False,
                },
                {"line": 3, "act": Act.PART, "bytes": 65536, "content": 0, "user": True},
                {"line": 5, "client": "host.example.org", "act": Act.LISTED, "bytes": 700},
                {"line": 6, "act": Act.TOUCHED, "bytes": 0, "object": None},
                {"line": 7, "act": Act.WHOLE, "bytes": None, "content": 0},
            ),
        ),
    ),
    counterexamples=(
        '203.0.113.9 - ftp [31/Feb/2023:04:12:45 +0100] "RETR a" 226 5\n',
        '203.0.113.9 - ftp [08/Feb/2023:04:12:45 +0100] "GET / HTTP/1.1" 200 5\n',
        '203.0.113.9 - ftp [08/Feb/2023:04:12:45 +0100] "RETR a" 226\n',
    ),
    source="proftpd.org/docs/directives/linked/config_ref_LogFormat.html; RFC 959",
)
