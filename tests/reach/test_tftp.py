"""TFTP: a real tftpd-hpa with an open, a closed and no file; servers that lie, fakes."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.net.datagram import exchange
from leftopen.reach import tftp_wire
from leftopen.reach.api import Context
from probing import Limits, Probe
from reaching import look_at_store, read_all

MakeProbe = Callable[..., Probe]
CONTENT = b"hostname payroll\nsecret horse\n" * 200
HOST = servers.CLIENT


def udp_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


@contextmanager
def tftpd() -> Iterator[int]:
    """tftpd-hpa over a file for all, one for its owner only, one that is empty."""
    binary = servers.need("in.tftpd")
    if os.getuid():
        servers.absent("in.tftpd gives up root and so needs it")
    port = udp_port()
    with servers.scratch() as folder:
        servers.plant(folder, {"open cfg": CONTENT, "closed": CONTENT, "empty": b""})
        (folder / "closed").chmod(0o600)
        os.chown(folder / "closed", 0, 0)
        argv = [binary, "-L", "-s", "-a", f"{HOST}:{port}", str(folder)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        try:
            await_answer(port)
            yield port
        finally:
            process.kill()
            process.wait(5)


def await_answer(port: int) -> None:
    deadline = time.monotonic() + 10
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        while time.monotonic() < deadline:
            client.sendto(b"\0\x01nobody\0octet\0", (HOST, port))
            try:
                assert client.recv(100)[:2] == b"\0\x05"
            except TimeoutError:
                continue
            return
    raise RuntimeError("in.tftpd does not answer")


def test_real_files() -> None:
    with tftpd() as port:
        url = f"tftp://{HOST}:{port}"
        reach, outcome = look_at_store(f"{url}/open%20cfg", "tftp")
        _, fetched, gaps = read_all(reach, outcome)
        others = {
            name: look_at_store(f"{url}/{name}", "tftp")[1].observation
            for name in ("closed", "absent", "empty")
        }
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("tftp", Access.GIVES_DATA)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.bytes, seen.size.basis) == (1, len(CONTENT), "tsize")
    assert "horse" not in repr(outcome)
    assert [f.data for f in fetched] == [CONTENT]
    assert not gaps
    assert others["closed"].access is Access.REFUSED_OR_ABSENT
    assert others["absent"].access is Access.REFUSED_OR_ABSENT
    assert "ERROR 1" in others["absent"].detail
    assert others["empty"].access is Access.METADATA


Reply = Callable[[bytes], list[bytes]]


@contextmanager
def fake(reply: Reply) -> Iterator[tuple[int, list[bytes]]]:
    """Answers each datagram with what `reply` says, all from a port of the transfer's own."""
    heard: list[bytes] = []
    with (
        socket.socket(type=socket.SOCK_DGRAM) as usual,
        socket.socket(type=socket.SOCK_DGRAM) as own,
    ):
        usual.bind((HOST, 0))
        own.bind((HOST, 0))

        def serve(listening: socket.socket) -> None:
            while True:
                said, client = listening.recvfrom(2000)
                if said == b"end":
                    return
                heard.append(said)
                for datagram in reply(said):
                    own.sendto(datagram, client)

        threads = [Thread(target=serve, args=(s,), daemon=True) for s in (usual, own)]
        for thread in threads:
            thread.start()
        try:
            yield usual.getsockname()[1], heard
        finally:
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.sendto(b"end", usual.getsockname())
                client.sendto(b"end", own.getsockname())
            for thread in threads:
                thread.join(5)


ABSENT = b"\0\x05\0\x01File not found\0"


def serving(*answers: bytes) -> Reply:
    """ABSENT for what nobody has; these for the named file; then nothing."""

    def reply(said: bytes) -> list[bytes]:
        if said.startswith(b"\0\x01"):
            return [ABSENT] if said.startswith(b"\0\x01leftopen-") else list(answers)
        return []

    return reply


def look_at(port: int) -> tuple[Access, str]:
    seen = look_at_store(f"tftp://{HOST}:{port}/x", "tftp")[1].observation
    return seen.access, seen.detail


def test_a_server_without_options_is_read() -> None:
    with fake(serving(b"\0\x03\0\x01" + b"x" * 512)) as (port, heard):
        _, outcome = look_at_store(f"tftp://{HOST}:{port}/x", "tftp")
    assert heard[-1] == b"\0\x05\0\0enough\0"  # the transfer is ended, not left to time out
    seen = outcome.observation
    assert seen.access is Access.GIVES_DATA
    assert seen.size is not None
    assert seen.size.bytes is None


LESS: dict[str, tuple[Reply, Access, str]] = {
    "a whole small file": (serving(b"\0\x03\0\x01abc"), Access.GIVES_DATA, "3 bytes"),
    "repeated blocks": (
        serving(*[b"\0\x03\0\x07abc"] * 3, b"\0\x03\0\x01abc"),
        Access.GIVES_DATA,
        "3",
    ),
    "every file": (lambda said: [b"\0\x03\0\x01abc"], Access.UNDETERMINED, "nobody has"),
    "access violation": (serving(b"\0\x05\0\x02no\0"), Access.REFUSED_OR_ABSENT, "ERROR 2: no"),
    "no zero at the end": (
        serving(b"\0\x05\0\x02" + b"n" * 900),
        Access.REFUSED_OR_ABSENT,
        "ERROR 2",
    ),
    "a larger block": (serving(b"\0\x03\0\x01" + b"x" * 600), Access.MISBEHAVES, "larger"),
    "odd options": (serving(b"\0\x06blksize\x0065000\0"), Access.MISBEHAVES, "65000"),
    "broken options": (serving(b"\0\x06blksize"), Access.MISBEHAVES, "cannot be read"),
    "a write request": (serving(b"\0\x02x\0octet\0"), Access.MISBEHAVES, "not an answer"),
    "nothing": (serving(b""), Access.MISBEHAVES, "not an answer"),
}


@pytest.mark.parametrize("kind", LESS)
def test_what_answers_prove(kind: str) -> None:
    reply, access, words = LESS[kind]
    with fake(reply) as (port, _):
        seen, detail = look_at(port)
    assert (seen, words in detail) == (access, True), detail


def test_a_storm_of_strays_ends(probe: MakeProbe) -> None:
    def storm(said: bytes) -> list[bytes]:
        return [b"\0\x03\0\x09x"] * 40

    started = time.monotonic()
    with fake(storm) as (port, _):
        tftp = probe("tftp", HOST, port, limits=Limits(seconds=2.0))

        async def read(context: Context) -> tftp_wire.Read:
            async with exchange(context.dialer) as link:
                return await tftp_wire.read(link, b"x", 1000)

        with pytest.raises(ProtocolError, match="no answer"):
            tftp.run(read)
    assert time.monotonic() - started < 4


def test_the_port_of_the_transfer_must_be_in_scope(probe: MakeProbe) -> None:
    """An excluded port is heard, and nothing is sent to it."""

    async def send(context: Context) -> None:
        async with exchange(context.dialer) as link:
            link.send(b"\0\x04\0\x01", 9)

    with pytest.raises(OutOfScope, match="port 9 is not in scope"):
        probe("tftp", HOST, 69, exclude=(f"{HOST}:9",)).run(send)


@pytest.mark.parametrize(
    "data", [b"\0\x02x\0octet\0", b"\0\x03\0\x01data", b"x", b"\0\x01x\0mail\0"]
)
def test_nothing_is_ever_written(probe: MakeProbe, data: bytes) -> None:
    async def send(context: Context) -> None:
        async with exchange(context.dialer) as link:
            link.send(data)

    with pytest.raises(OutOfScope, match="allow-list"):
        probe("tftp", HOST, 69).run(send)


def test_silence_is_no_answer(probe: MakeProbe) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        port = deaf.getsockname()[1]
        tftp = probe("tftp", HOST, port, limits=Limits(seconds=0.5))

        async def read(context: Context) -> tftp_wire.Read:
            async with exchange(context.dialer) as link:
                return await tftp_wire.read(link, b"x", 1000)

        with pytest.raises(ProtocolError, match="no answer within"):
            tftp.run(read)


def test_what_comes_from_another_address_is_not_heard(probe: MakeProbe) -> None:
    async def listen(context: Context) -> object:
        async with exchange(context.dialer) as link:
            link.send(b"\0\x04\0\0")
            link.datagram_received(b"\0\x03\0\x01evil", ("127.0.0.9", 69))
            return await link.receive(0.1)

    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        assert probe("tftp", HOST, deaf.getsockname()[1]).run(listen) is None


@given(st.binary(max_size=60))
def test_fuzz_options_and_errors_are_read_or_an_error(said: bytes) -> None:
    try:
        found = tftp_wire.options(said)
    except ProtocolError:
        found = {}
    assert len(found) <= 4
    if len(said) >= 2:
        assert 0 <= tftp_wire.error(said).code < 65_536
