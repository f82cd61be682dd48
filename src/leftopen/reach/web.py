"""What the probes over HTTP share: landing on a page, refusals, the request nobody expects."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof

MAX_REDIRECTS: Final = 3
PROOF_BYTES: Final = 4096
REDIRECTS: Final = (301, 302, 303, 307, 308)
_LOGIN: Final = re.compile(
    r"log[-_]?[io]n|sign[-_]?in|\bauth|sso\b|saml|oauth|openid|session", re.I
)
_FORM: Final = re.compile(rb"""<input[^>]{0,400}\btype\s*=\s*["']?password""", re.I)
_SERVER: Final = re.compile(r"([A-Za-z][\w .-]{0,40}?)(?:/(\d[\w.-]{0,30}))?(?:[ (].*)?")


@dataclass(frozen=True, slots=True)
class Landing:
    """Where redirects within the origin led: the path and its answer."""

    path: str
    answer: Response


def origin(context: Context) -> tuple[str, str, int]:
    """Scheme, host and port as they stand in a URL of this target."""
    endpoint = context.target.endpoint
    host = (endpoint.name or endpoint.address).lower()
    return ("https" if context.tls else "http", host, endpoint.port)


def url_of(context: Context, path: str) -> str:
    """The full URL of a path of this target."""
    scheme, host, port = origin(context)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"


def reproduce(context: Context, path: str) -> str:
    """A curl command line that a sceptic can run."""
    insecure = "-k " if context.tls else ""
    return f"curl -s {insecure}{shlex.quote(url_of(context, path))}"


async def land(context: Context, client: HttpClient, landing: Landing) -> Landing | Proof:
    """Follow at most three redirects within the origin; a Proof where that ends in a refusal.

    A redirect to anywhere else is never followed: it is noted, as a Gap where it leaves the host.
    """
    for _ in range(MAX_REDIRECTS):
        if landing.answer.status not in REDIRECTS:
            return landing
        said = landing.answer.headers.get("location", "")
        try:
            leads = urljoin(url_of(context, landing.path), said)
            to = urlsplit(leads)
            port = to.port or (443 if to.scheme == "https" else 80)
        except ValueError:
            raise ProtocolError("a redirect to something that is no URL") from None
        if _LOGIN.search(to.path) or (to.scheme, to.hostname, port) != origin(context):
            return _away(context, landing, leads, to.hostname or "", to.path)
        if not to.path.startswith("/") or to.path == landing.path:
            break
        landing = Landing(to.path, await client.request("GET", to.path, limit=1_048_576))
    if landing.answer.status in REDIRECTS:
        raise ProtocolError("a loop of redirects")
    return landing


def _away(context: Context, landing: Landing, leads: str, host: str, path: str) -> Proof:
    """A redirect that is not followed: to a login, to another port, to another host."""
    other_host = host != origin(context)[1]
    login = _LOGIN.search(host if other_host else "") or _LOGIN.search(path)
    what = "a login" if login else "another host" if other_host else "another port of this host"
    gap = context.gap(Reason.OUT_OF_SCOPE, landing.path, f"redirects to {leads}, not followed")
    return Proof(
        access=Access.ASKS_CREDENTIAL if login else Access.SPEAKS,
        detail=f"redirects to {what}: {safe(leads, 120)}",
        evidence=(_evidence(context, landing),),
        gaps=(gap,) if other_host else (),
    )


def _evidence(context: Context, landing: Landing) -> Evidence:
    shown = f"{landing.answer.status} {landing.answer.headers.get('location', '')}".encode()
    return context.evidence(f"GET {landing.path}", shown, reproduce(context, landing.path))


def refusal(context: Context, landing: Landing) -> Proof | None:
    """The Proof for 401, 403, 407 and 440 (Exchange's login time-out), else None."""
    answer = landing.answer
    if answer.status not in (401, 403, 407, 440):
        return None
    asks = safe(answer.headers.get("www-authenticate", ""), 80)
    detail = f"GET {safe(landing.path, 80)} is refused with {answer.status}"
    return Proof(
        access=Access.ASKS_CREDENTIAL,
        detail=f"{detail} ({asks})" if asks else detail,
        evidence=(
            context.evidence(
                f"GET {landing.path}",
                b"%d %s" % (answer.status, asks.encode()),
                reproduce(context, landing.path),
            ),
        ),
    )


def has_login_form(answer: Response) -> bool:
    """Whether a page asks for a password."""
    return _FORM.search(answer.body) is not None


def server_of(answer: Response) -> tuple[str, str]:
    """Product and version out of the Server field; hostile text, not masked yet."""
    match = _SERVER.fullmatch(answer.headers.get("server", "")[:200].strip())
    return (match.group(1).strip(), match.group(2) or "") if match else ("", "")


async def nonsense(context: Context, client: HttpClient, folder: str) -> Response:
    """The answer for a name that nobody has: what a catch-all says to everything."""
    token = context.keyring.digest("nonsense", f"{context.run_id} {folder}")[:20]
    return await client.request("GET", f"{folder}leftopen-{token}", limit=262_144)


def same_answer(one: Response, other: Response) -> bool:
    """Whether two answers are the same page: by status, type and body (or its length)."""
    kinds = (one.status, one.media_type) == (other.status, other.media_type)
    return kinds and (one.body == other.body or len(one.body) == len(other.body))


async def sample(
    context: Context, client: HttpClient, path: str, other: Response
) -> tuple[Evidence, ...]:
    """Read the beginning of one object: the evidence, or nothing when it gives no bytes.

    `other` is the answer to nonsense: a body that equals it is no object.
    """
    wanted = f"bytes=0-{PROOF_BYTES - 1}"
    try:
        answer = await client.request("GET", path, headers={"Range": wanted}, limit=PROOF_BYTES)
    except BudgetSpent:
        raise
    except ProtocolError:  # this one misbehaves, the next may not
        return ()
    if answer.status not in (200, 206) or not answer.body or answer.body == other.body:
        return ()
    asked = f"GET {path} (Range: {wanted})"
    return (context.evidence(asked, answer.body, reproduce(context, path), content=True),)


async def get_object(client: HttpClient, path: str, limit: int) -> Fetched:
    """One object's bytes, at most `limit`.

    Raises:
        ObjectRefused: the server keeps it back or does not have it.
        ProtocolError: any other answer.
    """
    answer = await client.request("GET", path, limit=limit)
    if answer.status in (401, 403, 404, 407, 409, 410, 451):
        raise ObjectRefused(f"answered with {answer.status}")
    if answer.status != 200:
        raise ProtocolError(f"answered with {answer.status}")
    return Fetched(answer.body, answer.complete, answer.media_type)
