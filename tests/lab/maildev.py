"""MailDev (npm): a webmail for developers that keeps whatever is sent to it."""

from __future__ import annotations

import http.client
import json
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import servers
from lab.config import Config, Start
from leftopen.model.exposure import Access

SSN = "078-05-1120"


@contextmanager
def maildev(*args: str) -> Iterator[tuple[servers.Server, int]]:
    """MailDev 3 with one message in it, where npm has put it."""
    binary = str(servers.from_npm("maildev"))
    smtp, port = servers.free_port(), servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "--smtp", str(smtp), "--web", str(port), "--ip", servers.CLIENT]
        argv += ["--web-ip", servers.CLIENT, "--mail-directory", str(folder), *args]
        with servers.running(argv, folder, port) as server:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "a@x.org", "b@x.org", "hi"
            message.set_content(f"number {SSN}")
            with smtplib.SMTP(servers.CLIENT, smtp, timeout=10) as client:
                client.send_message(message)
            yield server, smtp


def _web(*args: str) -> Start:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        with maildev(*args) as (server, _):
            yield server

    return start


def _mail(server: servers.Server) -> object:
    """Every message, and whether it was read, as the API says it."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        client.request("GET", "/api/email")
        return [(m["id"], m["read"]) for m in json.load(client.getresponse())]
    finally:
        client.close()


CONFIGS = (
    Config("maildev: open", "http", Access.GIVES_DATA, _web(), 1080, objects=1, state=_mail),
    Config(
        "maildev: web-user",
        "http",
        Access.ASKS_CREDENTIAL,
        _web("--web-user", "bob", "--web-pass", "correct-horse"),
        1080,
    ),
)
