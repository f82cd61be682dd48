"""etcd: a real one with and without its v2 API, with v3's authentication on; answers that lie."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.etcd import SECRET, close_v3, etcd, put, put_v3, send
from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.api import ObjectRefused
from leftopen.reach.etcd_v3 import PAGE_KEYS
from leftopen.reach.etcd_wire import Asks, Page, page_of
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.etcd import _KEYS, _Keys
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


def test_an_open_v2_gives_data_even_where_v3_asks_for_a_login(probe: MakeProbe) -> None:
    with etcd(v2=True) as server:
        put(server, "/app/db url", SECRET)
        put(server, "/top", "x")
        close_v3(server)
        seen = look(server.host, server.port)
        etcd2 = probe("etcd", server.host, server.port)
        found = etcd2.objects()
        refs = {r.path: r for r in found if isinstance(r, ObjectRef)}
        whole = etcd2.fetch(refs["/v2/keys/app/db%20url"])
        cut = etcd2.fetch(refs["/v2/keys/app/db%20url"], limit=8)
        with pytest.raises(ProtocolError, match="404"):
            etcd2.fetch(ObjectRef(path="/v2/keys/nobody"))
    one = seen.observation
    assert (one.protocol, one.access) == ("etcd", Access.GIVES_DATA)
    assert one.version.startswith("3.")
    assert one.size is not None
    assert (one.size.objects, one.size.unit, one.size.complete) == (2, "keys", True)
    assert one.containers == ("/app",)
    assert SECRET not in repr(seen)
    assert "correct-horse" not in repr(seen)
    assert (whole.data.decode(), whole.complete) == (SECRET, True)
    assert (cut.data.decode(), cut.complete) == (SECRET[:8], False)
    assert {r.group for r in refs.values()} == {"/app", "/"}
    assert "v3 asks for a user: etcdserver: user name is empty" in one.detail
    assert not seen.gaps
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.REFUSED]


ODD_KEY = b"/registry/secrets/\xff 1"


def test_an_open_v3_gives_data(probe: MakeProbe) -> None:
    with etcd(v2=True) as server:
        put(server, "/old", "x")
        put_v3(server, b"/empty", b"")
        put_v3(server, ODD_KEY, SECRET.encode())
        seen = look(server.host, server.port)
        etcd3 = probe("etcd", server.host, server.port)
        found = etcd3.objects()
        refs = {r.path: r for r in found if isinstance(r, ObjectRef)}
        whole = etcd3.fetch(refs["/v3/kv//registry/secrets/%FF%201"])
        cut = etcd3.fetch(refs["/v3/kv//registry/secrets/%FF%201"], limit=8)
        with pytest.raises(ObjectRefused):
            etcd3.fetch(ObjectRef(path="/v3/kv/nobody"))
    one = seen.observation
    assert (one.protocol, one.access) == ("etcd", Access.GIVES_DATA)
    assert "2 keys are named by the v3 API" in one.detail
    assert "1 keys are named by the v2 API" in one.detail
    assert one.size is not None
    assert (one.size.objects, one.size.unit) == (3, "keys")
    assert one.size.bytes
    assert "/registry/secrets" in one.containers
    assert not {"correct-horse", base64.b64encode(ODD_KEY).decode()} & set(repr(seen).split("'"))
    assert SECRET not in repr(seen)
    assert any("/v3/kv/range -d" in e.reproduce for e in seen.evidence)
    assert (whole.data.decode(), whole.complete) == (SECRET, True)
    assert (cut.data.decode(), cut.complete) == (SECRET[:8], False)
    assert set(refs) == {"/v2/keys/old", "/v3/kv//empty", "/v3/kv//registry/secrets/%FF%201"}
    assert not seen.gaps


def test_a_listing_of_v3_is_read_in_pages(probe: MakeProbe) -> None:
    many = PAGE_KEYS + 5
    with etcd(v2=False) as server:
        for start in range(0, many, 100):
            puts = [
                {"request_put": {"key": base64.b64encode(b"k%05d" % n).decode(), "value": "eA=="}}
                for n in range(start, min(start + 100, many))
            ]
            assert send(server, "POST", "/v3/kv/txn", json.dumps({"success": puts})) == 200
        found = probe("etcd", server.host, server.port).objects()
    assert [r.path for r in found if isinstance(r, ObjectRef)] == [
        f"/v3/kv/k{n:05d}" for n in range(many)
    ]
    assert len(found) == many


def test_a_closed_v3_asks_with_a_400() -> None:
    with etcd(v2=False) as server:
        put_v3(server, b"a", b"b")
        put_v3(server, b"c", b"d")
        close_v3(server)
        seen = look(server.host, server.port)
    one = seen.observation
    assert (one.protocol, one.access) == ("etcd", Access.ASKS_CREDENTIAL)
    assert "user name is empty" in one.detail
    assert one.size is not None
    assert one.size.objects == 2
    assert one.size.bytes
    assert not seen.gaps


def test_without_posts_v3_is_a_gap(probe: MakeProbe) -> None:
    with etcd(v2=False) as server:
        put_v3(server, b"a", b"b")
        etcd3 = probe("etcd", server.host, server.port, rules="read_posts = false")
        proof, found = etcd3.prove(), etcd3.objects()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert [g.reason for g in proof.gaps] == [Reason.NOT_GIVEN]
    assert Reason.NOT_GIVEN in [g.reason for g in found if isinstance(g, Gap)]


def test_an_empty_v3_is_open_and_gives_nothing() -> None:
    with etcd(v2=False) as server:
        one = look(server.host, server.port).observation
    assert (one.protocol, one.access) == ("etcd", Access.LISTS)
    assert "the v3 API is open without a login, and empty" in one.detail


HEADER = {"cluster_id": "1", "member_id": "2", "revision": "3", "raft_term": "4"}
ASKS = json.dumps({"error": "etcdserver: user name is empty", "code": 3}).encode()


def pairs(*keys: bytes, **more: object) -> bytes:
    kvs = [{"key": base64.b64encode(k).decode(), "value": "dmFsdWU="} for k in keys]
    return answer(json.dumps({"header": HEADER, "kvs": kvs, **more}).encode())


def ranged(prefix: str, *said: bytes) -> Callable[[str], bytes]:
    """A fake v3 gateway: these answers, one a range; the last one again and again."""
    left = list(said)

    def reply(path: str) -> bytes:
        if path == f"{prefix}/kv/range":
            return left.pop(0) if len(left) > 1 else left[0]
        if path == f"{prefix}/maintenance/status":
            return answer(json.dumps({"header": HEADER, "version": "3", "dbSize": "99"}).encode())
        return {"/version": VERSION}.get(path, GO)

    return reply


@pytest.mark.parametrize("prefix", ["/v3", "/v3beta", "/v3alpha"])
def test_a_fake_gateway_of_each_prefix_gives_data(prefix: str) -> None:
    answers = (pairs(b"a/b", count="1"), pairs(), pairs(b"a/b", count="1"))
    with web(ranged(prefix, *answers)) as server:
        one = look(server.host, server.port).observation
        assert any(f"POST {prefix}/kv/range HTTP/1.1" in line for line in server.requests)
    assert (one.access, one.containers) == (Access.GIVES_DATA, ("a",))
    assert one.size is not None
    assert (one.size.objects, one.size.bytes) == (1, 99)


FAKED_V3: dict[str, tuple[tuple[bytes, ...], Access, str]] = {
    "every key": ((pairs(b"a", count="1"),), Access.UNDETERMINED, "nobody has"),
    "names only": ((pairs(b"a", count="1"), pairs()), Access.LISTS, "no value could be read"),
    "a later version's refusal": (
        (answer(ASKS, "400 Bad Request"),),
        Access.ASKS_CREDENTIAL,
        "user name is empty",
    ),
    "any other 400": ((answer(b'{"code": 3}', "400 Bad Request"),), Access.SPEAKS, "not read"),
    "a catch-all of JSON": ((answer(b'{"kvs": [], "count": "0"}'),), Access.SPEAKS, "not read"),
    "no Base64": (
        (answer(json.dumps({"header": HEADER, "kvs": [{"key": "?"}]}).encode()),),
        Access.MISBEHAVES,
        "not Base64",
    ),
    "a count without end": ((pairs(b"a", count="9" * 999),), Access.MISBEHAVES, "no number"),
}


@pytest.mark.parametrize("kind", FAKED_V3)
def test_fake_answers_of_v3(kind: str) -> None:
    answers, access, words = FAKED_V3[kind]
    with web(ranged("/v3", *answers)) as server:
        one = look(server.host, server.port).observation
    assert (one.protocol, one.access) == ("etcd", access)
    assert words in one.detail


def test_a_fake_that_repeats_its_page_is_left(probe: MakeProbe) -> None:
    again = ranged("/v3", pairs(b"a", b"b", count="9", more=True))
    with web(again) as server, pytest.raises(ProtocolError, match="not in their order"):
        probe("etcd", server.host, server.port).objects()


def test_an_empty_v2_is_open_and_gives_nothing() -> None:
    with etcd(v2=True) as server:
        close_v3(server)
        one = look(server.host, server.port).observation
    assert (one.protocol, one.access) == ("etcd", Access.LISTS)
    assert "the v2 API is open without a login, and empty" in one.detail


GO = answer(b"404 page not found\n", "404 Not Found", "text/plain")
VERSION = answer(b'{"etcdserver":"3.3.27","etcdcluster":"3.3.0"}')
MISSING = answer(b'{"errorCode":100,"message":"Key not found"}', "404 Not Found")


def keys(*nodes: object, **more: object) -> bytes:
    node = {"dir": True, "nodes": nodes, **more}
    return answer(json.dumps({"action": "get", "node": node}).encode())


def replies(answers: dict[str, bytes]) -> Callable[[str], bytes]:
    return lambda path: {"/version": VERSION, **answers}.get(
        path, MISSING if path.startswith("/v2/") else GO
    )


LYING: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "v2 asks": ({"/v2/keys/": answer(b"{}", "401 Unauthorized")}, Access.ASKS_CREDENTIAL, "401"),
    "names only": (
        {"/v2/keys/": keys({"key": "/a", "value": ""}), "/v2/keys/a": GO},
        Access.LISTS,
        "no value could be read",
    ),
    "outside of its folder": (
        {"/v2/keys/": keys({"key": "/a/b", "value": "x"}, {"key": "/", "dir": True})},
        Access.LISTS,
        "empty",
    ),
    "deep": ({"/v2/keys/": answer(b'{"node":' * 100_000)}, Access.SPEAKS, "v2 API is off"),
    "a value that is a number": (
        {"/v2/keys/": keys({"key": "/a", "value": 1})},
        Access.SPEAKS,
        "v2 API is off",
    ),
}


@pytest.mark.parametrize("kind", LYING)
def test_answers_that_prove_less(kind: str) -> None:
    answers, access, words = LYING[kind]
    with web(replies(answers)) as server:
        one = look(server.host, server.port).observation
    assert (one.protocol, one.access) == ("etcd", access)
    assert words in one.detail


def test_a_server_that_has_every_key_proves_nothing() -> None:
    everything = keys({"key": "/a", "value": "x"})

    def reply(path: str) -> bytes:
        return {"/": GO, "/version": VERSION}.get(path, everything)

    with web(reply) as server:
        assert look(server.host, server.port).observation.access is Access.UNDETERMINED


def test_folders_without_end_are_cut(probe: MakeProbe) -> None:
    def reply(path: str) -> bytes:
        if not path.startswith("/v2/keys/"):
            return VERSION
        above = path.removeprefix("/v2/keys").rstrip("/")
        return keys(*({"key": f"{above}/{n}", "dir": True} for n in range(3)))

    started = time.monotonic()
    with web(reply) as server:
        limits = Limits(bytes=400_000_000, seconds=8.0)
        found = probe("etcd", server.host, server.port, limits=limits).objects(limit=500)
    assert {g.reason for g in found if isinstance(g, Gap)} <= {Reason.MISBEHAVED, Reason.BUDGET}
    assert found
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"etcdserver": 3}', b"etcdserver", b""])
def test_strangers_are_not_etcd(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: GO if path == "/" else answer(body)) as server:
        assert probe("etcd", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


def test_a_real_redis_is_not_etcd(probe: MakeProbe) -> None:
    with servers.redis() as other:
        assert probe("etcd", other.host, other.port).prove() is None


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.fixed_dictionaries({"key": st.text(max_size=5)}),
        lambda inner: st.fixed_dictionaries({"key": st.text(max_size=5), "nodes": st.lists(inner)}),
        max_leaves=5,
    ).map(lambda node: json.dumps({"action": "get", "node": node}).encode())
)
def test_fuzz_any_answer_is_keys_or_none(body: bytes) -> None:
    found = parsed(Response(200, {}, body, True, False), _Keys)
    assert found is None or all(isinstance(node.key, str) for node in found.node.nodes)
    metric = _KEYS.search(b"etcd_debugging_mvcc_keys_total " + body)
    assert metric is None or int(float(metric.group(1))) >= 0


@given(
    st.binary(max_size=60)
    | st.fixed_dictionaries(
        {"header": st.just(HEADER)},
        optional={
            "kvs": st.lists(st.fixed_dictionaries({"key": st.text("YQ=?", max_size=4)})),
            "count": st.text("0123٣", max_size=20) | st.integers(),
            "more": st.booleans(),
        },
    ).map(lambda found: json.dumps(found).encode()),
    st.sampled_from([200, 400, 401, 403, 404]),
)
def test_fuzz_any_answer_to_a_range(body: bytes, status: int) -> None:
    try:
        found = page_of(Response(status, {}, body, True, False))
    except ProtocolError:
        return
    assert found is None or isinstance(found, Asks | Page)
    if isinstance(found, Page):
        assert status == 200
        assert found.count >= 0
