"""The rules against the servers themselves: what the rules say is what a stranger gets.

Every row starts the real daemon on loopback with a configuration, reads that same file, and asks
anonymously from another loopback address.
"""

from __future__ import annotations

import ftplib
import http.client
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leftopen.cause.explain import explain
from leftopen.cause.match import open_at
from leftopen.model.cause import Cause, Truth, any_of
from leftopen.model.endpoint import Endpoint
from servers import CLIENT, Server, free_port, need, nginx, postgresql, rsyncd, running, scratch
from servers import vsftpd as ftp_server

pytestmark = pytest.mark.real
YES, NO = Truth.YES, Truth.NO
STRANGER = ("127.0.0.3", 0)
RECORD = b"record of a person"


def _says(path: Path, server: Server, version: str = "") -> Truth:
    """What cause says of the endpoint, from the file alone."""
    product = {"redis.conf": "redis"}.get(path.name, "")
    found = explain([path], versions={product: version})
    causes = [c for c in found if isinstance(c, Cause)]
    endpoint = Endpoint(address=server.host, port=server.port)
    return any_of(NO, *(open_at(c, endpoint) for c in causes))


BASIC = 'auth_basic "x"; auth_basic_user_file {folder}/none;'
LIST = "root {root}; autoindex on;"
NGINX = [
    LIST,
    LIST + 'auth_basic "x";',
    LIST + BASIC,
    LIST + "deny all;",
    LIST + "allow 10.0.0.0/8; deny all;",
    LIST + "allow all; deny all;",
    LIST + "deny all; allow all;",
    LIST + "allow 10.0.0.0/8;",
    LIST + "deny 10.0.0.0/8;",
    LIST + "allow 0.0.0.0/1; allow 128.0.0.0/1; deny all;",
    LIST + "satisfy any; allow all;" + BASIC,
    LIST + "satisfy any; allow 10.1.0.0/16;" + BASIC,
    LIST + "satisfy any; allow 10.1.0.0/16; deny all;" + BASIC,
    LIST + "satisfy any; allow 10.1.0.0/16; deny all;",
    LIST + "satisfy any; deny 10.1.0.0/16;",
    LIST + "satisfy any; deny 10.1.0.0/16;" + BASIC,
    LIST + 'satisfy any; allow 10.1.0.0/16; deny all; auth_basic "x";',
    LIST + "location /d/ { limit_except GET { deny all; } }",
    LIST + "deny all; location /d/ { allow 10.9.9.9; }",
    LIST + BASIC + "location /d/ { auth_basic off; }",
    LIST + BASIC + "location /d/ { autoindex on; }",
    LIST + 'deny all; location /d/ { return 200 "x"; }',
    LIST + "return 301 https://a.example;",
    LIST + "location / { internal; }",
    LIST + "location /d/ { deny all; location /d/e/ { allow all; } }",
    LIST + "auth_request /check; location = /check { return 401; }",
    LIST + "auth_request off;",
    LIST + "if ($request_method = POST) { return 405; }",
]


@pytest.mark.parametrize("block", NGINX)
def test_nginx(block: str) -> None:
    files = {"d/f.txt": RECORD, "d/e/f.txt": RECORD, "f.txt": RECORD}
    with nginx(block, files) as server:
        got = any(_get(server, path) for path in ("/", "/d/", "/d/f.txt", "/d/e/", "/d/e/f.txt"))
        assert (_says(server.folder / "nginx.conf", server) is YES) == got


def _get(server: Server, path: str) -> bool:
    connection = http.client.HTTPConnection(server.host, server.port, 5, source_address=STRANGER)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status == 200 and (RECORD in body or b"f.txt" in body or b"d/" in body)


REDIS = [
    "protected-mode no",
    "protected-mode no\nrequirepass x",
    'protected-mode no\nrequirepass ""',
    "protected-mode no\nuser default off",
    "protected-mode no\nuser default on nopass ~* +@all",
    "protected-mode no\nuser default on ~* +@all",
    "protected-mode no\nuser default nopass ~* +@all",
    "protected-mode no\nuser default on >pw ~* +@all",
    "protected-mode no\nuser default on nopass >pw ~* +@all",
    "protected-mode no\nuser default on nopass >pw nopass ~* +@all",
    "protected-mode no\nrequirepass x\nuser default on nopass ~* +@all",
    "protected-mode no\nuser default on nopass ~* +@all\nrequirepass x",
    "protected-mode no\nuser default on nopass ~* -@all +ping",
    "protected-mode no\nuser default on nopass resetkeys +@all",
    "protected-mode no\nuser default on nopass %W~* +set",
    "protected-mode no\nuser default on nopass ~a* +get",
    "protected-mode no\nuser default on nopass +get",
    "protected-mode no\nuser default on nopass (~* +get)",
    "protected-mode no\nuser default on nopass ~* +@all reset",
    "protected-mode yes\nuser default on >y ~* +@all",
]


@pytest.mark.parametrize("text", REDIS)
def test_redis(text: str) -> None:
    with _redis(text) as server:
        got = any(
            answer[:1] in (b"$", b"*") and b"a-key" in answer
            for answer in (_ask_redis(server, c) for c in ("KEYS *", "GET a-key", "SCAN 0"))
        )
        says = _says(server.folder / "redis.conf", server, "7.0.15")
        assert says is (YES if got else NO)


@pytest.mark.parametrize("text", ["protected-mode yes", ""])
def test_redis_protected_mode(text: str) -> None:
    with _redis(text) as server:
        assert b"DENIED" in _ask_redis(server, "KEYS *")
        assert _says(server.folder / "redis.conf", server, "7.0.15") is not YES


@contextmanager
def _redis(text: str) -> Iterator[Server]:
    port = free_port()
    with scratch() as folder:
        path = folder / "redis.conf"
        rest = f'bind 127.0.0.1\nport {port}\ndir {folder}\nsave ""\nappendonly yes\n'
        path.write_text(f"{text}\n{rest}")
        log = folder / "appendonlydir"
        log.mkdir(mode=0o777)
        (log / "appendonly.aof.1.incr.aof").write_text(
            "*3\r\n$3\r\nSET\r\n$5\r\na-key\r\n$5\r\na-key\r\n"
        )
        (log / "appendonly.aof.manifest").write_text(
            "file appendonly.aof.1.incr.aof seq 1 type i\n"
        )
        for item in (log, *log.iterdir()):
            item.chmod(0o777)
        with running([need("redis-server"), str(path)], folder, port) as server:
            yield server


def _ask_redis(server: Server, command: str) -> bytes:
    """The answer to one command, asked again while the server still reads its file."""
    for _ in range(500):
        answer = _ask_once(server, command)
        if not answer.startswith(b"-LOADING"):
            break
    return answer


def _ask_once(server: Server, command: str) -> bytes:
    with socket.create_connection((CLIENT, server.port), 5, source_address=STRANGER) as client:
        client.sendall(command.encode() + b"\r\n")
        client.settimeout(5)
        answer = client.recv(4096)
        while answer[:1] in (b"*", b"$") and b"a-key" not in answer and answer != b"$-1\r\n":
            more = client.recv(4096)
            if not more:
                break
            answer += more
        return answer


VSFTPD: list[dict[str, str]] = [
    {"anonymous_enable": "YES"},
    {"anonymous_enable": "NO", "local_enable": "YES"},
    {"anonymous_enable": "YES", "download_enable": "NO"},
    {"anonymous_enable": "YES", "download_enable": "NO", "dirlist_enable": "NO"},
    {"anonymous_enable": "YES", "cmds_allowed": "USER,PASS,QUIT"},
]


@pytest.mark.parametrize("settings", VSFTPD)
def test_vsftpd(settings: dict[str, str]) -> None:
    with ftp_server({"f.txt": RECORD}, anonymous=True, settings=settings) as server:
        assert (_says(server.folder / "vsftpd.conf", server) is YES) == _fetch(server)


def test_vsftpd_without_the_line() -> None:
    with ftp_server({"f.txt": RECORD}, anonymous=True) as made:
        text = (made.folder / "vsftpd.conf").read_text().replace("anonymous_enable=YES\n", "")
        port = free_port()
        path = made.folder / "absent.conf"
        path.write_text(text.replace(str(made.port), str(port)))
        path.chmod(0o644)
        owner = (made.folder / "vsftpd.conf").stat()
        os.chown(path, owner.st_uid, owner.st_gid)  # vsftpd refuses another user's file
        with running([need("vsftpd"), str(path)], made.folder, port) as server:
            assert _says(path, server) is YES
            assert _fetch(server)


def _fetch(server: Server) -> bool:
    got: list[bytes] = []
    try:
        with ftplib.FTP(timeout=5, source_address=STRANGER) as client:
            client.connect(server.host, server.port)
            client.login()
            try:
                client.retrbinary("RETR f.txt", got.append)
            except ftplib.error_perm:
                got += [name.encode() for name in client.nlst()]
    except (ftplib.Error, EOFError):
        return False
    return bool(got)


RSYNC = [
    [],
    ["list = no"],
    ["auth users = bob", "secrets file = {folder}/secrets"],
    ["hosts allow = 10.0.0.0/8"],
    ["hosts allow = 127.0.0.0/8"],
    ["hosts allow = *"],
    ["hosts deny = *"],
    ["hosts allow = 10.0.0.0/8", "hosts deny = 192.168.0.0/16"],
    ["hosts allow = 10.0.0.0/8", "hosts deny = *"],
    ["hosts deny = 192.0.2.1"],
    ["write only = yes"],
    ["max connections = -1"],
    ["exclude = *"],
]


@pytest.mark.parametrize("lines", RSYNC)
def test_rsync(lines: list[str]) -> None:
    with rsyncd({"mail": lines}, {"f.txt": RECORD}) as server:
        url = f"rsync://{CLIENT}:{server.port}/mail/"
        argv = [need("rsync"), "--address=127.0.0.3", "--timeout=5", "-r", "--list-only", url]
        done = subprocess.run(
            argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False
        )
        got = done.returncode == 0 and b"f.txt" in done.stdout
        assert (_says(server.folder / "rsyncd.conf", server) is YES) == got


HBA = [
    "host all all 127.0.0.0/8 trust",
    "host all all 127.0.0.0/8 scram-sha-256",
    "host all all 0.0.0.0/0 scram-sha-256\nhost all all 127.0.0.0/8 trust",
    "host all all 0.0.0.0/0 trust\nhost all all 0.0.0.0/0 reject",
    "host all all 0.0.0.0/1 reject\nhost all all 0.0.0.0/0 trust",
    'host "all" all 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 trust',
    "host all all 127.0.0.0 255.0.0.0 trust",
    "hostssl all all 0.0.0.0/0 trust",
    "hostnossl all all 0.0.0.0/0 trust",
    "hostgssenc all all 0.0.0.0/0 trust",
    "host all all 10.0.0.0/8 trust",
    "host replication all 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 trust",
    "host all all \\\n 0.0.0.0/0 trust",
]


@pytest.mark.parametrize("hba", HBA)
def test_postgresql(hba: str) -> None:
    with postgresql(hba) as server:
        pairs = b"user\0owner\0database\0postgres\0\0"
        hello = struct.pack("!ii", 8 + len(pairs), 196_608) + pairs
        with socket.create_connection((CLIENT, server.port), 5, source_address=STRANGER) as client:
            client.sendall(hello)
            answer = client.recv(4096)
        got = answer[:1] == b"R" and struct.unpack("!i", answer[5:9])[0] == 0
        path = next(server.folder.rglob("pg_hba.conf"))
        settings = path.with_name("postgresql.conf").read_text()
        listed = f"{settings}\nlisten_addresses = '{CLIENT}'\nport = {server.port}\n"
        with scratch() as copy:
            (copy / "postgresql.conf").write_text(listed)
            (copy / "pg_hba.conf").write_text(path.read_text())
            assert (_says(copy / "pg_hba.conf", server) is YES) == got
