"""The first time that a log shows an outsider being given data."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from leftopen.model.endpoint import Endpoint
from leftopen.model.redact import Keyring
from leftopen.model.scope_file import Parties
from leftopen.model.time import Bound
from leftopen.trace.digest import SourceDigest
from leftopen.trace.opened import first_given
from leftopen.trace.read import read_source

LINE = (
    '{who} - {user} [0{day}/Feb/2023:10:20:30 +0000] "{ask} HTTP/1.1" {status} {size} "-" "{ua}"\n'
)
PARTIES = Parties(owner=("198.51.100.0/24",))


def line(day: int, who: str = "203.0.113.9", **parts: object) -> str:
    said = {"user": "-", "ask": "GET /a", "status": 200, "size": 900, "ua": "x", **parts}
    return LINE.format(day=day, who=who, **said)


def opened(tmp_path: Path, *lines: str, protocol: str = "http", **told: object) -> Bound | None:
    log = tmp_path / "access.log"
    log.write_text("".join(lines))
    made = list(read_source(str(log), keyring=Keyring(b"k" * 32)))
    return first_given(
        [d for d in made if isinstance(d, SourceDigest)],
        endpoint=Endpoint(address="127.0.0.1", port=80),
        protocol=protocol,
        parties=PARTIES,
        as_of=datetime(2023, 2, 20, tzinfo=UTC),
        **told,
    )


def test_the_first_outsider_who_was_given_something(tmp_path: Path) -> None:
    found = opened(
        tmp_path,
        line(1, status=404),
        line(2, ask="HEAD /a", size=0),
        line(3, who="198.51.100.7"),
        line(4, who="203.0.113.8", user="carol"),
        line(5),
        line(6),
    )
    assert found is not None
    assert "203.0.113.9" in found.basis
    first = datetime(2023, 2, 5, 10, 20, 30, tzinfo=UTC)
    assert first <= found.time  # open by then, never said to be earlier
    assert (found.time - first).total_seconds() < 3600


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((line(1, status=403),), {}),
        ((line(1, who="198.51.100.7"),), {}),
        ((line(1),), {"protocol": "imap"}),
        ((line(1, ua="Leftopen/0.1.0 (run x)"),), {"self_addresses": ("203.0.113.9",)}),
    ],
)
def test_no_outsider_no_bound(tmp_path: Path, lines: tuple[str, ...], told: dict[str, str]) -> None:
    assert opened(tmp_path, *lines, **told) is None


def test_a_visit_before_our_run_is_not_ours(tmp_path: Path) -> None:
    told = {"self_addresses": ("203.0.113.9",), "self_since": datetime(2023, 2, 2, tzinfo=UTC)}
    assert opened(tmp_path, line(1), **told) is not None
