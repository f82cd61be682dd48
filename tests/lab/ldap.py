"""slapd."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

MAIL = "ada.lovelace@example.org"
SUFFIX = "dc=example,dc=org"
LDIF = f"""\
dn: {SUFFIX}
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: cn=Ada\\, Countess,ou=people,{SUFFIX}
objectClass: inetOrgPerson
cn: Ada, Countess
sn: Lovelace
mail: {MAIL}
jpegPhoto:: /9j/AP8=
"""
CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
{top}
database mdb
suffix "dc=example,dc=org"
directory {folder}/db
{more}
"""


@contextmanager
def slapd(*more: str, top: str = "", ldif: str = LDIF) -> Iterator[servers.Server]:
    """slapd with these lines in its database's section, `top` in the global one."""
    binary = servers.need("slapd")
    port = servers.free_port()
    with servers.scratch() as folder:
        (folder / "db").mkdir()
        conf = folder / "slapd.conf"
        conf.write_text(CONF.format(folder=folder, top=top, more="\n".join(more)))
        add = [servers.need("slapadd"), "-q", "-f", str(conf)]
        subprocess.run(add, input=ldif.encode(), check=True, capture_output=True, timeout=20)
        servers.give(folder)
        argv = [binary, "-d", "0", "-f", str(conf), "-h", f"ldap://{servers.CLIENT}:{port}/"]
        with servers.running(argv, folder, port) as server:
            yield server


def _entries(server: servers.Server) -> object:
    argv = [servers.need("slapcat"), "-f", str(server.folder / "slapd.conf")]
    return subprocess.run(argv, check=True, capture_output=True, timeout=20).stdout


@contextmanager
def _tls_first(*, inside: bool) -> Iterator[servers.Server]:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        servers.give(folder)
        tls = f"TLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\n" if inside else ""
        with slapd("access to * by * read", top=f"{tls}security ssf=64") as server:
            yield server


def _slapd(
    kind: str, access: Access, *more: str, top: str = "", objects: int | None = None
) -> Config:
    start = partial(slapd, *more, top=top)
    return Config(f"slapd: {kind}", "ldap", access, start, 389, objects=objects, state=_entries)


READ = "access to * by * read"
OPEN = _slapd("open", Access.GIVES_DATA, READ, objects=3)
NO_BIND = _slapd(
    "binds refused", Access.ASKS_CREDENTIAL, READ, top="disallow bind_anon\nrequire authc"
)
ACL = _slapd("an ACL for logins", Access.ASKS_CREDENTIAL, "access to * by * auth")
AUTHC = _slapd("require authc", Access.ASKS_CREDENTIAL, READ, top="require authc")
CONFIGS = (
    OPEN,
    NO_BIND,
    ACL,
    AUTHC,
    *with_tls((OPEN, NO_BIND, ACL), 636),
    _slapd("an ACL that lets search", Access.SPEAKS, "access to * by * search"),
    _slapd("hidden", Access.SPEAKS, "access to * by * none"),
    _slapd(
        "the context alone",
        Access.LISTS,
        "access to dn.base=dc=example,dc=org by * read",
        "access to * by * none",
    ),
    _slapd(
        "only the bind is refused", Access.GIVES_DATA, READ, top="disallow bind_anon", objects=3
    ),
    _slapd("a limit of two entries", Access.GIVES_DATA, READ, "sizelimit 2", objects=2),
    Config(
        "slapd: TLS first, and none to be had",
        "ldap",
        Access.ASKS_CREDENTIAL,
        partial(_tls_first, inside=False),
        389,
        state=_entries,
    ),
    Config(
        "slapd: StartTLS first",
        "ldap",
        Access.GIVES_DATA,
        partial(_tls_first, inside=True),
        389,
        objects=3,
        upgraded=True,
        state=_entries,
    ),
)
