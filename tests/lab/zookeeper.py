"""ZooKeeper."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import servers
from lab.config import Config
from leftopen.model.exposure import Access

SECRET = b"password=correct-horse"
JAR = Path("/usr/share/java/zookeeper.jar")
WORLD = (31, b"world", b"anyone")
_ID = base64.b64encode(hashlib.sha1(b"bob:correct-horse").digest())
BOB = (31, b"digest", b"bob:" + _ID)
OPEN = {"/app": b"", "/app/db": SECRET, "/app/db/deep": b"d", "/app/db/deep/more": b"m"}
LOGIN = "java.security.auth.login.config=jaas.conf"
JAAS = """Server {
  org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="correct-horse";
};
"""
SASL = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
CONNECT = struct.pack(">iiqiqi16s?", 45, 0, 0, 10_000, 0, 16, bytes(16), False)


@contextmanager
def zookeeper(
    nodes: Mapping[str, bytes] = {},
    *flags: str,
    acl: tuple[int, bytes, bytes] = WORLD,
    host: str = servers.CLIENT,
    port: int = 0,
    more: str = "",
) -> Iterator[servers.Server]:
    java, port = servers.need("java"), port or servers.free_port(host)
    if not JAR.exists():
        servers.absent("zookeeper.jar is not installed here")
    with servers.scratch() as folder:
        conf = folder / "zoo.cfg"
        conf.write_text(
            f"dataDir={folder}/data\nclientPort={port}\nclientPortAddress={host}\n"
            f"tickTime=2000\nadmin.enableServer=false\n{more}"
        )
        (folder / "jaas.conf").write_text(JAAS)
        argv = [java, "-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *flags]
        argv += ["-cp", str(JAR), "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(conf)]
        with servers.running(argv, folder, port, host=host) as server:
            create(server, nodes, acl)
            yield server


def text(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def create(
    server: servers.Server, nodes: Mapping[str, bytes], acl: tuple[int, bytes, bytes]
) -> None:
    """What the owner may do; the port listens before the server serves."""
    perms, scheme, who = acl
    deadline = time.monotonic() + 20
    while True:
        with socket.create_connection((server.host, server.port), timeout=1) as client:
            client.sendall(CONNECT)
            try:
                begun = client.recv(100)
            except TimeoutError:  # a session that was asked for while it started is lost
                begun = b""
            if not begun:
                assert time.monotonic() < deadline
                continue
            client.settimeout(10)
            for number, (path, data) in enumerate(nodes.items(), 1):
                body = struct.pack(">ii", number, 1) + text(path.encode()) + text(data)
                body += struct.pack(">ii", 1, perms) + text(scheme) + text(who) + bytes(4)
                client.sendall(text(body))
                assert client.recv(1000)[16:20] == bytes(4)
            client.sendall(struct.pack(">iii", 8, 99, -11))
            client.recv(100)
            return


def connections(server: servers.Server) -> int:
    """As `srvr` counts them, its own included."""
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"srvr")
        said = client.makefile("rb").read().decode()
    return int(said.split("Connections: ")[1].split()[0])


def _nodes(server: servers.Server) -> object:
    """How many nodes it counts."""
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"srvr")
        said = client.makefile("rb").read().decode()
    return said.split("Node count: ")[1].split()[0]


CONFIGS = (
    Config(
        "ZooKeeper: open",
        "zookeeper",
        Access.GIVES_DATA,
        partial(zookeeper, OPEN),
        2181,
        sized=True,
        state=_nodes,
    ),
    Config(
        "ZooKeeper: ACLs",
        "zookeeper",
        Access.LISTS,
        partial(zookeeper, {"/app": SECRET, "/other": b"x"}, acl=BOB),
        2181,
        state=_nodes,
    ),
)
