"""The tiers of the rules of engagement: how far a probe of an address may go."""

from __future__ import annotations

import pytest

import servers
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.model.scope import Scope
from leftopen.reach.api import Outcome
from reaching import NOT_FOUND, answer, reach_of, scope_of, swept, web

LISTING = "location / { autoindex on; root {root}; }"
RULES = '[rules]\ntier = {tier}\nprobe_url = "https://probes.example"\nopt_out = "post@example"'


def tiered(port: int, tier: int) -> Scope:
    return scope_of(ports=(port,), more=RULES.format(tier=tier))


def looked_at(port: int, tier: int) -> Outcome:
    scope = tiered(port, tier)
    (outcome,) = reach_of(scope).prove([scope.target("127.0.0.1", port)])
    return outcome


def test_tier_0_is_an_exclusion() -> None:
    scope = tiered(80, 0)
    assert not scope.covers("127.0.0.1", 80)
    assert swept(reach_of(scope)) == []


def test_tier_1_asks_nothing_of_an_open_port() -> None:
    with servers.fake(lambda client: client.say(b"220 hello\r\n")) as server:
        outcome = looked_at(server.port, 1)
        assert server.connections == 0
    assert outcome.observation.access is Access.UNDETERMINED
    assert [g.reason for g in outcome.gaps] == [Reason.RULES]


@pytest.mark.parametrize(
    ("start", "protocol", "access"),
    [
        (lambda: servers.nginx(LISTING, {"a.txt": b"x"}), "http", Access.SPEAKS),
        (servers.redis, "", Access.UNDETERMINED),  # it neither greets nor speaks HTTP
    ],
)
def test_tier_2_names_the_service_and_proves_nothing(
    start: object, protocol: str, access: Access
) -> None:
    with start() as server:  # type: ignore[operator]
        outcome = looked_at(server.port, 2)
    assert outcome.observation.protocol == protocol
    assert outcome.observation.access is access
    assert [g.reason for g in outcome.gaps] == [Reason.RULES]


def test_tier_2_names_a_server_that_greets() -> None:
    with servers.fake(lambda client: client.say(b"* OK IMAP4rev1 ready\r\n")) as server:
        outcome = looked_at(server.port, 2)
        assert server.connections == 1
    assert outcome.observation.protocol == "imap"
    assert outcome.observation.access is Access.SPEAKS


def test_tier_3_proves() -> None:
    with servers.nginx(LISTING, {"a.txt": b"x"}) as server:
        outcome = looked_at(server.port, 3)
    assert outcome.observation.access is Access.GIVES_DATA


def test_the_identity_of_the_rules_is_in_each_request() -> None:
    heads: list[bytes] = []

    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            heads.append(line)
        client.say(NOT_FOUND)

    with servers.fake(handle) as server:
        looked_at(server.port, 3)
    said = [h for h in heads if h.lower().startswith(b"user-agent:")]
    assert said
    assert all(b"run run-1; +https://probes.example; opt-out post@example" in h for h in said)


def test_marked_reads_do_not_leave_when_they_are_switched_off() -> None:
    with web(lambda path: answer(b"{}", kind="application/json")) as server:
        scope = scope_of(ports=(server.port,), more="[rules]\nread_posts = false")
        list(reach_of(scope).prove([scope.target("127.0.0.1", server.port)]))
        assert server.requests
        assert not [r for r in server.requests if r.startswith("POST")]
