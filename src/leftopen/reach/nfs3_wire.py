"""MOUNT 3 and NFS 3 (RFC 1813): mount an export, list its folders, read its files.

MNT writes a line into the server's list of mounts (rmtab) that names the client; UMNT takes it out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.reach import nfs_wire as wire
from leftopen.reach import xdr
from leftopen.reach.nfs_wire import Node, Root, Rpc, Status

MAX_HANDLE: Final = 64
MAX_PATH: Final = 255  # of an export; MNTPATHLEN is 1024
MAX_EXPORTS: Final = 1000
MAX_MOUNTED: Final = 32
_FLAVOURS: Final = (0, 1)  # AUTH_NONE, AUTH_SYS
_LOOKUP, _READ, _READDIRPLUS, _FSSTAT = 3, 6, 17, 18
_MNT, _UMNT, _EXPORT = 1, 3, 5


def exports_of(reader: xdr.Reader) -> list[bytes]:
    """The folders of an answer to EXPORT; whom each is for is read over."""
    found: list[bytes] = []
    while reader.flag():
        if len(found) >= MAX_EXPORTS:
            raise ProtocolError(f"more than {MAX_EXPORTS} exports")
        found.append(reader.opaque(1024))
        while reader.flag():
            reader.opaque(255)
    return found


def handle_of(reader: xdr.Reader) -> bytes:
    """The file handle of an answer to MNT.

    Raises:
        Status: it was refused, or opens only for another security flavour (WRONGSEC).
    """
    _check(reader)
    handle = reader.opaque(MAX_HANDLE)
    flavours = reader.uints(32)
    if flavours and not set(flavours) & set(_FLAVOURS):
        raise Status(wire.WRONGSEC)
    return handle


def page_of(reader: xdr.Reader) -> tuple[list[tuple[int, Node]], bytes, bool]:
    """An answer to READDIRPLUS: the nodes with their cookies, the verifier, whether it ends."""
    _check(reader)
    _optional_attributes(reader)
    verifier = reader.fixed(8)
    found: list[tuple[int, Node]] = []
    while reader.flag():
        reader.hyper()  # fileid
        name, cookie = reader.opaque(1024), reader.hyper()
        node = _optional_attributes(reader, name) or Node(name)
        handle = reader.opaque(MAX_HANDLE) if reader.flag() else b""
        found.append((cookie, Node(name, node.kind, node.size, node.time, handle)))
    return found, verifier, reader.flag()


def data_of(reader: xdr.Reader, size: int) -> tuple[bytes, bool]:
    """An answer to READ of `size` bytes: the bytes, and whether the file ends there."""
    _check(reader)
    _optional_attributes(reader)
    count, end = reader.uint(), reader.flag()
    data = reader.opaque(size)
    if count != len(data):
        raise ProtocolError("a READ whose count is not its length")
    return data, end


def used_of(reader: xdr.Reader) -> int | None:
    """Bytes in use, of an answer to FSSTAT."""
    _check(reader)
    _optional_attributes(reader)
    total, free = reader.hyper(), reader.hyper()
    return total - free if total >= free else None


def _check(reader: xdr.Reader) -> None:
    if code := reader.uint():
        raise Status(code)


def _optional_attributes(reader: xdr.Reader, name: bytes = b"") -> Node | None:
    return _attributes(reader, name) if reader.flag() else None


def _attributes(reader: xdr.Reader, name: bytes) -> Node:
    """Fattr3 of RFC 1813 section 2.6."""
    kind = reader.uint()
    reader.fixed(16)  # mode, links, owner, group
    size = reader.hyper()
    reader.fixed(8 + 8 + 8 + 8 + 8)  # used, device, file system, file number, time of access
    seconds, nanoseconds = reader.uint(), reader.uint()
    reader.fixed(8)  # time of change
    return Node(name, kind, size, wire.time_of(seconds, nanoseconds))


class Client:
    """NFS 3 with one credential, over a connection to nfsd and one to mountd."""

    def __init__(self, title: str, nfs: Rpc, mount: Rpc) -> None:
        """`title` names the credential, for people."""
        self.title = f"NFSv3, {title}"
        self.exports: list[bytes] = []
        self.mounted: list[bytes] = []
        self._nfs = nfs
        self._mount = mount

    async def roots(self, claimed: tuple[str, ...]) -> list[Root]:
        """Mounts each export that mountd names, and each that the owner claims."""
        self.exports = exports_of(await self._mount.call(wire.MOUNT, 3, _EXPORT))
        names = dict.fromkeys([*self.exports, *(c.encode() for c in claimed)])
        found: list[Root] = []
        for path in names:
            if len(found) >= MAX_MOUNTED or not 0 < len(path) <= MAX_PATH:
                found.append(Root(path, error=Status(0)))
                continue
            try:
                found.append(Root(path, await self.mount(path)))
            except Status as e:
                found.append(Root(path, error=e))
        return found

    async def mount(self, path: bytes) -> bytes:
        """The handle of one export; raises Status."""
        reader = await self._mount.call(wire.MOUNT, 3, _MNT, xdr.opaque(path))
        self.mounted.append(path)  # also where it was refused: not every server then forgets it
        return handle_of(reader)

    async def unmount(self) -> None:
        """Take what was mounted out of the server's list."""
        while self.mounted:
            await self._mount.call(wire.MOUNT, 3, _UMNT, xdr.opaque(self.mounted.pop()))

    async def entries(self, handle: bytes) -> AsyncGenerator[Node, None]:
        """See `nfs_wire.Client`."""
        cookie, verifier, end = 0, bytes(8), False
        while not end:
            body = xdr.opaque(handle) + xdr.hyper(cookie) + verifier
            body += xdr.uints(wire.LIST_SIZE // 4, wire.LIST_SIZE)
            reader = await self._nfs.call(wire.NFS, 3, _READDIRPLUS, body)
            found, verifier, end = page_of(reader)
            for _, node in found:
                if node.name not in (b".", b".."):
                    yield node
            if not found and not end:
                raise ProtocolError("an empty page of a folder that goes on")
            cookie = found[-1][0] if found else cookie

    async def lookup(self, handle: bytes, name: bytes) -> Node:
        """See `nfs_wire.Client`."""
        body = xdr.opaque(handle) + xdr.opaque(name)
        reader = await self._nfs.call(wire.NFS, 3, _LOOKUP, body)
        _check(reader)
        found = reader.opaque(MAX_HANDLE)
        node = _optional_attributes(reader, name) or Node(name)
        return Node(name, node.kind, node.size, node.time, found)

    async def read(self, handle: bytes, offset: int, size: int) -> tuple[bytes, bool]:
        """See `nfs_wire.Client`."""
        body = xdr.opaque(handle) + xdr.hyper(offset) + xdr.uints(size)
        return data_of(await self._nfs.call(wire.NFS, 3, _READ, body), size)

    async def used(self, handle: bytes) -> int | None:
        """See `nfs_wire.Client`."""
        return used_of(await self._nfs.call(wire.NFS, 3, _FSSTAT, xdr.opaque(handle)))


_HANDLE: Final = xdr.pattern(0, MAX_HANDLE)
_PATH: Final = xdr.pattern(1, MAX_PATH)
ALLOWED: Final = (
    wire.allowed(wire.MOUNT, 3, _EXPORT),
    wire.allowed(wire.MOUNT, 3, _MNT, _PATH),
    wire.allowed(wire.MOUNT, 3, _UMNT, _PATH),
    wire.allowed(wire.NFS, 3, _LOOKUP, _HANDLE + xdr.pattern(1, wire.MAX_NAME)),
    wire.allowed(wire.NFS, 3, _READ, _HANDLE + rb".{12}"),
    wire.allowed(wire.NFS, 3, _READDIRPLUS, _HANDLE + rb".{24}"),
    wire.allowed(wire.NFS, 3, _FSSTAT, _HANDLE),
)
