"""iptables and nftables LOG lines (kernel log, syslog).

Traps, each handled here: syslog time without a year or a zone (or ISO 8601); one line is one
packet, and rules mostly log the first of a connection only, or under a limit, so LEN says nothing
of what was sent: unknown, never 0; a packet that came in has IN= set and names the far side as
SRC; one that went out (OUT= alone) from our port is an answer, and not a client of its own; lines
are written by the kernel while other kernel lines stand between them; the prefix is the owner's
and may say that the packet was dropped, which is not believed for "accepted" (netfilter
net/ipv4/netfilter/nf_log_ipv4.c, net/netfilter/nf_log_syslog.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.instants import ADDRESS
from leftopen.trace.lines import by_line, share

LEAST = 20  # of a hundred lines: kernel logs hold others as well
_STAMP = re.compile(
    r"(?:<\d{1,3}>)?(?:(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<hms>\d\d:\d\d:\d\d)"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(?P<offset>Z|[+-]\d\d:?\d\d)?)"
    r" (?P<host>\S{1,255}) (?P<rest>.*)"
)
_PACKET = re.compile(
    rf"IN=(?P<way_in>[\w.@:-]{{0,32}}) OUT=(?P<way_out>[\w.@:-]{{0,32}}) (?:\S+ ){{0,4}}?"
    rf"SRC=(?P<source>{ADDRESS}) DST=(?P<target>{ADDRESS}) (?P<rest>.*)"
)
_PORT = re.compile(r"\bPROTO=(?:TCP|UDP|UDPLITE|SCTP|DCCP) SPT=(\d{1,5}) DPT=(\d{1,5})\b")
_LOGGED = re.compile(
    r"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:|\d{4}-\d\d-\d\dT\d\d:).{0,200}?"
    r"\bIN=[\w.@:-]{0,32} OUT=[\w.@:-]{0,32} .{0,200}\bSRC=[0-9A-Fa-f.:]+ DST=[0-9A-Fa-f.:]+ "
)


def recognise(head: bytes, name: str) -> int:
    """The share of kernel lines, where at least one is of a packet."""
    if b" SRC=" not in head or b" DST=" not in head:
        return 0
    packets = share(head, _LOGGED)
    return min(94, 60 + packets // 3) if packets >= LEAST else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Packets by the side that sent them to us."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        stamp = _STAMP.match(text)
        if stamp is None:
            return None
        if stamp["iso"]:
            time = clock.iso(stamp["iso"], stamp["offset"] or "")
        else:
            time = clock.instant(None, stamp["month"], stamp["day"], stamp["hms"])
        return None if time is None else _rows(number, time, stamp["rest"], options.port)

    return by_line(blocks, parse, clock=lambda: clock.said)


def _rows(number: int, time: int, text: str, port: int | None) -> list[Row] | None:
    if " SRC=" not in text:
        return [Row(number, time)]  # of something else, and the log was recording
    packet = _PACKET.search(text)
    if packet is None:
        return None
    found = _PORT.search(packet["rest"])
    ports = (int(found[1]), int(found[2])) if found else (0, 0)
    if max(ports) > 65535:
        return None
    if not packet["way_in"] or port not in (None, ports[1]):
        return [Row(number, time)]
    client = packet["source"].lower()
    return [Row(number, time, client, ports[1], Act.TOUCHED, bytes=None)]


IPTABLES = (
    "Feb  8 03:12:45 fw kernel: [12345.678901] IN-ACCEPT: IN=eth0 OUT= "
    "MAC=00:50:56:01:02:03:00:50:56:04:05:06:08:00 SRC=203.0.113.9 DST=10.0.0.4 LEN=60 TOS=0x00 "
    "PREC=0x00 TTL=49 ID=1 DF PROTO=TCP SPT=50123 DPT=443 WINDOW=64240 RES=0x00 SYN URGP=0 \n"
    "Feb  8 03:12:46 fw kernel: [12345.7] FWD IN=eth0 OUT=eth1 SRC=2001:0db8:0000:0000:0000:0000:"
    "0000:0009 DST=2001:0db8:0000:0000:0000:0000:0000:0004 LEN=80 TC=0 HOPLIMIT=49 FLOWLBL=1 "
    "PROTO=UDP SPT=50123 DPT=2049 LEN=40\n"
    "Feb  8 03:12:47 fw kernel: [12345.8] OUT IN= OUT=eth0 SRC=10.0.0.4 DST=192.0.2.7 LEN=60 "
    "TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=50123 DPT=443 WINDOW=64240 RES=0x00 SYN\n"
    "Feb  8 03:12:48 fw kernel: [12345.9] PING IN=eth0 OUT= SRC=198.51.100.4 DST=10.0.0.4 LEN=84 "
    "TOS=0x00 PREC=0x00 TTL=49 ID=1 DF PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1\n"
    "Feb  8 03:12:49 fw kernel: usb 1-1: new high-speed USB device\n"
)
ISO = IPTABLES.split("\n")[0].replace("Feb  8 03:12:45", "2023-02-08T04:12:45.123456+01:00") + "\n"

FORMAT = LogFormat(
    name="netfilter_log",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="start",
    has_zone=False,
    examples=(
        Example(
            text=IPTABLES,
            options=ReadOptions(year=2023),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": None,
                    "act": Act.TOUCHED,
                },
                {"line": 2, "client": "2001:0db8:0000:0000:0000:0000:0000:0009", "port": 2049},
                {"line": 3, "client": None, "bytes": 0},
                {"line": 4, "client": "198.51.100.4", "port": 0},
                {"line": 5, "client": None},
            ),
        ),
        Example(text=ISO, rows=({"line": 1, "time": 1675825965, "client": "203.0.113.9"},)),
    ),
    counterexamples=(
        IPTABLES.split("\n")[0].replace("Feb  8", "Feb 31") + "\n",
        IPTABLES.split("\n")[0].replace("203.0.113.9", "nobody") + "\n",
        IPTABLES.split("\n")[0].replace("=443", "=70443") + "\n",
        "IN=eth0 OUT= SRC=203.0.113.9 DST=10.0.0.4 PROTO=TCP SPT=1 DPT=2\n",
    ),
    source="iptables-extensions(8) LOG, nft(8) log; net/netfilter/nf_log_syslog.c",
)
