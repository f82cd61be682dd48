"""Typesense: whether it asks for its key, which it always does.

It has no open state: only /health answers everybody. /collections without a key is a refusal
that names the field of the key, and that is how it is told from any other program.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.net.http import METHODS, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import get
from leftopen.reach.json_answer import parsed

COLLECTIONS: Final = "/collections"
_KEY: Final = "x-typesense-api-key"


class _Message(msgspec.Struct):
    message: str


def _recognise(answer: Response) -> bool:
    """Its 404 for a path that it does not have: other programs say the same, so only a hint."""
    said = parsed(answer, _Message) if answer.status in (401, 404) else None
    return said is not None and (said.message == "Not Found" or _KEY in said.message)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        if not _recognise(context.front or await get(client, "/")):
            return None
        try:
            answer = await get(client, COLLECTIONS)
        except BudgetSpent:
            raise
        except ProtocolError:  # that first page may be any program's
            return None
        said = parsed(answer, _Message)
        refused = web.refusal(context, web.Landing(COLLECTIONS, answer))
        if refused is None or said is None or _KEY not in said.message:
            return None
        return replace(refused, product="typesense")


TYPESENSE = Protocol(
    name="typesense",
    ports=(8108,),
    sends="GET of /collections, which it refuses",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://typesense.org/docs/latest/api/authentication.html",
)
