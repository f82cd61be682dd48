"""Google Cloud Storage: a real emulator, recorded refusals, and lists that lie."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.gcp_emulator import OBJECTS, SECRET, emulator
from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.gcs import Place, parse_page, place_of
from probing import Probe
from reaching import NOT_FOUND, answer, look_at_store, read_all, web


def url_of(server: object, path: str) -> str:
    return f"http://{servers.CLIENT}:{server.port}/{path}"  # type: ignore[attr-defined]


def test_a_real_open_bucket_gives_data() -> None:
    with emulator() as server:
        reach, outcome = look_at_store(url_of(server, "box"), "gcs")
        refs, fetched, gaps = read_all(reach, outcome)
        _, absent = look_at_store(url_of(server, "none"), "gcs")
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "gcs")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (3, True)
    assert seen.size.bytes == sum(map(len, OBJECTS.values()))
    assert seen.containers == ("2023",)
    assert "078-05-1120" not in repr(outcome)
    assert {r.path for r in refs} == {f"/box/{name}" for name in OBJECTS}
    assert all(r.time for r in refs)
    assert sorted(f.data for f in fetched) == sorted(OBJECTS.values())
    assert gaps == []
    assert absent.observation.access is Access.SPEAKS
    assert "404: absent" in absent.observation.detail


def test_claimed_buckets_of_the_real_one(probe: Callable[..., Probe]) -> None:
    with emulator() as server:
        made = probe("gcs", server.host, server.port, claims='buckets = ["nope", "box"]')
        proof, found = made.prove(), made.objects()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert [type(x) is Gap for x in found] == [True, False, False, False]


def test_no_name_is_guessed(probe: Callable[..., Probe]) -> None:
    with web(lambda path: NOT_FOUND) as server:
        _, outcome = look_at_store(url_of(server, ""), "gcs")
    assert outcome.observation.access is Access.UNDETERMINED
    assert "names no bucket" in outcome.observation.detail
    assert server.requests == []


ANONYMOUS = json.dumps(
    {
        "error": {
            "code": 401,
            "message": "Anonymous caller does not have storage.objects.list access to the Google "
            "Cloud Storage bucket. Permission 'storage.objects.list' denied on resource (or it may "
            "not exist).",
        }
    }
).encode()
REFUSALS = {
    "JSON": (answer(ANONYMOUS, "401 no", "application/json"), Access.REFUSED_OR_ABSENT),
    "XML": (
        answer(b"<Error><Code>AccessDenied</Code></Error>", "403 no", "application/xml"),
        Access.REFUSED_OR_ABSENT,
    ),
    "page": (answer(b"<html></html>"), Access.UNDETERMINED),
    "JSON of another": (answer(b'{"kind": "x"}', kind="application/json"), Access.UNDETERMINED),
    "broken": (answer(b"{", kind="application/json"), Access.UNDETERMINED),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_recorded_refusals(kind: str) -> None:
    reply, access = REFUSALS[kind]
    with web(lambda path: reply) as server:
        _, outcome = look_at_store(url_of(server, "box/key"), "gcs")
    assert outcome.observation.access is access
    assert [g.reason for g in outcome.gaps] == [Reason.NOT_GIVEN]


def test_an_object_may_be_public_where_the_list_is_not() -> None:
    def reply(path: str) -> bytes:
        return answer(SECRET) if path == "/box/a%20b" else REFUSALS["JSON"][0]

    with web(reply) as server:
        reach, outcome = look_at_store(url_of(server, "box/a%20b"), "gcs")
        refs, fetched, _ = read_all(reach, outcome)
    assert outcome.observation.access is Access.GIVES_DATA
    assert [r.path for r in refs] == ["/box/a%20b"]
    assert [f.data for f in fetched] == [SECRET]


def test_the_xml_api_and_an_endless_list() -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
        b"</NextContinuationToken><Contents><Key>a</Key></Contents></ListBucketResult>"
    )

    def reply(path: str) -> bytes:
        return answer(page, kind="application/xml") if path.startswith("/box?") else NOT_FOUND

    with web(reply) as server:
        reach, outcome = look_at_store(url_of(server, "box"), "gcs")
        refs, _, gaps = read_all(reach, outcome)
    assert outcome.observation.access is Access.LISTS
    assert len(refs) <= 2
    assert Reason.MISBEHAVED in [g.reason for g in gaps]


def test_where_the_bucket_stands() -> None:
    assert place_of("storage.googleapis.com", "/box/a/b") == Place("box", key="a/b")
    assert place_of("box.storage.googleapis.com", "/a") == Place("box", hosted=True, key="a")
    assert place_of("storage.googleapis.com", "/") is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(st.sampled_from(["kind", "name", "size", "items"]), x, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_fuzz_pages(made: object) -> None:
    items = [{"kind": "storage#object", "name": made, "size": made}]
    for said in (made, {"kind": "storage#objects", "items": items}):
        body = json.dumps(said).encode()
        page = parse_page(Place("box"), Response(200, {}, body, True, False))
        assert page is None or all(r.path.startswith("/box/") for r in page.refs)
