"""VictoriaMetrics: a real one, open, empty and behind -httpAuth; answers that lie, fakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.victoriametrics import OWNER, ask, victoriametrics
from leftopen.model.exposure import Access, ObjectRef
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.victoriametrics import _recognise, _Values
from probing import Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


def test_an_open_one_gives_samples(probe: MakeProbe) -> None:
    with victoriametrics(data=True) as server:
        outcome = look(server.host, server.port)
        metrics = probe("victoriametrics", server.host, server.port)
        (ref,) = metrics.objects()
        assert isinstance(ref, ObjectRef)
        assert json.loads(metrics.fetch(ref).data)["metric"]["owner"] == OWNER
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("victoriametrics", Access.GIVES_DATA)
    assert "1 metrics are named" in seen.detail
    assert "lovelace" not in repr(outcome)


def test_an_empty_one_is_open_and_empty() -> None:
    with victoriametrics() as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("victoriametrics", Access.METADATA)
    assert "open without a login and empty" in seen.detail


def test_a_closed_one_asks_although_two_paths_answer() -> None:
    with victoriametrics(closed=True) as server:
        assert [ask(server, "GET", path) for path in ("/health", "/metrics")] == [200, 200]
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("victoriametrics", Access.ASKS_CREDENTIAL)


MARK = {"X-Server-Hostname": "vm"}
PAGE = answer(b"<h2>Single-node VictoriaMetrics</h2></br>See docs", more=MARK)


def as_json(data: object) -> bytes:
    return answer(json.dumps({"status": "success", "data": data}).encode(), more=MARK)


LINE = b'{"metric":{"__name__":"%s"},"values":[1],"timestamps":[1]}\n'


def serving(names: bytes, export: Callable[[str], bytes]) -> Callable[[str], bytes]:
    def reply(path: str) -> bytes:
        if path == "/":
            return PAGE
        if path.startswith("/api/v1/label"):
            return names
        return export(path) if "export" in path else answer(b"", "400 Bad Request", more=MARK)

    return reply


def every(path: str) -> bytes:
    """An export that has whatever metric it is asked for."""
    name = path.split("%22")[1]
    return answer(LINE % name.encode(), more=MARK)


LESS: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "names only": (serving(as_json(["a"]), lambda path: answer(b"")), Access.LISTS, "no sample"),
    "every metric": (serving(as_json(["a"]), every), Access.UNDETERMINED, "nobody has"),
    "another metric": (
        serving(as_json(["a"]), lambda path: answer(LINE % b"b")),
        Access.LISTS,
        "no sample",
    ),
    "deep": (
        serving(answer(b"[" * 200_000), lambda path: answer(b"")),
        Access.UNDETERMINED,
        "no names",
    ),
    "deep line": (
        serving(as_json(["a"]), lambda path: answer(b'{"metric":' + b"[" * 60_000)),
        Access.LISTS,
        "no sample",
    ),
}


@pytest.mark.parametrize("kind", LESS)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = LESS[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access, seen.size) == ("victoriametrics", access, None)
    assert words in seen.detail


@pytest.mark.parametrize("more", [{}, MARK])
def test_strangers_are_not_victoriametrics(probe: MakeProbe, more: dict[str, str]) -> None:
    with web(lambda path: answer(b"a page on VictoriaMetrics", more=more)) as server:
        assert probe("victoriametrics", server.host, server.port).prove() is None


@given(
    st.binary(max_size=60)
    | st.lists(st.text() | st.integers()).map(
        lambda v: json.dumps({"status": "success", "data": v}).encode()
    )
)
def test_fuzz_any_answer_is_names_or_none(body: bytes) -> None:
    reply = Response(200, {}, body, complete=True, tls=False)
    names = parsed(reply, _Values)
    assert names is None or all(isinstance(name, str) for name in names.data)
    assert not _recognise(reply)
