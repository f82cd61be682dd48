"""CloudTrail: unknown bytes, anonymous callers, switched-off trails, and the digest chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import lines, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import Act
from leftopen.trace.cloudtrail_digest import Chain, check
from leftopen.trace.formats.cloudtrail import FORMAT, _event, _example

HOUR, T0 = 3600, 1675814400


def one(**changes: object) -> dict[str, object]:
    (made,) = rows(read_all(FORMAT, _example(_event(**changes)).encode())).to_dicts()
    return made


@pytest.mark.parametrize(
    "extra", [None, {}, {"bytesTransferredOut": "x"}, {"bytesTransferredOut": -1}]
)
def test_without_a_count_bytes_are_unknown_never_zero(extra: object) -> None:
    assert one(additionalEventData=extra)["bytes"] is None
    assert one(additionalEventData=extra, errorCode="NoSuchKey")["bytes"] == 0


@pytest.mark.parametrize(
    ("who", "user"),
    [
        ({"type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL"}, False),
        ({"type": "AWSAccount", "principalId": "ANONYMOUS_PRINCIPAL"}, False),
        ({"type": "AssumedRole", "principalId": "A:b", "accountId": "1"}, True),
        (None, False),
    ],
)
def test_who_had_a_login(who: object, user: bool) -> None:
    assert one(userIdentity=who)["user"] is user


def test_events_of_other_services_name_no_client_but_show_the_trail_at_work() -> None:
    made = one(eventSource="iam.amazonaws.com", eventName="ListUsers")
    assert (made["client"], made["time"]) == (None, 1675825965)


def test_a_trail_switched_off_is_a_gap() -> None:
    event = _event(eventSource="cloudtrail.amazonaws.com", eventName="StopLogging")
    failed = event | {"errorCode": "AccessDenied"}
    found = read_all(FORMAT, _example(event, failed, _event()).encode())
    troubles = [t for c in found for t in c.troubles]
    assert [t.reason for t in troubles] == [Reason.NO_LOG]
    assert "StopLogging" in troubles[0].detail


def test_twice_delivered_counts_once_across_lines() -> None:
    event = json.dumps(_event(eventID="x"))
    found = read_all(FORMAT, f"{event}\n{event}\n".encode())
    assert (rows(found).height, lines(found), rejected(found)) == (1, 2, 0)


def test_a_cut_file_keeps_its_whole_records() -> None:
    data = _example(_event(), _event(), _event()).encode()
    found = read_all(FORMAT, data[:-100])
    assert (rows(found).height, rejected(found)) == (2, 1)
    joined = read_all(FORMAT, data + data)
    assert (rows(joined).height, rejected(joined)) == (6, 0)


def test_hostile_values() -> None:
    made = one(userAgent="\x1b]0;x\x07" * 999, requestParameters={"key": {"a": 1}})
    assert len(str(made["agent"])) <= 200
    assert made["act"] == Act.WHOLE
    assert one(sourceIPAddress="\x1b[2J")["client"] is None
    deep = b'{"Records":[' + b"[" * 100_000
    assert rejected(read_all(FORMAT, deep)) == 1


@given(data=st.one_of(st.binary(max_size=200), mutated(_example(_event(), _event()))))
@settings(max_examples=80, deadline=None)
def test_fuzz_cloudtrail(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)


class Trail:
    """Digests as CloudTrail makes them, signed by a key of the test."""

    def __init__(self) -> None:
        self.key: RSAPrivateKey = generate_private_key(65537, 2048)
        self.public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        self.signatures: dict[str, str] = {}
        self.digests: list[bytes] = []
        self._before: tuple[str, str, str] | None = None

    def hour(self, number: int, files: Mapping[str, bytes] | None = None) -> None:
        def stamp(at: int) -> str:
            return f"2023-02-08T{at:02d}:00:00Z"

        name = f"AWSLogs/1/CloudTrail-Digest/{number}.json.gz"
        before = self._before
        log = [
            {
                "s3Bucket": "logs",
                "s3Object": n,
                "hashValue": hashlib.sha256(c).hexdigest(),
                "hashAlgorithm": "SHA-256",
            }
            for n, c in (files or {}).items()
        ]
        data = json.dumps(
            {
                "awsAccountId": "1",
                "digestStartTime": stamp(number),
                "digestEndTime": stamp(number + 1),
                "digestS3Bucket": "logs",
                "digestS3Object": name,
                "digestPublicKeyFingerprint": "f",
                "digestSignatureAlgorithm": "SHA256withRSA",
                "previousDigestS3Object": before and before[0],
                "previousDigestHashValue": before and before[1],
                "previousDigestSignature": before and before[2],
                "logFiles": log,
            }
        ).encode()
        sha = hashlib.sha256(data).hexdigest()
        text = f"{stamp(number + 1)}\nlogs/{name}\n{sha}\n{before[2] if before else 'null'}"
        signature = self.key.sign(text.encode(), PKCS1v15(), SHA256()).hex()
        self.digests.append(data)
        self.signatures[name] = signature
        self._before = (name, sha, signature)

    def check(self, digests: list[bytes] | None = None, *, key: bool = True) -> Chain:
        last = {n: s for n, s in self.signatures.items() if "/4." in n}
        return check(
            self.digests if digests is None else digests, {"f": self.public} if key else {}, last
        )


@pytest.fixture(scope="module")
def trail() -> Trail:
    made = Trail()
    for hour in range(5):
        made.hour(hour, {f"log{hour}.json.gz": b"content"})
    return made


def test_a_whole_chain_is_proved_though_only_the_newest_signature_is_given(trail: Trail) -> None:
    chain = trail.check(trail.digests[::-1])
    assert chain.proved == ((T0, T0 + 5 * HOUR),)
    assert (chain.holes, chain.unsigned, chain.troubles) == ((), (), ())
    assert chain.files["log3.json.gz"] == hashlib.sha256(b"content").hexdigest()


def test_a_missing_digest_is_a_hole(trail: Trail) -> None:
    chain = trail.check([d for n, d in enumerate(trail.digests) if n != 2])
    assert chain.holes == ((T0 + 2 * HOUR, T0 + 3 * HOUR),)
    # nothing names the signature of hour 1 any more
    assert chain.proved == ((T0, T0 + HOUR), (T0 + 3 * HOUR, T0 + 5 * HOUR))
    assert chain.unsigned == ((T0 + HOUR, T0 + 2 * HOUR),)


def test_a_changed_digest_proves_nothing(trail: Trail) -> None:
    digests = list(trail.digests)
    digests[1] = digests[1].replace(b"log1", b"logX")
    chain = trail.check(digests)
    assert chain.proved == ((T0, T0 + HOUR), (T0 + 2 * HOUR, T0 + 5 * HOUR))
    assert chain.holes == ((T0 + HOUR, T0 + 2 * HOUR),)
    assert any("signature is wrong" in t for t in chain.troubles)
    assert any("not what the next digest saw" in t for t in chain.troubles)
    assert "logX.json.gz" not in chain.files


def test_without_the_key_nothing_is_proved(trail: Trail) -> None:
    chain = trail.check(key=False)
    assert (chain.proved, chain.files) == ((), {})
    assert chain.unsigned == ((T0, T0 + 5 * HOUR),)


def test_hostile_digests_are_troubles(trail: Trail) -> None:
    good = json.loads(trail.digests[0])
    bad = [
        b"\xff",
        b"[" * 100_000,
        json.dumps(good | {"digestEndTime": "9999-12-31T23:59:59Z"}).encode(),
        json.dumps(good | {"digestSignatureAlgorithm": "none"}).encode(),
    ]
    chain = check(bad, {"f": b"no key"}, {"AWSLogs/1/CloudTrail-Digest/0.json.gz": "zz"})
    assert chain.proved == ()
    assert len(chain.troubles) == 4
    unreadable = check([trail.digests[0]], {"f": b"no key"}, trail.signatures)
    assert "cannot be read" in unreadable.troubles[0]
