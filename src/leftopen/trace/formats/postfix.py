"""Postfix mail log: says nothing of reading mail.

postfix.org, DEBUG_README and smtpd(8). Postfix receives and sends on; nobody reads mail through it.
Its log can show that a client was there (TOUCHED) and that the host was logging, never that nothing
was read: size= is of mail that came in, not of what left, and is not counted. Traps: syslog time,
mostly without year and zone; the client's name before the bracket is its own DNS; "unknown" is no
address; a log that also holds Dovecot's log-ins is left to dovecot, which does say who read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace.api import Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import unframe

_SEEN = re.compile(
    r"(?:<\d{1,3}>(?:1 )?)?(?:[A-Z][a-z]{2} [ \d]\d \S{8}|\d{4}-\d\d-\d\dT\S{8,25}) \S{1,255} "
    r"postfix[a-z0-9-]{0,32}(?:/[a-z0-9-]{1,32}){1,3}(?:\[\d{1,10}\]: | \d)"
)
_READERS = re.compile(rb"\b(?:imap|pop3)-login: ")
_CLIENT = re.compile(
    r"(?:(?:NOQUEUE: )?(?:dis)?connect |lost connection after .{1,64} |warning: (?:.{1,64} )?|"
    r"timeout after .{1,64} |(?:NOQUEUE|[0-9A-Za-z]{6,20}): (?:reject: \S{1,32} |client=))?"
    r"(?:from )?[^ \[\]]{0,255}\[(?P<client>[0-9A-Fa-f.:]{2,45})\]"
)


def recognise(head: bytes, name: str) -> int:
    """The share of lines by Postfix, unless mail readers log in the same file."""
    return 0 if _READERS.search(head) else min(90, share(head, _SEEN))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Who connected to send mail: evidence of recording, never of reading."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        framed = unframe(text, clock)
        if framed.time is None:
            return None
        mine = framed.tag.startswith("postfix") and "/smtp" in framed.tag
        service = framed.tag.rpartition("/")[2]
        found = _CLIENT.match(framed.text) if mine and service == "smtpd" else None
        return [Row(number, framed.time, found["client"].lower() if found else None)]

    return by_line(blocks, parse, clock=lambda: clock.said)


EXAMPLE = (
    "Feb  8 03:12:45 mx postfix/smtpd[1]: connect from unknown[203.0.113.9]\n"
    "Feb  8 03:12:46 mx postfix/smtpd[1]: 4F9D195432C: client=mail.example.org[2001:db8::7]\n"
    "Feb  8 03:12:46 mx postfix/qmgr[2]: 4F9D195432C: from=<a@example.org>, size=2097152, nrcpt=1\n"
    "\n"
    "2023-02-08T03:12:47.123456+00:00 mx postfix/submission/smtpd[3]: disconnect from "
    "h[198.51.100.4] ehlo=1 auth=0/1 commands=1/2\n"
    "Feb  8 03:12:48 mx postfix/smtp[4]: 4F9D195432C: to=<b@example.net>, "
    "relay=mx.example.net[192.0.2.1]:25, status=sent\n"
)

FORMAT = LogFormat(
    name="postfix",
    kind="session",
    protocols=("smtp",),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="end",
    has_zone=False,
    examples=(
        Example(
            text=EXAMPLE,
            options=ReadOptions(year=2023),
            rows=(
                {"line": 1, "time": 1675825965, "client": "203.0.113.9", "act": 0, "bytes": 0},
                {"line": 2, "client": "2001:db8::7", "act": 0},
                {"line": 3, "client": None, "bytes": 0},
                {"line": 5, "time": 1675825967, "client": "198.51.100.4", "act": 0},
                {"line": 6, "client": None},
            ),
        ),
    ),
    counterexamples=(
        "Feb 31 03:12:45 mx postfix/smtpd[1]: connect from unknown[203.0.113.9]\n",
        "postfix/smtpd[1]: connect from unknown[203.0.113.9]\n",
        "Feb  8 03:12:45 mx postfix/smtpd[1]: connect from unknown[unknown]\n",
    ),
    source="postfix.org/DEBUG_README.html, smtpd(8)",
)
