"""TLS, and TLS begun later, by servers that break it or hide behind it."""

from __future__ import annotations

import ssl
from pathlib import Path

from hostile.http import after
from hostile.http_site import pages
from hostile.kind import Client, Family, Serve, after_hello
from leftopen.model.exposure import Access
from reaching import answer

TLS = Family("tls", hint="http", tls=True)
SPEAKS, SAID_NOTHING = Access.SPEAKS, Access.UNDETERMINED
HANDSHAKE = b"\x16\x03\x03"


def record(kind: int, size: int, body: bytes) -> bytes:
    return bytes((kind, 3, 3)) + size.to_bytes(2, "big") + body


def plain_http(client: Client) -> None:
    client.socket.recv(65_536)
    client.say(answer(b"<html>plain</html>"))


def own_hello(client: Client) -> None:
    client.say(client.socket.recv(65_536))
    client.wait()


TLS.add("garbage", "noise after the ClientHello", after_hello(b"\x99" * 999))
TLS.only(
    "plain HTTP",
    "a page in clear, whatever is asked",
    plain_http,
    SPEAKS,
    Access.MISBEHAVES,
)
TLS.add("alert flood", "warnings for ever", after_hello(b"", record(21, 2, b"\1\0") * 5000), SPEAKS)
# below TLS no byte reaches the probe, so to it these say nothing
TLS.add(
    "half a record", "a record that never comes", after_hello(record(22, 9000, b"\2")), SAID_NOTHING
)
TLS.add("64 KiB record", "a record over the limit", after_hello(record(22, 65_535, bytes(65_535))))
TLS.add("CCS flood", "ChangeCipherSpec for ever", after_hello(b"", record(20, 1, b"\1") * 5000))
TLS.add("empty records", "records of nothing for ever", after_hello(b"", record(22, 0, b"") * 9000))
TLS.add("application data", "data before any handshake", after_hello(record(23, 99, b"x" * 99)))
TLS.add(
    "handshake of 16 MB",
    "a ServerHello as long",
    after_hello(record(22, 4, b"\2\xff\xff\xff"), record(22, 16_000, bytes(16_000))),
)
TLS.add(
    "its own hello",
    "says the ClientHello back",
    own_hello,
    SPEAKS,
)
TLS.add("drip", "a byte of a record each 100 ms", lambda c: c.slowly(HANDSHAKE, 0.1), SAID_NOTHING)


def inside(serve: Serve) -> Serve:
    """The same conversation inside TLS, with a certificate of 2,000 names."""

    def wrapped(client: Client) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE[0], CERTIFICATE[1])
        with context.wrap_socket(client.socket, server_side=True) as secure:
            stream = secure.makefile("rb")
            serve(Client(secure, stream, client.canary, client.number, client.heard))

    return wrapped


CERTIFICATE: list[Path] = []  # the test makes it: certificate and key

TLS.only(
    "stall after the handshake",
    "and then not a word",
    inside(Client.wait),
    SAID_NOTHING,
    Access.MISBEHAVES,
    SPEAKS,
)
TLS.only(
    "hangs up after the handshake",
    "and not a word before",
    inside(lambda c: None),
    SAID_NOTHING,
    Access.MISBEHAVES,
    SPEAKS,
)
TLS.add(
    "endless body inside TLS",
    "a page for ever",
    inside(after(b"HTTP/1.1 200 OK\r\n\r\n", flood=b"x" * 16_000)),
)
TLS.add("noise inside TLS", "noise for ever", inside(lambda c: c.flood(b"\x99" * 16_000)))
TLS.only(
    "hostile certificate",
    "a page, and a subject that attacks whoever shows it",
    inside(pages(lambda c, path: answer(b"<html>hi</html>"))),
    SPEAKS,
)


def start_tls(greeting: bytes, hello: bytes, offer: bytes, word: bytes, go: bytes) -> Serve:
    """Offer TLS, and put more behind the answer that begins it (CVE-2011-0411)."""

    def serve(client: Client) -> None:
        client.say(greeting)
        while line := client.hear():
            tag = line.split(b" ")[0]
            said = line.upper()
            client.say(
                (go if word in said else offer if hello in said else b"TAG OK\r\n").replace(
                    b"TAG", tag
                )
            )

    return serve


TLS.add(
    "IMAP STARTTLS injection",
    "an answer in clear behind the one that begins TLS",
    start_tls(
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n",
        b"CAPABILITY",
        b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nTAG OK\r\n",
        b"STARTTLS",
        b"TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=ANONYMOUS\r\na3 OK\r\n",
    ),
    hint="imap",
    tls=False,
)
TLS.add(
    "POP3 STLS injection",
    "an answer in clear behind the one that begins TLS",
    start_tls(
        b"+OK hi\r\n",
        b"CAPA",
        b"+OK\r\nSTLS\r\n.\r\n",
        b"STLS",
        b"+OK go\r\n+OK\r\nSASL ANONYMOUS\r\n.\r\n",
    ),
    hint="pop3",
    tls=False,
)
TLS.add(
    "IMAP STARTTLS of noise",
    "no TLS where it was promised",
    start_tls(
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n",
        b"CAPABILITY",
        b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nTAG OK\r\n",
        b"STARTTLS",
        b"TAG OK go\r\n",
    ),
    hint="imap",
    tls=False,
)
