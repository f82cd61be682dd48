"""CloudTrail's digest chain: which hours of a trail are proved to be whole, and which files.

Once an hour CloudTrail delivers a digest file that names every log file of that hour with its
SHA-256 (of the uncompressed content), even when there was none, and the hash and signature of the
digest before it. It is signed by RSA (PKCS #1 v1.5, SHA-256) over
"<digestEndTime>\n<bucket>/<key>\n<SHA-256 of the digest, hex>\n<signature before, hex or null>"
(docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-custom-
validation.html; aws/aws-cli awscli/customizations/cloudtrail/validation.py). A digest's own
signature is metadata of its object, and stands in the next digest: only the newest needs it given.
Without the public key of the region nothing is proved; a chain then shows holes, not authenticity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from leftopen.trace.instants import utc
from leftopen.trace.json_records import BAD_JSON
from leftopen.trace.stretches import Stretch, merge

DIGEST_MAX = 64 << 20  # bytes of one digest
SIGNATURE_MAX = 4096  # hexadecimal digits


class _LogFile(msgspec.Struct):
    s3Object: str
    hashValue: str
    hashAlgorithm: str = "SHA-256"


class _Digest(msgspec.Struct):
    digestStartTime: str
    digestEndTime: str
    digestS3Bucket: str
    digestS3Object: str
    digestPublicKeyFingerprint: str
    previousDigestS3Object: str | None
    previousDigestHashValue: str | None
    previousDigestSignature: str | None
    logFiles: list[_LogFile]
    digestSignatureAlgorithm: str = "SHA256withRSA"


@dataclass(frozen=True, slots=True)
class Chain:
    """What a set of digests proves."""

    proved: tuple[Stretch, ...]  # signed, and linked to a neighbour or signed by itself
    holes: tuple[Stretch, ...]  # between the first and the last: a digest is missing or broken
    unsigned: tuple[Stretch, ...]  # well formed, but no key or signature to check it by
    files: Mapping[str, str]  # log file -> SHA-256 of its content, of proved digests only
    troubles: tuple[str, ...]  # for people


@dataclass(frozen=True, slots=True)
class _Link:
    start: int
    end: int
    digest: _Digest
    sha256: str


def check(
    digests: Iterable[bytes],
    keys: Mapping[str, bytes],
    signatures: Mapping[str, str] | None = None,
) -> Chain:
    """Check digest files of one trail and one region (uncompressed content, any order).

    `keys`: public keys (DER: PKCS #1 as `aws cloudtrail list-public-keys` gives them, or
    SubjectPublicKeyInfo) by fingerprint. `signatures`: x-amz-meta-signature (hex) by object key,
    where known. Raises nothing on bad input: what cannot be read is a trouble.
    """
    troubles: list[str] = []
    links = _links(digests, troubles)
    known = dict(signatures or {})
    for link in links:
        if link.digest.previousDigestS3Object and link.digest.previousDigestSignature:
            known.setdefault(
                link.digest.previousDigestS3Object, link.digest.previousDigestSignature
            )
    proved: list[Stretch] = []
    unsigned: list[Stretch] = []
    files: dict[str, str] = {}
    for link in links:
        verdict = _verdict(link, keys, known.get(link.digest.digestS3Object))
        if verdict is None:
            unsigned.append((link.start, link.end))
        elif verdict:
            troubles.append(f"{link.digest.digestS3Object[:200]}: {verdict}")
        else:
            proved.append((link.start, link.end))
            files |= {f.s3Object: f.hashValue.lower() for f in link.digest.logFiles}
    broken = _broken(links, troubles)
    good = merge([s for s in (*proved, *unsigned) if s not in broken], 0)
    holes = tuple((a[1], b[0]) for a, b in pairwise(good))
    kept = tuple(merge([s for s in proved if s not in broken], 0))
    return Chain(kept, holes, tuple(merge(unsigned, 0)), files, tuple(troubles))


def _links(digests: Iterable[bytes], troubles: list[str]) -> list[_Link]:
    decode = msgspec.json.Decoder(_Digest).decode
    found: dict[str, _Link] = {}
    for data in digests:
        try:
            digest = decode(data[:DIGEST_MAX])
        except BAD_JSON:
            troubles.append("a file that is no digest")
            continue
        start, end = utc(digest.digestStartTime), utc(digest.digestEndTime)
        if start is None or end is None or end <= start:
            troubles.append(f"{digest.digestS3Object[:200]}: its times make no interval")
            continue
        link = _Link(start, end, digest, hashlib.sha256(data).hexdigest())
        other = found.setdefault(digest.digestS3Object, link)
        if other.sha256 != link.sha256:
            troubles.append(f"{digest.digestS3Object[:200]}: two different files of that name")
    return sorted(found.values(), key=lambda link: (link.start, link.digest.digestS3Object))


def _broken(links: list[_Link], troubles: list[str]) -> set[Stretch]:
    """Digests whose successor names another hash than theirs."""
    by_name = {link.digest.digestS3Object: link for link in links}
    broken: set[Stretch] = set()
    for link in links:
        before = by_name.get(link.digest.previousDigestS3Object or "")
        wanted = (link.digest.previousDigestHashValue or "").lower()
        if before is not None and wanted and before.sha256 != wanted:
            broken.add((before.start, before.end))
            troubles.append(f"{before.digest.digestS3Object[:200]}: not what the next digest saw")
    return broken


def _verdict(link: _Link, keys: Mapping[str, bytes], signature: str | None) -> str | None:
    """Nothing: proved; a reason: wrong; None: there is no key or signature to check by."""
    digest = link.digest
    if digest.digestSignatureAlgorithm != "SHA256withRSA":
        return "signed by an algorithm that is not known"
    key = keys.get(digest.digestPublicKeyFingerprint)
    if key is None or signature is None:
        return None
    text = (
        f"{digest.digestEndTime}\n{digest.digestS3Bucket}/{digest.digestS3Object}\n"
        f"{link.sha256}\n{digest.previousDigestSignature or 'null'}"
    )
    try:
        public = load_der_public_key(key)
        signed = bytes.fromhex(signature[:SIGNATURE_MAX])
    except (ValueError, UnsupportedAlgorithm):
        return "its key or signature cannot be read"
    if not isinstance(public, RSAPublicKey):
        return "its key is not an RSA key"
    try:
        public.verify(signed, text.encode("utf-8", "replace"), PKCS1v15(), SHA256())
    except InvalidSignature:
        return "its signature is wrong"
    return ""
