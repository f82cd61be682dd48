"""Typesense: answers of src/http_server.cpp, all of them fakes; it has no open state."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.typesense import _recognise
from reaching import answer, look, web


def message(text: str, status: str) -> bytes:
    return answer(json.dumps({"message": text}).encode(), status, "application/json")


MISSING = message("Not Found", "404 Not Found")
WORDS = "Forbidden - a valid `x-typesense-api-key` header must be sent."
REFUSED = message(WORDS, "401 Unauthorized")


@pytest.mark.parametrize("front", [MISSING, REFUSED], ids=["404", "401"])
def test_it_asks_for_its_key(front: bytes) -> None:
    with web(lambda path: front if path == "/" else REFUSED) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("typesense", Access.ASKS_CREDENTIAL)
    assert (seen.product, outcome.gaps) == ("typesense", ())


STRANGERS = {
    "another 404": MISSING,
    "another refusal": message("Unauthorized", "401 Unauthorized"),
    "an open list": answer(b"[]", kind="application/json"),
    "garbage": b"\x00\x01\r\n\r\n",
    "a page": answer(WORDS.encode(), "401 no"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers_are_not_typesense(kind: str) -> None:
    with web(lambda path: MISSING if path == "/" else STRANGERS[kind]) as server:
        assert look(server.host, server.port).observation.protocol == "http"


@given(st.binary(max_size=60) | st.text().map(lambda t: json.dumps({"message": t}).encode()))
def test_fuzz_any_answer_is_recognised_or_not(body: bytes) -> None:
    assert not _recognise(Response(404, {}, body, True, False)) or b"message" in body
    assert not _recognise(Response(200, {}, body, True, False))
