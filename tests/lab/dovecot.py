"""Dovecot: IMAP and POP3, with the mechanism ANONYMOUS, without it, and greeting with PREAUTH."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import servers
from lab.config import Config, Start, with_tls
from leftopen.model.exposure import Access

_POP3 = """\
protocols = pop3 imap
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
{more}
"""


@contextmanager
def pop3(
    messages: Mapping[str, Sequence[bytes]], *, open: bool, more: str = ""
) -> Iterator[servers.Server]:
    """Dovecot's POP3 over this mail; arguments as of `servers.dovecot`."""
    servers.need("pop3", "/usr/lib/dovecot", "/usr/libexec/dovecot")
    port = servers.free_port(servers.APART)
    with servers.dovecot(messages, open=open, more=_POP3.format(port=port, more=more)) as server:
        yield servers.Server(server.host, port, server.folder, server.log)


_LETTER = b"From: a@example.org\r\nSubject: one\r\n\r\nThe secret is 078-05-1120.\r\n"
_MAIL: Mapping[str, Sequence[bytes]] = {"INBOX": [_LETTER, _LETTER * 9], "Archive": [_LETTER]}
_INBOX = {"INBOX": _MAIL["INBOX"]}
_NO_PLAINTEXT = "disable_plaintext_auth = yes"


def _flags(server: servers.Server) -> object:
    """Every message file with its flags in its name (Maildir), which a reader could change."""
    return sorted(str(p.relative_to(server.folder)) for p in server.folder.glob("mail/**/*.test*"))


def _imap(*, open: bool, more: str = "") -> Start:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        with servers.dovecot(_MAIL, open=open, more=more) as server:
            if open:
                _index(server)
            yield server

    return start


def _index(server: servers.Server) -> None:
    """The first to ask: two at once would each see a part of mail that has no index yet."""
    with imaplib.IMAP4(server.host, server.port, timeout=10) as client:
        client.authenticate("ANONYMOUS", lambda _: b"")
        for box in _MAIL:
            assert client.status(box, "(MESSAGES SIZE)")[0] == "OK"


def _pop3(messages: Mapping[str, Sequence[bytes]], *, open: bool, more: str = "") -> Start:
    return lambda: pop3(messages, open=open, more=more)


def _starttls(make: Callable[[str], AbstractContextManager[servers.Server]]) -> Start:
    """Plaintext is refused until STARTTLS or STLS."""

    @contextmanager
    def start() -> Iterator[servers.Server]:
        with servers.scratch() as folder:
            cert, key = servers.certificate(folder)
            with make(f"ssl = required\nssl_cert = <{cert}\nssl_key = <{key}\n") as server:
                yield server

    return start


def _row(
    name: str,
    access: Access,
    start: Start,
    objects: int | None = None,
    *,
    protocol: str = "imap",
    upgraded: bool = False,
) -> Config:
    port = {"imap": 143, "pop3": 110}[protocol]
    return Config(
        f"dovecot: {protocol}, {name}",
        protocol,
        access,
        start,
        port,
        objects=objects,
        state=_flags,
        upgraded=upgraded,
    )


_IMAP_OPEN = _row("anonymous", Access.GIVES_DATA, _imap(open=True), 3)
_IMAP_CLOSED = _row("plain only", Access.ASKS_CREDENTIAL, _imap(open=False))
_POP3_OPEN = _row("anonymous", Access.GIVES_DATA, _pop3(_INBOX, open=True), 2, protocol="pop3")
_POP3_CLOSED = _row(
    "plain only", Access.ASKS_CREDENTIAL, _pop3(_INBOX, open=False), protocol="pop3"
)
CONFIGS = (
    _IMAP_OPEN,
    _IMAP_CLOSED,
    _POP3_OPEN,
    _POP3_CLOSED,
    *with_tls((_IMAP_OPEN, _IMAP_CLOSED), 993),
    *with_tls((_POP3_OPEN, _POP3_CLOSED), 995),
    _row("no mail", Access.LISTS, lambda: servers.dovecot({}, open=True), 0),
    _row("no plaintext", Access.ASKS_CREDENTIAL, _imap(open=False, more=_NO_PLAINTEXT)),
    _row("preauth", Access.GIVES_DATA, lambda: servers.dovecot_preauth(_MAIL), 3),
    _row(
        "anonymous inside STARTTLS",
        Access.GIVES_DATA,
        _starttls(lambda more: servers.dovecot(_MAIL, open=True, more=more)),
        3,
        upgraded=True,
    ),
    _row(
        "plain inside STARTTLS",
        Access.ASKS_CREDENTIAL,
        _starttls(lambda more: servers.dovecot(_MAIL, open=False, more=more)),
        upgraded=True,
    ),
    _row("no mail", Access.LISTS, _pop3({}, open=True), 0, protocol="pop3"),
    _row(
        "no plaintext",
        Access.ASKS_CREDENTIAL,
        _pop3(_INBOX, open=False, more=_NO_PLAINTEXT),
        protocol="pop3",
    ),
    _row(
        "anonymous inside STLS",
        Access.GIVES_DATA,
        _starttls(lambda more: pop3(_INBOX, open=True, more=more)),
        2,
        protocol="pop3",
        upgraded=True,
    ),
)
