"""Docker's API: a real Podman, open and empty; recorded answers of Docker 20.10, all fakes."""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.docker_api import _Container, _Inspected, _recognise, _Version
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]
ID = "8dfafdbc3a40" + "0" * 52
SECRET = "POSTGRES_PASSWORD=correct-horse"
VERSION = {
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [{"Name": "Engine", "Version": "20.10.7", "Details": {}}],
    "Version": "20.10.7",
    "ApiVersion": "1.41",
    "MinAPIVersion": "1.12",
    "Os": "linux",
}
CONTAINER = {"Id": ID, "Names": ["/payroll"], "Image": "hr/payroll:1", "State": "running"}
INSPECTED = {"Id": ID, "Config": {"Env": [SECRET], "Labels": {"owner": "ada"}}}
IMAGE = {"Id": "sha256:aa", "RepoTags": ["hr/payroll:1"], "Size": 1000}


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json")


NO_PAGE = as_json({"message": "page not found"}, "404 Not Found")
WHOLE = {
    "/version": as_json(VERSION),
    "/containers/json": as_json([CONTAINER]),
    "/images/json": as_json([IMAGE]),
    f"/containers/{ID}/json": as_json(INSPECTED),
}


def serving(pages: dict[str, bytes]) -> Callable[[str], bytes]:
    return lambda path: pages.get(path.partition("?")[0], NO_PAGE)


def test_a_real_podman_is_open_and_empty() -> None:
    binary = servers.need("podman")
    if os.getuid():
        servers.absent("podman's service is run as root here")
    port = servers.free_port()
    with servers.scratch() as folder:
        folder.chmod(0o700)
        storage = ["--root", f"{folder}/root", "--runroot", f"{folder}/run"]
        url = f"tcp://{servers.CLIENT}:{port}"
        argv = [binary, *storage, "system", "service", "--time=30", url]
        env = {"XDG_RUNTIME_DIR": str(folder)}
        try:
            with servers.running(argv, folder, port, env=env) as server:
                outcome = look(server.host, server.port)
        finally:  # without root it leaves a process behind that holds its namespace
            for pid in folder.rglob("pause.pid"):
                os.kill(int(pid.read_text()), signal.SIGKILL)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("docker_api", Access.LISTS)
    assert seen.product == "podman"
    assert "open without a login and empty" in seen.detail
    assert not outcome.gaps


def test_an_open_one_gives_the_record_of_a_container(probe: MakeProbe) -> None:
    with web(serving(WHOLE)) as server:
        outcome = look(server.host, server.port)
        docker = probe("docker_api", server.host, server.port)
        refs = docker.objects()
        assert [r.path for r in refs if isinstance(r, ObjectRef)] == [f"/containers/{ID}/json"]
        assert SECRET.encode() in docker.fetch(refs[0]).data  # type: ignore[arg-type]
        assert all(r.startswith("GET ") for r in server.requests)
        assert not any("exec" in r or "logs" in r or "create" in r for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("docker_api", Access.GIVES_DATA)
    assert (seen.product, seen.version) == ("docker", "20.10.7")
    assert seen.containers == ("payroll", "hr/payroll:1")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.bytes) == (1, 1000)
    assert "correct-horse" not in repr(outcome)


LESS: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "a proxy that filters": (
        {**WHOLE, "/containers/json": answer(b"", "403 Forbidden")},
        Access.ASKS_CREDENTIAL,
        "the data does not",
    ),
    "names only": (
        {**WHOLE, f"/containers/{ID}/json": answer(b"", "403 Forbidden")},
        Access.LISTS,
        "none inspected",
    ),
    "another container's record": (
        {**WHOLE, f"/containers/{ID}/json": as_json({**INSPECTED, "Id": "f" * 64})},
        Access.LISTS,
        "none inspected",
    ),
    "deep": ({**WHOLE, "/containers/json": answer(b"[" * 200_000)}, Access.METADATA, "no list"),
    "version alone": ({"/version": WHOLE["/version"]}, Access.METADATA, "no list"),
}


@pytest.mark.parametrize("kind", LESS)
def test_answers_that_prove_less(kind: str) -> None:
    pages, access, words = LESS[kind]
    with web(serving(pages)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("docker_api", access)
    assert words in seen.detail


def test_images_that_are_not_answered_are_a_gap() -> None:
    pages = {**WHOLE, "/images/json": answer(b"[", "200 OK"), "/containers/json": as_json([])}
    with web(serving(pages)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS
    assert "no list of images" in outcome.observation.detail
    assert [g.reason for g in outcome.gaps] == [Reason.UNPARSED]


def test_a_mirror_proves_nothing(probe: MakeProbe) -> None:
    mirror = {**VERSION, **INSPECTED}
    with web(lambda path: as_json([CONTAINER] if "containers" in path else mirror)) as server:
        proof = probe("docker_api", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert "nobody has" in proof.detail


def test_a_demanded_certificate_is_a_refusal(probe: MakeProbe) -> None:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cert)

        def handle(client: servers.Conversation) -> None:
            with client.socket.dup() as beneath:
                beneath.settimeout(5)
                with suppress(OSError):
                    context.wrap_socket(client.socket, server_side=True).recv(1)
                while beneath.recv(4096):  # the client hangs up, not we
                    pass

        with servers.fake(handle) as server:
            proof = probe("docker_api", server.host, server.port, tls=True).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "client certificate" in proof.detail


@pytest.mark.parametrize(
    "said",
    [NO_PAGE, as_json({"message": "page not found", "documentation_url": "x"}, "404 Not Found")],
)
def test_strangers_are_not_docker(probe: MakeProbe, said: bytes) -> None:
    with web(lambda path: said) as server:
        assert probe("docker_api", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


def test_an_odd_identifier_is_not_asked_for(probe: MakeProbe) -> None:
    odd = as_json([{**CONTAINER, "Id": "../../images/x"}])
    with web(serving({**WHOLE, "/containers/json": odd})) as server:
        proof = probe("docker_api", server.host, server.port).prove()
        found = probe("docker_api", server.host, server.port).objects()
        assert not any(".." in r for r in server.requests)
    assert proof is not None
    assert proof.access is Access.LISTS
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.UNSUPPORTED]


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.flood(b"[" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        assert probe("docker_api", server.host, server.port, limits=limits).prove() is None
    assert time.monotonic() - started < 3


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Id", "Names", "Config", "Env", "message"]), inner)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_typed_or_none(body: bytes) -> None:
    reply = Response(404, {}, body, complete=True, tls=False)
    assert not _recognise(reply) or b"page not found" in body
    listed = parsed(reply, list[_Container])
    assert listed is None or all(isinstance(c.id, str) for c in listed)
    inspected = parsed(reply, _Inspected)
    assert inspected is None or isinstance(inspected.id, str)
    assert parsed(reply, _Version) is None
