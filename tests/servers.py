"""Real servers on free loopback ports, started for a test and gone after it.

Each function is a context manager that yields a `Server` once its port accepts. They run as the
user of the tests, or as `nobody` when that is root, with all their files in one temporary folder.
`fake` is the other kind: a few lines of Python that answer as no sane server would.
"""

from __future__ import annotations

import atexit
import base64
import grp
import hashlib
import hmac
import http.client
import os
import pwd
import random
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import BinaryIO, NoReturn

import pytest

CLIENT = "127.0.0.1"
APART = "127.0.0.2"  # Dovecot trusts a client whose address is its own
START_SECONDS = 45.0  # a loaded machine starts a Java server in half of it
STOP_SECONDS = 5.0
_DROP: dict[str, int | list[int]] = (
    {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
)


@dataclass(frozen=True)
class Server:
    """A server that accepts connections, and the folder that holds its files."""

    host: str
    port: int
    folder: Path = Path("/nonexistent")
    log: Path = Path("/nonexistent")


def need(binary: str, *folders: str) -> str:
    """The path of a program; without it the test is skipped, and fails in CI."""
    path = os.pathsep.join((*folders, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    found = shutil.which(binary, path=path)
    if found is None:
        absent(f"{binary} is not installed here")
    return found


def absent(reason: str) -> NoReturn:
    """Skip this test for what the machine lacks; in CI nothing may be lacking."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


# Below the ports that the kernel hands to clients (ip_local_port_range): one of those may be in
# use for a connection by the time that a server wants it. Each test worker has a part of its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
_PORTS = range(10_000 + 5_000 * (_WORKER % 4), 15_000 + 5_000 * (_WORKER % 4))
_given: set[int] = set()
_giving = Lock()


def free_port(host: str = CLIENT) -> int:
    """A TCP port of `host` on which nothing listens now, and that nobody was given before."""
    with _giving:
        for _ in range(10_000):
            port = random.choice(_PORTS)
            if port in _given and len(_given) < len(_PORTS) // 2:
                continue
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as probe, suppress(OSError):
                probe.bind((host, port))
                _given.add(port)
                return port
    raise RuntimeError("no port is free")


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder that the servers' user owns, removed with all it holds."""
    with tempfile.TemporaryDirectory(prefix="leftopen-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        give(folder)
        yield folder


def give(folder: Path) -> None:
    """Hand a folder and everything below it to the servers' user."""
    if _DROP:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)


@contextmanager
def running(
    argv: Sequence[str],
    folder: Path,
    port: int,
    *,
    host: str = CLIENT,
    stop: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run one server in its own process group until the block ends."""
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **(env or {})},
            **(_DROP if _for_anybody(argv, folder) else {}),  # type: ignore[call-overload]
        )
    try:
        _await_port(process, host, port, log)
        yield Server(host, port, folder, log)
    finally:
        _end(process, stop)


def _for_anybody(argv: Sequence[str], folder: Path) -> bool:
    """Whether `nobody` can run it: a checkout or an interpreter may lie where only root can go."""
    named = [Path(a) for a in argv if os.path.isabs(a) and os.path.isfile(a)]
    return all(_program(path.resolve()) for path in named if folder not in path.parents)


def _program(found: Path) -> bool:
    return _open_to_all(found) and all(_open_to_all(p) for p in _interpreter(found))


def _interpreter(script: Path) -> list[Path]:
    """The program that a script's first line names, resolved: what the kernel would start."""
    with script.open("rb") as file:
        first = os.fsdecode(file.readline(500))
    words = first[2:].split() if first.startswith("#!") else []
    if len(words) > 1 and Path(words[0]).name == "env":
        words = [shutil.which(words[1]) or "", *words[2:]]
    return [Path(words[0]).resolve()] if words and words[0] else []


def _open_to_all(path: Path) -> bool:
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def _await_port(process: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.01)
    said = log.read_text(errors="replace")[-2000:]
    code = process.poll()
    how = "did not listen" if code is None else f"ended with {code} and did not listen"
    raise RuntimeError(f"{process.args!r} {how} on {host}:{port}:\n{said}")


def _await_ready(argv: Sequence[str]) -> None:
    """Until this command succeeds: for a server that listens before it serves."""
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(argv, capture_output=True, timeout=10, check=False).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{argv!r} does not succeed")
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    """End the whole group; what is deaf to the polite signal is killed."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, stop)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def _check(argv: Sequence[str], folder: Path, *, text: str = "") -> str:
    done = subprocess.run(
        argv,
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LC_ALL": "C"},
        **_DROP,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise RuntimeError(f"{argv!r} failed:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


@contextmanager
def redis(*args: str, host: str = CLIENT) -> Iterator[Server]:
    """redis-server with command-line settings, e.g. `"--requirepass", "x"`."""
    binary = need("redis-server")
    port = free_port(host)
    with scratch() as folder:
        argv = [binary, "--port", str(port), "--bind", host, "--save", "", "--dir", str(folder)]
        with running([*argv, *args], folder, port, host=host) as server:
            yield server


def redis_cli(server: Server, *words: str, password: str = "") -> str:
    """The answer of redis-cli to one command."""
    login = ["-a", password, "--no-auth-warning"] if password else []
    argv = [need("redis-cli"), "-h", server.host, "-p", str(server.port), *login, *words]
    return _check(argv, server.folder)


_POSTGRESQL = tuple(f"/usr/lib/postgresql/{version}/bin" for version in range(20, 12, -1))


@contextmanager
def postgresql(
    *hba: str, sql: str = "", settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """PostgreSQL with these pg_hba.conf lines; `sql` runs as the superuser "owner" before.

    The one line in front of them lets the owner in over the Unix socket of the folder.
    """
    binary = need("postgres", *_POSTGRESQL)
    port = free_port()
    with scratch() as folder:
        data = folder / "data"
        shutil.copytree(_cluster(binary), data)
        (data / "pg_hba.conf").write_text("\n".join(("local all owner trust", *hba, "")))
        give(data)
        data.chmod(0o700)
        given = {
            "listen_addresses": CLIENT,
            "port": str(port),
            "unix_socket_directories": str(folder),
            "fsync": "off",
            **(settings or {}),
        }
        argv = [binary, "-D", str(data), *(f"--{k}={v}" for k, v in given.items())]
        with running(argv, folder, port, stop=signal.SIGINT) as server:
            _await_ready([need("pg_isready", *_POSTGRESQL), "-h", str(folder), "-p", str(port)])
            if sql:
                postgresql_sql(server, sql)
            yield server


@cache
def _cluster(binary: str) -> Path:
    """An empty database cluster, made once: initdb takes most of the time to start."""
    folder = Path(tempfile.mkdtemp(prefix="leftopen-initdb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    give(folder)
    initdb = Path(binary).with_name("initdb")
    _check(
        [str(initdb), "-N", "-A", "trust", "-U", "owner", "-E", "UTF8", "--locale=C", "data"],
        folder,
    )
    return folder / "data"


def postgresql_sql(server: Server, sql: str, database: str = "postgres") -> str:
    """What psql says to `sql`, as the superuser, over the Unix socket."""
    argv = [
        *(need("psql", *_POSTGRESQL), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"),
        *("-h", str(server.folder), "-p", str(server.port), "-U", "owner", "-d", database),
    ]
    return _check(argv, server.folder, text=sql)


_DOVECOT = """\
base_dir = {run}
state_dir = {run}
log_path = /dev/stderr
protocols = imap
ssl = no
listen = {host}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{mail}
auth_mechanisms = {mechanisms}
auth_anonymous_username = guest
passdb {{
  driver = static
  args = password=correct-horse
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={mail}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{more}
"""


@contextmanager
def dovecot(
    mailboxes: Mapping[str, Sequence[bytes]], *, open: bool, more: str = "", host: str = APART
) -> Iterator[Server]:
    """Dovecot with IMAP; `open` offers the mechanism ANONYMOUS beside PLAIN.

    `mailboxes` maps a name ("INBOX" or a folder below it) to messages; they lie unread in
    `<folder>/mail`. It listens on another loopback address than the client's: when both are
    equal Dovecot takes the connection for a secure one.
    """
    binary = need("dovecot")
    port = free_port(host)
    with scratch() as folder:
        conf = _dovecot_folder(folder, mailboxes, open=open, more=more, host=host, port=port)
        with running([binary, "-F", "-c", str(conf)], folder, port, host=host) as server:
            yield server


@contextmanager
def dovecot_preauth(mailboxes: Mapping[str, Sequence[bytes]]) -> Iterator[Server]:
    """Dovecot's imap process behind an inetd-like listener: it greets with PREAUTH."""
    binary = need("imap", "/usr/lib/dovecot", "/usr/libexec/dovecot")
    with scratch() as folder:
        conf = _dovecot_folder(folder, mailboxes, open=False, more="", host=APART, port=1)
        argv = [binary, "-c", str(conf)]
        env = {"HOME": str(folder / "mail"), "USER": _user()}

        def serve(connection: Conversation) -> None:
            process = subprocess.Popen(
                argv,
                stdin=connection.socket,
                stdout=connection.socket,
                stderr=subprocess.DEVNULL,
                env=env,
                **_DROP,  # type: ignore[call-overload]
            )
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)

        with fake(serve) as server:
            yield Server(server.host, server.port, folder)


def _dovecot_folder(
    folder: Path,
    mailboxes: Mapping[str, Sequence[bytes]],
    *,
    open: bool,
    more: str,
    host: str,
    port: int,
) -> Path:
    mail = folder / "mail"
    for name, messages in {"INBOX": (), **mailboxes}.items():
        box = mail if name == "INBOX" else mail / f".{name}"
        for part in ("cur", "new", "tmp"):
            (box / part).mkdir(parents=True, exist_ok=True)
        for number, message in enumerate(messages):
            (box / "cur" / f"16000000{number:02d}.M{number}P1.test:2,").write_bytes(message)
    (folder / "run").mkdir()
    text = _DOVECOT.format(
        run=folder / "run",
        mail=mail,
        host=host,
        port=port,
        user=_user(),
        group=grp.getgrgid(65534 if _DROP else os.getgid()).gr_name,
        mechanisms="plain anonymous" if open else "plain",
        more=more,
    )
    conf = folder / "dovecot.conf"
    conf.write_text(text)
    give(folder)
    return conf


def _user() -> str:
    return "nobody" if _DROP else pwd.getpwuid(os.getuid()).pw_name


@contextmanager
def vsftpd(
    files: Mapping[str, bytes], *, anonymous: bool, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """vsftpd over `<folder>/ftp`; `files` maps paths to contents. Never chrooted (no root)."""
    binary = need("vsftpd")
    port = free_port()
    with scratch() as folder:
        root = folder / "ftp"
        plant(root, files)
        (folder / "empty").mkdir()
        given = {
            "listen": "YES",
            "listen_address": CLIENT,
            "listen_port": str(port),
            "background": "NO",
            "anonymous_enable": "YES" if anonymous else "NO",
            "local_enable": "NO" if anonymous else "YES",
            "write_enable": "NO",
            "anon_root": str(root),
            "run_as_launching_user": "YES",
            "secure_chroot_dir": str(folder / "empty"),
            "nopriv_user": "nobody",
            "ftp_username": "nobody",
            "seccomp_sandbox": "NO",
            "delay_failed_login": "0",
            "vsftpd_log_file": str(folder / "vsftpd.log"),
            **(settings or {}),
        }
        conf = folder / "vsftpd.conf"
        conf.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
        give(folder)
        with running([binary, str(conf)], folder, port) as server:
            yield server


def plant(root: Path, files: Mapping[str, bytes]) -> None:
    """Write a tree of files, readable by all."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    give(root)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as two PEM files in `folder`."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    argv = [need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    argv += ["ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=leftopen.test"]
    _check([*argv, "-keyout", str(key), "-out", str(cert), "-days", "2"], folder)
    return cert, key


@contextmanager
def rsyncd(
    modules: Mapping[str, Sequence[str]], files: Mapping[str, bytes], *, motd: str = ""
) -> Iterator[Server]:
    """An rsync daemon; every module serves `<folder>/files`, its extra lines as given.

    `<folder>/secrets` holds one user, bob.
    """
    binary = need("rsync")
    port = free_port()
    with scratch() as folder:
        plant(folder / "files", files)
        (folder / "motd").write_text(motd)
        (folder / "secrets").write_text("bob:correct-horse\n")
        lines = [f"port = {port}", f"address = {CLIENT}", "use chroot = no", "reverse lookup = no"]
        lines += [f"motd file = {folder / 'motd'}", f"log file = {folder / 'rsyncd.log'}"]
        for name, extra in modules.items():
            lines += [f"[{name}]", f"path = {folder / 'files'}", *extra]
        conf = folder / "rsyncd.conf"
        conf.write_text("\n".join(lines).replace("{folder}", str(folder)) + "\n")
        give(folder)
        (folder / "secrets").chmod(0o600)
        argv = [binary, "--daemon", "--no-detach", f"--config={conf}"]
        # it answers SIGTERM with a pause of 0.4 s, and has nothing to save
        with running(argv, folder, port, stop=signal.SIGKILL) as server:
            yield server


_NGINX = """\
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/t1;
  proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  default_type application/octet-stream;
  server {{
    listen {host}:{port}{ssl};
    {server}
  }}
}}
"""


@contextmanager
def nginx(
    server_config: str, files: Mapping[str, bytes] | None = None, *, tls: bool = False
) -> Iterator[Server]:
    """nginx with one server block; `{root}` in it is the folder of `files`, `{folder}` its parent.

    The access log is `<folder>/access.log`.
    """
    binary = need("nginx")
    port = free_port()
    with scratch() as folder:
        root = folder / "www"
        plant(root, files or {})
        block = server_config.replace("{root}", str(root)).replace("{folder}", str(folder))
        if tls:
            cert, key = certificate(folder)
            block = f"ssl_certificate {cert}; ssl_certificate_key {key};\n{block}"
        conf = folder / "nginx.conf"
        conf.write_text(
            _NGINX.format(
                folder=folder, host=CLIENT, port=port, ssl=" ssl" if tls else "", server=block
            )
        )
        give(folder)
        argv = [binary, "-e", "stderr", "-p", str(folder), "-c", str(conf)]
        with running(argv, folder, port) as server:
            yield server


AZURITE_ACCOUNT = "devstoreaccount1"
# The published key of every Azurite: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
Containers = Mapping[str, tuple[str, Mapping[str, bytes]]]


@contextmanager
def azurite(containers: Containers | None = None) -> Iterator[Server]:
    """Azurite's blob service, the npm package `azurite`.

    `containers` maps a name to its public access ("container", "blob" or "" for private) and its
    blobs. URLs are `http://host:port/devstoreaccount1/<container>/<blob>`.
    """
    node = need("node")
    script = from_npm("azurite-blob")
    port = free_port()
    with scratch() as folder:
        argv = [node, str(script), "--blobHost", CLIENT, "--blobPort", str(port), "--silent"]
        argv += ["--location", str(folder), "--skipApiVersionCheck", "--disableTelemetry"]
        with running(argv, folder, port) as server:
            for name, (access, blobs) in (containers or {}).items():
                extra = {"x-ms-blob-public-access": access} if access else {}
                azurite_put(server, f"{name}?restype=container", b"", extra)
                for blob, content in blobs.items():
                    azurite_put(server, f"{name}/{blob}", content, {"x-ms-blob-type": "BlockBlob"})
            yield server


def from_npm(name: str) -> Path:
    """A server from npm (tools/servers.sh puts it into .servers/), its script resolved."""
    folders = (
        os.environ.get("LEFTOPEN_NODE_MODULES", ""),
        str(Path(__file__).parents[1] / ".servers" / "node_modules"),
    )
    for folder in filter(None, folders):
        script = Path(folder) / ".bin" / name
        if script.exists():
            return script.resolve()
    absent(f"{name} is not installed: make servers, or set LEFTOPEN_NODE_MODULES")


PYPI = Path(__file__).parents[1] / ".servers" / "venv"


def from_pypi(name: str) -> str:
    """The path of a program of PyPI that tools/servers.sh puts into .servers/venv."""
    chosen = os.environ.get("LEFTOPEN_PYPI_SERVERS", "")
    return need(name, *filter(None, (chosen, str(PYPI / "bin"), str(Path(sys.executable).parent))))


def azurite_put(server: Server, path: str, content: bytes, headers: Mapping[str, str]) -> None:
    """One signed PUT (Shared Key): what the owner of the account may do."""
    resource, _, query = path.partition("?")
    ms = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06", **headers}
    length = str(len(content)) if content else ""
    kind = "application/octet-stream"
    lines = ["PUT", "", "", length, "", kind, "", "", "", "", "", ""]
    lines += [f"{key}:{ms[key]}" for key in sorted(ms)]
    lines += [f"/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/{resource}"]
    lines += [part.replace("=", ":") for part in sorted(query.split("&")) if part]
    key = base64.b64decode(_AZURITE_KEY)
    mac = base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), hashlib.sha256)).decode()
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    signed = {"Authorization": f"SharedKey {AZURITE_ACCOUNT}:{mac}", "Content-Type": kind}
    try:
        client.request("PUT", f"/{AZURITE_ACCOUNT}/{path}", content, {**ms, **signed})
        answer = client.getresponse()
        if answer.status != 201:
            raise RuntimeError(f"PUT {path}: {answer.status} {answer.read()[:500]!r}")
    finally:
        client.close()


@dataclass
class Conversation:
    """One connection to a `fake`: read what the client says, answer what you like."""

    socket: socket.socket
    input: BinaryIO

    def say(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def hear(self) -> bytes:
        """One line of the client, b"" at the end."""
        return self.input.readline(65_536)

    def hear_bytes(self, size: int) -> bytes:
        """So many bytes of the client, fewer at the end."""
        return self.input.read(size)

    def flood(self, data: bytes) -> None:
        """Send it again and again until the client has gone."""
        while True:
            self.socket.sendall(data)


@dataclass
class Fake:
    """A server made of a Python function, and what came to it."""

    host: str
    port: int
    connections: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count(self) -> None:
        """Another client has connected."""
        with self._lock:
            self.connections += 1


@contextmanager
def fake(handle: Callable[[Conversation], object], host: str = CLIENT) -> Iterator[Fake]:
    """Serve every connection with `handle` in a thread of its own."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            made.count()
            self.request.settimeout(30)
            with suppress(OSError), self.request.makefile("rb") as stream:
                handle(Conversation(self.request, stream))

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: object, client_address: object) -> None:
            raise  # called inside the except block of the base class

    with Listener((host, 0), Handler) as listener:
        made = Fake(host, listener.server_address[1])
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown()
            thread.join(STOP_SECONDS)


if sys.platform != "linux":  # killpg, chown and the packages' paths are Linux's
    raise RuntimeError("the fixtures of real servers need Linux")
