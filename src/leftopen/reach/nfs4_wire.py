"""NFS 4.0 (RFC 7530): the pseudo-root, folders and files, without a client identity or state.

Every request is one COMPOUND of a fixed shape: PUTROOTFH or PUTFH, then one read. READ uses the
anonymous stateid (section 9.1.4.3), so that no file is opened and no lock or lease is taken.
Version 4.1 wants a session first, which is state on the server; it is not spoken.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.reach import nfs_wire as wire
from leftopen.reach import xdr
from leftopen.reach.nfs_wire import Node, Root, Rpc, Status

MAX_HANDLE: Final = 128
_GETATTR, _GETFH, _LOOKUP, _PUTFH, _PUTROOTFH, _READ, _READDIR = 9, 10, 15, 22, 24, 25, 26
# Attributes by their number (section 5.6, 5.7); in a reply they follow each other in this order.
_KIND, _SIZE, _ERROR, _FILEHANDLE, _FREE, _TOTAL, _MODIFIED = 1, 4, 11, 19, 43, 44, 53


def _bitmap(*numbers: int) -> bytes:
    words = [sum(1 << n % 32 for n in numbers if n // 32 == word) for word in (0, 1)]
    return xdr.uints(2, *words)


_OF_ENTRY: Final = _bitmap(_KIND, _SIZE, _ERROR, _FILEHANDLE, _MODIFIED)
_OF_NODE: Final = _bitmap(_KIND, _SIZE, _MODIFIED)
_OF_SYSTEM: Final = _bitmap(_FREE, _TOTAL)
_COMPOUND: Final = xdr.uints(0, 0)  # an empty tag, minor version 0
_ANONYMOUS: Final = bytes(16)
_SIZES: Final = xdr.uints(wire.LIST_SIZE // 4, wire.LIST_SIZE)


@dataclass(slots=True)
class Attributes:
    """Those of the attributes above that were sent."""

    kind: int = 0
    size: int | None = None
    error: int = 0
    handle: bytes = b""
    free: int | None = None
    total: int | None = None
    time: datetime | None = None


def attributes_of(reader: xdr.Reader) -> Attributes:
    """Fattr4: a bitmap and the values; raises ProtocolError for one that nobody asked for."""
    words = reader.uints(8)
    values = xdr.Reader(reader.opaque(4096))
    found = Attributes()
    for number in (w * 32 + bit for w, word in enumerate(words) for bit in _bits(word)):
        if number == _KIND:
            found.kind = values.uint()
        elif number == _SIZE:
            found.size = values.hyper()
        elif number == _ERROR:
            found.error = values.uint()
        elif number == _FILEHANDLE:
            found.handle = values.opaque(MAX_HANDLE)
        elif number == _FREE:
            found.free = values.hyper()
        elif number == _TOTAL:
            found.total = values.hyper()
        elif number == _MODIFIED:
            found.time = wire.time_of(values.signed(), values.uint())
        else:
            raise ProtocolError(f"attribute {number}, which was not asked for")
    return found


def _bits(word: int) -> list[int]:
    return [bit for bit in range(32) if word >> bit & 1]


def operations(reader: xdr.Reader, *expected: int) -> xdr.Reader:
    """What the last of these operations answered; those before it answer with a status alone.

    Raises:
        Status: one of them failed, and so the whole.
    """
    status = reader.uint()
    reader.opaque(1024)  # the tag
    count = reader.uint()
    if not count and status:
        raise Status(status)
    for number in expected:
        if reader.uint() != number:
            raise ProtocolError("an answer to an operation that was not asked for")
        if code := reader.uint():
            raise Status(code)
    return reader


def page_of(reader: xdr.Reader) -> tuple[list[tuple[int, Node]], bytes, bool]:
    """What READDIR answered: the nodes with their cookies, the verifier, whether it ends."""
    verifier = reader.fixed(8)
    found = []
    while reader.flag():
        cookie, name = reader.hyper(), reader.opaque(1024)
        said = attributes_of(reader)
        found.append((cookie, Node(name, said.kind, said.size, said.time, said.handle, said.error)))
    return found, verifier, reader.flag()


class Client:
    """NFS 4.0 with one credential."""

    def __init__(self, title: str, nfs: Rpc) -> None:
        """`title` names the credential, for people."""
        self.title = f"NFSv4, {title}"
        self.exports: list[bytes] = []
        self._nfs = nfs

    async def _compound(self, body: bytes, *expected: int) -> xdr.Reader:
        request = _COMPOUND + xdr.uints(len(expected)) + body
        return operations(await self._nfs.call(wire.NFS, 4, 1, request), *expected)

    async def roots(self, claimed: tuple[str, ...]) -> list[Root]:
        """The pseudo-root, and below it what the owner claims."""
        try:
            reader = await self._compound(xdr.uints(_PUTROOTFH, _GETFH), _PUTROOTFH, _GETFH)
        except Status as e:
            return [Root(b"", error=e)]
        found = [Root(b"", reader.opaque(MAX_HANDLE))]
        for path in claimed:
            handle = found[0].handle
            try:
                for name in filter(None, path.encode().split(b"/")):
                    if not wire.usable(name):
                        raise Status(2)
                    handle = (await self.lookup(handle, name)).handle
                found.append(Root(path.strip("/").encode(), handle))
            except Status as e:
                found.append(Root(path.strip("/").encode(), error=e))
        return found

    async def entries(self, handle: bytes) -> AsyncGenerator[Node, None]:
        """See `nfs_wire.Client`."""
        cookie, verifier, end = 0, bytes(8), False
        while not end:
            body = _put(handle) + xdr.uints(_READDIR) + xdr.hyper(cookie) + verifier
            reader = await self._compound(body + _SIZES + _OF_ENTRY, _PUTFH, _READDIR)
            found, verifier, end = page_of(reader)
            for _, node in found:
                yield node
            if not found and not end:
                raise ProtocolError("an empty page of a folder that goes on")
            cookie = found[-1][0] if found else cookie

    async def lookup(self, handle: bytes, name: bytes) -> Node:
        """See `nfs_wire.Client`."""
        body = _put(handle) + xdr.uints(_LOOKUP) + xdr.opaque(name) + xdr.uints(_GETFH)
        reader = await self._compound(body, _PUTFH, _LOOKUP, _GETFH)
        found = reader.opaque(MAX_HANDLE)
        body = _put(found) + xdr.uints(_GETATTR) + _OF_NODE
        said = attributes_of(await self._compound(body, _PUTFH, _GETATTR))
        return Node(name, said.kind, said.size, said.time, found)

    async def read(self, handle: bytes, offset: int, size: int) -> tuple[bytes, bool]:
        """See `nfs_wire.Client`."""
        body = _put(handle) + xdr.uints(_READ) + _ANONYMOUS + xdr.hyper(offset) + xdr.uints(size)
        reader = await self._compound(body, _PUTFH, _READ)
        end = reader.flag()
        return reader.opaque(size), end

    async def used(self, handle: bytes) -> int | None:
        """See `nfs_wire.Client`."""
        body = _put(handle) + xdr.uints(_GETATTR) + _OF_SYSTEM
        said = attributes_of(await self._compound(body, _PUTFH, _GETATTR))
        if said.total is None or said.free is None or said.free > said.total:
            return None
        return said.total - said.free


def _put(handle: bytes) -> bytes:
    return xdr.uints(_PUTFH) + xdr.opaque(handle)


def _rule(count: int, *parts: bytes) -> bytes:
    """The pattern of one COMPOUND of `count` operations."""
    return wire.allowed(wire.NFS, 4, 1, re.escape(_COMPOUND + xdr.uints(count)) + b"".join(parts))


_PUT: Final = re.escape(xdr.uints(_PUTFH)) + xdr.pattern(0, MAX_HANDLE)
ALLOWED: Final = (
    _rule(2, re.escape(xdr.uints(_PUTROOTFH, _GETFH))),
    _rule(2, _PUT, re.escape(xdr.uints(_READDIR)), rb".{16}", re.escape(_SIZES + _OF_ENTRY)),
    _rule(
        3,
        _PUT,
        re.escape(xdr.uints(_LOOKUP)),
        xdr.pattern(1, wire.MAX_NAME),
        re.escape(xdr.uints(_GETFH)),
    ),
    _rule(2, _PUT, re.escape(xdr.uints(_GETATTR)), re.escape(_OF_NODE)),
    _rule(2, _PUT, re.escape(xdr.uints(_GETATTR)), re.escape(_OF_SYSTEM)),
    _rule(2, _PUT, re.escape(xdr.uints(_READ) + _ANONYMOUS), rb".{12}"),
)
