"""TFTP: a file without a login, which the protocol does not even know.

There is no listing, so only files are asked for that the scope file names by a URL. Proof: its
first block comes back, and a name that nobody has is refused. A refusal and an absence are told
apart by some servers only, so they are one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import unquote_to_bytes

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.net.datagram import exchange
from leftopen.reach import tftp_wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol, start_of
from leftopen.reach.documents import nobody

FIRST: Final = 512  # bytes that the proof reads
MOST: Final = 2**53  # a size beyond it is none


async def _file(context: Context, name: bytes, limit: int) -> tftp_wire.Read | tftp_wire.Refused:
    async with exchange(context.dialer) as link:
        try:
            return await tftp_wire.read(link, name, limit)
        except tftp_wire.Refused as e:
            return e


def _name(context: Context) -> bytes:
    return unquote_to_bytes(start_of(context.target)).lstrip(b"/")


async def _prove(context: Context) -> Proof | None:
    name = _name(context)
    if not name:
        raise ProtocolError("the URL names no file, and TFTP has no list of them")
    other = await _file(context, nobody(context).encode(), FIRST)
    found = await _file(context, name, FIRST)
    asked = f"RRQ {safe(name, 200)}"
    if isinstance(found, tftp_wire.Refused):
        words = f"ERROR {found.code}: {safe(found.words, 80)}"
        seen = context.evidence(asked, words.encode(), _reproduce(context))
        detail = f"the file is refused or not there: {words}"
        return Proof(Access.REFUSED_OR_ABSENT, detail, evidence=(seen,))
    data = bytes(found.data)
    seen = context.evidence(asked, data, _reproduce(context), content=True)
    if isinstance(other, tftp_wire.Read):
        detail = "a file that nobody has is given as well, so nothing is proved"
        return Proof(Access.UNDETERMINED, detail, evidence=(seen,))
    whole = len(data) if found.complete else found.size
    return Proof(
        access=Access.GIVES_DATA if data else Access.METADATA,
        detail=f"{len(data)} bytes of the file were read" if data else "the file is empty",
        size=Size(
            objects=1,
            bytes=whole if whole is not None and whole < MOST else None,
            unit="files",
            basis="the whole file" if found.complete else "tsize",
        ),
        evidence=(seen,),
    )


def _reproduce(context: Context) -> str:
    return f"curl -s {context.target.url}" if context.target.url else ""


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    """The one file that the scope file names."""
    yield ObjectRef(path=start_of(context.target))


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    found = await _file(context, unquote_to_bytes(ref.path).lstrip(b"/"), limit)
    if isinstance(found, tftp_wire.Refused):
        raise ObjectRefused(str(found))
    return Fetched(bytes(found.data), found.complete)


TFTP = Protocol(
    name="tftp",
    ports=(69,),
    sends="read requests for the file that the scope file names and for one nobody has",
    allowed=tftp_wire.ALLOWED,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    named_only=True,
    encoded_names=True,
    udp=True,
    source="https://www.rfc-editor.org/rfc/rfc1350",
)
