"""Killed at any moment and started again, a run ends with the same case; nothing counts twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leftopen.store.store import Store

if TYPE_CHECKING:
    from conftest import Incident

KILLS = int(os.environ.get("LEFTOPEN_KILLS", "20"))  # make soak asks for more
LEFTOPEN = (sys.executable, "-c", "from leftopen.cli.main import main; main()")


def start(incident: Incident, folder: Path) -> subprocess.Popen[bytes]:
    command = [*LEFTOPEN, "run", str(incident.scope), "--dir", str(folder), "--json"]
    return subprocess.Popen(
        command, env=incident.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def killed(incident: Incident, folder: Path, moment: float) -> bool:
    """Start a run and kill it after so many seconds; whether it was still running."""
    process = start(incident, incident.case_folder(folder))
    time.sleep(moment)  # the random moment, not a wait
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)  # ends when no worker is left that holds its output
    return process.returncode == -signal.SIGKILL


def finish(incident: Incident, folder: Path) -> tuple[float, dict[str, Any]]:
    begin = time.monotonic()
    process = start(incident, folder)
    out, error = process.communicate(timeout=120)
    assert process.returncode in (11, 12, 13, 14), error.decode()
    return time.monotonic() - begin, comparable(json.loads(out))


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """The report without the named run metadata, the only part that may differ."""
    assert set(report["run"]) <= {
        *("run_id", "version", "started", "finished", "resumed", "chain_head", "chain_length")
    }
    return {**report, "run": None}


def test_twenty_kills_change_nothing(incident_served: Incident, tmp_path: Path) -> None:
    whole = incident_served.case_folder(tmp_path / "whole")
    seconds, expected = finish(incident_served, whole)
    rng = random.Random(7)
    resumed = 0
    for number in range(KILLS):
        folder = tmp_path / f"killed-{number}"
        while not killed(incident_served, folder, rng.uniform(0.05, 1.0) * seconds):
            shutil.rmtree(folder)  # it had ended before: another moment
            seconds *= 0.9
        _, report = finish(incident_served, folder)
        assert json.dumps(report, sort_keys=True) == json.dumps(expected, sort_keys=True)
        with Store.open(folder / "case.sqlite") as store:
            assert list(store.verify()) == []
            resumed += sum(r.resumed for r in store.runs())
    assert resumed >= KILLS // 3  # the others were killed before their first unit


def test_a_finished_run_begins_anew_and_says_the_same(
    incident_served: Incident, tmp_path: Path
) -> None:
    folder = incident_served.case_folder(tmp_path / "case")
    _, first = finish(incident_served, folder)
    _, second = finish(incident_served, folder)
    assert first == second
