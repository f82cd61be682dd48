"""S3 server access logs: copies, cut bodies, agents with quotes, and what breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.trace.api import Act
from leftopen.trace.formats.s3_access import FORMAT, _example

# docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
VENDOR = (
    f"{OWNER} awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} 3E57427F3EXAMPLE "
    'REST.GET.VERSIONING - "GET /awsexamplebucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" '
    '"S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3= '
    "SigV2 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader awsexamplebucket1.s3.amazonaws.com TLSV1.1\n"
    f"{OWNER} awsexamplebucket1 [06/Feb/2019:00:01:57 +0000] 192.0.2.3 {OWNER} DD6CC733AEXAMPLE "
    'REST.PUT.OBJECT s3-dg.pdf "PUT /awsexamplebucket1/s3-dg.pdf HTTP/1.1" 200 - - 4406583 41754 '
    '28 "-" "S3Console/0.4" - 10S62Zv81kBW7BB6SX4XJ48o6kpcl6LPwEoizZQQxJd5qDSCTLX0= '
    "SigV4 ECDHE-RSA-AES128-SHA AuthHeader awsexamplebucket1.s3.amazonaws.com TLSV1.1\n"
)


def one(**changes: str) -> dict[str, object]:
    (made,) = rows(read_all(FORMAT, _example(**changes).encode())).to_dicts()
    return made


def test_the_vendors_samples() -> None:
    found = read_all(FORMAT, VENDOR.encode())
    made = rows(found).to_dicts()
    assert rejected(found) == 0
    assert [(r["act"], r["bytes"], r["user"]) for r in made] == [
        (Act.LOOKED, 113, True),
        (Act.LOOKED, 0, True),
    ]
    assert FORMAT.recognise(VENDOR.encode(), "x") == 96


@pytest.mark.parametrize(
    ("changes", "act"),
    [
        ({}, Act.WHOLE),
        ({"operation": "WEBSITE.GET.OBJECT"}, Act.WHOLE),
        ({"code": "206", "size": "10"}, Act.PART),
        ({"size": "2097151"}, Act.PART),
        ({"code": "304", "size": "-"}, Act.LOOKED),
        ({"code": "404"}, Act.TOUCHED),
        ({"operation": "REST.GET.ACL"}, Act.LOOKED),
        ({"operation": "REST.GET.BUCKETVERSIONS", "key": "-"}, Act.LISTED),
        ({"operation": "REST.SELECT.OBJECT"}, Act.PART),
        ({"operation": "REST.GET.OBJECT_TAGGING"}, Act.LOOKED),
    ],
)
def test_acts(changes: dict[str, str], act: Act) -> None:
    assert one(**changes)["act"] == act


def test_a_copy_is_the_object_of_unknown_size() -> None:
    made = one(operation="REST.COPY.OBJECT_GET", size="-", whole="2097152")
    assert (made["act"], made["bytes"]) == (Act.WHOLE, None)
    refused = one(operation="REST.COPY.OBJECT_GET", size="-", code="403")
    assert (refused["act"], refused["bytes"]) == (Act.TOUCHED, 0)


def test_quotes_in_the_agent_lose_no_line() -> None:
    assert one(agent='"a "b" c')["agent"] == "a "
    assert one(agent="-")["agent"] is None


def test_services_are_no_clients() -> None:
    assert one(client="cloudfront.amazonaws.com")["client"] is None


def test_short_lines_of_old_logs() -> None:
    short = _example().split(' "-" ')[0] + "\n"
    assert rows(read_all(FORMAT, short.encode())).height == 1


@pytest.mark.parametrize("time", ["08/Feb/0000:03:12:45 +0000", "08/Feb/9999:03:12:45 +0000", "x"])
def test_impossible_times_are_rejected(time: str) -> None:
    assert rejected(read_all(FORMAT, _example(time=time).encode())) == 1


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, VENDOR + _example())


@given(data=st.one_of(st.binary(max_size=200), mutated(_example() + _example(code="404"))))
@settings(max_examples=80, deadline=None)
def test_fuzz_s3_access(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
