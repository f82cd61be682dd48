"""Certificates as evidence: their names, from a real handshake and from hostile bytes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import ProtocolError
from leftopen.reach.certificates import MAX_NAMES, NAME_SHOWN, read
from reaching import look

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def made(common: str, names: Sequence[x509.GeneralName]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, START, END)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_names_of_the_subject_and_the_alternatives() -> None:
    names = [x509.DNSName("mail.example.mil"), x509.DNSName("a.example"), x509.DNSName("a.example")]
    der = made("a.example", [*names, x509.IPAddress(ipaddress.ip_address("10.0.0.7"))])
    found = read(der)
    assert found.names == ("a.example", "mail.example.mil", "10.0.0.7")
    assert found.issuer == "CN=a.example"
    assert (found.not_before, found.not_after) == (START, END)
    assert len(found.sha256) == 64


def test_hostile_names_are_few_short_and_safe() -> None:
    names = [x509.DNSName(f"n{n}.example") for n in range(2000)]
    found = read(made("\x1b[31m<script>\u202e" + "x" * 40, names))
    assert len(found.names) == MAX_NAMES
    assert all(len(n) <= NAME_SHOWN and n.isprintable() for n in found.names)
    assert "\x1b" not in found.names[0] + found.issuer
    assert "\u202e" not in found.names[0] + found.issuer


def test_no_certificate() -> None:
    for der in (b"", b"0", b"\x30\x84\xff\xff\xff\xff", b"x" * 70_000, made("a", ())[:-9]):
        with pytest.raises(ProtocolError):
            read(der)


@given(st.binary(max_size=400))
def test_fuzz_any_bytes_are_a_certificate_or_an_error(der: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(der)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_fuzz_a_certificate_with_one_wrong_byte(at: int, value: int) -> None:
    der = bytearray(GOOD)
    der[at % len(der)] = value
    try:
        found = read(bytes(der))
    except ProtocolError:
        return
    assert all(n.isprintable() for n in found.names)


GOOD = made("a.example", [x509.DNSName("b.example")])


def test_a_look_inside_tls_keeps_the_certificate() -> None:
    block = "location / { autoindex on; root {root}; }"
    with servers.nginx(block, {"a.txt": b"x"}, tls=True) as server:
        outcome = look(server.host, server.port)
    found = outcome.observation.certificate
    assert found is not None
    assert found.names
    shown = [e for e in outcome.evidence if e.request == "TLS handshake"]
    assert [e.uid for e in shown] == [e for e in outcome.observation.evidence if e == shown[0].uid]
    assert found.names[0] in shown[0].answer
    assert "openssl s_client" in shown[0].reproduce
