"""IMAP, POP3 and FTP that lie about lengths, never end, or send the client elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from hostile.kind import STUCK_SECONDS, Client, Family, Serve, after_hello
from leftopen.model.exposure import Access

MAIL = Family("mail")
OPEN = (Access.LISTS, Access.GIVES_DATA)
ASKS = Access.ASKS_CREDENTIAL

IMAP = {"hint": "imap"}
PREAUTH = b"* PREAUTH [CAPABILITY IMAP4rev1] come in\r\n"
READ_IMAP = (
    *("CAPABILITY", "AUTHENTICATE", "LIST", "STATUS", "EXAMINE", "FETCH", "UID", "NOOP"),
    *("LOGOUT", "STARTTLS"),
)


def imap(answers: Mapping[bytes, bytes], greeting: bytes = PREAUTH, flood: bytes = b"") -> Serve:
    """Answer commands by their verb; `flood` is what follows an answer to a verb in `answers`."""

    def serve(client: Client) -> None:
        client.say(greeting)
        while line := client.hear():
            tag, _, rest = line.strip().partition(b" ")
            verb = rest.split(b" ")[0].upper()
            client.heard.append(verb.decode("latin-1"))
            if verb in answers:
                client.say(answers[verb].replace(b"TAG", tag))
                if flood:
                    client.flood(flood)
            else:
                client.say(tag + b" OK done\r\n")

    return serve


BOX = b'* LIST () "/" INBOX\r\nTAG OK\r\n'
COUNT = b"* STATUS INBOX (MESSAGES 1)\r\nTAG OK\r\n"
FULL = b"* 1 EXISTS\r\nTAG OK [READ-ONLY]\r\n"
READY = {b"LIST": BOX, b"STATUS": COUNT, b"EXAMINE": FULL}
LITERALS = {"4 GiB": b"4294967296", "10^20": b"1" + b"0" * 20, "negative": b"-1", "a word": b"x"}

for name, size in LITERALS.items():
    MAIL.add(
        f"IMAP literal of {name}",
        f"a message announced as {{{size.decode()}}}",
        imap({**READY, b"FETCH": b"* 1 FETCH (BODY[]<0> {%s}\r\nx" % size}),
        Access.LISTS,
        **IMAP,
    )
MAIL.add(
    "IMAP literal for a name",
    "a mailbox name of 4 GiB",
    imap({b"LIST": b'* LIST () "/" {4294967296}\r\n'}, flood=b"x" * 65_536),
    **IMAP,
)
MAIL.add(
    "IMAP endless untagged",
    "untagged answers for ever",
    imap({b"LIST": b""}, flood=b'* LIST () "/" a\r\n' * 1000),
    **IMAP,
)
MAIL.add(
    "IMAP endless line",
    "one untagged line for ever",
    imap({b"LIST": b"* LIST ("}, flood=b"x" * 65_536),
    **IMAP,
)
MAIL.add(
    "IMAP nesting", "lists in lists", imap({b"LIST": b"* LIST " + b"(" * 60_000 + b"\r\n"}), **IMAP
)
MAIL.add(
    "IMAP other tag",
    "answers that belong to nobody",
    imap({b"LIST": b"zz OK\r\n"}, flood=b"zz OK\r\n" * 1000),
    **IMAP,
)
MAIL.add(
    "IMAP lying PREAUTH",
    "greets as logged in and refuses all",
    imap(dict.fromkeys((b"LIST", b"STATUS", b"EXAMINE", b"FETCH"), b"TAG NO log in first\r\n")),
    Access.UNDETERMINED,
    ASKS,
    **IMAP,
)
MAIL.only(
    "IMAP referral",
    "refuses with the address of another server (RFC 2221)",
    lambda c: imap(
        {
            v: b"TAG NO [REFERRAL imap://%s/] there\r\n" % c.elsewhere.encode()
            for v in (b"LIST", b"STATUS", b"EXAMINE", b"AUTHENTICATE")
        }
    )(c),
    Access.UNDETERMINED,
    Access.MISBEHAVES,
    Access.SPEAKS,
    ASKS,
    **IMAP,
)
MAIL.only(
    "IMAP credential recorder",
    "offers logins, and writes down what is sent",
    imap(
        {b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN\r\nTAG OK\r\n"},
        b"* OK hi\r\n",
    ),
    ASKS,
    **IMAP,
)
MAIL.add(
    "IMAP many mailboxes",
    "10,000 names, most of them with line ends in them",
    imap(
        {
            **READY,
            b"LIST": b'* LIST () "/" {3}\r\na\nb\r\n' * 9999 + BOX,
            b"FETCH": b"* 1 FETCH (BODY[]<0> {5}\r\nA: b\n)\r\nTAG OK\r\n",
        }
    ),
    *OPEN,
    **IMAP,
)
MAIL.add(
    "IMAP endless continuation",
    "asks to go on for ever",
    imap({b"LIST": b""}, flood=b"+ go on\r\n" * 1000),
    **IMAP,
)
MAIL.add(
    "IMAP 10^30 messages",
    "counts that overflow",
    imap(
        {
            **READY,
            b"STATUS": COUNT.replace(b"1)", b"1%s)" % (b"0" * 30)),
            b"EXAMINE": FULL.replace(b"1", b"1" + b"0" * 30, 1),
            b"FETCH": b"TAG NO there is none\r\n",
        }
    ),
    Access.LISTS,
    **IMAP,
)

POP = {"hint": "pop3"}
CAPA = b"+OK\r\nSASL ANONYMOUS\r\n.\r\n"


def pop3(answers: Mapping[bytes, bytes], flood: bytes = b"") -> Serve:
    """POP3 that lets strangers in; `flood` follows the last verb in `answers`."""
    last = list(answers)[-1]

    def serve(client: Client) -> None:
        client.say(b"+OK ready\r\n")
        while line := client.hear():
            verb = line.split(b" ")[0].strip().upper()
            said = {b"CAPA": CAPA, **answers}.get(verb, b"+OK\r\n")
            client.say(said)
            if flood and verb == last:
                client.flood(flood)

    return serve


MAIL.add(
    "POP3 endless CAPA", "abilities for ever", pop3({b"CAPA": b"+OK\r\n"}, b"X\r\n" * 9000), **POP
)
MAIL.add(
    "POP3 endless line", "an answer line for ever", pop3({b"STAT": b"+OK "}, b"1" * 65_536), **POP
)
MAIL.add(
    "POP3 10^30 messages",
    "a STAT that overflows",
    pop3({b"STAT": b"+OK 1%s 1\r\n" % (b"0" * 30)}),
    Access.UNDETERMINED,
    **POP,
)
MAIL.add(
    "POP3 endless header",
    "a message's header for ever",
    pop3({b"STAT": b"+OK 1 9\r\n", b"TOP": b"+OK\r\n"}, b"A: b\r\n" * 9000),
    *OPEN,
    **POP,
)
MAIL.add("POP3 garbage", "answers with neither +OK nor -ERR", pop3({b"CAPA": b"hello\r\n"}), **POP)

FTP = {"hint": "ftp"}
WRITES_FTP = ("STOR", "APPE", "DELE", "RMD", "MKD", "RNFR", "RNTO", "SITE", "STOU", "PORT", "EPRT")
Answers = Mapping[bytes, bytes | Callable[[Client], bytes]]
LINE = b"-rw-r--r-- 1 0 0 5 Jan 01 2020 a.txt\r\n"


def ftp(answers: Answers, data: bytes = LINE, flood: bytes = b"", *, ends: bool = True) -> Serve:
    """FTP for anonymous: `data` then `flood` on each data channel; `ends` says 226 after it."""
    usual: dict[bytes, bytes] = {
        b"USER": b"331 x\r\n", b"PASS": b"230 x\r\n", b"PWD": b'257 "/"\r\n',
        b"FEAT": b"502 x\r\n", b"EPSV": b"502 x\r\n", b"TYPE": b"200 x\r\n",
    }  # fmt: skip

    def serve(client: Client) -> None:
        client.say(b"220 FTP ready\r\n")
        with socket.create_server((client.socket.getsockname()[0], 0)) as listener:
            listener.settimeout(STUCK_SECONDS)
            while line := client.hear():
                verb = line.split(b" ")[0].strip().upper()
                client.heard.append(verb.decode("latin-1"))
                said = {**usual, **answers}.get(verb)
                if verb == b"PASV" and said is None:
                    said = b"227 (%s)\r\n" % address(*listener.getsockname())
                if verb in (b"LIST", b"MLSD", b"RETR") and said is None:
                    transfer(client, listener)
                    continue
                client.say(said(client) if callable(said) else said or b"200 x\r\n")

    def transfer(client: Client, listener: socket.socket) -> None:
        client.say(b"150 here\r\n")
        channel, _ = listener.accept()
        with channel, suppress(OSError):
            channel.settimeout(STUCK_SECONDS)
            channel.sendall(data)
            while flood:
                channel.sendall(flood)
            if not ends:
                channel.recv(1)
        client.say(b"226 done\r\n")

    return serve


def address(host: str, port: int) -> bytes:
    """As PASV writes it."""
    return f"{host.replace('.', ',')},{port // 256},{port % 256}".encode()


def _elsewhere(form: bytes) -> Callable[[Client], bytes]:
    return lambda c: (
        form % (address(c.canary.host, c.canary.port) if b"227" in form else b"%d" % c.canary.port)
    )


MAIL.add(
    "FTP PASV third host",
    "a data channel on another host",
    ftp({b"PASV": _elsewhere(b"227 (%s)\r\n")}),
    **FTP,
)
MAIL.add(
    "FTP EPSV third host",
    "the same in words of RFC 2428 that are not allowed",
    ftp(
        {
            b"EPSV": lambda c: f"229 (|1|{c.canary.host}|{c.canary.port}|)\r\n".encode(),
            b"PASV": b"502 x\r\n",
        }
    ),
    **FTP,
)
MAIL.add(
    "FTP PASV of no port",
    "port 0 and numbers over 255",
    ftp({b"PASV": b"227 (999,0,0,1,0,0)\r\n"}),
    **FTP,
)
MAIL.add("FTP PASV malformed", "words in place of numbers", ftp({b"PASV": b"227 (x)\r\n"}), **FTP)
MAIL.add("FTP endless listing", "lines for ever", ftp({}, flood=LINE * 1000), *OPEN, **FTP)
MAIL.add(
    "FTP endless line", "one line for ever", ftp({}, b"", b"x" * 65_536), Access.UNDETERMINED, **FTP
)
MAIL.add("FTP no end", "a data channel that stays open", ftp({}, ends=False), *OPEN, **FTP)
MAIL.add(
    "FTP endless reply",
    "a reply of lines for ever",
    after_hello(b"", b"331-more\r\n" * 1000, b"220 FTP\r\n"),
    **FTP,
)
MAIL.add(
    "FTP reply without code",
    "words in place of a code",
    after_hello(b"welcome\r\n" * 500, greeting=b"220 FTP\r\n"),
    **FTP,
)
MAIL.only(
    "FTP nasty names",
    "names with path, escape and formula",
    ftp(
        {},
        b"".join(
            LINE.replace(b"a.txt", n)
            for n in (
                b"../../etc/passwd",
                b"\x1b[2J",
                b"=cmd()",
                b"a\x00b",
                b"\xff\xfe",
                b"/abs",
                b"..",
                b"x" * 3000,
                b"\xe2\x80\xaegpj",
                b"ok.txt",
            )
        ),
    ),
    *OPEN,
    **FTP,
)
MAIL.only("FTP write bait", "allows all, and writes down verbs", ftp({}), *OPEN, **FTP)
