"""LDAP: a real slapd open, closed in each way that servers.md names, and servers that lie."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.ldap import LDIF, MAIL, SUFFIX, slapd
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import ldap_wire as wire
from leftopen.reach.api import Context
from probing import Limits, Probe
from reaching import contacts

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with slapd("access to * by * read") as server:
        yield server


def test_an_open_directory_gives_data(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = probe("ldap", open_server.host, open_server.port).prove()
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "OpenLDAP")
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit, proof.size.complete) == (3, "entries", True)
    assert proof.containers == (SUFFIX,)
    assert MAIL not in repr(proof)
    assert "Lovelace" not in repr(proof)
    assert proof.gaps == ()


def test_what_reproduces_it_is_what_ldapsearch_finds(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    proof = probe("ldap", open_server.host, open_server.port).prove()
    assert proof is not None
    program, *words = proof.evidence[-1].reproduce.split()
    done = subprocess.run(
        [servers.need(program), *words], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 4  # sizeLimitExceeded
    assert "ou: people" in done.stdout


def test_entries_are_listed_and_read(probe: MakeProbe, open_server: servers.Server) -> None:
    ldap = probe("ldap", open_server.host, open_server.port)
    found = ldap.objects()
    refs = [item for item in found if isinstance(item, ObjectRef)]
    assert refs == found
    names = {ref.path: ref.group for ref in refs}
    person = next(name for name in names if name.startswith("cn=Ada"))
    assert names == {
        SUFFIX: "dc=org",
        f"ou=people,{SUFFIX}": SUFFIX,
        person: f"ou=people,{SUFFIX}",
    }
    ref = next(ref for ref in refs if ref.path == person)
    whole = ldap.fetch(ref)
    assert whole.complete
    assert f"mail: {MAIL}".encode() in whole.data
    assert b"jpegPhoto: (5 bytes)" in whole.data
    cut = ldap.fetch(ref, limit=10)
    assert (len(cut.data), cut.complete) == (10, False)
    with pytest.raises(ProtocolError, match="code 32"):
        ldap.fetch(ObjectRef(path=f"cn=nobody,{SUFFIX}"))


CLOSED = {
    "bind refused": (
        ("access to * by * read",),
        "disallow bind_anon\nrequire authc",
        Access.ASKS_CREDENTIAL,
        "bind 48, the search is refused with 53",
    ),
    "ACL": (
        ("access to * by * auth",),
        "",
        Access.ASKS_CREDENTIAL,
        "answered with 0, the search is refused with 50",
    ),
    "an ACL that lets search and not read": (
        ("access to * by * search",),
        "",
        Access.SPEAKS,
        "absent or kept back, 0",
    ),
    "require authc": (
        ("access to * by * read",),
        "require authc",
        Access.ASKS_CREDENTIAL,
        "answered with 0, the search is refused with 53",
    ),
    "hidden": (("access to * by * none",), "", Access.SPEAKS, "absent or kept back, 32"),
    "the context alone": (
        ("access to dn.base=dc=example,dc=org by * read", "access to * by * none"),
        "",
        Access.LISTS,
        "no more than its own entry",
    ),
    "only the bind is refused": (
        ("access to * by * read",),
        "disallow bind_anon",
        Access.GIVES_DATA,
        "although a bind is refused (48)",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_states_between_open_and_closed(probe: MakeProbe, kind: str) -> None:
    more, top, access, words = CLOSED[kind]
    with slapd(*more, top=top) as server:
        proof = probe("ldap", server.host, server.port).prove()
    assert proof is not None
    assert words in proof.detail
    assert proof.access is access


@pytest.mark.parametrize("inside", [False, True], ids=["no TLS to be had", "StartTLS"])
def test_a_server_that_wants_tls_first(probe: MakeProbe, inside: bool) -> None:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        servers.give(folder)
        tls = f"TLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\n" if inside else ""
        with slapd("access to * by * read", top=f"{tls}security ssf=64") as server:
            ldap = probe("ldap", server.host, server.port)
            proof = ldap.prove()
            found = ldap.objects() if inside else []
    assert proof is not None
    assert proof.tls is inside
    assert proof.access is (Access.GIVES_DATA if inside else Access.ASKS_CREDENTIAL)
    assert inside or "confidentialityRequired" in proof.detail
    assert all(isinstance(item, ObjectRef) for item in found)


def test_a_list_that_the_server_cuts_is_a_lower_bound(probe: MakeProbe) -> None:
    with slapd("access to * by * read", "sizelimit 2") as server:
        ldap = probe("ldap", server.host, server.port)
        proof, found = ldap.prove(), ldap.objects()
    assert proof is not None
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (2, False)
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.BUDGET]


def test_pages_are_followed_to_the_end(probe: MakeProbe) -> None:
    many = "".join(
        f"\ndn: ou=unit {n},{SUFFIX}\nobjectClass: organizationalUnit\nou: unit {n}\n"
        for n in range(1200)
    )
    with slapd("access to * by * read", "sizelimit unlimited", ldif=LDIF + many) as server:
        ldap = probe("ldap", server.host, server.port)
        proof, found = ldap.prove(), ldap.objects()
    assert proof is not None
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (1203, True)
    assert len({ref.path for ref in found if isinstance(ref, ObjectRef)}) == 1203


def test_a_referral_is_a_gap_and_never_followed(probe: MakeProbe) -> None:
    with servers.fake(lambda client: None, "127.0.0.9") as canary:
        away = f"ldap://{canary.host}:{canary.port}/dc=away"
        entry = f"\ndn: ou=away,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\n"
        with slapd("access to * by * read", ldif=f"{LDIF}{entry}ou: away\nref: {away}\n") as server:
            ldap = probe("ldap", server.host, server.port)
            proof, found = ldap.prove(), ldap.objects()
        assert contacts(canary) == 0
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert [g.reason for g in proof.gaps] == [Reason.OUT_OF_SCOPE]
    assert "127.0.0.9" in proof.gaps[0].detail
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.OUT_OF_SCOPE]


FORBIDDEN = {
    "bind with a password": wire.encoded(
        0x30, wire.integer(1), wire.encoded(0x60, b"\x02\x01\x03\x04\x04cn=x\x80\x01y")
    ),
    "add": wire.encoded(0x30, wire.integer(1), wire.encoded(0x68, b"")),
    "modify": wire.encoded(0x30, wire.integer(1), wire.encoded(0x66, b"")),
    "delete": wire.encoded(0x30, wire.integer(1), wire.encoded(0x4A, b"dc=example")),
    "extended": wire.encoded(0x30, wire.integer(1), wire.encoded(0x77, b"")),
    "a bind with something behind it": wire.bind(1) + b"x",
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_other_operation_leaves(
    probe: MakeProbe, open_server: servers.Server, kind: str
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(FORBIDDEN[kind])

    with pytest.raises(OutOfScope):
        probe("ldap", open_server.host, open_server.port).run(send)


def result(tag: int, code: int, more: bytes = b"", said: bytes = b"") -> bytes:
    return wire.encoded(tag, wire.integer(code, 0x0A), wire.encoded(4), wire.encoded(4, said), more)


def message(number: int, content: bytes) -> bytes:
    return wire.encoded(0x30, wire.integer(number), content)


def entry(name: bytes, **attributes: bytes) -> bytes:
    listed = [
        wire.encoded(0x30, wire.encoded(4, k.encode()), wire.encoded(0x31, wire.encoded(4, v)))
        for k, v in attributes.items()
    ]
    return wire.encoded(wire.ENTRY, wire.encoded(4, name), wire.encoded(0x30, *listed))


BOUND = message(1, result(wire.BIND_ANSWER, 0))
ROOT = message(2, entry(b"", namingContexts=b"dc=x")) + message(2, result(wire.DONE, 0))


def after(answers: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    """Say all of this as soon as the bind has come."""

    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(len(wire.bind(1)))
        client.say(answers)
        if flood:
            client.flood(flood)
        client.hear_bytes(100_000)

    return handle


HOSTILE: dict[str, tuple[Callable[[servers.Conversation], object], str]] = {
    "message of 4 GiB": (after(BOUND + ROOT + b"\x30\x84\xff\xff\xff\xff"), "1048576 are the"),
    "endless entries": (after(BOUND + ROOT, message(3, entry(b"cn=a"))), "more entries than"),
    "another's answer": (after(BOUND + ROOT + message(9, entry(b"cn=a"))), "not asked"),
    "a length beyond": (
        after(BOUND + ROOT + b"\x30\x05\x02\x01\x03\x65\x7f"),
        "beyond its message",
    ),
    "nested": (
        after(BOUND + ROOT + b"\x30\x84\x00\x0f\x00\x00" + b"\x30\x80" * 500_000),
        "a length that LDAP",
    ),
    "no end": (after(BOUND + ROOT), "no answer within"),
    "closing": (lambda client: client.hear_bytes(14), "closed the connection"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, words = HOSTILE[kind]
    limits = Limits(bytes=4_000_000, seconds=0.5 if kind == "no end" else 2.0)
    started = time.monotonic()
    with servers.fake(handle) as server, pytest.raises(ProtocolError, match=words):
        probe("ldap", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_what_was_read_stands_when_counting_breaks_off(probe: MakeProbe) -> None:
    read = message(3, entry(b"cn=a,dc=x", mail=b"a@example.org")) + message(3, result(wire.DONE, 0))
    with servers.fake(after(BOUND + ROOT + read)) as server:
        proof = probe("ldap", server.host, server.port, limits=Limits(seconds=0.5)).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (0, False)


@pytest.mark.parametrize(
    ("code", "access"),
    [
        (1, Access.ASKS_CREDENTIAL),  # Active Directory
        (10, Access.SPEAKS),
        (0, Access.SPEAKS),
        (51, Access.UNDETERMINED),
    ],
)
def test_codes_that_slapd_does_not_say(probe: MakeProbe, code: int, access: Access) -> None:
    leads = wire.encoded(0xA3, wire.encoded(4, b"ldap://192.0.2.1/")) if code == 10 else b""
    answers = BOUND + ROOT + message(3, result(wire.DONE, code, leads, b"000004DC: LdapErr"))
    with servers.fake(after(answers)) as server:
        proof = probe("ldap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert [g.reason for g in proof.gaps] == [Reason.OUT_OF_SCOPE] * (code == 10)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown\r\n", wire.bind(1), b"\x30\x03abc"],
)
def test_another_service_is_not_ldap(probe: MakeProbe, answer: bytes) -> None:
    with servers.fake(after(answer)) as server:
        assert probe("ldap", server.host, server.port).prove() is None


def test_a_real_redis_is_not_ldap(probe: MakeProbe) -> None:
    """It waits for the end of a line that a bind does not have."""
    with servers.redis() as other, pytest.raises(ProtocolError, match="no answer within"):
        probe("ldap", other.host, other.port, limits=Limits(seconds=0.5)).prove()


@given(
    st.binary(max_size=60)
    | st.binary(max_size=20).map(lambda b: message(1, entry(b"cn=x", a=b)))
    | st.tuples(st.binary(max_size=60), st.integers(0, 255)).map(
        lambda t: message(1, wire.encoded(t[1], t[0]))
    )
)
def test_fuzz_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    with suppress(wire.NotLdap):
        outer = list(wire.elements(data))
        assert sum(len(content) + 2 for _, content in outer) <= len(data)
        for _, content in outer:
            found = wire.parse_message(content)
            assert found.tag & 0xC0 == 0x40
            for parse in (wire.parse_result, wire.parse_entry):
                with suppress(wire.NotLdap):
                    parse(found)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_fuzz_what_is_encoded_is_read_again(name: bytes, value: bytes) -> None:
    ((_, inside),) = wire.elements(message(7, entry(name, mail=value)))
    found = wire.parse_message(inside)
    assert (found.number, found.tag) == (7, wire.ENTRY)
    assert wire.parse_entry(found) == wire.Entry(name, {b"mail": [value]})
