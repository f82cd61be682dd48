"""HTTP proxy: one that forwards a stranger's request.

It is asked for an address of its own, never for a third host, so nothing leaves the scope. A proxy
that forwards meets itself: the answer has passed one more hop (Via, RFC 9110 7.6.3) than its answer
to a plain request. It holds no data of its own: what it opens is what lies behind it. CONNECT is
not tried.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from leftopen.model.exposure import Access, Evidence
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import get, nobody

_PRODUCT: Final = re.compile(r"(squid|tinyproxy|privoxy|polipo)(?:/([\w.-]{1,30}))?", re.I)
_BEHIND: Final = "what lies behind it was not looked at, nor CONNECT tried"


def _recognise(answer: Response) -> bool:
    """A refusal of a proxy, or an error of Squid or tinyproxy about a request without a host."""
    if answer.status == 407:
        return "proxy-authenticate" in answer.headers
    return answer.status in (400, 403, 503) and (
        answer.headers.get("x-squid-error", "").startswith("ERR_")
        or _PRODUCT.match(answer.headers.get("server", "")) is not None
    )


def hops(answer: Response) -> int:
    """How many proxies an answer says that it has passed."""
    return sum(1 for hop in answer.headers.get("via", "").split(",") if hop.strip())


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await get(client, "/")
        if not _recognise(front):
            return None
        url = web.url_of(context, f"/{nobody(context)}")
        answer = await client.request("GET", url, limit=65_536)
    found = _PRODUCT.match(front.headers.get("server", ""))
    product, version = (found.group(1).lower(), found.group(2) or "") if found else ("", "")
    proof = _judge(context, front, answer, _seen(context, url, answer))
    return replace(proof, product=product, version=version)


def _judge(context: Context, front: Response, answer: Response, seen: Evidence) -> Proof:
    error = safe(answer.headers.get("x-squid-error", ""), 40)
    if answer.status == 407:
        asks = safe(answer.headers.get("proxy-authenticate", ""), 80)
        detail = f"the proxy asks for a login: 407 ({asks})"
        return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(seen,))
    if hops(answer) > hops(front):
        detail = "an open proxy: a request of a stranger was forwarded (to the proxy itself); "
        gap = context.gap(Reason.UNSUPPORTED, "", _BEHIND)
        return Proof(Access.METADATA, detail + _BEHIND, evidence=(seen,), gaps=(gap,))
    if answer.status == 403 and (error.startswith("ERR_ACCESS_DENIED") or front.status == 403):
        detail = f"the proxy refuses to forward: 403 {error}".rstrip()
        return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(seen,))
    detail = f"neither forwarded nor refused: answered with {answer.status} {error}".rstrip()
    gap = context.gap(Reason.REFUSED, "", detail)
    return Proof(Access.UNDETERMINED, detail, evidence=(seen,), gaps=(gap,))


def _seen(context: Context, url: str, answer: Response) -> Evidence:
    fields = ("via", "x-squid-error", "proxy-authenticate", "server")
    said = [f"{field}: {answer.headers[field]}" for field in fields if field in answer.headers]
    shown = "\n".join((str(answer.status), *said)).encode("utf-8", "replace")
    proxy = web.url_of(context, "")
    return context.evidence(f"GET {url}", shown, f"curl -s -i -x {proxy} {url}")


HTTP_PROXY = Protocol(
    name="http_proxy",
    ports=(3128, 8888),
    sends="GET of an address of its own in absolute form, which a proxy forwards to itself",
    allowed=METHODS,
    prove=_prove,
    recognise_http=_recognise,
    source="https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2",
)
