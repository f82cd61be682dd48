"""The truth table: real servers, open and closed, each probed through a relay at its usual port.

The relay sees every byte that was sent, so one look at all of them shows three things: the
verdict and the size are right, only reads were sent, and no server changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import servers
from lab.config import configs
from lab.laboratory import Stand, laboratory
from lab.verbs import sent_verbs, strange
from leftopen.model.exposure import OPEN
from leftopen.reach.api import Outcome

TABLE = configs()


@dataclass
class Looked:
    """One row after the look."""

    stand: Stand
    outcome: Outcome
    before: object
    after: object


@dataclass
class Results:
    """All rows after the look, and why others could not be started."""

    rows: dict[str, Looked]
    missing: dict[str, str]

    def __getitem__(self, name: str) -> Looked:
        """The row; the test is skipped where the machine lacks the server."""
        if name in self.missing:
            servers.absent(self.missing[name])
        return self.rows[name]


@pytest.fixture(scope="module")
def looked() -> Iterator[Results]:
    with laboratory(TABLE) as lab:
        before = {name: stand.state() for name, stand in lab.stands.items()}
        outcomes = lab.prove()
        rows = {
            name: Looked(stand, outcomes[name], before[name], stand.state())
            for name, stand in lab.stands.items()
        }
        yield Results(rows, lab.missing)


def test_enough_servers_and_states() -> None:
    real = [c for c in TABLE if not c.fake]
    assert len({c.name.split(":")[0] for c in real}) >= 60
    assert len(TABLE) >= 120


@pytest.mark.parametrize("name", [c.name for c in TABLE])
def test_the_verdict_is_right(name: str, looked: Results) -> None:
    row = looked[name]
    config, seen = row.stand.config, row.outcome.observation
    assert (seen.access, seen.protocol) == (config.access, config.protocol), seen.detail
    assert seen.tls is (config.tls or config.upgraded)
    if config.objects is not None:
        assert seen.size is not None
        assert seen.size.objects == config.objects
    if config.sized:
        assert seen.size is not None
        assert seen.size.objects or seen.size.bytes


def test_no_closed_one_is_called_open(looked: Results) -> None:
    closed = [r for r in looked.rows.values() if r.stand.config.access not in OPEN]
    assert closed
    wrong = [r.stand.config.name for r in closed if r.outcome.observation.access in OPEN]
    assert wrong == []


@pytest.mark.parametrize("name", [c.name for c in TABLE if not c.direct])
def test_only_reads_were_sent(name: str, looked: Results) -> None:
    relay = looked[name].stand.relay
    assert relay is not None
    assert relay.sent  # one that refuses unasked hears nothing, but it was connected to
    for stream in relay.sent:
        assert strange(sent_verbs(bytes(stream), looked[name].stand.config.protocol)) == []


@pytest.mark.parametrize("name", [c.name for c in TABLE if c.state])
def test_no_server_changed(name: str, looked: Results) -> None:
    assert looked[name].before == looked[name].after
