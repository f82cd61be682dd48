"""PostgreSQL: the first matching line of pg_hba.conf decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.model.cause import Cause, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
ALL = "listen_addresses = '*'\n"
TABLE = [
    ("host all all 0.0.0.0/0 trust", YES),
    ("host all all ::/0 trust", YES),
    ("host all all all trust", YES),
    ("host all all 0.0.0.0 0.0.0.0 trust", YES),
    ("host all all 10.0.0.0 255.0.0.0 trust", NO),
    ("host\tall\tall\t0.0.0.0/0\ttrust", YES),
    ("host all all 0.0.0.0/0 scram-sha-256\nhost all all 0.0.0.0/0 trust", NO),
    ("host all all 0.0.0.0/0 trust\nhost all all 0.0.0.0/0 scram-sha-256", YES),
    ("host all all 0.0.0.0/0 reject\nhost all all all trust", YES),  # IPv6 is left
    ("host all all all reject\nhost all all 0.0.0.0/0 trust", NO),
    ("host all all 0.0.0.0/1 reject\nhost all all 0.0.0.0/0 trust", YES),
    ("host all all 0.0.0.0/1 md5\nhost all all 128.0.0.0/1 md5\nhost all all 0.0.0.0/0 trust", NO),
    ("host all postgres 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 trust", YES),
    ("host all all 0.0.0.0/0 md5\nhost all postgres 0.0.0.0/0 trust", NO),
    ("host mail all 0.0.0.0/0 md5\nhost mail app 0.0.0.0/0 trust", NO),
    ("host mail all 0.0.0.0/0 md5\nhost mail,logs app 0.0.0.0/0 trust", YES),
    ('host "all" all 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 trust', YES),
    ('host "all" "all" 0.0.0.0/0 trust', YES),  # a database and a role of that name
    ("host replication all 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 trust", YES),
    ("host all all 0.0.0.0/0 reject\nhost replication all 0.0.0.0/0 trust", YES),
    ("hostnossl all all 0.0.0.0/0 trust", YES),
    ("hostnogssenc all all 0.0.0.0/0 trust", YES),
    ("hostgssenc all all 0.0.0.0/0 trust", NO),
    ("hostssl all all 0.0.0.0/0 trust", NO),  # ssl is off
    ("host all all 127.0.0.1/32 trust", NO),
    ("host all all 10.0.0.0/8 trust", NO),
    ("host all all samehost trust", NO),
    ("host all all samenet trust", UNKNOWN),
    ("host all all .example.mil trust", UNKNOWN),
    ("host all all app.example.mil trust", NO),
    ("local all all trust", NO),
    ("host all all 0.0.0.0/0 ident", NO),
    ("host all all 0.0.0.0/0 cert", NO),
    ("host all @admins 0.0.0.0/0 trust", UNKNOWN),
    ("host all all \\\n 0.0.0.0/0 trust", YES),
    ("# host all all 0.0.0.0/0 trust", NO),
    ("host all all 0.0.0.0/0 trust # everybody", YES),
    ("host all, mail all 0.0.0.0/0 trust", YES),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[t[0] for t in TABLE])
def test_truth_table(verdict: Callable[..., Truth], text: str, expected: Truth) -> None:
    texts = {"pg_hba.conf": text + "\n", "postgresql.conf": ALL}
    assert verdict("postgresql", texts) is expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", NO),
        ("listen_addresses = 'localhost'", NO),
        ("listen_addresses = ''", NO),
        ("listen_addresses = '*'", YES),
        ("listen_addresses '*'", YES),
        ("listen_addresses = '0.0.0.0'  # all", YES),
        ("listen_addresses = 'localhost, 10.0.0.4'", YES),
        ("listen_addresses = 'db.example'", UNKNOWN),
        ("listen_addresses = '*'\nlisten_addresses = 'localhost'", NO),
        ("LISTEN_ADDRESSES = '*'", YES),
        ("#listen_addresses = '*'", NO),
    ],
)
def test_listen(verdict: Callable[..., Truth], settings: str, expected: Truth) -> None:
    texts = {"pg_hba.conf": "host all all all trust\n", "postgresql.conf": settings + "\n"}
    assert verdict("postgresql", texts) is expected


def test_tls_only_line(verdict: Callable[..., Truth]) -> None:
    hba = "hostssl all all all trust\n"
    assert verdict("postgresql", {"pg_hba.conf": hba, "postgresql.conf": ALL + "ssl = on\n"}) is YES
    assert verdict("postgresql", {"pg_hba.conf": hba, "postgresql.conf": ALL + "ssl = off\n"}) is NO


def test_settings_not_given(verdict: Callable[..., Truth]) -> None:
    assert verdict("postgresql", {"pg_hba.conf": "host all all all trust\n"}) is UNKNOWN


def test_alter_system_wins(verdict: Callable[..., Truth]) -> None:
    texts = {
        "pg_hba.conf": "host all all all trust\n",
        "postgresql.conf": "listen_addresses = 'localhost'\n",
        "postgresql.auto.conf": "listen_addresses = '*'\n",
    }
    assert verdict("postgresql", texts) is YES


def test_included_settings(verdict: Callable[..., Truth]) -> None:
    texts = {
        "pg_hba.conf": "host all all all trust\n",
        "postgresql.conf": "include 'conf.d/net.conf'\n",
        "conf.d/net.conf": "listen_addresses = '*'\nport = 5433\n",
    }
    assert verdict("postgresql", texts) is YES


@pytest.mark.parametrize("text", [t for t, open_ in TABLE if open_ is YES])
def test_change_closes(
    judged: Callable[..., list[Cause]], patched: Callable[[str, str], str], text: str
) -> None:
    texts = {"pg_hba.conf": text, "postgresql.conf": ALL}
    cause = next(c for c in judged("postgresql", texts) if c.open is YES)
    assert cause.fix is not None
    texts["pg_hba.conf"] = patched(text, cause.fix.diff)
    assert all(c.open is NO for c in judged("postgresql", texts))
