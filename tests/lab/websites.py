"""Web servers that list folders, and the same ones that do not: nginx, Apache and others."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import servers
from lab.config import Config, Start, files_of, with_tls
from leftopen.model.exposure import Access

_MAIL = b"From: a@example.org\r\nSubject: hi\r\n\r\nnumber 078-05-1120\r\n"
FILES = {"a b%41.txt": b"x" * 5000, "deep/er/b.txt": _MAIL, "deep/c.bin": bytes(900)}
_ARCHIVE = {"mail/cur/1700000000.M1P2.host:2,S": _MAIL, "mail/b.eml": _MAIL, "mail/c.eml": _MAIL}
_PAGES = {"app.html": b"<html><title>app</title></html>", "mail/a.eml": _MAIL}
_APACHE = """\
ServerRoot /usr/lib/apache2
ServerName leftopen.test
Listen {host}:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule authn_core_module modules/mod_authn_core.so
LoadModule authn_file_module modules/mod_authn_file.so
LoadModule authz_user_module modules/mod_authz_user.so
LoadModule auth_basic_module modules/mod_auth_basic.so
LoadModule autoindex_module modules/mod_autoindex.so
LoadModule dir_module modules/mod_dir.so
LoadModule mime_module modules/mod_mime.so
LoadModule status_module modules/mod_status.so
TypesConfig /dev/null
DocumentRoot {folder}/www
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MinSpareThreads 1
MaxSpareThreads 8
MaxRequestWorkers 8
<Directory {folder}/www>
{directory}
</Directory>
{more}
"""
_LIGHTTPD = """\
server.bind = "{host}"
server.port = {port}
server.document-root = "{folder}/www"
server.modules += ( "mod_dirlisting", "mod_auth", "mod_authn_file" )
{more}
"""


@contextmanager
def apache(directory: str, more: str = "") -> Iterator[servers.Server]:
    """Apache over `<folder>/www`; `directory` are directives for that folder."""
    binary, port = servers.need("apache2"), servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "www", FILES)
        (folder / "users").write_text(_htpasswd())
        conf = folder / "apache.conf"
        text = _APACHE.format(
            host=servers.CLIENT, port=port, folder=folder, directory=directory, more=more
        )
        conf.write_text(text.replace("{folder}", str(folder)))
        servers.give(folder)
        argv = [binary, "-f", str(conf), "-D", "FOREGROUND"]
        with servers.running(argv, folder, port) as server:
            yield server


def _htpasswd() -> str:
    """One user, bob, with a password (the scheme {SHA} is deprecated and everywhere)."""
    return f"bob:{{SHA}}{base64.b64encode(hashlib.sha1(b'correct-horse').digest()).decode()}\n"


@contextmanager
def lighttpd(more: str) -> Iterator[servers.Server]:
    """lighttpd over `<folder>/www` with these settings."""
    binary, port = servers.need("lighttpd"), servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "www", FILES)
        (folder / "users").write_text("bob:correct-horse\n")
        conf = folder / "lighttpd.conf"
        text = _LIGHTTPD.format(host=servers.CLIENT, port=port, folder=folder, more=more)
        conf.write_text(text.replace("{folder}", str(folder)))
        servers.give(folder)
        with servers.running([binary, "-D", "-f", str(conf)], folder, port) as server:
            yield server


def simple(argv: Callable[[Path, int], list[str]]) -> Start:
    """A server of one command line over `<folder>/www`."""

    @contextmanager
    def start() -> Iterator[servers.Server]:
        port = servers.free_port()
        with servers.scratch() as folder:
            servers.plant(folder / "www", FILES)
            with servers.running(argv(folder, port), folder, port) as server:
                yield server

    return start


def _webfsd(*more: str) -> Start:
    def argv(folder: Path, port: int) -> list[str]:
        where = ["-F", "-4", "-i", servers.CLIENT, "-p", str(port), "-r", str(folder / "www")]
        return [servers.need("webfsd"), *where, *more]

    return simple(argv)


def _python(folder: Path, port: int) -> list[str]:
    where = ["--bind", servers.CLIENT, "--directory", str(folder / "www")]
    return ["/usr/bin/python3", "-m", "http.server", *where, str(port)]


def _nginx(block: str, files: Mapping[str, bytes] = FILES) -> Start:
    return lambda: servers.nginx(block, files)


def _row(
    name: str,
    access: Access,
    start: Callable[[], AbstractContextManager[servers.Server]],
    objects: int | None = None,
) -> Config:
    return Config(name, "http", access, start, 80, objects=objects, state=files_of("www"))


_LIST = "autoindex on; root {root};"
_LOGIN = "AuthType Basic\nAuthName x\nAuthUserFile {folder}/users\nRequire valid-user"
_SHUT = 'auth.backend = "plain"\nauth.backend.plain.userfile = "{folder}/users"\n'
_SHUT += (
    'auth.require = ( "/" => ( "method" => "basic", "realm" => "x", "require" => "valid-user" ) )'
)
_DIRS = 'server.dir-listing = "enable"'
_GIVES, _ASKS, _SPEAKS = Access.GIVES_DATA, Access.ASKS_CREDENTIAL, Access.SPEAKS
_STATUS = "<Location /server-status>\nSetHandler server-status\nRequire all granted\n</Location>"
_DATA = len(FILES)
TWICE = (  # in the clear and with TLS
    _row("nginx: autoindex", _GIVES, _nginx(f"location / {{ {_LIST} }}"), _DATA),
    _row(
        "nginx: basic",
        _ASKS,
        _nginx(f"location / {{ {_LIST} auth_basic x; auth_basic_user_file /dev/null; }}"),
    ),
    _row("apache: +Indexes", _GIVES, lambda: apache("Options +Indexes"), _DATA),
    _row("apache: basic", _ASKS, lambda: apache(f"Options +Indexes\n{_LOGIN}")),
    _row("lighttpd: listing", _GIVES, lambda: lighttpd(_DIRS), _DATA),
    _row("lighttpd: basic", _ASKS, lambda: lighttpd(f"{_DIRS}\n{_SHUT}")),
)
CONFIGS = (
    *TWICE,
    *with_tls(TWICE, 443),
    _row(
        "nginx: JSON autoindex",
        _GIVES,
        _nginx(f"location / {{ {_LIST} autoindex_format json; }}"),
        _DATA,
    ),
    _row("nginx: mail archive", _GIVES, _nginx(f"location / {{ {_LIST} }}", _ARCHIVE), 3),
    _row(
        "nginx: listing of files that are refused",
        Access.LISTS,
        _nginx(f"location / {{ {_LIST} }} location ~ [a-z0-9]$ {{ return 403; }}"),
    ),
    _row("nginx: empty listing", Access.LISTS, _nginx(f"location / {{ {_LIST} }}", {}), 0),
    _row("nginx: deny", _ASKS, _nginx("location / { deny all; }")),
    _row("nginx: no listing", _ASKS, _nginx("location / { root {root}; }")),
    _row(
        "nginx: catch-all",
        _SPEAKS,
        _nginx("location / { root {root}; try_files $uri /app.html; }", _PAGES),
    ),
    _row("nginx: to a login", _ASKS, _nginx("location / { return 302 /login?next=/; }")),
    _row("nginx: 440", _ASKS, _nginx("location / { return 440; }")),
    _row("nginx: absent", _SPEAKS, _nginx("location / { return 404; }")),
    _row("nginx: welcome page", _SPEAKS, _nginx("location = / { return 200 hello; }")),
    _row(
        "nginx: to another port",
        _SPEAKS,
        _nginx("location / { return 301 https://$host:1443$request_uri; }"),
    ),
    _row("apache: -Indexes", _ASKS, lambda: apache("Options -Indexes")),
    _row("apache: basic, status open", _ASKS, lambda: apache(_LOGIN, _STATUS)),
    _row("lighttpd: no listing", _ASKS, lambda: lighttpd("")),
    _row("webfs: listing", _GIVES, _webfsd(), _DATA),
    _row("webfs: basic", _ASKS, _webfsd("-b", "bob:correct-horse")),
    _row("webfs: no listing", _ASKS, _webfsd("-j")),
    _row("python http.server: listing", _GIVES, simple(_python), _DATA),
)
