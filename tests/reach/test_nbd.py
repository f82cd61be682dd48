"""NBD: nbd-server, open and closed, and servers that lie."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reaching
import servers
from lab.nbd import DISK, nbd_server
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach.api import Context
from leftopen.reach.protocols import nbd
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
GREETING = b"NBDMAGICIHAVEOPT\0\x03"


def test_exports_are_listed_by_nbd_server_which_says_no_size(probe: MakeProbe) -> None:
    with nbd_server(True) as server:
        proof = probe("nbd", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.containers == ("payroll", "hr")
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes, proof.size.complete) == (2, None, True)
    assert "no block was read" in proof.detail
    assert proof.gaps == ()


def test_exports_are_listed_by_nbdkit_with_their_sizes(probe: MakeProbe) -> None:
    binary, port = servers.need("nbdkit"), servers.free_port()
    with servers.scratch() as folder:
        for name in ("payroll", "hr"):
            (folder / "disks").mkdir(exist_ok=True)
            (folder / "disks" / name).write_bytes(bytes(DISK))
        servers.give(folder)
        argv = [binary, "-f", "-r", "-i", servers.CLIENT, "-p", str(port)]
        with servers.running([*argv, "file", f"dir={folder}/disks"], folder, port) as server:
            proof = probe("nbd", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert set(proof.containers) == {"payroll", "hr"}
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes, proof.size.complete) == (2, 2 * DISK, True)
    assert proof.gaps == ()


def test_a_whole_look_recognises_the_greeting() -> None:
    with nbd_server(True) as server:
        outcome = reaching.look(server.host, server.port)
    assert outcome.observation.protocol == "nbd"
    assert outcome.observation.access is Access.LISTS


def test_no_list_is_a_refusal_that_looks_like_an_absence(probe: MakeProbe) -> None:
    with nbd_server(False) as server:
        proof = probe("nbd", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.REFUSED_OR_ABSENT
    assert "policy" in proof.detail
    assert proof.size is None


def test_names_are_listed_where_the_exports_are_refused(probe: MakeProbe) -> None:
    with nbd_server(True, "authfile = {folder}/nobody") as server:
        proof = probe("nbd", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes) == (2, None)


def reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", 0x0003E889045565A9, option, kind, len(data)) + data


def server_of(name: bytes) -> bytes:
    return reply(3, 2, struct.pack(">I", len(name)) + name)


def fake(*answers: bytes, greeting: bytes = GREETING) -> Callable[[servers.Conversation], None]:
    """A fake server: the greeting, then one answer to each option."""

    def handle(client: servers.Conversation) -> None:
        client.say(greeting)
        client.hear_bytes(4)
        for answer in answers:
            head = client.hear_bytes(16)
            client.hear_bytes(int.from_bytes(head[12:16], "big"))
            client.say(answer)

    return handle


INFO = reply(6, 3, struct.pack(">HQH", 0, 4096, 1)) + reply(6, 1)
OLD = b"NBDMAGIC" + bytes.fromhex("0000420281861253") + struct.pack(">QI", 4096, 0) + bytes(124)
WORDS: dict[str, tuple[Callable[[servers.Conversation], None], Access, str, int]] = {
    "old": (fake(greeting=OLD), Access.METADATA, "4096", 0),
    "no fixed newstyle": (fake(greeting=GREETING[:-1] + b"\0"), Access.SPEAKS, "name alone", 0),
    "policy": (fake(reply(3, 0x80000002, b"no")), Access.REFUSED_OR_ABSENT, "policy no", 0),
    "TLS": (fake(reply(3, 0x80000005), reply(6, 0x80000005)), Access.UNDETERMINED, "TLS", 1),
    "unsupported": (fake(reply(3, 0x80000001), reply(6, 0x80000001)), Access.SPEAKS, "unsup", 0),
    "default": (fake(reply(3, 0x80000001), INFO), Access.METADATA, "default export", 0),
    "empty": (fake(reply(3, 1)), Access.SPEAKS, "empty", 0),
    "size cut": (fake(server_of(b"a") + reply(3, 1), b"x"), Access.LISTS, "1 exports", 1),
    "size unknown": (
        fake(server_of(b"a") + server_of(b"b") + reply(3, 1), reply(6, 0x80000006), INFO),
        Access.LISTS,
        "2 exports",
        1,
    ),
    "a long name": (fake(server_of(b"a" * 4000) + reply(3, 1)), Access.LISTS, "1 exports", 1),
}


@pytest.mark.parametrize("kind", WORDS)
def test_words_of_a_fake_server(probe: MakeProbe, kind: str) -> None:
    handle, access, word, gaps = WORDS[kind]
    with servers.fake(handle) as server:
        proof = probe("nbd", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert word in proof.detail
    assert len(proof.gaps) == gaps
    assert {gap.reason for gap in proof.gaps} <= {
        Reason.UNSUPPORTED,
        Reason.MISBEHAVED,
        Reason.REFUSED,
        Reason.TOO_LARGE,
    }


HOSTILE = {
    "huge": reply(3, 2)[:16] + b"\xff\xff\xff\xff",
    "endless": server_of(b"a") * 1100,
    "another option": reply(9, 2, bytes(4)),
    "another magic": bytes(64),
    "a lying name": reply(3, 2, b"\0\0\0\x09a"),
    "another kind": reply(3, 9),
    "cut": reply(3, 2)[:10],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_lies_end_in_an_error(probe: MakeProbe, kind: str) -> None:
    started = time.monotonic()
    with servers.fake(fake(HOSTILE[kind])) as server, pytest.raises(ProtocolError):
        probe("nbd", server.host, server.port, limits=Limits(seconds=1)).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "said", [b"220 ready and waiting for you\r\n", b"NBDMAGIC and no more\r\n"]
)
def test_a_stranger(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(fake(greeting=said)) as server:
        nbd_probe = probe("nbd", server.host, server.port)
        if said.startswith(b"NBDMAGIC"):
            with pytest.raises(ProtocolError, match="handshake"):
                nbd_probe.prove()
        else:
            assert nbd_probe.prove() is None


@pytest.mark.parametrize("number", [1, 5, 7, 10])
def test_no_export_is_opened(probe: MakeProbe, number: int) -> None:
    """EXPORT_NAME, STARTTLS, GO, SET_META_CONTEXT; and no INFO with something behind it."""

    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(nbd.option(number, nbd.info(b"payroll")[16:]))

    async def more(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(nbd.info(b"payroll") + nbd.option(number))

    with servers.fake(fake()) as server:
        for work in (send, more):
            with pytest.raises(OutOfScope):
                probe("nbd", server.host, server.port).run(work)


@given(st.binary(max_size=64))
def test_fuzz_answers(data: bytes) -> None:
    for parse in (nbd.name_of, nbd.size_of):
        with suppress(ProtocolError):
            parse(data)


@given(st.binary(max_size=nbd.MAX_NAME))
def test_fuzz_any_name_can_be_asked_of(name: bytes) -> None:
    assert any(re.compile(rule, re.DOTALL).match(nbd.info(name)) for rule in nbd.NBD.allowed)
