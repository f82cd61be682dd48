"""Elasticsearch: indices and documents without a login.

Proof: the indices are named, _search of one gives a document, and an index that nobody has is
answered with index_not_found. The banner proves nothing: an anonymous role may see it and be
refused all data. OpenSearch is a protocol of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach import search_json, web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.json_answer import parsed

TAGLINE: Final = "You Know, for Search"
_REALMS: Final = tuple(
    f'realm="{name}"' for name in ("shield", "search guard", "open distro security")
)  # Shield is 1.x and 2.x; the other two are plugins for 2.x to 7.10
_X_PACK: Final = 'realm="security"'  # since 5.0, a realm that others may use as well


class _Cause(msgspec.Struct):
    type: str


class _Refusal(msgspec.Struct):
    """401 and 403: an object since 2.0, before that a text."""

    error: _Cause | str
    status: int

    @property
    def ours(self) -> bool:
        """Whether it is a refusal of security, said as Elasticsearch says it."""
        error = self.error
        if isinstance(error, str):
            return error.startswith(("AuthenticationException[", "AuthorizationException["))
        return error.type == "security_exception"


def _banner(answer: Response) -> search_json.Banner | None:
    """Elasticsearch's banner; 503 is that of a 1.x without a master."""
    banner = parsed(answer, search_json.Banner) if answer.status in (200, 503) else None
    if banner is None or banner.opensearch:
        return None
    return banner if banner.tagline == TAGLINE or banner.cluster_name else None


def _recognise(answer: Response) -> bool:
    if answer.status not in (401, 403):
        return _banner(answer) is not None
    asks = answer.headers.get("www-authenticate", "").lower()
    if answer.headers.get("x-elastic-product") or any(realm in asks for realm in _REALMS):
        return True
    said: Any = parsed(answer, _Refusal)
    return said is not None and said.ours and (_X_PACK in asks or answer.status == 403)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await search_json.get(client, "/")
        if not _recognise(front):
            return None
        banner = _banner(front)
        refused = web.refusal(context, web.Landing("/", front))
        proof = refused or await search_json.data(context, client)
        version = banner.version.number if banner else ""
        return replace(proof, product="elasticsearch", version=version)


ELASTICSEARCH = Protocol(
    name="elasticsearch",
    ports=(9200,),
    sends="GET of the banner, of _cat/indices or _stats, of one document by _search?size=1",
    allowed=METHODS,
    prove=_prove,
    list_objects=search_json.objects,
    fetch=search_json.fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-cat-indices",
)
