"""Kubelets: recorded answers of 1.5, 1.18 and 1.28, all of them fakes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access, ObjectRef
from leftopen.net.http import Response
from leftopen.reach.protocols.kubelet import _WEBHOOK, _pods
from probing import Limits, Probe
from reaching import NOT_FOUND, answer, web

MakeProbe = Callable[..., Probe]
SECRET = "correct-horse"
GO_404 = answer(b"404 page not found\n", "404 Not Found", "text/plain; charset=utf-8")


def pod_list(*names: str) -> bytes:
    env = [{"name": "PASSWORD", "value": SECRET}]
    items = [
        {"metadata": {"name": n, "namespace": "hr"}, "spec": {"containers": [{"env": env}]}}
        for n in names
    ]
    said = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items or None}
    return answer(json.dumps(said).encode(), kind="application/json")


def text(status: str, said: bytes) -> bytes:
    return answer(said, status, "text/plain; charset=utf-8")


def serving(pods: bytes, other: bytes = GO_404) -> Callable[[str], bytes]:
    return lambda path: pods if path == "/pods" else other


@pytest.mark.parametrize("names", [("payroll-1", "dns"), ("kube-proxy",)])
def test_an_open_one_gives_its_pods(probe: MakeProbe, names: tuple[str, ...]) -> None:
    with web(serving(pod_list(*names))) as server:
        kubelet = probe("kubelet", server.host, server.port)
        proof = kubelet.prove()
        refs = [r for r in kubelet.objects() if isinstance(r, ObjectRef)]
        assert SECRET.encode() in kubelet.fetch(refs[0]).data
        assert not any("run" in r or "exec" in r for r in server.requests)
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "kubelet")
    assert proof.containers == tuple(f"hr/{n}" for n in names)
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (len(names), True)
    assert SECRET not in repr(proof)


LESS: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "no pod": (serving(pod_list()), Access.LISTS, "empty"),
    "1.5 and later, anonymous off": (
        lambda path: text("401 Unauthorized", b"Unauthorized"),
        Access.ASKS_CREDENTIAL,
        "anonymous requests are off",
    ),
    "1.18, webhook": (
        lambda path: text(
            "403 Forbidden",
            b"Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource=proxy)",
        ),
        Access.ASKS_CREDENTIAL,
        "by the API server",
    ),
    "1.32, webhook with fine-grained resources": (
        lambda path: text(
            "403 Forbidden",
            b"Forbidden (user=system:anonymous, verb=get, resource=nodes, "
            b"subresource(s)=[pods proxy])\n",
        ),
        Access.ASKS_CREDENTIAL,
        "by the API server",
    ),
    "a catch-all": (lambda path: pod_list("x"), Access.UNDETERMINED, "nobody has"),
}


@pytest.mark.parametrize("kind", LESS)
def test_answers_that_prove_less(probe: MakeProbe, kind: str) -> None:
    reply, access, words = LESS[kind]
    with web(reply) as server:
        proof = probe("kubelet", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert words in proof.detail


@pytest.mark.parametrize(
    "said",
    [
        NOT_FOUND,
        answer(b"{}"),
        answer(b"[" * 200_000),
        answer(b'{"kind":"PodList"}'),
        answer(b"Unauthorized", "401 Unauthorized", "text/html"),
        text("403 Forbidden", b"Forbidden"),
        answer(b"", "302 Found", more={"Location": "http://127.0.0.9/pods"}),
    ],
)
def test_strangers_are_not_a_kubelet(probe: MakeProbe, said: bytes) -> None:
    with web(lambda path: said) as server:
        assert probe("kubelet", server.host, server.port).prove() is None
        assert len(server.requests) == 1


def test_an_endless_list_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.flood(b"[" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        assert probe("kubelet", server.host, server.port, limits=limits).prove() is None
    assert time.monotonic() - started < 3


JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(["v1", "PodList", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "apiVersion", "metadata", "items", "name"]), inner
        )
    ),
    max_leaves=9,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_a_list_or_none(body: bytes) -> None:
    found = _pods(Response(200, {}, body, complete=True, tls=False))
    assert found is None or found.kind == "PodList"
    assert not _WEBHOOK.fullmatch(body)
