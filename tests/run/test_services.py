"""One run over seven kinds of real servers, each open beside one that is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import servers
from leftopen.model.exposure import Access
from leftopen.run.pipeline import investigate

SSN = "212-34-5678"
MAIL = (
    "From: Jane Roe <jane.roe@mail.mil>\r\nSubject: [CUI] roster\r\n"
    f"Date: Mon, 6 Feb 2023 10:00:00 +0000\r\n\r\nCUI\r\n\r\nSSN {SSN}\r\n\r\nCUI\r\n"
).encode()
PEOPLE = (
    "create table people(name text, ssn text); create role web login;"
    f"insert into people values ('Jane Roe', '{SSN}'); grant select on people to public;"
)
LISTING = "root {root}; location / { autoindex on; }"
BASIC = 'root {root}; location / { autoindex on; auth_basic "x"; auth_basic_user_file /dev/null; }'


@contextmanager
def both_states() -> Iterator[tuple[dict[str, servers.Server], dict[str, servers.Server]]]:
    """Each server open, and each closed, by protocol."""
    files = {"m/1.eml": MAIL}
    azure = {"open": ("container", {"1.eml": MAIL}), "closed": ("", {"1.eml": MAIL})}
    mailbox = {"INBOX": [MAIL]}
    with ExitStack() as stack:
        opened = {
            "redis": stack.enter_context(servers.redis("--protected-mode", "no")),
            "postgresql": stack.enter_context(
                servers.postgresql("host all all 127.0.0.0/8 trust", sql=PEOPLE)
            ),
            "imap": stack.enter_context(servers.dovecot(mailbox, open=True)),
            "ftp": stack.enter_context(servers.vsftpd(files, anonymous=True)),
            "rsync": stack.enter_context(servers.rsyncd({"mail": []}, files)),
            "http": stack.enter_context(servers.nginx(LISTING, files)),
            "azure_blob": stack.enter_context(servers.azurite(azure)),
        }
        closed = {
            "redis": stack.enter_context(servers.redis("--requirepass", "x")),
            "postgresql": stack.enter_context(
                servers.postgresql("host all all 127.0.0.0/8 scram-sha-256")
            ),
            "imap": stack.enter_context(servers.dovecot(mailbox, open=False)),
            "ftp": stack.enter_context(servers.vsftpd(files, anonymous=False)),
            "http": stack.enter_context(servers.nginx(BASIC, files)),
        }
        servers.redis_cli(opened["redis"], "HSET", "person:1", "ssn", SSN)
        yield opened, closed


def scope_text(opened: dict[str, servers.Server], closed: dict[str, servers.Server]) -> str:
    swept = [s for s in (*opened.values(), *closed.values()) if s is not opened["azure_blob"]]
    networks = sorted({f"{s.host}/32" for s in swept})
    azure = opened["azure_blob"]
    stores = "".join(
        f'[[targets.stores]]\nurl = "http://{azure.host}:{azure.port}/devstoreaccount1/{name}"\n'
        'kind = "azure_blob"\n'
        for name in ("open", "closed")
    )
    claims = '[claims]\npostgresql_roles = ["web"]\npostgresql_databases = ["postgres"]\n'
    ports = sorted({s.port for s in swept})
    return f"version = 1\n[targets]\nnetworks = {networks}\nports = {ports}\n{stores}{claims}"


def test_every_open_one_is_a_case_and_no_closed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEFTOPEN_KEYS", str(tmp_path / "keys"))
    with both_states() as (opened, closed):
        (tmp_path / "scope.toml").write_text(scope_text(opened, closed))
        found, written = investigate(tmp_path / "scope.toml", tmp_path / "case")
    cases = {c.exposure.protocol: c for c in found.cases}
    assert set(cases) == set(opened)
    assert len(found.cases) == len(opened)
    for protocol, case in cases.items():
        assert case.exposure.access is Access.GIVES_DATA, protocol
        assert case.exposure.endpoint.port == opened[protocol].port
        assert case.contents is not None
        assert "us_ssn" in {f.kind for f in case.contents.findings}, protocol
        assert case.contents.people.lower == 1
        assert case.evidence
    refused = {(o.protocol, o.endpoint.port): o.access for o in found.closed}
    for protocol, server in closed.items():
        assert refused[protocol, server.port] is Access.ASKS_CREDENTIAL
    assert refused["azure_blob", opened["azure_blob"].port] is Access.ASKS_CREDENTIAL
    assert not any(SSN in path.read_text() for path in written.values())
