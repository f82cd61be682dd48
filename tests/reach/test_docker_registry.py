"""Docker registry: the real one open, empty and behind htpasswd; answers that lie."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.docker_registry import CONFIG, LAYER, digest, registry
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.docker_registry import DOCKER_REGISTRY, _Manifest
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


def test_an_open_one_gives_data(probe: MakeProbe) -> None:
    with registry(images=("shop/web", "tools")) as server:
        seen = look(server.host, server.port).observation
        docker = probe("docker_registry", server.host, server.port)
        found = docker.objects()
        refs = {r.group + r.path[-6:]: r for r in found if isinstance(r, ObjectRef)}
        blob = docker.fetch(refs["tools" + digest(CONFIG)[-6:]])
        cut = docker.fetch(refs["tools" + digest(LAYER)[-6:]], limit=100)
        with pytest.raises(ProtocolError, match="404"):
            docker.fetch(ObjectRef(path=f"/v2/tools/blobs/{digest(b'')}"))
    assert (seen.protocol, seen.access) == ("docker_registry", Access.GIVES_DATA)
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (2, "repositories", True)
    assert seen.containers == ("shop/web", "tools")
    assert f"2 blobs of {len(CONFIG) + len(LAYER)} bytes" in seen.detail
    assert len(found) == len(refs) == 4
    assert (blob.data, blob.complete) == (CONFIG, True)
    assert (cut.data, cut.complete) == (LAYER[:100], False)


def test_an_empty_one_is_open_and_gives_nothing() -> None:
    with registry() as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("docker_registry", Access.LISTS)
    assert "it is empty" in seen.detail


def test_htpasswd_closes_it() -> None:
    with registry(closed=True) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("docker_registry", Access.ASKS_CREDENTIAL)
    assert 'Basic realm="private"' in seen.detail


API = {"Docker-Distribution-Api-Version": "registry/2.0"}


def replies(answers: dict[str, bytes]) -> Callable[[str], bytes]:
    """A registry of these answers, by the beginning of the path; else 404."""

    def reply(path: str) -> bytes:
        for start, said in answers.items():
            if path.startswith(start):
                return said
        return answer(
            b"" if path == "/" else b"{}",
            "200 OK" if path in ("/", "/v2/") else "404 Not Found",
            more={**API, "Cache-Control": "no-cache"},
        )

    return reply


def as_json(value: object, status: str = "200 OK", **more: str) -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json", {**API, **more})


NAMED = as_json({"repositories": ["a"]})
LYING: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "a catalog refused": (
        {"/v2/_catalog": as_json({}, "401 Unauthorized", **{"WWW-Authenticate": "Bearer"})},
        Access.ASKS_CREDENTIAL,
        "the catalog does not",
    ),
    "garbage": ({"/v2/_catalog": as_json([1])}, Access.UNDETERMINED, "something else"),
    "deep": ({"/v2/_catalog": answer(b"[" * 200_000, more=API)}, Access.UNDETERMINED, "else"),
    "a null": ({"/v2/_catalog": as_json({"repositories": None})}, Access.LISTS, "empty"),
    "every name": (
        {"/v2/_catalog": NAMED, "/v2/": as_json({"name": "a", "tags": ["x"]})},
        Access.UNDETERMINED,
        "nobody has",
    ),
    "no tags": ({"/v2/_catalog": NAMED}, Access.LISTS, "no image could be read"),
    "no parts": (
        {
            "/v2/_catalog": NAMED,
            "/v2/a/tags": as_json({"name": "a", "tags": ["x"]}),
            "/v2/a/manifests": as_json({"schemaVersion": 2}),
        },
        Access.LISTS,
        "no image could be read",
    ),
}


@pytest.mark.parametrize("kind", LYING)
def test_answers_that_prove_less(kind: str) -> None:
    answers, access, words = LYING[kind]
    with web(replies(answers)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("docker_registry", access)
    assert words in seen.detail


def test_an_endless_catalog_ends(probe: MakeProbe) -> None:
    pages = iter(range(10_000))

    def reply(path: str) -> bytes:
        if "_catalog" in path:
            name = f"r{next(pages):05d}"
            return as_json({"repositories": [name, "../x"][: 1 + (name == "r00000")]}, Link="<x>")
        return answer(b"{}", "404 Not Found", more=API)

    with web(reply) as server:
        found = probe("docker_registry", server.host, server.port).objects()
        asked = sum("_catalog" in line for line in server.requests)
    assert asked <= 20
    reasons = {g.reason for g in found if isinstance(g, Gap)}
    assert Reason.UNPARSED in reasons  # "../x" is never asked for
    assert not any("/v2/.." in line for line in server.requests)


def test_a_blob_kept_elsewhere_is_not_followed(probe: MakeProbe) -> None:
    away = {"Location": "http://127.0.0.9:1/blob?X-Amz-Signature=abc"}
    with web(lambda path: answer(b"", "307 Temporary Redirect", more=away)) as server:
        with pytest.raises(OutOfScope, match=r"127\.0\.0\.9:1/blob, not followed"):
            probe("docker_registry", server.host, server.port).fetch(
                ObjectRef(path="/v2/a/blobs/x")
            )
        assert len(server.requests) == 1


def test_an_index_leads_to_its_images_once(probe: MakeProbe) -> None:
    part = {"digest": digest(LAYER), "size": 5, "mediaType": "x"}
    inner = digest(b"inner")
    loop = as_json({"schemaVersion": 2, "manifests": [{"digest": inner}], "layers": [part]})
    answers = {
        "/v2/_catalog": NAMED,
        "/v2/a/tags": as_json({"name": "a", "tags": ["x"]}),
        "/v2/a/manifests": loop,
    }
    with web(replies(answers)) as server:
        found = probe("docker_registry", server.host, server.port).objects()
        asked = sum("/manifests/" in line for line in server.requests)
    assert [r.path for r in found if isinstance(r, ObjectRef)] == [f"/v2/a/blobs/{digest(LAYER)}"]
    assert asked == 2


def test_strangers_are_not_registries(probe: MakeProbe) -> None:
    with web(lambda path: answer(b"", more={"Cache-Control": "no-cache"})) as server:
        assert probe("docker_registry", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"
    with servers.redis() as other:
        assert probe("docker_registry", other.host, other.port).prove() is None


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n")
        client.flood(b"[" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        proof = probe("docker_registry", server.host, server.port, limits=limits).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert time.monotonic() - started < 3


@given(
    st.binary(max_size=80)
    | st.dictionaries(st.text(max_size=9), st.integers() | st.text()).map(
        lambda d: json.dumps({"schemaVersion": 2, **d}).encode()
    )
)
def test_fuzz_any_manifest_is_one_or_none(body: bytes) -> None:
    found = parsed(Response(200, {}, body, True, False), _Manifest)
    assert found is None or all(isinstance(part.digest, str) for part in found.parts)
    assert DOCKER_REGISTRY.recognise_http is not None
    assert not DOCKER_REGISTRY.recognise_http(Response(200, {}, body or b"x", True, False))
