"""S3: rclone's server open and closed, recorded answers of Amazon, MinIO and SeaweedFS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.rclone import OBJECTS, SECRET, rclone
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.model.scope import Target
from leftopen.net.http import Response
from leftopen.reach.protocols.s3 import _Place, _place, parse_page
from leftopen.reach.reach import object_name
from probing import Probe
from reaching import answer, look, look_at_store, reach_of, read_all, scope_of, store_scope, web


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with rclone() as server:
        yield server


def url_of(server: object, path: str) -> str:
    return f"http://{servers.CLIENT}:{server.port}/{path}"  # type: ignore[attr-defined]


def test_an_open_bucket_gives_data(open_server: servers.Server) -> None:
    reach, outcome = look_at_store(url_of(open_server, "box"), "s3")
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "s3")
    assert seen.endpoint.name == "127.0.0.1/box"
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (4, "objects", True)
    assert seen.size.bytes == sum(map(len, OBJECTS.values()))
    assert seen.containers == ("2023",)
    assert "078-05-1120" not in repr(outcome)
    assert outcome.evidence[0].reproduce.startswith("curl -s 'http://127.0.0.1:")
    refs, fetched, gaps = read_all(reach, outcome)
    named = {object_name(r, "s3").removeprefix("/box/"): r for r in refs}
    assert set(named) == set(OBJECTS)
    assert all(r.time is not None and r.size == len(OBJECTS[n]) for n, r in named.items())
    assert named["2023/c"].group == "2023"
    assert sorted(f.data for f in fetched) == sorted(OBJECTS.values())
    assert gaps == []


def test_pages_follow_their_token(
    open_server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leftopen.reach.protocols.s3.PAGE", 1)
    reach, outcome = look_at_store(url_of(open_server, "box"), "s3")
    assert outcome.observation.size is not None
    assert not outcome.observation.size.complete
    refs, _, gaps = read_all(reach, outcome)
    assert len({r.path for r in refs}) == 4
    assert gaps == []


def test_an_empty_bucket_only_lists(open_server: servers.Server) -> None:
    _, outcome = look_at_store(url_of(open_server, "void"), "s3")
    assert outcome.observation.access is Access.LISTS
    assert "it is empty" in outcome.observation.detail


def test_a_bucket_that_is_not_there(open_server: servers.Server) -> None:
    _, outcome = look_at_store(url_of(open_server, "nope"), "s3")
    assert outcome.observation.access is Access.SPEAKS
    assert "404 NoSuchBucket: absent" in outcome.observation.detail
    assert [g.reason for g in outcome.gaps] == [Reason.NOT_GIVEN]


def test_a_closed_server_asks() -> None:
    """rclone refuses what is unsigned with a 400."""
    with rclone("--auth-key", "key,correct-horse") as server:
        _, outcome = look_at_store(url_of(server, "box/top.pst"), "s3")
    assert (outcome.observation.access, outcome.observation.protocol) == (
        Access.ASKS_CREDENTIAL,
        "s3",
    )
    assert "400 UnsupportedAlgorithm" in outcome.observation.detail


@pytest.mark.parametrize("store", [True, False])
def test_an_endpoint_that_names_its_buckets(open_server: servers.Server, store: bool) -> None:
    if store:
        reach, outcome = look_at_store(url_of(open_server, ""), "s3")
    else:
        reach = reach_of(scope_of(ports=(open_server.port,)))
        outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "s3")
    assert seen.detail.startswith("box: the bucket lists 4 objects")
    assert seen.containers == ("box", "void")
    refs, fetched, gaps = read_all(reach, outcome)
    assert (len(refs), len(fetched), gaps) == (4, 4, [])


def test_buckets_are_never_guessed() -> None:
    """A fake MinIO: / stays 403, and only what the owner claims is asked for."""
    with web(lambda path: MINIO) as server:
        seen = look(server.host, server.port).observation
        asked = {line.split()[1] for line in server.requests}
    assert (seen.access, seen.protocol, seen.product) == (Access.SPEAKS, "s3", "MinIO")
    assert asked <= {"/", "/.well-known/jmap"}  # the latter by the probe of web servers


@pytest.mark.parametrize("public", [True, False])
def test_claimed_buckets_of_a_fake_minio(probe: Callable[..., Probe], public: bool) -> None:
    page = b"<ListBucketResult><Contents><Key>a</Key><Size>5</Size></Contents></ListBucketResult>"

    def reply(path: str) -> bytes:
        if public and path.startswith("/mine?"):
            return answer(page, kind="application/xml")
        return answer(b"hello") if public and path == "/mine/a" else MINIO

    claims = 'buckets = ["other", "mine", "../no"]'
    with web(reply) as server:
        made = probe("s3", server.host, server.port, claims=claims)
        proof, found = made.prove(), made.objects()
    assert proof is not None
    assert proof.access is (Access.GIVES_DATA if public else Access.ASKS_CREDENTIAL)
    assert not any(".." in line for line in server.requests)
    assert ("mine: " in proof.detail) is public
    assert [getattr(x, "path", "") for x in found] == (["", "/mine/a"] if public else ["", ""])


def test_ceph_without_buckets_only_speaks() -> None:
    """A fake of RGW: anybody is told that he owns no bucket."""
    owner = b"<Owner><ID>anonymous</ID></Owner><Buckets/>"
    said = b"<ListAllMyBucketsResult>" + owner + b"</ListAllMyBucketsResult>"
    with web(lambda path: answer(said, kind="application/xml")) as server:
        seen = look(server.host, server.port).observation
    assert (seen.access, seen.protocol) == (Access.SPEAKS, "s3")


ID = {"x-amz-request-id": "1", "Server": "AmazonS3"}


def error(status: str, code: str, more: dict[str, str] = ID) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
    return answer(body, status, "application/xml", more)


MINIO = error("403 no", "AccessDenied", {"Server": "MinIO", "x-amz-request-id": "1"})

RECORDED = {
    "Amazon": (error("403 no", "AccessDenied"), Access.ASKS_CREDENTIAL, "refused or absent"),
    "MinIO": (error("403 no", "AccessDenied", {"Server": "MinIO"}), Access.ASKS_CREDENTIAL, "403"),
    "absent": (error("404 no", "NoSuchBucket"), Access.SPEAKS, "absent"),
    "moved": (error("301 no", "PermanentRedirect"), Access.SPEAKS, "301"),
    "another 400": (error("400 no", "InvalidBucketName"), Access.UNDETERMINED, "400"),
    "moto": (error("500 no", "InternalError"), Access.UNDETERMINED, "500"),
}


@pytest.mark.parametrize("kind", RECORDED)
def test_recorded_refusals(kind: str) -> None:
    reply, access, words = RECORDED[kind]
    with web(lambda path: reply) as server:
        _, outcome = look_at_store(url_of(server, "box"), "s3")
        assert all(request.startswith("GET /box?") for request in server.requests)
    assert (outcome.observation.access, outcome.observation.protocol) == (access, "s3")
    assert words in outcome.observation.detail
    assert [g.reason for g in outcome.gaps] == [Reason.NOT_GIVEN]


def test_an_object_may_be_public_where_the_list_is_not() -> None:
    def reply(path: str) -> bytes:
        return answer(SECRET) if path == "/box/a.eml" else error("403 no", "AccessDenied")

    with web(reply) as server:
        reach, named = look_at_store(url_of(server, "box/a.eml"), "s3")
        refs, fetched, _ = read_all(reach, named)
    assert named.observation.access is Access.GIVES_DATA
    assert [g.reason for g in named.gaps] == [Reason.NOT_GIVEN]
    assert (len(refs), [f.data for f in fetched]) == (1, [SECRET])


def test_a_query_of_the_url_is_never_sent() -> None:
    with web(lambda path: error("403 no", "AccessDenied")) as server:
        look_at_store(url_of(server, "box?X-Amz-Signature=secret"), "s3")
        assert server.requests
        assert not any("secret" in request for request in server.requests)


def listing(*keys: str, more: str = "") -> bytes:
    items = "".join(f"<Contents><Key>{k}</Key><Size>5</Size></Contents>" for k in keys)
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<ListBucketResult xmlns="{space}">{items}{more}</ListBucketResult>'.encode()


def listed(body: bytes) -> bytes:
    return answer(body, kind="application/xml", more=ID)


def test_names_without_objects_are_only_names() -> None:
    def reply(path: str) -> bytes:
        return listed(listing("a", "b")) if "list-type" in path else error("403 no", "AccessDenied")

    with web(reply) as server:
        reach, outcome = look_at_store(url_of(server, "box"), "s3")
        _, _, gaps = read_all(reach, outcome)
    assert outcome.observation.access is Access.LISTS
    assert [g.reason for g in gaps] == [Reason.REFUSED, Reason.REFUSED]


def test_a_catch_all_gives_no_object() -> None:
    with web(lambda path: listed(listing("a", "b"))) as server:
        _, outcome = look_at_store(url_of(server, "box"), "s3")
    assert outcome.observation.access is Access.LISTS


def test_the_same_page_again_and_again_ends() -> None:
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    with web(lambda path: listed(listing("a", "", "k" * 1025, more=more))) as server:
        reach, outcome = look_at_store(url_of(server, "box"), "s3")
        refs, _, gaps = read_all(reach, outcome)
        assert len(server.requests) < 20
    assert outcome.observation.size is not None
    assert not outcome.observation.size.complete
    assert len(refs) == 2
    assert {g.reason for g in gaps} == {Reason.UNPARSED, Reason.MISBEHAVED}
    assert [g.count for g in gaps if g.reason is Reason.UNPARSED] == [2, 2]


BOMB = b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + listing("&a;")
HOSTILE = {
    "entities": BOMB,
    "late document type": b" " * 2000 + BOMB,
    "other root": b"<EnumerationResults/>",
    "no XML": b"ListBucketResult",
    "deep": b"<ListBucketResult>" + b"<a>" * 100_000,
    "endless": b"<ListBucketResult>" + b"<a/>" * 600_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_lists_are_no_lists(kind: str) -> None:
    with web(lambda path: listed(HOSTILE[kind])) as server:
        _, outcome = look_at_store(url_of(server, "box"), "s3")
    assert outcome.observation.access is Access.UNDETERMINED
    assert outcome.gaps


STRANGERS: dict[str, Callable[[str], bytes]] = {
    "web": lambda path: answer(b"ListBucketResult <Error><Code>AccessDenied</Code></Error>"),
    "404": lambda path: answer(b"no", "404 no"),
    "login": lambda path: answer(b"<html/>", "403 no"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_another_service_is_not_s3(kind: str) -> None:
    with web(STRANGERS[kind]) as server:
        _, outcome = look_at_store(url_of(server, "box"), "s3")
    assert (outcome.observation.access, outcome.observation.protocol) == (Access.SPEAKS, "")


def resolved(name: str) -> tuple[str, ...]:
    """Every name is this host."""
    return ("127.0.0.1",)


PLACES = {
    "http://box.s3.eu-west-1.amazonaws.com/a/b": ("/", "/a/b"),
    "http://a.b.s3.amazonaws.com/": ("/", ""),
    "http://s3.amazonaws.com/box/a": ("/box", "/box/a"),
    "http://s3-us-west-2.amazonaws.com/box": ("/box", ""),
    "http://box.nyc3.digitaloceanspaces.com/": ("/", ""),
    "http://minio.example.org/box/a/b": ("/box", "/box/a/b"),
    "http://127.0.0.1/box/": ("/box", ""),
}


@dataclass
class Fake:
    """A Context as far as `_place` looks into it."""

    target: Target


@pytest.mark.parametrize("url", PLACES)
def test_where_the_bucket_stands_in_a_url(url: str) -> None:
    host = url.split("/")[2]
    scope = store_scope(url, "s3", networks=("127.0.0.1/32",))
    (target,) = reach_of(scope, resolver=resolved).targets()
    assert isinstance(target, Target)
    assert host in (target.endpoint.name, target.endpoint.address)
    place = _place(Fake(target))  # type: ignore[arg-type]
    assert (place.bucket, place.object) == PLACES[url]


@given(st.binary(max_size=80) | st.text(max_size=20).map(lambda t: listing(t, more=t)))
def test_fuzz_any_answer_is_a_page_or_none(body: bytes) -> None:
    found = parse_page(_Place("/box", ""), Response(200, {}, body, complete=True, tls=False))
    assert found is None or all(ref.path.startswith("/box/") for ref in found.refs)
