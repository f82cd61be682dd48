"""OpenLDAP slapd statistics (loglevel stats).

slapd.conf(5), loglevel 256. Lines are joined by conn=: ACCEPT has the address, SEARCH RESULT the
number of entries. Traps: without loglevel stats nothing is logged; bytes are in no line: unknown,
the entries sent are counted as units; time is syslog's, mostly without year and zone, or with
OpenLDAP 2.6 the seconds since 1970 in hexadecimal; BIND dn="" is anonymous, and err=0 on RESULT is
a log-in that worked; a SRCH of an ACCEPT before this file is "unattributed"; err=4 (size limit)
still sent entries; the base and the filter are the client's text, and no object of ours.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import LAST, Clock
from leftopen.trace.lines import by_line, scattered
from leftopen.trace.syslog import unframe

OPEN_CONNECTIONS = 100_000
_HEX = re.compile(r"(?P<at>[0-9a-f]{8})\.[0-9a-f]{5,8} 0x[0-9a-f]{4,16} (?P<text>.*)")
_TEXT = re.compile(r"conn=(?P<conn>\d{1,20}) (?:fd=\d{1,9}|op=(?P<op>\d{1,20})) (?P<what>.*)")
_ACCEPT = re.compile(r"ACCEPT from IP=(?P<peer>\S{3,64}) \(IP=\S{3,64}?:(?P<port>\d{1,5})\)")
_BIND = re.compile(r'BIND dn="(?P<dn>.{0,4096})" method=\d{1,6}')
_DONE = re.compile(
    r"SEARCH RESULT tag=\d{1,6} err=(?P<err>\d{1,6}) .*?nentries=(?P<count>\d{1,60})\b"
)
_LOGIN = re.compile(r"RESULT tag=97 err=(?P<err>\d{1,6})\b")  # RFC 4511: 97 is a BindResponse
_SEEN = re.compile(
    rb"\bconn=\d{1,20} (?:fd=\d{1,9}|op=\d{1,20}) "
    rb"(?:ACCEPT|BIND|SRCH|SEARCH|RESULT|UNBIND|closed|STARTTLS|TLS|EXT)"
)


@dataclass(slots=True)
class _Connection:
    client: str
    port: int
    dn: str = ""
    user: bool = False


def recognise(head: bytes, name: str) -> int:
    """By operations of connections in a syslog of any programs, or slapd's own stamps."""
    return scattered(head, _SEEN)


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Searches and log-ins of each client; other lines show that the log was recording."""
    connections = _Connections(Clock(options.zone, options.mtime, options.year))
    return by_line(blocks, connections.parse, clock=lambda: connections.clock.said)


class _Connections:
    """Open connections by their number."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._open: OrderedDict[str, _Connection] = OrderedDict()

    def parse(self, number: int, text: str) -> list[Row] | None:
        """Rows of one line; None to reject."""
        own = _HEX.fullmatch(text)
        if own:
            time: int | None = int(own["at"], 16)
            said = own["text"]
        else:
            framed = unframe(text, self.clock)
            time, said = framed.time, framed.text
            if framed.tag and framed.tag != "slapd":
                return None if time is None else [Row(number, time)]
        if time is None or time > LAST:
            return None
        found = _TEXT.fullmatch(said)
        return [self._row(Row(number, time), found) if found else Row(number, time)]

    def _row(self, row: Row, found: re.Match[str]) -> Row:
        what, key = found["what"], found["conn"]
        accepted = _ACCEPT.match(what)
        if accepted:
            return self._accept(row, key, accepted)
        known = self._open.get(key) or _Connection(web.UNATTRIBUTED, 0)
        mine = row._replace(client=known.client, port=known.port, user=known.user)
        if what.startswith("closed"):
            self._open.pop(key, None)
            return row
        bound, login, done = _BIND.match(what), _LOGIN.match(what), _DONE.match(what)
        if bound:
            known.dn = bound["dn"]
            return mine
        if login:
            known.user = login["err"] == "0" and known.dn != ""
            act = Act.LOOKED if login["err"] == "0" else Act.TOUCHED
            return mine._replace(act=act, user=known.user)
        return _result(mine, done) if done else mine

    def _accept(self, row: Row, key: str, accepted: re.Match[str]) -> Row:
        peer = web.host_and_port(accepted["peer"])
        client = peer[0] if peer else web.UNATTRIBUTED
        port = int(accepted["port"]) if int(accepted["port"]) <= 65535 else 0
        if len(self._open) >= OPEN_CONNECTIONS:
            self._open.popitem(last=False)
        self._open[key] = _Connection(client, port)
        return row._replace(client=client, port=port)


def _result(row: Row, done: re.Match[str]) -> Row:
    count = web.count_of(done["count"])
    if count == 0:
        return row._replace(act=Act.LOOKED if done["err"] == "0" else Act.TOUCHED)
    return row._replace(act=Act.WHOLE, bytes=None, units=count or 0)


EXAMPLE = (
    "Feb  8 03:12:44 ldap slapd[7]: conn=1000 fd=14 ACCEPT from IP=203.0.113.9:50000 "
    "(IP=0.0.0.0:389)\n"
    'Feb  8 03:12:44 ldap slapd[7]: conn=1000 op=0 BIND dn="" method=128\n'
    "Feb  8 03:12:44 ldap slapd[7]: conn=1000 op=0 RESULT tag=97 err=0 text=\n"
    'Feb  8 03:12:45 ldap slapd[7]: conn=1000 op=1 SRCH base="dc=x" scope=2 deref=0 '
    'filter="(objectClass=*)"\n'
    "Feb  8 03:12:45 ldap slapd[7]: conn=1000 op=1 SEARCH RESULT tag=101 err=4 qtime=0.000010 "
    "etime=0.01 nentries=500 text=\n"
    "\n"
    "Feb  8 03:12:46 ldap slapd[7]: conn=1000 fd=14 closed\n"
    "Feb  8 03:12:47 ldap slapd[7]: conn=900 op=7 SEARCH RESULT tag=101 err=0 nentries=3 text=\n"
    "Feb  8 03:12:48 ldap cron[9]: x\n"
)
HEX = (
    "63e3132d.12345678 0x7f0a1b2c conn=5 fd=12 ACCEPT from IP=[2001:db8::7]:50000 (IP=[::]:636)\n"
    '63e3132e.12345678 0x7f0a1b2c conn=5 op=0 BIND dn="cn=kim,dc=x" method=128\n'
    "63e3132e.12345678 0x7f0a1b2c conn=5 op=0 RESULT tag=97 err=0 qtime=0.1 etime=0.2 text=\n"
    "63e3132e.12345678 0x7f0a1b2c conn=5 op=1 SEARCH RESULT tag=101 err=0 nentries=0 text=\n"
)

FORMAT = LogFormat(
    name="slapd_stats",
    kind="app",
    protocols=("ldap",),
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
                {"line": 1, "time": 1675825964, "client": "203.0.113.9", "port": 389, "act": 0},
                {"line": 2, "client": "203.0.113.9", "act": Act.TOUCHED},
                {"line": 3, "act": Act.LOOKED, "user": False},
                {"line": 4, "act": Act.TOUCHED},
                {"line": 5, "act": Act.WHOLE, "units": 500, "bytes": None, "port": 389},
                {"line": 7, "client": None},
                {"line": 8, "client": web.UNATTRIBUTED, "units": 3},
                {"line": 9, "client": None},
            ),
        ),
        Example(
            text=HEX,
            rows=(
                {"line": 1, "time": 1675825965, "client": "2001:db8::7", "port": 636},
                {"line": 2, "act": Act.TOUCHED},
                {"line": 3, "act": Act.LOOKED, "user": True},
                {"line": 4, "act": Act.LOOKED, "user": True, "bytes": 0, "units": 0},
            ),
        ),
    ),
    counterexamples=(
        "Feb 31 03:12:44 l slapd[7]: conn=1 fd=1 ACCEPT from IP=203.0.113.9:5 (IP=0.0.0.0:389)\n",
        "conn=1000 fd=14 ACCEPT from IP=203.0.113.9:50000 (IP=0.0.0.0:389)\n",
        "ffffffff.12345678 0x7f0a1b2c conn=5 fd=12 ACCEPT from IP=203.0.113.9:5 (IP=[::]:636)\n",
    ),
    source="openldap.org slapd.conf(5), servers/slapd/connection.c, result.c",
)
