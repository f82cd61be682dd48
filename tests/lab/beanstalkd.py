"""beanstalkd."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config
from leftopen.model.exposure import Access

SECRET = b"The secret is 078-05-1120"


@contextmanager
def beanstalkd(host: str = servers.CLIENT, port: int = 0) -> Iterator[servers.Server]:
    binary, port = servers.need("beanstalkd"), port or servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "-l", host, "-p", str(port)]
        with servers.running(argv, folder, port, host=host) as server:
            yield server


def say(server: servers.Server, *commands: bytes) -> list[bytes]:
    """The first line of each answer."""
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        said = client.makefile("rb")
        lines = []
        for command in commands:
            client.sendall(command + b"\r\n")
            lines.append(said.readline())
        said.close()
    return lines


def put(body: bytes, delay: int = 0) -> bytes:
    return b"put 1 %d 60 %d\r\n%s" % (delay, len(body), body)


@contextmanager
def _filled() -> Iterator[servers.Server]:
    with beanstalkd() as server:
        say(server, b"use mail", put(SECRET))
        say(server, b"use later", put(b"delayed", 900), put(b"x" * 60_000, 900))
        yield server


def _jobs(server: servers.Server) -> object:
    """How many jobs and tubes there are, and how often somebody wrote."""
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(b"stats\r\n")
        said = client.makefile("rb")
        size = int(said.readline().split()[1])
        lines = said.read(size).decode().splitlines()
        said.close()
    kept = ("current-jobs", "current-tubes", "cmd-put", "cmd-reserve", "cmd-delete", "cmd-kick")
    return [line for line in lines if line.startswith(kept)]


CONFIGS = (
    Config(
        "beanstalkd: open", "beanstalkd", Access.GIVES_DATA, _filled, 11300, objects=3, state=_jobs
    ),
    Config("beanstalkd: empty", "beanstalkd", Access.LISTS, beanstalkd, 11300, state=_jobs),
)
