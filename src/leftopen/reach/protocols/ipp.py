"""IPP and CUPS: names of printers and of print jobs without a login.

CUPS-Get-Printers and Get-Jobs are reads, and like all of IPP they are POSTs: the allow-list holds
the two whole requests, byte for byte. No document of a job is asked for. A server may keep the
names of jobs from strangers (JobPrivateValues) and name its printers all the same. RFC 8010, 8011;
https://www.cups.org/doc/spec-ipp.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import METHODS, HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import REFUSED, get
from leftopen.reach.marked import post

PATH: Final = "/ipp/print"
ANSWER_BYTES: Final = 1_000_000
MAX_VALUES: Final = 10_000
_GROUPS: Final = 0x10  # tags below it begin a group of attributes
_END: Final = 0x03
_ASKS: Final = (0x0401, 0x0402, 0x0403)  # forbidden, not-authenticated, not-authorized
_SERVER: Final = re.compile(r"(?:(CUPS)/(\d[\w.]{0,20}) )?IPP/\d\.\d\b")


def _attribute(tag: int, name: bytes, value: bytes) -> bytes:
    sizes = (len(name).to_bytes(2, "big"), len(value).to_bytes(2, "big"))
    return bytes([tag]) + sizes[0] + name + sizes[1] + value


def _request(operation: int, wanted: bytes) -> bytes:
    head = b"\x01\x01" + operation.to_bytes(2, "big") + b"\0\0\0\x01\x01"
    fields = (
        _attribute(0x47, b"attributes-charset", b"utf-8"),
        _attribute(0x48, b"attributes-natural-language", b"en"),
        _attribute(0x45, b"printer-uri", b"ipp://localhost/"),
        _attribute(0x44, b"requested-attributes", wanted),
    )
    return head + b"".join(fields) + b"\x03"


PRINTERS: Final = _request(0x4002, b"printer-name")
JOBS: Final = _request(0x000A, b"job-name")


def _exactly(body: bytes) -> bytes:
    """The rule that allows a POST with this body and no other."""
    return (
        post(PATH) + rb"[^\x00]{1,4000}\r\n\r\n" + b"".join(b"\\x%02x" % b for b in body) + rb"\Z"
    )


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its status code and the values of the attribute that was asked for."""

    status: int
    values: tuple[str, ...]


def said_of(body: bytes, wanted: bytes) -> Said:
    """The answer of RFC 8010 section 3; raises ProtocolError where it is none."""
    if len(body) < 9 or body[0] not in (1, 2) or body[4:8] != b"\0\0\0\x01":
        raise ProtocolError("not an answer of IPP")
    values: list[str] = []
    at, name = 8, b""
    while at < len(body) and body[at] != _END:
        if body[at] < _GROUPS:
            at += 1
            continue
        size = int.from_bytes(body[at + 1 : at + 3], "big")
        start = at + 3 + size
        length = int.from_bytes(body[start : start + 2], "big")
        name = body[at + 3 : start] if size else name  # a further value has no name
        at = start + 2 + length
        if name == wanted and len(values) < MAX_VALUES:
            values.append(body[start + 2 : at].decode("utf-8", "replace"))
    if at >= len(body):
        raise ProtocolError("an answer of IPP that ends inside of an attribute")
    return Said(int.from_bytes(body[2:4], "big"), tuple(values))


def _recognise(answer: Response) -> bool:
    return _SERVER.match(answer.headers.get("server", "")) is not None


async def _ask(client: HttpClient, body: bytes, wanted: bytes) -> tuple[Said, Response]:
    headers = {"Content-Type": "application/ipp"}
    answer = await client.request("POST", PATH, body=body, headers=headers, limit=ANSWER_BYTES)
    if answer.status in REFUSED:
        return Said(_ASKS[0], ()), answer
    if answer.status != 200 or answer.media_type != "application/ipp":
        raise ProtocolError(f"no answer of IPP, but {answer.status}")
    return said_of(answer.body if answer.complete else b"", wanted), answer


async def _prove(context: Context) -> Proof | None:
    async with context.http() as client:
        front = context.front or await get(client, "/")
        found = _SERVER.match(front.headers.get("server", ""))
        if found is None:
            return None
        product, version = found.group(1) or "IPP", found.group(2) or ""
        seen = context.evidence("GET /", found.group().encode(), web.reproduce(context, "/"))
        detail = "says what it is without a login"
        proof = Proof(Access.METADATA, detail, product, version, evidence=(seen,))
        if front.status == 400:  # what CUPS says to a Host that is none of its own names
            said = "refuses the name or address by which it was asked; it may answer to another"
            gaps = (context.gap(Reason.REFUSED, PATH, said),)
            return replace(proof, access=Access.UNDETERMINED, detail=said, gaps=gaps)
        if not context.posts:
            said = "read_posts is off, so neither printers nor jobs were asked for"
            return replace(proof, gaps=(context.gap(Reason.NOT_GIVEN, PATH, said),))
        return await _names(context, client, proof)


async def _names(context: Context, client: HttpClient, proof: Proof) -> Proof:
    printers, answer = await _ask(client, PRINTERS, b"printer-name")
    jobs, listed = await _ask(client, JOBS, b"job-name")
    if not printers.values and not jobs.values:
        if printers.status in _ASKS or jobs.status in _ASKS:
            detail = "the names of printers or of jobs ask for a login"
            return replace(proof, access=Access.ASKS_CREDENTIAL, detail=detail)
        detail = f"{proof.detail}; no printer and no job is named"
        return replace(proof, detail=detail)
    seen = (
        _shown(context, "CUPS-Get-Printers", answer, printers),
        _shown(context, "Get-Jobs", listed, jobs),
    )
    return replace(
        proof,
        access=Access.LISTS,
        detail=f"{len(printers.values)} printers and {len(jobs.values)} jobs are named without "
        "a login; no document was asked for",
        size=Size(objects=len(jobs.values), unit="jobs", basis="Get-Jobs"),
        evidence=(*proof.evidence, *seen),
        containers=tuple(safe(name, 80) for name in printers.values[:20]),
    )


def _shown(context: Context, request: str, answer: Response, said: Said) -> Evidence:
    """What a job is called may be anybody's secret: only its shape is shown."""
    names = "\n".join(said.values).encode() or b"status %04x" % said.status
    command = f"ipptool -tv {web.url_of(context, PATH).replace('http', 'ipp', 1)} get-jobs.test"
    return context.evidence(f"POST {PATH} {request}", names, command, content=True)


IPP = Protocol(
    name="ipp",
    ports=(631,),
    tls_ports=(631,),
    sends="GET of the first page; CUPS-Get-Printers and Get-Jobs (POST) where the rules let it",
    allowed=(*METHODS, _exactly(PRINTERS), _exactly(JOBS)),
    prove=_prove,
    recognise_http=_recognise,
    source="https://www.rfc-editor.org/rfc/rfc8010",
)
