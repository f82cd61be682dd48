"""iSCSI: tgt, open and closed, and targets that lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.tgt import EVERYBODY, IQN, NEW, USER, tgt
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach.api import Context
from leftopen.reach.protocols import iscsi
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]


OPEN = {
    "open": (NEW, EVERYBODY),
    "CHAP on the target": (NEW, EVERYBODY, USER, "--op bind --mode account --tid 1 --user bob"),
}


@pytest.mark.parametrize("kind", OPEN)
def test_names_come_without_a_login(probe: MakeProbe, kind: str) -> None:
    with tgt(*OPEN[kind]) as server:
        proof = probe("iscsi", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.containers == (IQN,)
    assert "1 portals were named and not followed" in proof.detail
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit) == (1, "targets")
    assert proof.gaps == ()


def test_many_targets_take_more_than_one_answer(probe: MakeProbe) -> None:
    names = [f"{IQN}-{'x' * 150}-{number}" for number in range(1, 80)]
    made = [f"--op new --mode target --tid {n} -T {name}" for n, name in enumerate(names, 1)]
    open_ = [f"--op bind --mode target --tid {n} -I ALL" for n in range(1, len(names) + 1)]
    with tgt(*made, *open_) as server:
        proof = probe("iscsi", server.host, server.port).prove()
    assert proof is not None
    assert proof.size is not None
    assert proof.size.objects == len(names)


def test_what_is_kept_for_others_looks_absent(probe: MakeProbe) -> None:
    with tgt(NEW, "--op bind --mode target --tid 1 -I 192.0.2.7") as server:
        proof = probe("iscsi", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.REFUSED_OR_ABSENT
    assert proof.size is None


def test_discovery_that_wants_chap_asks_for_a_login(probe: MakeProbe) -> None:
    with tgt(NEW, EVERYBODY, USER, "--op bind --mode account --user bob") as server:
        proof = probe("iscsi", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert proof.containers == ()


def test_a_server_without_any_target_resets_and_is_not_identified(probe: MakeProbe) -> None:
    with tgt() as server:
        assert probe("iscsi", server.host, server.port).prove() is None


def pdu(kind: int, flags: int, data: bytes = b"", status: bytes = b"\0\0") -> bytes:
    head = bytes([kind, flags, 0, 0]) + len(data).to_bytes(4, "big") + bytes(8) + b"\0\0\0\1"
    head += bytes(4) + bytes(12) + status + bytes(10)
    return head + data + bytes(-len(data) % 4)


STAGES = (pdu(0x23, 0x81), pdu(0x23, 0x87))


def fake(*answers: bytes) -> Callable[[servers.Conversation], None]:
    """A fake target: one recorded answer to each request."""

    def handle(client: servers.Conversation) -> None:
        for answer in answers:
            head = client.hear_bytes(48)
            size = int.from_bytes(head[5:8], "big")
            client.hear_bytes(size + -size % 4)
            client.say(answer)
        client.hear_bytes(1000)

    return handle


WORDS: dict[str, tuple[bytes, Access, tuple[Reason, ...]]] = {
    "authentication failed": (pdu(0x23, 0, status=b"\2\1"), Access.ASKS_CREDENTIAL, ()),
    "CHAP": (pdu(0x23, 0, b"AuthMethod=CHAP\0"), Access.ASKS_CREDENTIAL, ()),
    "Reject": (pdu(0x23, 0, b"AuthMethod=Reject\0"), Access.ASKS_CREDENTIAL, ()),
    "not allowed": (pdu(0x23, 0, status=b"\2\2"), Access.REFUSED_OR_ABSENT, ()),
    "moved": (
        pdu(0x23, 0, b"TargetAddress=192.0.2.9:3260\0", b"\1\1"),
        Access.UNDETERMINED,
        (Reason.OUT_OF_SCOPE,),
    ),
    "busy": (pdu(0x23, 0, status=b"\3\1"), Access.UNDETERMINED, (Reason.MISBEHAVED,)),
}


@pytest.mark.parametrize("kind", WORDS)
def test_words_of_a_fake_target(probe: MakeProbe, kind: str) -> None:
    answer, access, reasons = WORDS[kind]
    with servers.fake(fake(answer)) as server:
        proof = probe("iscsi", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert tuple(gap.reason for gap in proof.gaps) == reasons


HOSTILE = {
    "huge": (*STAGES, pdu(0x24, 0x80)[:5] + b"\xff\xff\xff" + bytes(40)),
    "endless": (*STAGES, *[pdu(0x24, 0x40, b"TargetName=x\0")] * 40),
    "no keys": (*STAGES, pdu(0x24, 0x80, b"\x01\x02 garbage")),
    "other kind": (*STAGES, pdu(0x3F, 0x80)),
    "cut": (*STAGES, pdu(0x24, 0x80, b"TargetName=x\0")[:50]),
    "login cut": (STAGES[0], b"\x23"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_lies_end_in_an_error(probe: MakeProbe, kind: str) -> None:
    started = time.monotonic()
    with servers.fake(fake(*HOSTILE[kind])) as server, pytest.raises(ProtocolError):
        probe("iscsi", server.host, server.port, limits=Limits(seconds=1)).prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("said", ["echo", "HTTP/1.1 400 Bad Request\r\n\r\n", "-ERR x\r\n" * 20])
def test_a_stranger_is_not_iscsi(probe: MakeProbe, said: str) -> None:
    def handle(client: servers.Conversation) -> None:
        asked = client.hear_bytes(48)
        client.say(asked + bytes(200) if said == "echo" else said.encode())

    with servers.fake(handle) as server:
        assert probe("iscsi", server.host, server.port).prove() is None


@pytest.mark.parametrize("opcode", [0x01, 0x41, 0x00, 0x02, 0x05])
def test_no_scsi_command_leaves(probe: MakeProbe, opcode: int) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(bytes([opcode]) + iscsi.logout(0)[1:])

    with servers.fake(fake()) as server, pytest.raises(OutOfScope):
        probe("iscsi", server.host, server.port).run(send)


@given(
    st.lists(
        st.one_of(st.binary(max_size=20), st.sampled_from([b"TargetName=a", b"TargetAddress=b,1"])),
        max_size=9,
    ).map(b"\0".join)
)
def test_fuzz_targets(data: bytes) -> None:
    with suppress(ProtocolError):
        found = iscsi.targets_of(data)
        assert len(found.names) == len(set(found.names))
