"""MariaDB and Sphinx."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from threading import Lock

import servers
from lab.config import Config
from leftopen.model.exposure import Access

SHOP = """\
CREATE DATABASE shop;
CREATE DATABASE secretdb;
CREATE TABLE secretdb.hidden (a int);
CREATE TABLE shop.people (id int, name text, ssn text);
INSERT INTO shop.people SELECT seq, CONCAT('Ann, "the" ', seq), CONCAT('078-05-', 1000 + seq)\
 FROM shop.seq_1_to_500;
INSERT INTO shop.people VALUES (501, NULL, NULL);
CREATE TABLE shop.`we"ird/tab%le ü` (x text);
INSERT INTO shop.`we"ird/tab%le ü` VALUES ('ünï');
CREATE TABLE shop.`back``tick` (x text);
CREATE TABLE shop.`blob` (b longtext);
INSERT INTO shop.`blob` VALUES (REPEAT('x', 3000000));
CREATE VIEW shop.looked AS SELECT SLEEP(60);
ANALYZE TABLE shop.people, shop.`blob`, shop.`we"ird/tab%le ü`, shop.`back``tick`;
"""
_MAKING = Lock()
ANYBODY = "CREATE USER ''@'%';\n"
OPEN = SHOP + ANYBODY + "GRANT SELECT ON shop.* TO ''@'%';\n"


def data_of(binary: str) -> Path:
    """An empty data directory, made once, whoever asks first."""
    with _MAKING:
        return _made(binary)


@cache
def _made(binary: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="leftopen-mariadb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    servers.give(folder)
    argv = [binary, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db"]
    argv += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=4M"]
    argv += [f"--tmpdir={folder}"]
    servers._check(argv, folder)
    return folder / "data"


@contextmanager
def mariadb(sql: str, *args: str) -> Iterator[servers.Server]:
    """MariaDB; the owner says `sql` to it before, a statement a line. `queries.log` is its log."""
    binary = servers.need("mariadbd")
    prepared = data_of(servers.need("mariadb-install-db"))
    port = servers.free_port()
    with servers.scratch() as folder:
        shutil.copytree(prepared, folder / "data")
        (folder / "init.sql").write_text(sql)
        servers.give(folder)
        argv = [binary, "--no-defaults", f"--datadir={folder}/data", f"--port={port}"]
        argv += [f"--bind-address={servers.CLIENT}", f"--socket={folder}/sock"]
        argv += ["--skip-name-resolve", "--innodb-log-file-size=4M", "--skip-log-bin"]
        argv += ["--innodb-flush-log-at-trx-commit=0", f"--pid-file={folder}/pid"]
        argv += [f"--init-file={folder}/init.sql", "--character-set-server=utf8mb4"]
        argv += ["--general-log", f"--general-log-file={folder}/queries.log", *args]
        with servers.running(argv, folder, port) as server:
            yield server


@contextmanager
def sphinx() -> Iterator[servers.Server]:
    """Sphinx with one index of one document."""
    binary = servers.need("searchd")
    port = servers.free_port()
    with servers.scratch() as folder:
        conf = folder / "sphinx.conf"
        conf.write_text(
            f"index people {{\n type = rt\n path = {folder}/people\n rt_field = content\n"
            " rt_attr_string = name\n}\n"
            f"searchd {{\n listen = {servers.CLIENT}:{port}:mysql41\n binlog_path =\n"
            f" pid_file = {folder}/pid\n log = {folder}/log\n workers = threads\n}}\n"
        )
        servers.give(folder)
        argv = [binary, "--nodetach", "--config", str(conf)]
        with servers.running(argv, folder, port) as server:
            yield server


def owner(server: servers.Server, sql: str, *way: str) -> str:
    """What the client of MariaDB shows for `sql`."""
    login = way or (f"--socket={server.folder}/sock", "-u", "root")
    argv = [servers.need("mariadb"), "--no-defaults", "-N", *login, "-e", sql]
    return str(servers._check(argv, server.folder))


def _checksums(server: servers.Server) -> object:
    """Of every table that a writer could reach, and who may log in."""
    return owner(
        server, "CHECKSUM TABLE shop.people, shop.`blob`; SELECT user, host FROM mysql.user"
    )


def _documents(server: servers.Server) -> object:
    return owner(server, "SELECT * FROM people", "-h", server.host, "-P", str(server.port))


@contextmanager
def _searched() -> Iterator[servers.Server]:
    with sphinx() as server:
        way = ("-h", server.host, "-P", str(server.port))
        owner(server, "INSERT INTO people (id, content, name) VALUES (1, 'x', 'Ada')", *way)
        yield server


@contextmanager
def _inside_tls() -> Iterator[servers.Server]:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        sql = SHOP + "CREATE USER ''@'%' REQUIRE SSL;\nGRANT SELECT ON shop.* TO ''@'%';\n"
        with mariadb(sql, f"--ssl-cert={cert}", f"--ssl-key={key}") as server:
            yield server


def _mariadb(kind: str, sql: str, access: Access, objects: int | None = None, *args: str) -> Config:
    state = None if args else _checksums
    start = partial(mariadb, sql, *args)
    return Config(f"MariaDB: {kind}", "mysql", access, start, 3306, objects=objects, state=state)


CONFIGS = (
    _mariadb("an anonymous account", OPEN, Access.GIVES_DATA, 503),
    _mariadb(
        "a password", SHOP + "CREATE USER shop@'%' IDENTIFIED BY 'x';\n", Access.ASKS_CREDENTIAL
    ),
    _mariadb("no matching host", SHOP, Access.REFUSED_OR_ABSENT),
    _mariadb(
        "root without a password",  # an account with a name is not tried
        SHOP + "CREATE USER root@'%';\nGRANT ALL ON *.* TO root@'%';\n",
        Access.ASKS_CREDENTIAL,
    ),
    _mariadb(
        "no grant tables", "", Access.METADATA, None, "--skip-grant-tables", "--skip-networking=0"
    ),
    Config(
        "MariaDB: an anonymous account, TLS required",
        "mysql",
        Access.GIVES_DATA,
        _inside_tls,
        3306,
        objects=503,
        upgraded=True,
        state=_checksums,
    ),
    Config("Sphinx: open", "mysql", Access.GIVES_DATA, _searched, 9306, state=_documents),
)
