"""Docker registry (OCI distribution): images without a login.

Proof: _catalog names repositories, a manifest of one comes back, and a repository that nobody has
is unknown. The API's base may answer 200 while the catalog is refused, and an open registry may
be empty. A blob that is kept elsewhere is a redirect, which is never followed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, Proof, Protocol
from leftopen.reach.json_answer import parsed

ANSWER_BYTES: Final = 1_000_000
PAGE: Final = 100  # repositories of one page of the catalog
MAX_PAGES: Final = 20
MAX_TAGS: Final = 100  # tags of one repository
MAX_PARTS: Final = 200  # blobs of one image, images of one index
_NAME: Final = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][\w.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,128}")
_TYPES: Final = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


class _Catalog(msgspec.Struct):
    repositories: list[str] | None


class _Tags(msgspec.Struct):
    name: str
    tags: list[str] | None = None  # a repository whose tags were all deleted


class _Part(msgspec.Struct, rename="camel"):
    digest: str
    size: int = 0
    media_type: str = ""


class _Manifest(msgspec.Struct, rename="camel"):
    schema_version: int
    config: _Part | None = None
    layers: list[_Part] = []
    manifests: list[_Part] = []  # of an index: one image per platform

    @property
    def parts(self) -> list[_Part]:
        """The blobs of an image, its configuration first."""
        return [*([self.config] if self.config else []), *self.layers]


def _recognise(answer: Response) -> bool:
    """Says its API's version, or answers GET / with an empty page as its health check does."""
    if "docker-distribution-api-version" in answer.headers:
        return True
    health = answer.headers.get("cache-control", "") == "no-cache"
    return answer.status == 200 and not answer.body and health


async def _get(client: HttpClient, path: str) -> Response:
    return await client.request("GET", path, headers={"Accept": _TYPES}, limit=ANSWER_BYTES)


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        try:
            base = await _get(client, "/v2/")
        except BudgetSpent:
            raise
        except ProtocolError:  # an empty first page may be anybody's
            return None
        if not base.headers.get("docker-distribution-api-version", "").startswith("registry/2"):
            return None
        refused = web.refusal(context, web.Landing("/v2/", base))
        return replace(refused or await _images(context, client), product="docker registry")


async def _images(context: Context, client: HttpClient) -> Proof:
    path = f"/v2/_catalog?n={PAGE}"
    answer = await _get(client, path)
    if refused := web.refusal(context, web.Landing(path, answer)):
        return replace(refused, detail=f"/v2/ answers, the catalog does not: {refused.detail}")
    found = parsed(answer, _Catalog)
    shown = context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))
    if answer.status != 200 or found is None:
        detail = f"_catalog was answered with {answer.status} and something else than a list"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    names = (found.repositories or [])[:PAGE]
    nobody = f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"
    if (await _get(client, f"/v2/{nobody}/tags/list")).status == 200:
        detail = "a repository that nobody has is answered as well, so the catalog proves little"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    read: tuple[Evidence, ...] = ()
    said = "no image could be read" if names else "it is empty"
    for name in filter(_NAME.fullmatch, names[:5]):
        if not read and (image := await _first_image(context, client, name)):
            said, read = image[0], image[1:]
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"{len(names)} repositories are named without a login; {said}",
        size=Size(
            objects=len(names),
            unit="repositories",
            basis="_catalog",
            complete="link" not in answer.headers,
        ),
        evidence=(shown, *read),
        containers=tuple(safe(name, 80) for name in names[:20]),
    )


async def _first_image(
    context: Context, client: HttpClient, name: str
) -> tuple[str, Evidence] | None:
    """Words and evidence for the first manifest of a repository that comes back."""
    tags = parsed(await _get(client, f"/v2/{name}/tags/list"), _Tags)
    for tag in filter(_TAG.fullmatch, (tags.tags or [] if tags else [])[:3]):
        path = f"/v2/{name}/manifests/{tag}"
        answer = await _get(client, path)
        image = parsed(answer, _Manifest) if answer.status == 200 else None
        if image and (image.parts or image.manifests):
            size = sum(max(0, part.size) for part in image.parts[:MAX_PARTS])
            said = f"the manifest of an image was read, {len(image.parts)} blobs of {size} bytes"
            command = f"{web.reproduce(context, path)} -H 'Accept: {_TYPES}'"
            return said, context.evidence(f"GET {path}", answer.body, command, content=True)
    return None


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    seen = set[str]()
    async with context.http() as client:
        async for name in _repositories(context, client):
            if isinstance(name, Gap):
                yield name
                continue
            async for item in _blobs(context, client, name):
                if isinstance(item, Gap) or item.path not in seen:
                    seen.update([] if isinstance(item, Gap) else [item.path])
                    yield item


async def _repositories(context: Context, client: HttpClient) -> AsyncIterator[str | Gap]:
    """Names out of the catalog, page by page: the next begins after the last one of this."""
    path = f"/v2/_catalog?n={PAGE}"
    last = ""
    for _ in range(MAX_PAGES):
        answer = await _get(client, path)
        found = parsed(answer, _Catalog)
        if answer.status != 200 or found is None:
            raise ProtocolError(f"_catalog was answered with {answer.status}")
        names = (found.repositories or [])[:PAGE]
        for name in names:
            if len(name) <= 255 and _NAME.fullmatch(name):
                yield name
            else:
                yield context.gap(Reason.UNPARSED, name, "no name of a repository")
        if "link" not in answer.headers or not names or names[-1] <= last:
            return
        last = names[-1]
        path = f"/v2/_catalog?n={PAGE}&last={quote(last, safe='')}"
    yield context.gap(Reason.BUDGET, "_catalog", f"more than {MAX_PAGES * PAGE} repositories")


async def _blobs(context: Context, client: HttpClient, name: str) -> AsyncIterator[ObjectRef | Gap]:
    """The blobs of all images of a repository, those of an index one level down."""
    answer = await _get(client, f"/v2/{name}/tags/list")
    tags = parsed(answer, _Tags)
    if answer.status != 200 or tags is None:
        yield context.gap(Reason.REFUSED, name, f"its tags were answered with {answer.status}")
        return
    todo = [(tag, False) for tag in (tags.tags or [])[:MAX_TAGS] if _TAG.fullmatch(tag)]
    if left := len(tags.tags or []) - len(todo):
        yield context.gap(Reason.BUDGET, name, f"more than {MAX_TAGS} tags", count=left)
    for reference, inner in todo:
        answer = await _get(client, f"/v2/{name}/manifests/{reference}")
        image = parsed(answer, _Manifest)
        if answer.status != 200 or image is None:
            detail = f"no manifest, answered with {answer.status}"
            yield context.gap(Reason.UNPARSED, f"{name}:{reference}", detail)
            continue
        if not inner:
            more = [p.digest for p in image.manifests[:MAX_PARTS] if _DIGEST.fullmatch(p.digest)]
            todo += [(digest, True) for digest in more]
        for part in image.parts[:MAX_PARTS]:
            if _DIGEST.fullmatch(part.digest):
                path = f"/v2/{name}/blobs/{part.digest}"
                kind, size = part.media_type[:200], max(0, part.size)
                yield ObjectRef(path=path, group=name, size=size, media_type=kind)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with context.http() as client:
        answer = await client.request("HEAD", ref.path)
        if answer.status in web.REDIRECTS:
            to = safe(answer.headers.get("location", "").partition("?")[0], 120)
            raise OutOfScope(f"the blob is kept elsewhere: {to}, not followed")
        return await web.get_object(client, ref.path, limit)


DOCKER_REGISTRY = Protocol(
    name="docker_registry",
    ports=(5000,),
    sends="GET of /v2/, of the catalog, of tags, manifests and blobs",
    allowed=METHODS,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise_http=_recognise,
    encoded_names=True,
    source="https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md",
)
