"""OpenSearch: indices and documents without a login.

Proof as for Elasticsearch, whose answers it shares. Its security plugin refuses in plain text,
answers 503 to everybody until it is initialised, and may give strangers an anonymous role that
reads a part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from leftopen.model.exposure import Access
from leftopen.net.http import METHODS, Response
from leftopen.reach import search_json, web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.json_answer import parsed

_REALM: Final = 'realm="opensearch security"'
_NOT_READY: Final = b"OpenSearch Security not initialized"  # BackendRegistry, SecurityFilter


def _banner(answer: Response) -> search_json.Banner | None:
    banner = parsed(answer, search_json.Banner) if answer.status == 200 else None
    return banner if banner and banner.opensearch else None


def _not_ready(answer: Response) -> bool:
    return answer.status == 503 and answer.body.startswith(_NOT_READY)


def _recognise(answer: Response) -> bool:
    if answer.status in (401, 403):
        return _REALM in answer.headers.get("www-authenticate", "").lower()
    return _not_ready(answer) or _banner(answer) is not None


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await search_json.get(client, "/")
        if not _recognise(front):
            return None
        banner = _banner(front)
        version = banner.version.number if banner else ""
        if _not_ready(front):
            proof = Proof(
                Access.UNDETERMINED,
                "its security plugin is not initialised and refuses everybody: look again later",
                evidence=(context.evidence("GET /", front.body, web.reproduce(context, "/")),),
            )
        else:
            refused = web.refusal(context, web.Landing("/", front))
            proof = refused or await search_json.data(context, client)
        return replace(proof, product="opensearch", version=version)


OPENSEARCH = Protocol(
    name="opensearch",
    ports=(9200,),
    sends="GET of the banner, of _cat/indices or _stats, of one document by _search?size=1",
    allowed=METHODS,
    prove=_prove,
    list_objects=search_json.objects,
    fetch=search_json.fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.opensearch.org/latest/api-reference/cat/cat-indices/",
)
