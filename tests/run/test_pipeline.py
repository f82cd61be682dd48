"""The main job on real servers, several at once: open, closed, explained, in conflict."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import servers
from leftopen.model.case import Investigation
from leftopen.model.cause import Agreement
from leftopen.model.exposure import Access
from leftopen.model.trace import PartyKind, VerdictWord
from leftopen.run.pipeline import investigate
from leftopen.run.plan import plan

SSN = "212-34-5678"
SPA = "root {root}; location / { try_files /index.html =404; }"
ARCHIVE = "root {root}; location / { autoindex on; } access_log {folder}/access.log combined;"
MAIL = f"From: a@mail.mil\nSubject: x\nDate: Mon, 6 Feb 2023 10:00:00 +0000\n\nSSN {SSN}\n".encode()


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEFTOPEN_KEYS", str(tmp_path / "keys"))


def scope(tmp_path: Path, ports: list[int], more: str = "") -> Path:
    path = tmp_path / "scope.toml"
    path.write_text(
        f'version = 1\n[targets]\nnetworks = ["{servers.CLIENT}/32"]\nports = {ports}\n{more}'
    )
    return path


def run(tmp_path: Path, ports: list[int], more: str = "") -> Investigation:
    return investigate(scope(tmp_path, ports, more), tmp_path / "case")[0]


@contextmanager
def two_redis() -> Iterator[tuple[servers.Server, servers.Server]]:
    """One open with a record in it, one with a password."""
    with ExitStack() as stack:
        opened = stack.enter_context(servers.redis("--protected-mode", "no"))
        closed = stack.enter_context(servers.redis("--requirepass", "not-guessed"))
        servers.redis_cli(opened, "HSET", "person:1", "name", "Jane Roe", "ssn", SSN)
        yield opened, closed


def test_open_is_a_case_and_closed_is_named_as_closed(tmp_path: Path) -> None:
    with two_redis() as (opened, closed):
        found = run(tmp_path, [opened.port, closed.port])
    (case,) = found.cases
    assert case.exposure.endpoint.port == opened.port
    assert case.exposure.access is Access.GIVES_DATA
    assert case.contents is not None
    assert {f.kind for f in case.contents.findings} >= {"us_ssn"}
    assert case.contents.people.lower == 1
    assert [o.access for o in found.closed] == [Access.ASKS_CREDENTIAL]
    assert case.evidence
    assert SSN not in repr(found)
    assert found.exit_code in (13, 14)


def test_configuration_and_probe_agree_or_conflict(tmp_path: Path) -> None:
    conf = "bind {host}\nport {port}\nprotected-mode no\n{more}"
    with two_redis() as (opened, closed):
        for name, server, more in (
            ("says-closed.conf", opened, "requirepass secret-of-the-owner\n"),
            ("says-open.conf", closed, ""),
        ):
            text = conf.format(host=server.host, port=server.port, more=more)
            (tmp_path / name).write_text(text)
        files = '[cause]\nfiles = ["says-closed.conf", "says-open.conf"]\n'
        found = run(tmp_path, [opened.port, closed.port], files)
    (case,) = found.cases
    assert [c.agreement for c in case.causes] == [Agreement.CONFLICT_CLOSED]
    assert [c.agreement for c in found.other_causes] == [Agreement.CONFLICT_OPEN]
    assert "secret-of-the-owner" not in repr(found)


def test_a_page_that_answers_to_everything_is_not_open(tmp_path: Path) -> None:
    with servers.nginx(SPA, {"index.html": b"<html><div id=app></div></html>"}) as server:
        found = run(tmp_path, [server.port])
    assert found.cases == ()
    assert [o.access for o in found.closed] == [Access.SPEAKS]
    assert found.exit_code == 20  # no log was given: that is a gap, not an all-clear


def test_our_own_visits_are_ours_and_earlier_ones_from_there_are_not(tmp_path: Path) -> None:
    with servers.nginx(ARCHIVE, {"mail/1.eml": MAIL, "mail/2.eml": MAIL}) as server:
        log = server.folder / "access.log"
        more = f'[trace]\nfiles = ["{log}"]\n'
        found = run(tmp_path, [server.port], more)
        before = "[01/Jan/2020:00:00:00 +0000]"
        line = f'{servers.CLIENT} - - {before} "GET /mail/1.eml HTTP/1.1" 200 999 "-" "curl/8"\n'
        older = tmp_path / "older.log"
        older.write_text(line * 3 + log.read_text())
        second = investigate(
            scope(tmp_path, [server.port], f'[trace]\nfiles = ["{older}"]\n'), tmp_path / "two"
        )[0]
    trace = found.cases[0].trace
    assert trace is not None
    assert {v.party.kind for v in trace.visits} == {PartyKind.SELF}
    assert trace.verdict.word is not VerdictWord.EXFILTRATED
    (case,) = second.cases
    assert case.exposure.opened.before is not None
    assert case.exposure.opened.before.time.year == 2020  # a log shows it open then
    assert case.trace is not None
    assert {v.party.kind for v in case.trace.visits} == {PartyKind.UNKNOWN}


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    with socket.create_server((servers.CLIENT, 0)) as canary:
        canary.settimeout(0.3)
        port = canary.getsockname()[1]
        steps = plan(scope(tmp_path, [port]))
        with pytest.raises(TimeoutError):
            canary.accept()
    assert any(servers.CLIENT in target for target, _ in steps)
    assert all(sends for _, sends in steps)
    assert not (tmp_path / "case").exists()
