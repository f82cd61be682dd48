"""PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, Start
from leftopen.model.exposure import Access

CLAIMS = 'postgresql_roles = ["reader"]'
SQL = """
CREATE ROLE reader LOGIN;
CREATE ROLE nothing LOGIN;
CREATE DATABASE shop;
CREATE DATABASE secretdb;
REVOKE CONNECT ON DATABASE secretdb FROM PUBLIC;
CREATE TABLE small (a int);
\\c shop
CREATE SCHEMA "odd/sch ema";
CREATE TABLE people (id int, name text, ssn text);
INSERT INTO people SELECT i, 'Ann, "the" ' || i, '078-05-' || (1000 + i)
  FROM generate_series(1, 500) i;
INSERT INTO people VALUES (501, NULL, NULL);
CREATE TABLE "odd/sch ema"."we""ird.tab%le" (x text);
INSERT INTO "odd/sch ema"."we""ird.tab%le" VALUES ('ünï');
CREATE TABLE hidden (a int);
CREATE TABLE blob (b text);
INSERT INTO blob VALUES (repeat('x', 3000000));
CREATE SEQUENCE visits;
CREATE TABLE readers (who text);
CREATE TABLE guarded (a int);
INSERT INTO guarded SELECT generate_series(1, 20000);
CREATE FUNCTION note() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN INSERT INTO readers VALUES (session_user); RETURN true; END $$;
CREATE POLICY note ON guarded USING (note());
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE VIEW looked AS SELECT nextval('visits');
GRANT USAGE ON SCHEMA "odd/sch ema" TO reader;
GRANT SELECT ON guarded, people, blob, "odd/sch ema"."we""ird.tab%le", looked TO reader;
ANALYZE;
"""


def _state(server: servers.Server) -> object:
    sql = "SELECT md5(string_agg(p::text, '|' ORDER BY id)) FROM people p;"
    sql += "SELECT last_value, is_called FROM visits; SELECT count(*) FROM readers;"
    return servers.postgresql_sql(server, sql, "shop")


def _postgresql(line: str, sql: str = SQL) -> Start:
    return partial(servers.postgresql, line, sql=sql)


@contextmanager
def _inside_tls() -> Iterator[servers.Server]:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        servers.give(folder)
        key.chmod(0o600)
        given = {"ssl": "on", "ssl_cert_file": str(cert), "ssl_key_file": str(key)}
        with servers.postgresql("hostssl all all 127.0.0.0/8 trust", sql=SQL, settings=given) as up:
            yield up


CLOSED = "CREATE ROLE reader LOGIN PASSWORD 'x'"
CONFIGS = (
    Config(
        "PostgreSQL: trust",
        "postgresql",
        Access.GIVES_DATA,
        _postgresql("host all all 127.0.0.0/8 trust"),
        5432,
        objects=20_503,
        claims=CLAIMS,
        state=_state,
    ),
    Config(
        "PostgreSQL: trust inside TLS only",
        "postgresql",
        Access.GIVES_DATA,
        _inside_tls,
        5432,
        objects=20_503,
        upgraded=True,
        claims=CLAIMS,
        state=_state,
    ),
    *(
        Config(f"PostgreSQL: {kind}", "postgresql", access, _postgresql(line, CLOSED), 5432)
        for kind, access, line in (
            ("scram", Access.ASKS_CREDENTIAL, "host all all 127.0.0.0/8 scram-sha-256"),
            ("md5", Access.ASKS_CREDENTIAL, "host all all 127.0.0.0/8 md5"),
            ("password", Access.ASKS_CREDENTIAL, "host all all 127.0.0.0/8 password"),
            ("reject", Access.REFUSED_OR_ABSENT, "host all all 127.0.0.0/8 reject"),
            ("no line for us", Access.REFUSED_OR_ABSENT, "host all all 192.0.2.0/24 trust"),
        )
    ),
)
