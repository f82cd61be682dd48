"""The Kubernetes API: answers recorded of several versions, all of them fakes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.kubernetes import _list_of, _recognise
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json")


def status(code: int, message: str, reason: str) -> bytes:
    """metav1.Status, the same since 1.0."""
    said = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": {},
        "code": code,
    }
    return as_json(said, f"{code} {reason}")


def forbidden(path: str) -> bytes:
    """1.6 and later, where --anonymous-auth is on and RBAC judges."""
    said = f'forbidden: User "system:anonymous" cannot get path "{path}"'
    return status(403, said, "Forbidden")


UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")
PATHS = as_json({"paths": ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis"]})
V1_28 = {
    "major": "1",
    "minor": "28",
    "gitVersion": "v1.28.2",
    "gitCommit": "89a4",
    "gitTreeState": "clean",
    "buildDate": "2023-09-13T09:29:07Z",
    "goVersion": "go1.20.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
V1_9 = {**V1_28, "minor": "9", "gitVersion": "v1.9.3", "goVersion": "go1.9.2"}


def listed(kind: str, *names: str, left: int | None = None, old: bool = False) -> bytes:
    """A list; before 1.9 without `continue`, before 1.15 without remainingItemCount."""
    meta: dict[str, object] = {"resourceVersion": "1"}
    if left is not None:
        meta |= {"continue": "eyJ2", "remainingItemCount": left}
    elif old:
        meta |= {"selfLink": "/api/v1/x"}
    items = [
        {"metadata": {"name": n, "namespace": "hr"}, "data": {"password": "correct-horse"}}
        for n in names
    ]
    return as_json({"kind": kind, "apiVersion": "v1", "metadata": meta, "items": items})


OPEN = {
    "/": PATHS,
    "/version": as_json(V1_28),
    "/api/v1/namespaces": listed("NamespaceList", "default", "hr"),
    "/api/v1/configmaps": listed("ConfigMapList", "payroll", left=41),
    "/api/v1/pods": listed("PodList", "payroll-1"),
    "/api/v1/namespaces/hr/configmaps/payroll": as_json({"data": {"password": "correct-horse"}}),
}
OLD = {
    **OPEN,
    "/version": as_json(V1_9),
    "/api/v1/configmaps": listed("ConfigMapList", "payroll", old=True),
}


def serving(pages: dict[str, bytes], other: bytes | None = None) -> Callable[[str], bytes]:
    def reply(path: str) -> bytes:
        plain = path.partition("?")[0]
        return pages.get(plain) or other or status(404, "not found", "NotFound")

    return reply


@pytest.mark.parametrize(
    ("pages", "version", "count"), [(OPEN, "v1.28.2", 42), (OLD, "v1.9.3", 1)], ids=["1.28", "1.9"]
)
def test_an_open_one_gives_an_object(pages: dict[str, bytes], version: str, count: int) -> None:
    with web(serving(pages)) as server:
        outcome = look(server.host, server.port)
        assert all(r.startswith("GET ") for r in server.requests)
        assert not any("secret" in r or "exec" in r for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("kubernetes", Access.GIVES_DATA)
    assert (seen.product, seen.version, seen.containers) == (
        "kubernetes",
        version,
        ("default", "hr"),
    )
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (count, "configmaps", True)
    assert "correct-horse" not in repr(outcome)


def test_objects_are_listed_by_pages_and_fetched(probe: MakeProbe) -> None:
    asked = list[str]()

    def reply(path: str) -> bytes:
        asked.append(path)
        if path.startswith("/api/v1/configmaps") and "continue=eyJ2" in path:
            return listed("ConfigMapList", "last one")
        return serving(OPEN)(path)

    with web(reply) as server:
        api = probe("kubernetes", server.host, server.port)
        refs = [r for r in api.objects() if isinstance(r, ObjectRef)]
        assert [r.path.rpartition("/")[2] for r in refs] == ["payroll", "last%20one", "payroll-1"]
        assert b"correct-horse" in api.fetch(refs[0]).data
    assert "/api/v1/configmaps?limit=200" in asked


def test_an_endless_list_is_cut(probe: MakeProbe) -> None:
    with web(serving({**OPEN, "/api/v1/pods": status(403, "no", "Forbidden")})) as server:
        found = probe("kubernetes", server.host, server.port).objects()
    gaps = [g.reason for g in found if isinstance(g, Gap)]
    assert gaps == [Reason.BUDGET, Reason.UNPARSED]
    assert len([r for r in found if isinstance(r, ObjectRef)]) == 20


CLOSED: dict[str, tuple[Callable[[str], bytes], Access, str, str]] = {
    "1.28 as kubeadm makes it": (
        lambda path: as_json(V1_28) if path == "/version" else forbidden(path),
        Access.ASKS_CREDENTIAL,
        "v1.28.2",
        "system:anonymous",
    ),
    "1.6 to 1.13, the version closed too": (forbidden, Access.ASKS_CREDENTIAL, "", "anonymous"),
    "--anonymous-auth=false": (lambda path: UNAUTHORIZED, Access.ASKS_CREDENTIAL, "", "401"),
    "names only": (
        serving({k: v for k, v in OPEN.items() if "maps" not in k and "pods" not in k}),
        Access.LISTS,
        "v1.28.2",
        "configmaps are not given (404)",
    ),
    "version and paths alone": (
        serving({"/": PATHS, "/version": OPEN["/version"]}),
        Access.METADATA,
        "v1.28.2",
        "does not",
    ),
    "another kind of list": (
        serving({**OPEN, "/api/v1/namespaces": listed("PodList", "x")}),
        Access.METADATA,
        "v1.28.2",
        "does not",
    ),
    "deep": (
        serving({**OPEN, "/api/v1/namespaces": answer(b'{"items":' + b"[" * 200_000)}),
        Access.METADATA,
        "v1.28.2",
        "does not",
    ),
    "a catch-all": (
        serving(OPEN, listed("NamespaceList", "default")),
        Access.UNDETERMINED,
        "v1.28.2",
        "nobody has",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, version, words = CLOSED[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access, seen.version) == ("kubernetes", access, version)
    assert words in seen.detail


def test_a_count_that_is_none_gives_no_size() -> None:
    for left in (-5, 2**60):
        reply = Response(
            200, {}, listed("PodList", "x", left=left).partition(b"\r\n\r\n")[2], True, False
        )
        found = _list_of(reply, "PodList")
        assert found is not None
        assert found.size("pods") is None


@pytest.mark.parametrize(
    "said",
    [
        answer(b'{"paths":["/api","/api/v1"]}', kind="application/json"),
        answer(b'{"kind":"Status","code":401}', "401 Unauthorized"),
        answer(b"Unauthorized", "401 Unauthorized"),
    ],
    ids=["only paths", "half a status", "bare"],
)
def test_strangers_are_not_kubernetes(probe: MakeProbe, said: bytes) -> None:
    with web(lambda path: said) as server:
        assert probe("kubernetes", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.flood(b"[" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        assert probe("kubernetes", server.host, server.port, limits=limits).prove() is None
    assert time.monotonic() - started < 3


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["v1", "PodList"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "apiVersion", "metadata", "items", "name", "paths"]), inner
        )
    ),
    max_leaves=9,
)


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_fuzz_any_answer_is_a_list_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    found = _list_of(reply, "PodList")
    assert found is None or found.kind == "PodList"
    assert not _recognise(reply)
