"""Killed again and again, a run over many endpoints skips none and asks none of them twice."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from leftopen.model.exposure import Access, Observation
from leftopen.store.store import Store

KILLS = int(os.environ.get("LEFTOPEN_KILLS", "10"))  # make soak asks for more
LEFTOPEN = (sys.executable, "-c", "from leftopen.cli.main import main; main()")
NETWORK, HOSTS, PORTS = "127.0.31.0/26", 64, 3
PER_SECOND, PER_HOST = 500, 60
KEY_ID = "test"
# Fakes: a mail server and a store that ask for a login, and a web page. One line a connection
# that said something: when its first bytes were heard, who was asked, and what.
PEERS = """
import asyncio, json, os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
hosts, ports = int(sys.argv[2]), int(sys.argv[3])
PAGE = b"HTTP/1.1 %s\\r\\nContent-Type: text/html\\r\\nContent-Length: 5\\r\\n\\r\\nhello"
async def serve(kind, host, port, reader, writer):
    try:
        if kind == 0:
            writer.write(b"* OK IMAP4rev1 ready\\r\\n")
        first = True
        while line := await reader.readline():
            if first:
                os.write(log, json.dumps([host, port, repr(line)]).encode() + b"\\n")
            first = False
            if writer.is_closing():
                break
            if kind == 0:
                writer.write(line.split(b" ")[0] + b" BAD log in\\r\\n")
            elif kind == 1:
                writer.write(b"-NOAUTH Authentication required.\\r\\n")
            else:
                while (await reader.readline()).strip():
                    pass
                writer.write(PAGE % (b"200 OK" if b" / " in line else b"404 Not Found"))
    except (OSError, ValueError):
        pass
    finally:
        writer.close()
async def main():
    chosen, made = [0] * ports, []
    for n in range(hosts):
        host = "127.0.31.%d" % n
        for kind in range(ports):
            handle = lambda r, w, a=(kind, host, kind): serve(*a, r, w)
            server = await asyncio.start_server(handle, host, chosen[kind])
            chosen[kind] = chosen[kind] or server.sockets[0].getsockname()[1]
            made.append(server)
    print(json.dumps(chosen), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
Place = tuple[str, int]
KINDS = {0: Access.ASKS_CREDENTIAL, 1: Access.ASKS_CREDENTIAL, 2: Access.SPEAKS}


@dataclass(frozen=True)
class Peers:
    """The fakes, and what a run over them needs."""

    folder: Path
    ports: tuple[int, ...]
    log: Path

    @property
    def places(self) -> set[Place]:
        """Every endpoint."""
        return {(f"127.0.31.{n}", port) for n in range(HOSTS) for port in self.ports}

    def asked(self, begin: int = 0) -> Counter[Place]:
        """Conversations with each endpoint since that place in the log."""
        with socket.create_connection(("127.0.31.0", self.ports[2]), timeout=5) as last:
            last.sendall(b"GET /barrier HTTP/1.1\r\n\r\n")  # all that came before was logged
            last.recv(1)
        lines = self.log.read_bytes()[begin:].splitlines()
        said = (json.loads(line) for line in lines if b"/barrier" not in line)
        return Counter((host, self.ports[kind]) for host, kind, _ in said)

    def case(self, name: str) -> Path:
        """A case folder that uses the one key."""
        made = self.folder / name
        made.mkdir()
        (made / "key-id").write_text(f"{KEY_ID}\n")
        return made

    def start(self, case: Path) -> subprocess.Popen[bytes]:
        """`leftopen run` at a pinned time, so that two runs can be compared to the byte."""
        pinned = {"SOURCE_DATE_EPOCH": "1700000000", "LEFTOPEN_KEYS": str(self.folder / "keys")}
        command = [*LEFTOPEN, "run", str(self.folder / "scope.toml"), "--dir", str(case), "--json"]
        return subprocess.Popen(
            command,
            env={**os.environ, **pinned},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def finish(self, case: Path) -> tuple[float, str]:
        """Run or resume to the end: the seconds, and the report without the run's metadata."""
        begin = time.monotonic()
        process = self.start(case)
        out, error = process.communicate(timeout=120)
        assert out, error.decode()
        return time.monotonic() - begin, comparable(out)

    def attempt(self, case: Path, moment: float) -> str | None:
        """Start or resume, and kill after so many seconds; the report where it ended before."""
        process = self.start(case)
        time.sleep(moment)  # the random moment, not a wait
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=20)
        return None if process.returncode == -signal.SIGKILL else comparable(out)


def comparable(report: bytes) -> str:
    """A report without what may differ between two runs."""
    return json.dumps({**json.loads(report), "run": None}, sort_keys=True)


@contextmanager
def peers(folder: Path) -> Iterator[Peers]:
    """The fakes in a process of their own, a scope file, and a key."""
    script, log = folder / "peers.py", folder / "asked"
    script.write_text(PEERS)
    (folder / "keys").mkdir()
    (folder / "keys" / KEY_ID).write_bytes(bytes(range(32)))
    argv = [sys.executable, str(script), str(log), str(HOSTS), str(PORTS)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ports = json.loads(process.stdout.readline())
            (folder / "scope.toml").write_text(
                f"version = 1\n[rates]\nconnections_per_second = {PER_SECOND}\n"
                f"connections_per_second_per_host = {PER_HOST}\n"
                f'[rules]\ntier = 3\n[targets]\nnetworks = ["{NETWORK}"]\nports = {ports}\n'
            )
            yield Peers(folder, tuple(ports), log)
        finally:
            process.kill()


def stored(case: Path) -> tuple[list[Observation], bool]:
    """What the only run of a case folder has stored of its looks, and whether it has ended."""
    if not (case / "case.sqlite").exists():
        return [], False
    with Store.open(case / "case.sqlite") as store:
        runs = store.runs()
        assert len(runs) <= 1  # each attempt resumes the one before
        looks = [o for r in runs for o in store.run(r.run_id).records(Observation, "reach")]
        return looks, any(r.finished for r in runs)


def place_of(seen: Observation) -> Place:
    return seen.endpoint.address, seen.endpoint.port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    with peers(tmp_path_factory.mktemp("peers")) as made:
        yield made


@dataclass(frozen=True)
class Kill:
    """What was stored when a run was killed, and how long the fakes' log was."""

    done: frozenset[Place]
    mark: int


def test_kills_skip_nothing_and_ask_nothing_twice(served: Peers) -> None:
    seconds, expected = served.finish(served.case("whole"))
    once = served.asked()
    assert set(once) == served.places
    rng = random.Random(11)
    kills: list[Kill] = []
    for number in range(10 * KILLS):
        case, begin = served.case(f"killed-{number}"), served.log.stat().st_size
        made: list[Kill] = []
        report = None
        while report is None and len(kills) + len(made) < KILLS:
            report = served.attempt(case, rng.uniform(0.1, 0.7) * seconds)
            looks, ended = stored(case)
            if report is None and ended:
                break  # killed while it wrote its report: the next attempt would begin anew
            if report is None:
                served.asked()  # whatever was on its way is in the log
                done = frozenset(place_of(o) for o in looks)
                made.append(Kill(done, served.log.stat().st_size))
        else:
            report = report or served.finish(case)[1]
            assert report == expected
        check(served, case, made, begin, once)
        kills += made
        if len(kills) == KILLS:
            break
    caught = sum(0 < len(k.done) < len(served.places) for k in kills)
    assert caught >= KILLS // 5  # the others were killed while it looked for ports


def check(served: Peers, case: Path, kills: list[Kill], begin: int, once: Counter[Place]) -> None:
    """One observation each; what was stored is left alone, what was not is asked once a resume."""
    looks, _ = stored(case)
    assert Counter(place_of(o) for o in looks) == Counter(served.places)
    kinds = {place_of(o): o.access for o in looks}
    assert kinds == {(h, p): KINDS[served.ports.index(p)] for h, p in served.places}
    for kill in kills:
        assert served.asked(kill.mark).keys() & kill.done == set()
    for place, count in served.asked(begin).items():
        attempts = 1 + sum(place not in k.done for k in kills)
        assert once[place] <= count <= once[place] * attempts
