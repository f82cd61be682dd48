"""HTTP proxies: Squid and tinyproxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, Start
from leftopen.model.exposure import Access

SQUID = """\
http_port {host}:{port}
{access}
pid_filename {folder}/squid.pid
cache_log {folder}/cache.log
access_log none
cache deny all
pinger_enable off
coredump_dir {folder}
netdb_filename none
shutdown_lifetime 0 seconds
"""
BASIC = """\
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
auth_param basic realm proxy
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all"""


@contextmanager
def squid(access: str) -> Iterator[servers.Server]:
    """Squid with these rules of access."""
    binary = servers.need("squid")
    port = servers.free_port()
    with servers.scratch() as folder:
        (folder / "users").write_text("bob:$apr1$abcdefgh$0123456789012345678901\n")
        conf = folder / "squid.conf"
        said = access.format(folder=folder)
        conf.write_text(SQUID.format(host=servers.CLIENT, port=port, access=said, folder=folder))
        servers.give(folder)
        argv = [binary, "-N", "-f", str(conf), "-n", f"lo{port}"]
        with servers.running(argv, folder, port) as server:
            yield server


@contextmanager
def tinyproxy(*lines: str) -> Iterator[servers.Server]:
    """tinyproxy with these lines more."""
    binary = servers.need("tinyproxy")
    port = servers.free_port()
    with servers.scratch() as folder:
        conf = folder / "tinyproxy.conf"
        conf.write_text("\n".join((f"Port {port}", f"Listen {servers.CLIENT}", *lines, "")))
        servers.give(folder)
        with servers.running([binary, "-d", "-c", str(conf)], folder, port) as server:
            yield server


def _squid(access: str) -> Start:
    return lambda: squid(access)


def _tinyproxy(line: str) -> Start:
    return lambda: tinyproxy(line)


def _row(name: str, access: Access, start: Start, port: int, *, direct: bool = False) -> Config:
    return Config(name, "http_proxy", access, start, port, direct=direct)


_META, _ASKS = Access.METADATA, Access.ASKS_CREDENTIAL
CONFIGS = (
    _row("squid: allow all", _META, _squid("http_access allow all"), 3128),
    _row("squid: deny all", _ASKS, _squid("http_access deny all"), 3128),
    _row("squid: Basic", _ASKS, _squid(BASIC), 3128),
    # It forwards `GET /` to the host that is named in it, and knows itself only by the address and
    # port on which it listens: behind a relay it would ask itself again and again.
    _row("tinyproxy: open", _META, _tinyproxy("LogLevel Info"), 8888, direct=True),
    _row("tinyproxy: Allow", _ASKS, _tinyproxy("Allow 192.0.2.1"), 8888),
    _row("tinyproxy: Basic", _ASKS, _tinyproxy("BasicAuth bob horse"), 8888),
)
