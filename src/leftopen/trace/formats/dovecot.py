"""Dovecot IMAP and POP3 login and logout lines.

The login line has the address (rip=), the logout line the counts (out=, body_count=, retr=): they
are joined by session or process id. `out` was 243 to 293 bytes under the client's own count in
every session measured, `body_bytes` exact (research/trace.md 2.2), so the format is tight. A
session without a logout line is running or was lost with a crash: its bytes are unknown.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import SAMPLE_LINES, by_line, share

OPEN_SESSIONS = 100_000  # remembered at once; the oldest is given up first
UNATTRIBUTED = "unattributed"  # bytes of a session whose login line is not in this file
WITHOUT_LISTING = 2_000  # out= below this is greeting, login and logout

STAMP = (
    r"(?:(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d+)?(?P<offset>Z|[+-]\d\d:?\d\d)?"
    r"|(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<hms>\d\d:\d\d:\d\d)) "
)
SERVICE = (
    r"(?:\S{1,255} )?(?:dovecot(?:\[\d+\])?: )?(?P<service>imap|pop3)(?P<login>-login)?"
    r"(?:\((?P<user>[^)]{0,255})\))?(?:<(?P<pid>\d{1,10})>)?(?:<(?P<session>[^>]{1,64})>)?: "
    r"(?:(?:Info|Error|Warning|Debug): )?(?P<text>.*)"
)
_STAMP = re.compile(STAMP)
_SERVICE = re.compile(SERVICE)
_DOVECOT = re.compile(
    STAMP + r"(?:\S{1,255} dovecot(?:\[\d+\])?: |(?:imap|pop3|lmtp|lda|auth|master|anvil)\b)"
)
# The user name is the client's own text, so the last address on the line is the server's.
_ADDRESS = re.compile(r"\brip=([0-9A-Fa-f.:]{2,45})(?=[, ]|$)")
_PID = re.compile(r"\bmpid=(\d{1,10})\b")
_SESSION = re.compile(r"\bsession=<([^>]{1,64})>")
_COUNT = re.compile(r"\b(out|body_count|hdr_count)=(\d{1,18})\b")
_PAIR = re.compile(r"\b(retr|top)=(\d{1,18})/(\d{1,18})\b")
_LOGGED_IN = ("Login: ", "Logged in: ")


def recognise(head: bytes, name: str) -> int:
    """The share of lines by Dovecot; a mail.log shared with an MTA counts by its login lines."""
    logins = len(re.findall(rb"\b(?:imap|pop3)-login: ", head))
    by_dovecot = share(head, _DOVECOT)
    return min(95, max(by_dovecot, 60 + min(logins, SAMPLE_LINES) // 10 if logins else 0))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Sessions of mail readers; lines of other programs are evidence that the log was running."""
    sessions = _Sessions(Clock(options.zone, options.mtime, options.year))
    return by_line(blocks, sessions.parse, sessions.finish, lambda: sessions.clock.said)


class _Sessions:
    """Open sessions: from login line to logout line."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._open: OrderedDict[str, Row] = OrderedDict()
        self._processes: OrderedDict[str, str] = OrderedDict()  # to the key of `_open`

    def parse(self, number: int, text: str) -> list[Row] | None:
        """Rows of one line; an empty-handed row for lines about no reader; None to reject."""
        stamp = _STAMP.match(text)
        time = self._time(stamp) if stamp else None
        if stamp is None or time is None:
            return None
        found = _SERVICE.match(text, stamp.end())
        if found is None:
            return [Row(number, time)]
        said = found["text"]
        if found["login"]:
            return self._login(number, time, said)
        if not (_COUNT.search(said) or _PAIR.search(said)):
            return [Row(number, time)]
        by_process = self._processes.pop(found["pid"] or "", "")
        opened = self._open.pop(found["session"] or by_process, None)
        return [_logout(number, time, found["service"], opened, said)]

    def finish(self) -> list[Row]:
        """What is still open when the file ends: bytes unknown."""
        left = [row._replace(bytes=None) for row in self._open.values()]
        self._open.clear()
        return left

    def _time(self, stamp: re.Match[str]) -> int | None:
        if stamp["iso"]:
            return self.clock.iso(stamp["iso"], stamp["offset"] or "")
        return self.clock.instant(None, stamp["month"], stamp["day"], stamp["hms"])

    def _login(self, number: int, time: int, said: str) -> list[Row]:
        addresses = _ADDRESS.findall(said)
        if not addresses:
            return [Row(number, time)]
        row = Row(number, time, addresses[-1].lower())
        if not said.startswith(_LOGGED_IN):
            return [row]
        opened = row._replace(act=Act.LOOKED, user=True)
        return [*self._remember(opened, _SESSION.findall(said), _PID.findall(said)), opened]

    def _remember(self, opened: Row, session: list[str], pid: list[str]) -> list[Row]:
        """Keep an open session; rows of those that this one pushes out."""
        key = session[-1] if session else f"process {pid[-1]}" if pid else ""
        given_up = [self._open.pop(key)] if key in self._open else []
        if len(self._open) >= OPEN_SESSIONS:
            given_up.append(self._open.popitem(last=False)[1])
        self._open[key] = opened
        if pid:
            self._processes[pid[-1]] = key
            if len(self._processes) > OPEN_SESSIONS:
                self._processes.popitem(last=False)
        return [row._replace(bytes=None) for row in given_up]


def _logout(number: int, time: int, service: str, opened: Row | None, said: str) -> Row:
    """The counts of one session, by the address of its login line."""
    counts = {name: int(value) for name, value in _COUNT.findall(said)}
    pairs = {name: (int(n), int(size)) for name, n, size in _PAIR.findall(said)}
    if service == "pop3":
        units = pairs.get("retr", (0, 0))[0]
        sent = sum(size for _, size in pairs.values())
        listed = pairs.get("top", (0, 0))[0] > 0
    else:
        units, sent = counts.get("body_count", 0), counts.get("out", 0)
        listed = counts.get("hdr_count", 0) > 0 or sent >= WITHOUT_LISTING
    act = Act.WHOLE if units else Act.LISTED if listed else Act.LOOKED
    client = opened.client if opened else UNATTRIBUTED
    return Row(number, time, client, 0, act, 0, sent, sent, units, user=True)


EXAMPLE = (
    "Feb 08 03:12:45 imap-login: Info: Login: user=<kim, rip=192.0.2.1>, method=PLAIN, "
    "rip=203.0.113.9, lip=10.0.0.4, mpid=7, TLS, session=<aBc>\n"
    "Feb 08 03:12:50 imap-login: Info: Disconnected: Connection closed (auth failed, 1 attempts in "
    "2 secs): user=<root>, method=PLAIN, rip=198.51.100.4, lip=10.0.0.4, session=<d>\n"
    "Feb 08 03:15:00 imap(kim)<7><aBc>: Info: Disconnected: Logged out in=90 out=5000 deleted=0 "
    "expunged=0 trashed=0 hdr_count=3 hdr_bytes=600 body_count=2 body_bytes=4000\n"
)
SYSLOG = (
    "Feb  8 03:12:45 mx dovecot: pop3-login: Login: user=<kim>, method=PLAIN, rip=203.0.113.9, "
    "lip=10.0.0.4, mpid=8, session=<e>\n"
    "Feb  8 03:13:00 mx dovecot: pop3(kim)<8><e>: Disconnected: Logged out top=0/0, retr=5/12345, "
    "del=0/5, size=12345\n"
    "Feb  8 03:14:00 mx dovecot: imap(lee)<9><f>: Disconnected: Logged out in=9 out=800\n"
    "Feb  8 03:15:00 mx postfix/smtpd[1]: connect from unknown[203.0.113.9]\n"
    "Feb  8 03:16:00 mx dovecot: imap-login: Login: user=<kim>, rip=203.0.113.9, session=<g>\n"
)
_IN_2023 = ReadOptions(year=2023)

FORMAT = LogFormat(
    name="dovecot",
    kind="session",
    protocols=("imap", "pop3"),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=False,
    tight=True,
    stamped="start (login), end (counts)",
    has_zone=False,
    examples=(
        Example(
            text=EXAMPLE,
            options=_IN_2023,
            rows=(
                {"line": 1, "time": 1675825965, "client": "203.0.113.9", "act": Act.LOOKED},
                {"line": 2, "client": "198.51.100.4", "act": Act.TOUCHED, "user": False},
                {
                    "line": 3,
                    "time": 1675826100,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "bytes": 5000,
                    "content": 5000,
                    "units": 2,
                    "user": True,
                },
            ),
        ),
        Example(
            text=SYSLOG,
            options=_IN_2023,
            rows=(
                {"line": 1, "client": "203.0.113.9", "act": Act.LOOKED, "bytes": 0},
                {"line": 2, "client": "203.0.113.9", "units": 5, "bytes": 12345},
                {"line": 3, "client": UNATTRIBUTED, "act": Act.LOOKED, "bytes": 800},
                {"line": 4, "client": None},
                {"line": 5, "client": "203.0.113.9", "bytes": 0},
                {"line": 5, "client": "203.0.113.9", "bytes": None},
            ),
        ),
    ),
    counterexamples=(
        "Feb 31 03:12:45 imap-login: Info: Login: user=<a>, rip=203.0.113.9, session=<x>\n",
        "imap-login: Info: Login: user=<a>, rip=203.0.113.9\n",
        "Feb 08 03:12:45 imap-login: Info: Login: user=<a>, method=PLAIN\n",
    ),
    source="dovecot src/login-common/client-common.c, src/imap/imap-settings.c",
)
