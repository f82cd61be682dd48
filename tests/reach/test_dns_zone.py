"""Zone transfers: a real BIND, open and closed to them; answers that lie, fakes."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.dns_zone import CLAIMS, ZONE, named
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach import dns_wire
from leftopen.reach.api import Context
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]


def test_an_open_one_gives_the_zone(probe: MakeProbe) -> None:
    with named("any") as server:
        proof = probe("dns_zone", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.containers == ("example.org",)
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit, proof.size.complete) == (5, "records", True)
    assert "Absent.Example.: NOTAUTH" in proof.detail
    assert "lovelace" not in repr(proof)


def test_a_zone_of_many_messages_is_counted(probe: MakeProbe) -> None:
    many = ZONE + "".join(f'h{n} IN TXT "{"x" * 200}"\n' for n in range(2000))
    with named("any", many) as server:
        proof = probe("dns_zone", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (2005, True)


def test_a_closed_one_refuses(probe: MakeProbe) -> None:
    with named("none") as server:
        proof = probe("dns_zone", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is Access.REFUSED_OR_ABSENT
    assert "example.org: REFUSED" in proof.detail


def test_without_a_claim_it_only_speaks(probe: MakeProbe) -> None:
    with named("any") as server:
        proof = probe("dns_zone", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert [g.reason for g in proof.gaps] == [Reason.NOT_GIVEN]


NUMBER = 0x4C4F
EXAMPLE = b"\x07example\x03org\0"


def message(*records: bytes, rcode: int = 0, number: int = NUMBER, count: int = -1) -> bytes:
    answers = len(records) if count < 0 else count
    body = struct.pack(">HHHHHH", number, 0x8400 | rcode, 0, answers, 0, 0) + b"".join(records)
    return struct.pack(">H", len(body)) + body


def record(owner: bytes, kind: int, data: bytes = b"") -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


SOA, HOST = record(EXAMPLE, 6), record(b"\x01a" + EXAMPLE, 1, bytes(4))


def serving(transfer: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    """An answer to the SOA of the root, then `transfer` for an AXFR."""

    def handle(client: servers.Conversation) -> None:
        head = client.hear_bytes(2)
        asked = client.hear_bytes(int.from_bytes(head, "big"))
        if not asked.endswith(b"\0\xfc\0\x01"):
            client.say(message(rcode=5))
            return
        client.say(transfer)
        if flood:
            client.flood(flood)
        client.hear()

    return handle


CLAIM = 'dns_zones = ["example.org"]'
LOOP = struct.pack(">H", 0xC00C)
LESS: dict[str, tuple[bytes, Access, str]] = {
    "two messages": (message(SOA, HOST) + message(HOST, SOA), Access.GIVES_DATA, "3 records"),
    "nothing": (message(), Access.REFUSED_OR_ABSENT, "an empty answer"),
    "another zone": (message(record(b"\0", 6), HOST), Access.UNDETERMINED, "understood"),
    "no SOA first": (message(HOST, SOA), Access.UNDETERMINED, "understood"),
    "no second SOA": (message(SOA) + message(), Access.UNDETERMINED, "understood"),
    "a loop of names": (message(record(LOOP, 6)), Access.UNDETERMINED, "understood"),
    "more records than bytes": (message(SOA, count=65_535), Access.UNDETERMINED, "understood"),
    "another number": (message(SOA, SOA, number=1), Access.UNDETERMINED, "understood"),
}


@pytest.mark.parametrize("kind", LESS)
def test_what_answers_prove(probe: MakeProbe, kind: str) -> None:
    said, access, words = LESS[kind]

    async def prove(context: Context) -> tuple[object, list[Reason]]:
        return await zone.protocol.prove(context), [g.reason for g in context.gaps]

    with servers.fake(serving(said)) as server:
        zone = probe("dns_zone", server.host, server.port, claims=CLAIM)
        proof, reasons = zone.run(prove)
    assert proof is not None
    assert (proof.access, words in proof.detail) == (access, True)  # type: ignore[attr-defined]
    assert reasons == ([Reason.MISBEHAVED] if access is Access.UNDETERMINED else [])


def test_an_endless_transfer_is_cut(probe: MakeProbe) -> None:
    started = time.monotonic()
    with servers.fake(serving(message(SOA), message(*[HOST] * 1000))) as server:
        proof = probe("dns_zone", server.host, server.port, claims=CLAIM).prove()
    assert time.monotonic() - started < 4
    assert proof is not None
    assert proof.size is not None
    assert not proof.size.complete
    assert proof.size.objects
    assert proof.size.objects > 10_000


def test_silence_in_the_middle_ends_in_an_error(probe: MakeProbe) -> None:
    with servers.fake(serving(message(SOA))) as server:
        zone = probe("dns_zone", server.host, server.port, claims=CLAIM, limits=Limits(seconds=1))
        with pytest.raises(ProtocolError, match="no answer within"):
            zone.prove()


@pytest.mark.parametrize(
    "said", [b"-ERR unknown\r\n", b"HTTP/1.1 400 Bad\r\n\r\n" * 900, b"\0\x02xx"]
)
def test_strangers_are_no_dns(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(lambda client: client.say(said)) as server:
        assert probe("dns_zone", server.host, server.port, claims=CLAIM).prove() is None


def test_no_update_and_no_version_leaves(probe: MakeProbe) -> None:
    update = struct.pack(">HHHHHH", 1, 0x2800, 1, 0, 1, 0) + EXAMPLE + b"\0\x06\0\x01"
    version = struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + b"\x07version\x04bind\0\0\x10\0\x03"
    with servers.fake(lambda client: client.hear()) as server:
        zone = probe("dns_zone", server.host, server.port)
        for body in (update, version):
            data = struct.pack(">H", len(body)) + body

            async def send(context: Context, data: bytes = data) -> None:
                async with await context.dialer.connect() as connection:
                    await connection.write(data)

            with pytest.raises(OutOfScope):
                zone.run(send)


@pytest.mark.parametrize(
    "zone", ["a b", "x" * 64, ".".join(["x" * 60] * 5), "a..b", "ä.org", "a\0"]
)
def test_a_name_that_cannot_be_one_is_none(zone: str) -> None:
    assert dns_wire.encoded(zone) is None


@given(
    st.binary(max_size=100)
    | st.lists(st.sampled_from([SOA, HOST, LOOP, b"\xc0\0", b"\x3f"]), max_size=6).map(
        lambda parts: message(*parts)[2:]
    )
)
def test_fuzz_any_message_is_read_or_an_error(data: bytes) -> None:
    try:
        found = dns_wire.read(data, NUMBER)
    except ProtocolError:
        return
    assert len(found.records) * 11 <= len(data)
    assert all(len(r.owner) <= 255 for r in found.records)
