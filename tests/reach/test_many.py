"""Five hundred servers at once: every verdict is right, whoever is stuck beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import servers
from hostile.kind import Kind, serving
from hostile.kinds import FAMILIES
from leftopen.model.exposure import Access
from leftopen.reach.prove import Limits
from reaching import reach_of, scope_of

HONEST = 450
HOSTILE = 50
ELSEWHERE = "127.0.99.1"
HANG_SECONDS = 120.0
PATIENT = Limits(seconds=20.0, greeting_seconds=1.0, answer_seconds=3.0, blind_seconds=1.5)
# One process, one loop: a third greets as IMAP and asks for a login, a third lists a folder with
# a file in it, a third is a web page.
PEERS = """
import asyncio, json, sys
FILE = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 5\\r\\n\\r\\nhello"
PAGE = b"<title>Index of /</title><h1>Index of /</h1><pre><a href=a.txt>a.txt</a></pre>"
FLAT = b"<html>hello</html>"
NONE = b"HTTP/1.1 404 x\\r\\nContent-Length: 0\\r\\n\\r\\n"
def page(body):
    return b"HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (
        len(body), body)
async def imap(reader, writer):
    writer.write(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\\r\\n")
    while line := await reader.readline():
        writer.write(line.split(b" ")[0] + b" BAD log in\\r\\n")
async def web(reader, writer, start):
    while line := await reader.readline():
        while (await reader.readline()).strip():
            pass
        path = line.split()[1]
        writer.write(FILE if path == b"/a.txt" and start is PAGE else
                     page(start) if path == b"/" else NONE)
async def serve(kind, reader, writer):
    try:
        await (imap(reader, writer) if kind == 0 else
               web(reader, writer, PAGE if kind == 1 else FLAT))
    except (OSError, IndexError):
        pass
    finally:
        writer.close()
async def main(count):
    made = []
    for n in range(count):
        host = f"127.0.30.{n % 250 + 1}"
        handle = lambda r, w, kind=n % 3: serve(kind, r, w)
        made.append(await asyncio.start_server(handle, host, 0))
    print(json.dumps([s.sockets[0].getsockname()[:2] for s in made]), flush=True)
    await asyncio.Event().wait()
asyncio.run(main(int(sys.argv[1])))
"""
TRUTH = (Access.ASKS_CREDENTIAL, Access.GIVES_DATA, Access.SPEAKS)


@contextmanager
def peers(folder: Path) -> Iterator[list[tuple[str, int]]]:
    """The honest servers, fakes all of them, in a process of their own."""
    script = folder / "peers.py"
    script.write_text(PEERS)
    argv = [sys.executable, str(script), str(HONEST)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [(host, port) for host, port in json.loads(process.stdout.readline())]
        finally:
            process.kill()


def stuck() -> list[Kind]:
    """Fifty hostile kinds."""
    return [
        k
        for f in ("tcp", "mail", "tls")
        for k in FAMILIES[f].kinds
        if f != "tls" or "certificate" not in k.name
    ][:HOSTILE]


def test_all_verdicts_are_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = stuck()
    with (
        servers.fake(lambda client: None, ELSEWHERE) as canary,
        serving(kinds, "127.0.31", canary) as served,
        peers(tmp_path) as honest,
    ):
        scope = scope_of(("127.0.30.0/24", "127.0.31.0/24"), (1,))
        truth = {where: {TRUTH[n % 3]} for n, where in enumerate(honest)}
        truth |= {
            (s.host, s.port): set(s.kind.verdicts) | {Access.SPEAKS, Access.UNDETERMINED}
            for s in served
        }
        targets = [scope.target(host, port) for host, port in truth]
        started = time.monotonic()
        seen = {
            (o.observation.endpoint.address, o.observation.endpoint.port): o.observation
            for o in reach_of(scope, PATIENT).prove(targets)
        }
        took = time.monotonic() - started
    with capsys.disabled():
        print(f"\n{len(seen)} servers in {took:.1f} s")  # noqa: T201  the figure is the point
    assert len(seen) == HONEST + HOSTILE
    wrong = {where: o.detail for where, o in seen.items() if o.access not in truth[where]}
    assert wrong == {}
    assert took < HANG_SECONDS
