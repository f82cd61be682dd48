"""Docker Engine and Podman: containers and images without a client certificate.

Proof: the version parses with both ApiVersion and MinAPIVersion, the list of containers or images
is answered, and one container's own record (environment, labels) comes back. Nothing is ever
created, started or attached to; the socket gives root to whoever may. An empty list is open and
empty. With --tlsverify the handshake ends in an alert that demands a certificate.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import msgspec

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.documents import get, shown, unproved
from leftopen.reach.json_answer import parsed

VERSION: Final = "/version"
FIRST: Final = "/containers/json?all=1&limit=1"
ALL: Final = "/containers/json?all=1&limit=1000"
IMAGES: Final = "/images/json"
MAX_LISTED: Final = 1000
_ID: Final = re.compile(r"[0-9a-f]{12,64}")
# alerts 116 and 42 of RFC 8446 6.2, in OpenSSL's words; Go says the second in TLS 1.2
_DEMANDED: Final = re.compile(r"alert (?:certificate required|bad certificate)", re.I)


class _Component(msgspec.Struct, rename="pascal"):
    name: str


class _Version(msgspec.Struct, rename="pascal"):
    version: str
    api_version: str
    min_api_version: str = msgspec.field(name="MinAPIVersion")
    os: str
    components: list[_Component] | None = None


class _Container(msgspec.Struct, rename="pascal"):
    id: str
    names: list[str] | None = None
    image: str = ""


class _Image(msgspec.Struct, rename="pascal"):
    id: str
    repo_tags: list[str] | None = None
    size: int = 0


class _Config(msgspec.Struct, rename="pascal"):
    env: list[str] | None
    labels: dict[str, str] | None


class _Inspected(msgspec.Struct, rename="pascal"):
    id: str
    config: _Config


class _NoPage(msgspec.Struct, forbid_unknown_fields=True):
    message: str


def _recognise(answer: Response) -> bool:
    """Docker's 404 is JSON; Podman's is Go's text without Go's "page"."""
    if answer.status != 404:
        return False
    if answer.media_type == "text/plain":
        return answer.body == b"Not Found\n" and "x-content-type-options" in answer.headers
    said = parsed(answer, _NoPage)
    return said is not None and said.message == "page not found"


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            answer = await get(client, VERSION)
        except BudgetSpent:
            raise
        except ProtocolError as e:  # its 404 may be anybody's
            return _certificate(context, str(e))
        found = parsed(answer, _Version) if answer.status == 200 else None
        if found is None:
            return None
        proof = await _lists(context, client, shown(context, VERSION, answer))
    podman = any(c.name.startswith("Podman") for c in found.components or ())
    return replace(proof, product="podman" if podman else "docker", version=found.version)


def _certificate(context: Context, said: str) -> Proof | None:
    """ASKS_CREDENTIAL where the handshake ended in the alert that demands a certificate."""
    if not context.tls or not _DEMANDED.search(said):
        return None
    evidence = context.evidence("(TLS handshake)", said.encode(), web.reproduce(context, VERSION))
    detail = "a client certificate is demanded in the TLS handshake"
    return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(evidence,))


async def _lists(context: Context, client: HttpClient, version: Evidence) -> Proof:
    """Containers, images, and one container's own record."""
    answer = await get(client, FIRST)
    if refused := web.refusal(context, web.Landing(FIRST, answer)):
        return replace(refused, detail=f"the version answers, the data does not: {refused.detail}")
    containers = parsed(answer, list[_Container]) if answer.status == 200 else None
    listed = shown(context, FIRST, answer)
    if containers is None:
        detail = "the version answers, there is no list of containers"
        return Proof(Access.METADATA, detail, evidence=(version, listed))
    other = await web.nonsense(context, client, "/containers/")
    if other.status == 200:
        return unproved("a path that nobody has is answered as well", listed)
    pictures = await _images(context, client)
    inspected = await _inspect(context, client, containers)
    names = [_name(c) for c in containers]
    tags = [tag for image in pictures or () for tag in image.repo_tags or ()]
    counted = "no list of" if pictures is None else f"{len(pictures)}"
    named = f"containers are named and {counted} images" if names else f"{counted} images"
    detail = f"{named} without a login; " + ("one was inspected" if inspected else "none inspected")
    if not names and pictures == []:
        detail = "open without a login and empty: no container, no image"
    return Proof(
        Access.GIVES_DATA if inspected else Access.LISTS,
        detail,
        size=_size(pictures or []),
        evidence=(version, listed, *inspected),
        containers=tuple(safe(name, 80) for name in [*names, *tags][:20]),
    )


def _name(container: _Container) -> str:
    return next(iter(container.names or ()), container.id).lstrip("/")


async def _images(context: Context, client: HttpClient) -> list[_Image] | None:
    """The images; None with a Gap where there is no such list, so that it is not taken for 0."""
    try:
        answer = await get(client, IMAGES)
    except BudgetSpent:
        raise
    except ProtocolError as e:  # what is proved stays so
        context.gaps.append(context.gap(Reason.MISBEHAVED, IMAGES, str(e)))
        return None
    found = parsed(answer, list[_Image]) if answer.status == 200 else None
    if found is None:
        detail = f"no list of images, answered with {answer.status}"
        context.gaps.append(context.gap(Reason.UNPARSED, IMAGES, detail))
    return found


async def _inspect(
    context: Context, client: HttpClient, containers: list[_Container]
) -> tuple[Evidence, ...]:
    """Evidence of one container's own record: the command, the environment, the labels."""
    for container in containers[:1]:
        if not _ID.fullmatch(container.id):
            break
        path = f"/containers/{container.id}/json"
        answer = await get(client, path)
        found = parsed(answer, _Inspected) if answer.status == 200 else None
        if found and found.id == container.id:
            command = web.reproduce(context, path)
            return (context.evidence(f"GET {path}", answer.body, command, content=True),)
    return ()


def _size(images: list[_Image]) -> Size | None:
    stored = sum(image.size for image in images)
    if not images or not all(0 <= image.size < 2**53 for image in images):
        return None
    return Size(objects=len(images), bytes=stored, unit="images", basis="/images/json")


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """An object is the record of one container."""
    async with context.http() as client:
        found = parsed(await get(client, ALL), list[_Container])
    if found is None:
        raise ProtocolError("the list of containers is no longer answered")
    for container in found[:MAX_LISTED]:
        if _ID.fullmatch(container.id):
            path, group = f"/containers/{container.id}/json", container.image
            yield ObjectRef(path=path, group=group, media_type="application/json")
        else:
            yield context.gap(Reason.UNSUPPORTED, container.id, "an identifier that is none")
    if len(found) >= MAX_LISTED:
        yield context.gap(Reason.BUDGET, "", f"the list was cut after {MAX_LISTED} containers")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        return await web.get_object(client, ref.path, limit)


DOCKER_API = Protocol(
    name="docker_api",
    ports=(2375,),
    tls_ports=(2376,),
    sends="GET of the version, of the lists of containers and images, of containers' records",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://docs.docker.com/reference/api/engine/version/v1.41/",
)
