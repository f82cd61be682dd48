"""The sweep alone: shards by hand, points that survive a kill, and doubts that are kept."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

import servers
from leftopen.cli.sweep import command
from leftopen.model.errors import UsageError
from leftopen.model.gap import Reason
from leftopen.reach.sweep import Shard
from leftopen.run.pipeline import investigate
from leftopen.run.sweeping import Found, sweep_share


def scope_file(folder: Path, ports: list[int], more: str = "") -> Path:
    path = folder / "scope.toml"
    network = '[targets]\nnetworks = ["127.4.0.0/29"]\n'
    path.write_text(f"version = 1\n{network}ports = {ports}\n{more}")
    return path


def test_shards_by_hand_find_all_and_a_run_takes_them(tmp_path: Path) -> None:
    with ExitStack() as stack:
        there = [stack.enter_context(servers.fake(lambda c: None, f"127.4.0.{n}")) for n in (1, 6)]
        path = scope_file(tmp_path, [s.port for s in there])
        found = set()
        for index in range(3):
            done = CliRunner().invoke(command, [str(path), "--shard", f"{index}/3", "--connect"])
            assert done.exit_code == 0, done.output
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            (tmp_path / f"{index}.ndjson").write_text("\n".join(lines))
            keys = {(json.loads(line)["ip"], json.loads(line)["port"]) for line in lines}
            assert not keys & found
            found |= keys
        assert found == {(s.host, s.port) for s in there}
        names = [f"{index}.ndjson" for index in range(3)]
        path = scope_file(tmp_path, [s.port for s in there], f"[imports]\nsweep = {names}\n")
        made, _ = investigate(path, tmp_path / "case")
    looked = {(o.endpoint.address, o.endpoint.port) for o in made.closed}
    assert looked == found
    assert not list(tmp_path.glob("*.point"))


def test_a_point_of_another_sweep_is_not_gone_on_from(tmp_path: Path) -> None:
    with servers.fake(lambda c: None, "127.4.0.3") as server:
        path = scope_file(tmp_path, [server.port])
        kept = tmp_path / "kept.point"
        kept.write_bytes(b"no point at all")
        found = sweep_share(path, kept, Shard())
    assert [e.address for e in found.open] == ["127.4.0.3"]
    assert found.closed == 7
    assert not kept.exists()


@pytest.mark.parametrize("shard", ["4/4", "x/2", "1", "-1/2", "0/0"])
def test_no_such_shard(tmp_path: Path, shard: str) -> None:
    path = scope_file(tmp_path, [1])
    done = CliRunner().invoke(command, [str(path), "--shard", shard])
    assert isinstance(done.exception, UsageError)


def test_lost_answers_are_a_gap_and_an_engine_that_is_missing_is_not() -> None:
    notes = ("no raw packets here (x): asked by connects", "answers get lost on the way: about 3")
    gaps = Found((), 0, 0, notes).gaps("scope.toml")
    assert [(g.reason, g.detail) for g in gaps] == [(Reason.LOST, notes[1])]
