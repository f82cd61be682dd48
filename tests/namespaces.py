"""Network namespaces with a far side of our own, for what must not touch a real network.

`far_side` makes a namespace whose test network (10.128.0.0/12) leads to a TUN device;
bench/responder.c, compiled when first needed, answers there as it is told. `inside` moves the
calling thread into a namespace, so that sockets it makes belong to that.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

import servers

SOURCE = Path(__file__).parents[1] / "bench" / "responder.c"
OURS = "10.77.0.1"  # the address of the swept side
DEVICE = "tun0"
_NEW_NET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Packet:
    """An IPv4 packet that reached the far side."""

    address: int
    port: int
    protocol: int
    flags: int
    time: float


@dataclass(frozen=True)
class Far:
    """A namespace and what its far side has seen."""

    name: str
    log: Path
    process: subprocess.Popen[str]

    def packets(self) -> list[Packet]:
        """All packets so far, in their order; ends the far side."""
        self.process.terminate()
        self.process.wait(5)
        found = struct.iter_unpack("=IHBBQ", self.log.read_bytes())
        return [Packet(a, p, protocol, flags, t / 1e9) for a, p, protocol, flags, t in found]


def need_root(*, device: bool = True) -> None:
    """Skip the test for who may not make namespaces and raw sockets, and with `device` TUN ones.

    What a kernel lacks nobody can install, so that is no failure in CI either.
    """
    if os.getuid() != 0:
        pytest.skip("needs root: raw sockets and network namespaces")
    if device and not os.path.exists("/dev/net/tun"):
        pytest.skip("no /dev/net/tun here")
    servers.need("ip")
    if device:
        servers.need("gcc")
    name = f"lo-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces here")
    subprocess.run(["ip", "netns", "del", name], check=True)


def compiled(folder: Path) -> Path:
    """The responder, compiled into `folder`."""
    program = folder / "responder"
    if not program.exists():
        gcc = shutil.which("gcc") or "gcc"
        subprocess.run([gcc, "-O2", "-Wall", "-o", program, SOURCE], check=True)
    return program


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """A network namespace with its loopback device up, until the block ends."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        command("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def command(*words: str) -> None:
    """One `ip` command."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def far_side(
    folder: Path, listeners: Iterable[tuple[str, int]], *options: str, name: str = ""
) -> Iterator[Far]:
    """A namespace from which 10.128.0.0/12 is the responder with these options."""
    listed = folder / "listeners"
    listed.write_text("".join(f"{a} {p}\n" for a, p in listeners))
    log = folder / "seen"
    with namespace(name or f"lo-sweep-{os.getpid()}") as ns:
        argv = ["ip", "netns", "exec", ns, str(compiled(folder)), "-t", DEVICE]
        process = subprocess.Popen(
            [*argv, "-f", str(listed), "-o", str(log), *options], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            command("-n", ns, "addr", "add", f"{OURS}/32", "dev", DEVICE)
            command("-n", ns, "link", "set", DEVICE, "txqueuelen", "10000", "up")
            command("-n", ns, "route", "add", "10.128.0.0/12", "dev", DEVICE)
            yield Far(ns, log, process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(5)
            process.stdout.close()


@contextmanager
def inside(name: str) -> Iterator[None]:
    """The calling thread is in that namespace until the block ends."""
    with open("/proc/thread-self/ns/net", "rb") as before, open(f"/run/netns/{name}", "rb") as to:
        _enter(to.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(file: int) -> None:
    if _libc.setns(file, _NEW_NET):
        raise OSError(ctypes.get_errno(), "setns")
