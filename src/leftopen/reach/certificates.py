"""What a server's certificate says: evidence of who stands there, never a proof of it.

Its names are hosts that the same machine may serve under another name; none of them is contacted
unless the scope file names it.
"""

from __future__ import annotations

import shlex
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from msgspec import structs

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Certificate, Evidence
from leftopen.model.redact import safe
from leftopen.reach.api import Context

MAX_BYTES: Final = 65_536
MAX_NAMES: Final = 50
NAME_SHOWN: Final = 100  # characters; a DNS name has at most 253, a useful one far fewer


def read(der: bytes) -> Certificate:
    """The names, issuer and dates of a certificate (RFC 5280), all text made safe.

    Raises:
        ProtocolError: too large, or no certificate.
    """
    if len(der) > MAX_BYTES:
        raise ProtocolError(f"a certificate of {len(der)} bytes")
    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(
            names=_names(found),
            issuer=safe(found.issuer.rfc4514_string(), 160),
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            sha256=found.fingerprint(SHA256()).hex(),
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion) as e:
        raise ProtocolError(f"a certificate that cannot be read: {safe(str(e), 80)}") from None


def _names(found: x509.Certificate) -> tuple[str, ...]:
    common = [str(a.value) for a in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        other = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        other = None
    names = [*common[:5]]
    if other is not None:
        names += other.get_values_for_type(x509.DNSName)[:MAX_NAMES]
        names += [str(a) for a in other.get_values_for_type(x509.IPAddress)[:MAX_NAMES]]
    return tuple(dict.fromkeys(safe(n, NAME_SHOWN) for n in names))[:MAX_NAMES]


def shown(context: Context, certificate: Certificate, der: bytes) -> Evidence:
    """The handshake as evidence that a sceptic can repeat."""
    endpoint = context.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    name = context.target.endpoint.name
    server = f" -servername {shlex.quote(name)}" if name else ""
    said = ", ".join(certificate.names) or "no name"
    text = f"certificate for {said}, until {certificate.not_after:%Y-%m-%d}"
    made = context.evidence(
        "TLS handshake",
        der,
        f"openssl s_client -connect {host}:{endpoint.port}{server} </dev/null | "
        "openssl x509 -noout -subject -issuer -dates -ext subjectAltName",
    )
    return structs.replace(made, answer=safe(text, 300))
