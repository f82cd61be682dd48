"""CUPS with one printer and one held job, for anybody or behind a login."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, Start, files_of
from leftopen.model.exposure import Access
from leftopen.reach.protocols.ipp import _attribute

SECRET = b"payroll of Ann"
CONF = """\
Listen {host}:{port}
LogLevel warn
DirtyCleanInterval 0
WebInterface No
DefaultAuthType Basic
<Location />
  Order allow,deny
  {allow}
</Location>
<Policy default>
  {private}
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
"""
FILES = """\
ServerRoot {folder}
RequestRoot {folder}/spool
CacheDir {folder}/cache
StateDir {folder}/run
AccessLog {folder}/access.log
ErrorLog stderr
PageLog {folder}/page.log
FileDevice Yes
User nobody
Group nogroup
SystemGroup root
"""
PRINTER = "<Printer desk>\nDeviceURI file:/dev/null\nState Idle\nAccepting Yes\n</Printer>\n"
PUBLIC = "JobPrivateAccess all\n  JobPrivateValues none"


@contextmanager
def cups(
    *, allow: str = "Allow all", private: str = PUBLIC, printers: str = PRINTER
) -> Iterator[servers.Server]:
    """CUPS with its own folder; one job is held in it where it lets us print."""
    binary = servers.need("cupsd")
    port = servers.free_port()
    with servers.scratch() as folder:
        for name in ("spool", "cache", "run"):
            (folder / name).mkdir()
        (folder / "printers.conf").write_text(printers)
        (folder / "cupsd.conf").write_text(
            CONF.format(host=servers.CLIENT, port=port, allow=allow, private=private)
        )
        (folder / "cups-files.conf").write_text(FILES.format(folder=folder))
        servers.give(folder)
        argv = [binary, "-f", "-c", str(folder / "cupsd.conf")]
        argv += ["-s", str(folder / "cups-files.conf")]
        with servers.running(argv, folder, port) as server:
            if allow == "Allow all" and printers:
                hold(server)
            yield server


def hold(server: servers.Server) -> None:
    """Print-Job with job-hold-until=indefinite, as its owner."""
    uri = b"ipp://localhost/printers/desk"
    body = b"\x01\x01\x00\x02\0\0\0\x01\x01" + b"".join(
        (
            _attribute(0x47, b"attributes-charset", b"utf-8"),
            _attribute(0x48, b"attributes-natural-language", b"en"),
            _attribute(0x45, b"printer-uri", uri),
            _attribute(0x42, b"requesting-user-name", b"ann"),
            _attribute(0x42, b"job-name", SECRET),
            b"\x02",
            _attribute(0x44, b"job-hold-until", b"indefinite"),
            b"\x03text",
        )
    )
    client = http.client.HTTPConnection(server.host, server.port, timeout=5)
    try:
        client.request("POST", "/printers/desk", body, {"Content-Type": "application/ipp"})
        said = client.getresponse().read()
    finally:
        client.close()
    assert said[2:4] == b"\0\0", said


def _row(
    name: str,
    access: Access,
    start: Start = cups,
    objects: int | None = None,
    *,
    direct: bool = True,
) -> Config:
    """Direct: who comes from loopback may name it 127.0.0.1 or localhost, and nothing else."""
    state = files_of("spool")
    return Config(name, "ipp", access, start, 631, objects, direct=direct, state=state)


LOGIN = "AuthType Basic\n  Require valid-user"
CONFIGS = (
    _row("CUPS: open", Access.LISTS, objects=1),
    _row("CUPS: AuthType Basic", Access.ASKS_CREDENTIAL, partial(cups, allow=LOGIN)),
    _row("CUPS: private jobs", Access.LISTS, partial(cups, private=""), objects=0),
    _row("CUPS: no printers", Access.METADATA, partial(cups, printers="")),
    _row("CUPS: another name", Access.UNDETERMINED, direct=False),
)
