"""ClickHouse, over HTTP and its own protocol."""

from __future__ import annotations

import dataclasses
import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Both, Config, with_tls
from leftopen.model.exposure import Access

MAIL = "ada.lovelace@example.org"
USERS = """\
<yandex><profiles><default/></profiles><quotas><default/></quotas><users><{user}>
<password>{password}</password><networks><ip>{network}</ip></networks>
<profile>default</profile><quota>default</quota></{user}></users></yandex>
"""
CONFIG = """\
<yandex><logger><level>warning</level><console>1</console></logger>
<http_port>{port}</http_port><tcp_port>{native}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
<user_files_path>{folder}/files/</user_files_path>
<format_schema_path>{folder}/schemas/</format_schema_path>
<users_config>{folder}/users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database><mark_cache_size>5368709</mark_cache_size></yandex>
"""


@contextmanager
def clickhouse(
    *sql: str,
    password: str = "",
    network: str = "::/0",
    user: str = "default",
    native: bool = False,
) -> Iterator[servers.Server]:
    """clickhouse-server with one user, its HTTP or its native port; the owner said `sql`."""
    binary = servers.need("clickhouse-server")
    http_port, native_port = servers.free_port(), servers.free_port()
    with servers.scratch() as folder:
        users = USERS.format(user=user, password=password, network=network)
        (folder / "users.xml").write_text(users)
        config = folder / "config.xml"
        config.write_text(CONFIG.format(port=http_port, native=native_port, folder=folder))
        servers.give(folder)
        with servers.running([binary, f"--config-file={config}"], folder, http_port) as server:
            for statement in sql:
                owner(server, statement)
            yield dataclasses.replace(server, port=native_port) if native else server


def owner(server: servers.Server, sql: str) -> bytes:
    """What the owner may do: a POST may write."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        client.request("POST", "/", sql.encode())
        done = client.getresponse()
        said = done.read()
        assert done.status == 200, said
        return said
    finally:
        client.close()


TABLES = (
    "CREATE TABLE people (mail String, id UInt32) ENGINE = MergeTree ORDER BY id",
    f"INSERT INTO people SELECT '{MAIL}', number FROM numbers(500)",
)


@contextmanager
def _open() -> Iterator[servers.Server]:
    with clickhouse(*TABLES) as web, _native(web) as server:
        yield server


@contextmanager
def _closed() -> Iterator[servers.Server]:
    with clickhouse(password="x") as web, _native(web) as server:
        yield server


@contextmanager
def _native(web: servers.Server) -> Iterator[Both]:
    found = re.search(r"<tcp_port>(\d+)", (web.folder / "config.xml").read_text())
    assert found
    yield Both(web.host, web.port, web.folder, web.log, int(found.group(1)))


def _rows(server: servers.Server) -> object:
    return owner(server, "SELECT count(), sum(id) FROM people")


OPEN = Config(
    "ClickHouse: open", "clickhouse", Access.GIVES_DATA, _open, 8123, objects=500, state=_rows
)
CLOSED = Config("ClickHouse: a password", "clickhouse", Access.ASKS_CREDENTIAL, _closed, 8123)
CLAIMED = 'clickhouse_users = ["default"]'
NATIVE = (
    Config(
        "ClickHouse: open, native",
        "clickhouse_native",
        Access.GIVES_DATA,
        _open,
        9000,
        second=True,
        claims=CLAIMED,
        state=_rows,
    ),
    Config(
        "ClickHouse: a password, native",
        "clickhouse_native",
        Access.ASKS_CREDENTIAL,
        _closed,
        9000,
        second=True,
        claims=CLAIMED,
    ),
)
CONFIGS = (OPEN, CLOSED, *NATIVE, *with_tls((OPEN, CLOSED), 8443), *with_tls(NATIVE, 9440))
