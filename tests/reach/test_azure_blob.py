"""Azure Blob containers: real Azurite open and private, recorded answers of Azure itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import servers
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach.reach import object_name
from reaching import answer, look_at_store, read_all, web

MAIL = b"Subject: hi\r\n\r\nnumber 078-05-1120\r\n"
BLOBS = {"2023/a b%2541.eml": MAIL, "2023/c.eml": MAIL * 9, "empty": b"", "top.pst": b"x" * 9000}


@pytest.fixture(scope="module")
def azurite() -> Iterator[servers.Server]:
    encoded = {name.replace(" ", "%20"): data for name, data in BLOBS.items()}
    public = ("container", encoded)
    with servers.azurite(
        {"open": public, "blobs": ("blob", {"known.eml": MAIL}), "private": ("", {"x": MAIL})}
    ) as server:
        yield server


def url_of(server: servers.Server, path: str) -> str:
    return f"http://{server.host}:{server.port}/devstoreaccount1/{path}"


def test_a_public_container_gives_data(azurite: servers.Server) -> None:
    reach, outcome = look_at_store(url_of(azurite, "open"), "azure_blob")
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "azure_blob")
    assert seen.endpoint.name == "127.0.0.1/devstoreaccount1/open"
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (4, True)
    assert seen.size.bytes == sum(map(len, BLOBS.values()))
    assert seen.containers == ("2023",)
    assert "078-05-1120" not in repr(outcome)
    refs, fetched, gaps = read_all(reach, outcome)
    prefix = "/devstoreaccount1/open/"
    names = {object_name(r, "azure_blob").removeprefix(prefix): r for r in refs}
    assert set(names) == {"2023/a b%41.eml", "2023/c.eml", "empty", "top.pst"}
    assert names["2023/c.eml"].group == "2023"
    assert all(r.time is not None for r in refs)
    assert sorted(f.data for f in fetched) == sorted(BLOBS.values())
    assert gaps == []


def test_a_private_container_is_refused(azurite: servers.Server) -> None:
    _, outcome = look_at_store(url_of(azurite, "private"), "azure_blob")
    assert outcome.observation.access is Access.ASKS_CREDENTIAL
    assert "403" in outcome.observation.detail
    assert [g.reason for g in outcome.gaps] == [Reason.NOT_GIVEN]


def test_public_blobs_need_a_name(azurite: servers.Server) -> None:
    _, without = look_at_store(url_of(azurite, "blobs"), "azure_blob")
    assert without.observation.access is Access.ASKS_CREDENTIAL
    assert [g.reason for g in without.gaps] == [Reason.NOT_GIVEN]
    reach, named = look_at_store(url_of(azurite, "blobs/known.eml"), "azure_blob")
    assert named.observation.access is Access.GIVES_DATA
    refs, fetched, _ = read_all(reach, named)
    assert len(refs) == 1
    assert [f.data for f in fetched] == [MAIL]


def test_a_query_of_the_url_is_never_sent(azurite: servers.Server) -> None:
    """It may be a shared access signature: a credential."""
    with web(lambda path: answer(b"", "404 no", more={"x-ms-request-id": "1"})) as server:
        url = f"http://{server.host}:{server.port}/account/box?sig=secret"
        look_at_store(url, "azure_blob")
        assert server.requests
        assert not any("secret" in request for request in server.requests)


def azure(status: str, code: str) -> bytes:
    more = {"x-ms-request-id": "1", "x-ms-error-code": code, "Server": "Windows-Azure-Blob/1.0"}
    return answer(b"<Error/>", status, "application/xml", more)


RECORDED = {
    "private or absent": ("404 no", "ResourceNotFound", Access.SPEAKS, "refused or absent", True),
    "account": ("409 no", "PublicAccessNotPermitted", Access.ASKS_CREDENTIAL, "409", False),
    "401": ("401 no", "NoAuthenticationInformation", Access.ASKS_CREDENTIAL, "401", True),
}


@pytest.mark.parametrize("kind", RECORDED)
def test_answers_of_azure_itself(kind: str) -> None:
    status, code, access, words, gap = RECORDED[kind]
    with web(lambda path: azure(status, code)) as server:
        _, outcome = look_at_store(f"http://{server.host}:{server.port}/a/box", "azure_blob")
    assert outcome.observation.access is access
    assert words in outcome.observation.detail
    assert bool(outcome.gaps) is gap


def listed(body: bytes) -> bytes:
    return answer(body, kind="application/xml", more={"x-ms-request-id": "1"})


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
    b"<EnumerationResults><Blobs><Blob><Name>&b;</Name></Blob></Blobs></EnumerationResults>"
)
HOSTILE = {
    "entities": BOMB,
    "external": BOMB.replace(b'"aaaaaaaaaa"', b'SYSTEM "file:///etc/passwd"'),
    "late document type": b" " * 2000 + BOMB,
    "other root": b"<ListBucketResult/>",
    "no XML": b"EnumerationResults",
    "deep": b"<EnumerationResults>" + b"<a>" * 100_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_lists_are_no_lists(kind: str) -> None:
    with web(lambda path: listed(HOSTILE[kind])) as server:
        _, outcome = look_at_store(f"http://{server.host}:{server.port}/a/box", "azure_blob")
    assert outcome.observation.access in (Access.SPEAKS, Access.UNDETERMINED)
    assert outcome.gaps


def test_the_same_page_again_and_again_ends() -> None:
    body = (
        b"<EnumerationResults><Blobs><Blob><Name>x</Name></Blob></Blobs>"
        b"<NextMarker>again</NextMarker></EnumerationResults>"
    )

    def reply(path: str) -> bytes:
        return listed(body) if "comp=list" in path else azure("404 no", "BlobNotFound")

    with web(reply) as server:
        url = f"http://{server.host}:{server.port}/a/box"
        reach, outcome = look_at_store(url, "azure_blob")
        refs, _, gaps = read_all(reach, outcome)
        assert len(server.requests) < 20
    assert outcome.observation.access is Access.LISTS
    assert outcome.observation.size is not None
    assert not outcome.observation.size.complete
    assert len(refs) == 2
    assert [g.reason for g in gaps] == [Reason.MISBEHAVED, Reason.REFUSED, Reason.REFUSED]


def test_another_service_is_not_azure() -> None:
    with web(lambda path: answer(b"no", "404 no")) as server:
        _, outcome = look_at_store(f"http://{server.host}:{server.port}/a/box", "azure_blob")
    assert outcome.observation.access is Access.SPEAKS
    assert outcome.observation.protocol == ""
