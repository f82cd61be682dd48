"""mosquitto."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import servers
from lab.config import Config, Start, with_tls
from leftopen.model.exposure import Access
from leftopen.reach.protocols.mqtt import (
    connect,
)

SECRET = b"The secret is 078-05-1120"
RETAINED = {b"home/door": SECRET, b"home/long": b"x" * 300_000, b"t" * 200: b"long topic"}


@contextmanager
def mosquitto(
    *lines: str, host: str = servers.CLIENT, port: int = 0, acl: str = ""
) -> Iterator[servers.Server]:
    binary, port = servers.need("mosquitto"), port or servers.free_port(host)
    with servers.scratch() as folder:
        (folder / "acl").write_text(acl)
        conf = folder / "mosquitto.conf"
        told = [f"acl_file {folder / 'acl'}"] if acl else []
        conf.write_text("\n".join((f"listener {port} {host}", *lines, *told, "")))
        servers.give(folder)
        with servers.running([binary, "-c", str(conf)], folder, port, host=host) as server:
            yield server


def retain(server: servers.Server, messages: dict[bytes, bytes]) -> None:
    """Publish, and wait until the broker has taken all of it."""
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(connect(b""))
        for topic, payload in messages.items():
            client.sendall(publish(topic, payload))
        client.sendall(b"\xc0\x00")
        said = client.makefile("rb")
        assert said.read(6) == b"\x20\x02\x00\x00\xd0\x00"
        said.close()


def publish(topic: bytes, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0 with the flag for a retained message."""
    body = len(topic).to_bytes(2, "big") + topic + payload
    size, length = len(body), bytearray()
    while not length or size:
        length.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
    return b"\x31" + bytes(length) + body


def _mosquitto(*lines: str, acl: str = "", filled: bool = False) -> Start:
    @contextmanager
    def start() -> Iterator[servers.Server]:
        with mosquitto(*lines, acl=acl) as server:
            if filled:
                retain(server, RETAINED)
            yield server

    return start


def _retained(server: servers.Server) -> object:
    """All that is retained, as a subscriber gets it."""
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(connect(b"") + b"\x82\x06\0\1\0\1#\0" + b"\xc0\0")
        said = b""
        while not said.endswith(b"\xd0\0"):
            said += client.recv(65_536)
        return said


def _passwords() -> AbstractContextManager[servers.Server]:
    return mosquitto("allow_anonymous false", "password_file /dev/null")


OPEN = Config(
    "mosquitto: open",
    "mqtt",
    Access.GIVES_DATA,
    _mosquitto("allow_anonymous true", filled=True),
    1883,
    objects=3,
    state=_retained,
)
CLOSED = Config("mosquitto: a password file", "mqtt", Access.ASKS_CREDENTIAL, _passwords, 1883)
CONFIGS = (
    OPEN,
    CLOSED,
    *with_tls((OPEN, CLOSED), 8883),
    Config(
        "mosquitto: open, an ACL keeps all back",
        "mqtt",
        Access.SPEAKS,
        _mosquitto("allow_anonymous true", acl="topic deny #\n"),
        1883,
    ),
)
