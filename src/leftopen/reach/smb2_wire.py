"""SMB 2.0.2 to 3.1.1 ([MS-SMB2]): an anonymous session that can only read.

One request in flight, never a compound, no oplock, no DFS. What may be sent is in ALLOWED: every
byte of a header and of a fixed body is literal there, so that an open for writing, a file that
would be made or a second request behind the first cannot leave.
"""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection
from leftopen.reach import smb_srvsvc as srvsvc
from leftopen.reach import smb_wire as wire
from leftopen.reach.smb_ntlm import AUTHENTICATE, NEGOTIATE
from leftopen.reach.smb_wire import CHUNK, Refusal, Tree, Volume

_MAGIC: Final = b"\xfeSMB"
_DIALECTS: Final = {
    0x0202: "2.0.2",
    0x0210: "2.1",
    0x0300: "3.0",
    0x0302: "3.0.2",
    0x0311: "3.1.1",
}
_NEGOTIATE, _SETUP, _LOGOFF, _CONNECT, _DISCONNECT, _CREATE, _CLOSE = range(7)
_READ, _IOCTL, _QUERY_DIRECTORY, _QUERY_INFO = 8, 11, 14, 16
_TRANSCEIVE: Final = 0x0011_C017  # FSCTL_PIPE_TRANSCEIVE
_MAX_PENDING: Final = 64
_MAX_PARTS: Final = 64  # of the share list
_ENCRYPTED_SESSION, _ENCRYPTED_SHARE, _DFS_SHARE = 0x4, 0x8000, 0x1
_ACCESS_DENIED: Final = 0xC000_0022

# FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE; a pipe's call needs both directions
_TO_READ, _TO_CALL = 0x0010_0081, 0x0010_0083
_FOLDER_ONLY, _FILE_ONLY = 0x1, 0x40  # CreateOptions; neither deletes on close
_GUID: Final = b"Leftopen probe  "  # says in a server's log who it was
# Pre-authentication integrity with SHA-512 (2.2.3.1.1). The salt protects nothing here.
_CONTEXT: Final = struct.pack("<HHIHHH", 1, 38, 0, 1, 32, 1) + _GUID * 2
_HELLO: Final = (
    struct.pack("<HHHHI", 36, len(_DIALECTS), 1, 0, 0)
    + _GUID
    + struct.pack("<IHH", 112, 1, 0)
    + struct.pack(f"<{len(_DIALECTS)}H", *_DIALECTS)
    + b"\0\0"
    + _CONTEXT
)


def _setup_body(token: bytes) -> bytes:
    return struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(token), 0) + token


def _open_body(access: int, options: int, size: int) -> bytes:
    """CREATE of what is there already (FILE_OPEN), shared with everybody (2.2.13)."""
    head = struct.pack("<HBBIQQIIIII", 57, 0, 0, 2, 0, 0, access, 0, 7, 1, options)
    return head + struct.pack("<HHII", 120, size, 0, 0)


def _ioctl_body(file: bytes, data: bytes) -> bytes:
    head = struct.pack("<HHI", 57, 0, _TRANSCEIVE) + file
    return head + struct.pack("<IIIIIIII", 120, len(data), 0, 120, 0, 8192, 1, 0) + data


_ID: Final = b"FILEFILEFILEFILE"  # stands for a handle's sixteen bytes
_SEARCH: Final = struct.pack("<HBBI", 33, 1, 0, 0)
_SEARCH_END: Final = struct.pack("<HHI", 96, 2, CHUNK) + b"*\0"
# FileFsFullSizeInformation of the file system behind an open folder (2.2.37)
_VOLUME: Final = struct.pack("<HBBIHHIII", 41, 2, 7, 32, 0, 0, 0, 0, 0)
_VOLUME_END: Final = b"\0"
_CLOSING: Final = struct.pack("<HHI", 24, 0, 0)
_READING: Final = struct.pack("<HBB", 49, 0x50, 0)
_READING_END: Final = struct.pack("<IIIHH", 0, 0, 0, 0, 0) + b"\0"
_PIPE: Final = wire.utf16("srvsvc")


def _rule(command: int, body: bytes) -> bytes:
    """A frame with one request and nothing after it; `body` is a regular expression."""
    head = b"\0[\\x00-\\x01].." + _MAGIC + rb"\x40\0\0\0\0{4}" + re.escape(bytes((command, 0)))
    # credits, no flag, no compound, number, reserved, tree, session, no signature
    return head + rb"\x10\0\0{8}.{8}\0{4}.{12}\0{16}" + body + rb"\Z"


def _literal(body: bytes) -> bytes:
    return re.escape(body).replace(re.escape(_ID), b".{16}")


# Text of a path: UTF-16 without a zero, so that no other message can hide behind it.
_NAME: Final = rb"(?:(?!\0\0)..){0,1024}"


def _named(body: bytes) -> bytes:
    """A body whose last eight bytes follow the two that count its name."""
    return re.escape(body[:-10]) + b".." + re.escape(body[-8:]) + rb"(?:\0|" + _NAME + rb")"


ALLOWED: Final = (
    _rule(_NEGOTIATE, _literal(_HELLO)),
    *(_rule(_SETUP, _literal(_setup_body(token))) for token in (NEGOTIATE, AUTHENTICATE)),
    *(_rule(command, rb"\x04\0\0\0") for command in (_LOGOFF, _DISCONNECT)),
    _rule(_CONNECT, rb"\x09\0\0\0\x48\0..(?:\\\0){2}" + _NAME),
    *(_rule(_CREATE, _named(_open_body(_TO_READ, how, 0))) for how in (_FOLDER_ONLY, _FILE_ONLY)),
    _rule(_CREATE, _literal(_open_body(_TO_CALL, _FILE_ONLY, len(_PIPE)) + _PIPE)),
    _rule(_CLOSE, _literal(_CLOSING + _ID)),
    _rule(_READ, _literal(_READING) + b".{12}" + b".{16}" + _literal(_READING_END)),
    *(_rule(_IOCTL, _literal(_ioctl_body(_ID, pdu))) for pdu in (srvsvc.BIND, srvsvc.ENUMERATE)),
    _rule(_QUERY_DIRECTORY, _literal(_SEARCH + _ID + _SEARCH_END)),
    _rule(_QUERY_INFO, _literal(_VOLUME + _ID + _VOLUME_END)),
)


class Smb2:
    """One connection that speaks SMB 2 or 3; it implements `smb_wire.Session`."""

    def __init__(self, connection: Connection, host: str) -> None:
        """`host` is the name in the path of a share."""
        self._connection = connection
        self._host = host
        self._number = 0
        self._session = 0
        self.dialect = ""
        self.signing = False

    async def _ask(
        self, command: int, body: bytes, *fine: int, tree: int = 0, what: str = ""
    ) -> tuple[int, bytes]:
        """Status and whole message of an answer; raises Refusal for what is not `fine`."""
        number = self._number
        self._number += 1
        head = (64, 0, 0, command, 16, 0, 0, number, 0, tree, self._session)
        header = _MAGIC + struct.pack("<HHIHHIIQIIQ", *head) + bytes(16)
        await wire.send(self._connection, header + body)
        for _ in range(_MAX_PENDING):
            message = await wire.receive(self._connection)
            status = _check(message, command, number)
            if status == wire.PENDING:
                continue
            if status != wire.OK and status not in fine:
                raise Refusal(status, what or f"command {command}")
            return status, message
        raise ProtocolError("an answer that stays pending")

    async def negotiate(self) -> None:
        """Agree on a dialect; raises NotSmb, ProtocolError."""
        _, message = await self._ask(_NEGOTIATE, _HELLO, what="negotiate")
        size, mode, dialect = wire.fields("<HHH", message, 64)
        if size != 65 or dialect not in _DIALECTS:
            raise ProtocolError(f"a dialect that was not offered: 0x{dialect:04x}")
        self.dialect, self.signing = _DIALECTS[dialect], bool(mode & 2)

    async def login(self) -> None:
        """The anonymous login; raises Refusal also where the session would be encrypted."""
        status, message = await self._ask(
            _SETUP, _setup_body(NEGOTIATE), wire.MORE_PROCESSING, what="a null session"
        )
        (self._session,) = wire.fields("<Q", message, 40)
        if status == wire.MORE_PROCESSING:
            body = _setup_body(AUTHENTICATE)
            _, message = await self._ask(_SETUP, body, what="a null session")
        _, flags = wire.fields("<HH", message, 64)
        if flags & _ENCRYPTED_SESSION:
            raise Refusal(_ACCESS_DENIED, "encryption is required, and a null session has no key")

    async def tree(self, share: str) -> Tree:
        """Connect to a share; raises Refusal."""
        path = wire.utf16(f"\\\\{self._host}\\{share}")
        body = struct.pack("<HHHH", 9, 0, 72, len(path)) + path
        _, message = await self._ask(_CONNECT, body, what="the share")
        _, _, _, flags, capabilities = wire.fields("<HBBII", message, 64)
        (number,) = wire.fields("<I", message, 36)
        if flags & _ENCRYPTED_SHARE:
            raise Refusal(_ACCESS_DENIED, "encryption is required, and a null session has no key")
        return Tree(number, bool(flags & _DFS_SHARE or capabilities & 0x8))

    async def leave(self, tree: Tree) -> None:
        """Leave a share."""
        body = struct.pack("<HH", 4, 0)
        await self._ask(_DISCONNECT, body, tree=tree.number, what="to leave the share")

    async def _open(
        self, tree: Tree, path: str, options: int, access: int = _TO_READ
    ) -> tuple[bytes, int]:
        """A handle and the size of the file in bytes."""
        name = wire.utf16(path.replace("/", "\\"))
        # at least one byte follows the 56 (2.2.13)
        body = _open_body(access, options, len(name)) + (name or b"\0")
        what = "the file" if options == _FILE_ONLY else "the folder"
        _, message = await self._ask(_CREATE, body, tree=tree.number, what=what)
        (size,) = wire.fields("<Q", message, 64 + 48)
        return wire.part(message, 64 + 64, 16), size

    async def _close(self, tree: Tree, file: bytes) -> None:
        await self._ask(_CLOSE, _CLOSING + file, tree=tree.number, what="to close")

    async def call(self, tree: Tree) -> bytes:
        """The stub that answers NetrShareEnum; raises Refusal, ListRefused, ProtocolError."""
        file, _ = await self._open(tree, "srvsvc", _FILE_ONLY, _TO_CALL)
        srvsvc.bound(await self._transceive(tree, file, srvsvc.BIND))
        data = await self._transceive(tree, file, srvsvc.ENUMERATE)
        stub = b""
        for _ in range(_MAX_PARTS):
            if found := srvsvc.fragment(data):
                stub, data = stub + found[0], data[found[2] :]
                if found[1]:
                    await self._close(tree, file)
                    return stub
                continue
            data += await self._part(tree, file, 0, CHUNK)
            if len(stub) + len(data) > srvsvc.MAX_ANSWER:
                break
        raise ProtocolError("a share list over the limit")

    async def _transceive(self, tree: Tree, file: bytes, pdu: bytes) -> bytes:
        body = _ioctl_body(file, pdu)
        _, message = await self._ask(
            _IOCTL, body, wire.OVERFLOW, tree=tree.number, what="the share list"
        )
        offset, size = wire.fields("<II", message, 64 + 32)
        return wire.part(message, offset, size)

    async def entries(self, tree: Tree, folder: str) -> AsyncIterator[wire.Page]:
        """A folder, page by page."""
        file, _ = await self._open(tree, folder, _FOLDER_ONLY)
        body = _SEARCH + file + _SEARCH_END
        for _ in range(wire.MAX_PAGES):
            status, message = await self._ask(
                *(_QUERY_DIRECTORY, body, wire.NO_MORE, wire.NO_SUCH_FILE),
                tree=tree.number,
                what="the folder",
            )
            if status != wire.OK:
                await self._close(tree, file)
                return
            _, offset, size = wire.fields("<HHI", message, 64)
            yield wire.parse_entries(wire.part(message, offset, size))
        raise ProtocolError("a folder without an end")

    async def _part(self, tree: Tree, file: bytes, at: int, size: int) -> bytes:
        """Bytes of an open file; none at its end."""
        body = _READING + struct.pack("<IQ", size, at) + file + _READING_END
        status, message = await self._ask(
            *(_READ, body, wire.END_OF_FILE, wire.OVERFLOW), tree=tree.number, what="the file"
        )
        if status == wire.END_OF_FILE:
            return b""
        _, offset, _, count = wire.fields("<HBBI", message, 64)
        if count > size:
            raise ProtocolError("more bytes than were asked for")
        return wire.part(message, offset, count)

    async def read(self, tree: Tree, path: str, limit: int) -> tuple[bytes, bool]:
        """The beginning of a file, and whether that is all of it."""
        file, size = await self._open(tree, path, _FILE_ONLY)
        parts: list[bytes] = []
        have = 0
        while have < limit:
            data = await self._part(tree, file, have, min(CHUNK, limit - have))
            if not data:
                break
            parts.append(data)
            have += len(data)
        await self._close(tree, file)
        return b"".join(parts), have >= size

    async def volume(self, tree: Tree) -> Volume:
        """How large the file system behind a share is."""
        file, _ = await self._open(tree, "", _FOLDER_ONLY)
        _, message = await self._ask(
            _QUERY_INFO, _VOLUME + file + _VOLUME_END, tree=tree.number, what="the volume"
        )
        _, offset, size = wire.fields("<HHI", message, 64)
        found = parse_volume(wire.part(message, offset, size))
        await self._close(tree, file)
        return found


def parse_volume(data: bytes) -> Volume:
    """FileFsFullSizeInformation ([MS-FSCC] 2.5.4); raises ProtocolError."""
    total, _, free, sectors, size = wire.fields("<QQQII", data, 0)
    return Volume(total * sectors * size, free * sectors * size)


def _check(message: bytes, command: int, number: int) -> int:
    """The status of the answer to that request; raises NotSmb, ProtocolError."""
    if message[:4] in (b"\xfdSMB", b"\xfcSMB"):
        raise ProtocolError("an answer encrypted or compressed without having agreed on it")
    if message[:4] == b"\xffSMB":
        raise ProtocolError("an answer of SMB 1")
    if message[:4] != _MAGIC or len(message) < 68:
        raise wire.NotSmb("no message of SMB 2")
    size, _, status, answers, _, flags, _, to = wire.fields("<HHIHHIIQ", message, 4)
    if size != 64 or answers != command or to != number or not flags & 1:
        raise ProtocolError("an answer to something that was not asked")
    return status
