"""Below every protocol: servers that stall, flood, reset, repeat or babble."""

from __future__ import annotations

import random
import socket
from threading import Event

from hostile.kind import STUCK_SECONDS, Client, Family, after_hello
from leftopen.model.exposure import Access

TCP = Family("tcp")
SAID_NOTHING = Access.UNDETERMINED  # where nothing was said, nothing is known
SPEAKS = Access.SPEAKS

NOISE = random.Random(5).randbytes(65_536)
GREETINGS = (
    b"220 ftp ready\r\n* OK [CAPABILITY IMAP4rev1 AUTH=ANONYMOUS] ready\r\n+OK POP3 ready\r\n"
    b"@RSYNCD: 31.0\nINFO {}\r\nRFB 003.008\nHTTP/1.1 200 OK\r\n\r\n"
)
SCREEN = b"\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>=HYPERLINK(A1)\xe2\x80\xae,\xff\r\n"

TCP.only("silent", "accepts and says nothing", Client.wait, SAID_NOTHING)
TCP.only("hangs up", "closes without a word", lambda c: None, SAID_NOTHING, Access.MISBEHAVES)
TCP.add("tarpit", "one byte of a banner every ten seconds", lambda c: c.slowly(b"x", 10), SPEAKS)
TCP.add("drip", "a byte each 50 ms and never a line end", lambda c: c.slowly(b"drip", 0.05))
TCP.add("endless banner", "a first line without end", lambda c: c.flood(b"220 " + b"x" * 65_536))
TCP.add(
    "endless continuation",
    "a greeting of more lines than anybody reads",
    lambda c: c.flood(b"220-more\r\n" * 1000),
)
TCP.only(
    "never accepts",
    "the kernel connects, the server does not know",
    Client.wait,
    SAID_NOTHING,
    Access.FILTERED,
    accepts=False,
)
TCP.add("garbage without end", "noise for ever", lambda c: c.flood(NOISE))
TCP.add("all protocols", "greets as seven protocols at once", after_hello(b"", greeting=GREETINGS))
TCP.add("nul bytes", "zeros for ever", lambda c: c.flood(bytes(65_536)))
TCP.add("empty lines", "line ends for ever", lambda c: c.flood(b"\r\n" * 10_000))
TCP.add(
    "screen",
    "a banner of terminal escapes, HTML, bidi marks and a formula",
    after_hello(b"", greeting=SCREEN),
    SPEAKS,
)


@TCP.kind("noise", "1,000 bytes of noise, then nothing", SPEAKS)
def noise(client: Client) -> None:
    client.say(NOISE[:1000])
    client.wait()


@TCP.kind("echo", "says back what it hears (RFC 862)", SPEAKS)
def echo(client: Client) -> None:
    while data := client.socket.recv(65_536):
        client.say(data)


@TCP.kind("shouting echo", "says back what it hears, a thousand times", SPEAKS)
def shouting_echo(client: Client) -> None:
    while data := client.socket.recv(65_536):
        client.say(data * 1000)


@TCP.kind("deaf", "never reads, so that a client's own sending would block", SAID_NOTHING)
def deaf(client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    Event().wait(STUCK_SECONDS)


@TCP.kind("reset", "RST as soon as it is connected to", SAID_NOTHING)
def reset(client: Client) -> None:
    client.reset()


@TCP.kind("reset midway", "RST within its first line")
def reset_midway(client: Client) -> None:
    client.say(b"220 rea")
    client.hear()
    client.reset()


@TCP.kind("half closed", "ends its side at once and goes on listening", SAID_NOTHING)
def half_closed(client: Client) -> None:
    client.socket.shutdown(socket.SHUT_WR)
    client.wait()


@TCP.kind("another each time", "is another protocol on every connection", SPEAKS)
def another_each_time(client: Client) -> None:
    lines = GREETINGS.splitlines(keepends=True)
    client.say(lines[client.number % len(lines)])
    client.wait()
