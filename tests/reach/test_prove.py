"""One look: who is found behind a port, what goes wrong, and what hostile servers cost."""

from __future__ import annotations

import gzip
import io
import json
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

import servers
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.model.scope import Target
from leftopen.reach import registry
from leftopen.reach.api import Context, Outcome, Proof, Protocol
from leftopen.reach.prove import Probing
from leftopen.reach.reach import Reach
from probing import KEYRING
from reaching import QUICK, answer, look, look_at_store, reach_of, scope_of, swept, web

MAIL = b"From: a@example.org\r\nSubject: hi\r\n\r\nx\r\n"
LIST = "location / { autoindex on; root {root}; }"


@pytest.fixture(scope="module")
def lab() -> Iterator[dict[str, servers.Server]]:
    """Real servers on ports that hint at nothing."""
    with ExitStack() as stack:
        start = stack.enter_context
        redis = start(servers.redis())
        servers.redis_cli(redis, "SET", "user:1", "Ada")
        yield {
            "redis": redis,
            "redis closed": start(servers.redis("--requirepass", "x")),
            "http": start(servers.nginx(LIST, {"a.eml": MAIL})),
            "http tls": start(servers.nginx(LIST, {"a.eml": MAIL}, tls=True)),
            "imap": start(servers.dovecot({"INBOX": [MAIL]}, open=True)),
            "imap closed": start(servers.dovecot({"INBOX": [MAIL]}, open=False)),
        }


def test_all_are_found_at_once(lab: dict[str, servers.Server]) -> None:
    hosts = tuple({f"{s.host}/32" for s in lab.values()})
    scope = scope_of(hosts, tuple({s.port for s in lab.values()}))
    targets = [scope.target(s.host, s.port) for s in lab.values()]
    steps: list[int] = []
    outcomes = list(reach_of(scope).prove(targets, steps.append))
    seen = {(o.observation.endpoint.address, o.observation.endpoint.port): o for o in outcomes}
    found = {name: seen[s.host, s.port].observation for name, s in lab.items()}
    assert {n: (o.protocol, o.access) for n, o in found.items()} == {
        "redis": ("redis", Access.GIVES_DATA),
        "redis closed": ("redis", Access.ASKS_CREDENTIAL),
        "http": ("http", Access.GIVES_DATA),
        "http tls": ("http", Access.GIVES_DATA),
        "imap": ("imap", Access.GIVES_DATA),
        "imap closed": ("imap", Access.ASKS_CREDENTIAL),
    }
    assert [n for n, o in found.items() if o.tls] == ["http tls"]
    assert {o.sensor for o in found.values()} == {"leftopen"}
    assert {o.vantage for o in found.values()} == {"inside"}
    assert all(o.target in targets for o in outcomes)
    assert sum(steps) == len(lab)


def test_the_port_is_a_hint_and_no_more() -> None:
    """Whatever speaks at a port of PostgreSQL or Redis is still found as what it is."""
    with web(lambda path: answer(b"<html></html>")) as server:
        registered = registry.protocols()
        hinted = tuple(
            replace(p, ports=(server.port,)) if p.name in ("postgresql", "redis") else p
            for p in registered
        )
        outcome = look_with(server.host, server.port, hinted)
    assert outcome.observation.protocol == "http"


def look_with(host: str, port: int, protocols: tuple[Protocol, ...], **more: object) -> Outcome:
    scope = scope_of((f"{host}/32",), (port,))
    reach = reach_of(scope)
    reach._probing = replace(reach._probing, protocols=protocols, **more)  # type: ignore[arg-type]
    (outcome,) = reach.prove([scope.target(host, port)])
    return outcome


def test_a_closed_port_is_closed() -> None:
    outcome = look("127.0.0.1", servers.free_port())
    assert outcome.observation.access is Access.CLOSED
    assert outcome.gaps == ()


def test_a_greeting_that_nobody_knows_is_speech_and_a_gap() -> None:
    with servers.fake(lambda client: client.say(b"SSH-2.0-x\x1b[31m 078-05-1120\r\n")) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.SPEAKS, "")
    assert "\x1b" not in seen.detail
    assert "1120" not in repr(outcome)
    assert [g.reason for g in outcome.gaps] == [Reason.UNSUPPORTED]
    assert seen.evidence == (outcome.evidence[0].uid,)


def test_a_late_greeting_is_still_recognised() -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear()  # says nothing until something was said
        client.say(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] late\r\n")

    with servers.fake(handle) as server:
        outcome = look(server.host, server.port, replace(QUICK, seconds=1.5))
    assert outcome.observation.protocol == "imap"


def test_a_broken_probe_is_a_gap_with_its_name() -> None:
    async def prove(context: Context) -> Proof | None:
        raise ZeroDivisionError("078-05-1120")

    broken = replace(registry.protocol("http"), prove=prove)
    with web(lambda path: answer(b"")) as server:
        outcome = look_with(server.host, server.port, (broken,))
    assert outcome.observation.access is Access.UNDETERMINED
    assert [g.reason for g in outcome.gaps] == [Reason.CRASHED]
    assert "ZeroDivisionError" in outcome.gaps[0].detail
    assert "1120" not in repr(outcome)


def test_a_store_of_an_unknown_kind_is_a_gap() -> None:
    with web(lambda path: answer(b"")) as server:
        _, outcome = look_at_store(f"http://{server.host}:{server.port}/bucket", "s3")
    assert [g.reason for g in outcome.gaps] == [Reason.UNSUPPORTED]


def test_a_store_that_is_down_is_closed() -> None:
    _, outcome = look_at_store(f"http://127.0.0.1:{servers.free_port()}/x")
    assert outcome.observation.access is Access.CLOSED


def test_the_user_agent_says_who_and_why() -> None:
    more = """
[authority]
organisation = "Example"
approver = "A. Person"
reference = "T-1"
contact = "soc@example.org\\r\\nX: \u00e9"
valid_until = 2100-01-01"""
    probing = Probing(
        scope=scope_of(more=more),
        guard=reach_of(scope_of())._guard,
        meter=reach_of(scope_of())._probing.meter,
        keyring=KEYRING,
        run_id="run-1",
    )
    assert probing.user_agent == "Leftopen/0.1.0 (run run-1; soc@example.org??X: ?)"


def test_the_plan_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> list[str]:
        raise AssertionError(name)

    more = """hosts = ["mail.test"]
stores = [{url = "https://a.blob.core.windows.net/box", kind = "azure_blob"}]"""
    plan = Reach(scope_of(more=more), KEYRING, "r", resolver=refuse).plan()
    words = " ".join(f"{p.what} {p.request}" for p in plan)
    assert "mail.test (a name)" in words
    assert "https://a.blob.core.windows.net/box" in words
    assert "127.0.0.1/32" in words
    assert all(p.request for p in plan)


def test_the_plan_says_how_far_to_whom_and_in_whose_name() -> None:
    more = """exclude = ["127.0.0.9", "127.0.0.8:80"]
[rules]
tier = 3
read_posts = false
probe_url = "https://probes.example"
reverse_name = "probe.example"
[[rules.tiers]]
networks = ["127.0.0.4/32"]
tier = 0
[[rules.tiers]]
networks = ["127.0.0.5/32"]
tier = 2"""
    rates = "connections_per_second = 70\nconnections_per_second_per_host = 7"
    plan = Reach(scope_of(("127.0.0.0/28",), more=more, rates=rates), KEYRING, "r").plan()
    told = {p.what: p.request for p in plan}
    assert told["127.0.0.0/28, 1 ports"].startswith("tier 3: ")
    assert "at most one record" in told["127.0.0.0/28, 1 ports"]
    assert "sample" not in told["127.0.0.0/28, 1 ports"]
    assert told["of these 127.0.0.4/32"] == "tier 0: nothing"
    assert told["of these 127.0.0.5/32"].endswith("GET of the first page")
    assert told["of these 127.0.0.9 (excluded)"] == "nothing"
    assert told["of these 127.0.0.8:80 (excluded)"] == "nothing"
    assert "70 connections a second, 7 to one host" in told["all of it together, at most"]
    assert "+https://probes.example" in told["each HTTP request (User-Agent)"]
    assert "probe.example" in told["each connection"]
    assert "read_posts is off" in told["reads that exist only as HTTP POST"]


def test_the_plan_names_no_proof_where_the_rules_allow_none() -> None:
    plan = Reach(scope_of(more="[rules]\ntier = 2"), KEYRING, "r").plan()
    assert not [p for p in plan if "that speaks" in p.what]


def test_a_name_that_does_not_resolve_is_a_gap() -> None:
    def fails(name: str) -> list[str]:
        raise OSError("no such name")

    more = 'hosts = ["mail.test"]\nstores = [{url = "http://files.test/x"}]'
    reach = Reach(scope_of((), more=more), KEYRING, "r", resolver=fails)
    found = list(reach.targets())
    assert [getattr(g, "reason", None) for g in found] == [Reason.UNRESOLVED] * 2
    assert swept(reach) == []


def test_a_service_is_one_under_name_and_address() -> None:
    with servers.redis("--requirepass", "x") as server:
        scope = scope_of((), (server.port,), more='hosts = ["cache.test"]')
        both = scope_of(("127.0.0.1/32",), (server.port,), more='hosts = ["cache.test"]')
        assert scope.file != both.file
        reach = reach_of(both, resolver=lambda name: ["127.0.0.1"])
        assert [t for t in reach.targets() if isinstance(t, Target)] == []
        found = swept(reach)
        outcomes = list(reach.prove(found))
    assert {t.endpoint.name for t in found} == {"", "cache.test"}
    assert {o.observation.endpoint.key for o in outcomes} == {
        f"tcp/127.0.0.1/{server.port}/cache.test"
    }


def slowly(data: bytes, pause: float = 0.2) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        client.socket.settimeout(pause)
        for n in range(len(data) * 1000):
            client.say(data[n % len(data) : n % len(data) + 1])
            with suppress(TimeoutError):
                if not client.socket.recv(4096):
                    return

    return handle


def after_request(*parts: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        while client.hear().strip():
            pass
        for part in parts:
            client.say(part)
        if flood:
            client.flood(flood)
        client.hear()

    return handle


def after_line(data: bytes) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        client.hear()
        client.say(data)
        client.hear()

    return handle


def echo(client: servers.Conversation) -> None:
    while line := client.hear():
        client.say(line)


def gzip_bomb() -> bytes:
    packed = io.BytesIO()
    with gzip.open(packed, "wb") as stream:
        for _ in range(200):
            stream.write(b"\0" * 1_000_000)
    return packed.getvalue()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
JSON = HEAD.replace(b"text/html", b"application/json")
BOMB = answer(gzip_bomb(), more={"Content-Encoding": "gzip"})
DEEP = answer(b"[" * 1_000_000, kind="application/json")
XML = answer(b"<EnumerationResults>" * 50_000, kind="application/xml")


def test_one_stuck_server_delays_no_other() -> None:
    with ExitStack() as stack:
        stuck = [stack.enter_context(servers.fake(slowly(b"x", 3.0))) for _ in range(5)]
        good = stack.enter_context(servers.nginx(LIST, {"a.eml": MAIL}))
        scope = scope_of(ports=(good.port, *(s.port for s in stuck)))
        ports = [*(s.port for s in stuck), good.port]
        targets = [scope.target("127.0.0.1", port) for port in ports]
        started = time.monotonic()
        for outcome in reach_of(scope, replace(QUICK, greeting_seconds=0.5)).prove(targets):
            if outcome.observation.endpoint.port == good.port:
                assert outcome.observation.access is Access.GIVES_DATA
                assert time.monotonic() - started < 2.0
                return
    pytest.fail("the good server was not proved")


def test_catch_all_and_deflated_pages() -> None:
    page = answer(zlib.compress(b"<html>app</html>"), more={"Content-Encoding": "deflate"})
    with web(lambda path: page) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.SPEAKS
    assert "same page" in outcome.observation.detail
    assert outcome.gaps == ()


def test_an_alert_that_demands_a_certificate_is_a_credential() -> None:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cert)

        def handle(client: servers.Conversation) -> None:
            with suppress(OSError), context.wrap_socket(client.socket, server_side=True) as inside:
                inside.recv(100)

        with servers.fake(handle) as server:
            outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.ASKS_CREDENTIAL
    assert "client certificate" in outcome.observation.detail


def test_redirect_loop() -> None:
    with web(lambda path: answer(b"", "302 Found", more={"Location": path + "x"})) as server:
        outcome = look(server.host, server.port)
        assert len(server.requests) <= 6
    assert outcome.observation.access is Access.MISBEHAVES


def test_numbers_that_overflow_are_no_numbers() -> None:
    body = json.dumps([{"name": "a", "type": "file", "size": 10**400}]).encode()
    with web(lambda path: answer(body, kind="application/json")) as server:
        assert look(server.host, server.port).observation.access is Access.SPEAKS
