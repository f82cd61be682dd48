"""Alertmanager: a real one with and without an alert; recorded answers that say less, fakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.alertmanager import alertmanager
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.alertmanager import _Alert, _Status
from probing import Probe
from reaching import NOT_FOUND, answer, look, web

MakeProbe = Callable[..., Probe]


def test_a_real_one_gives_its_alert() -> None:
    with alertmanager(alert=True) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("alertmanager", Access.GIVES_DATA)
    assert seen.version
    assert seen.size is not None
    assert seen.size.objects == 1
    assert seen.containers == ("payroll-team",)
    assert "lovelace" not in repr(outcome)


def test_a_real_one_without_alerts_names_its_receivers() -> None:
    with alertmanager(alert=False) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("alertmanager", Access.LISTS)
    assert "0 alerts" in seen.detail


def as_json(value: object) -> bytes:
    return answer(json.dumps(value).encode(), kind="application/json")


PAGE = answer(b"<html><head><title>Alertmanager</title></head></html>")
STATUS = as_json(
    {
        "cluster": {"status": "disabled", "peers": []},
        "versionInfo": {"version": "0.27.0"},
        "uptime": "2026-11-24T00:00:00Z",
        "config": {"original": ""},
    }
)
SHUT = answer(b"", "401 Unauthorized", more={"WWW-Authenticate": "Basic"})


def serving(pages: dict[str, bytes]) -> Callable[[str], bytes]:
    return lambda path: pages.get(path, NOT_FOUND)


def test_an_api_that_asks_is_closed() -> None:
    with web(lambda path: PAGE if path == "/" else SHUT) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("alertmanager", Access.ASKS_CREDENTIAL)


@pytest.mark.parametrize("alerts", [NOT_FOUND, answer(b"[" * 200_000), as_json({"a": 1})])
def test_alerts_that_are_not_answered_are_a_gap(alerts: bytes) -> None:
    pages = {"/": PAGE, "/api/v2/status": STATUS, "/api/v2/alerts": alerts}
    with web(serving(pages)) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.size) == ("alertmanager", Access.METADATA, None)
    assert [g.reason for g in outcome.gaps] == [Reason.UNPARSED]


@pytest.mark.parametrize(
    "reply", [lambda path: PAGE, lambda path: PAGE if path == "/" else STATUS], ids=["page", "all"]
)
def test_strangers_are_not_alertmanager(probe: MakeProbe, reply: Callable[[str], bytes]) -> None:
    with web(reply) as server:
        assert probe("alertmanager", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


@given(
    st.binary(max_size=60)
    | st.lists(st.dictionaries(st.sampled_from(["labels", "fingerprint"]), st.text())).map(
        lambda v: json.dumps(v).encode()
    )
)
def test_fuzz_any_answer_is_typed_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    alerts = parsed(reply, list[_Alert])
    assert alerts is None or all(isinstance(a.labels, dict) for a in alerts)
    assert parsed(reply, _Status) is None
