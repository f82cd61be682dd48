"""SMB 1, dialect NT LM 0.12 ([MS-CIFS], [MS-SMB]): a null session that can only read.

For old boxes that know nothing newer. One request in flight; no handle is ever closed by a
command, for CLOSE can set a file's time: the connection's end closes them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection
from leftopen.reach import smb_srvsvc as srvsvc
from leftopen.reach import smb_wire as wire
from leftopen.reach.smb_wire import Refusal, Tree, Volume

_MAGIC: Final = b"\xffSMB"
_TRANSACTION, _READ, _TRANSACTION2, _DISCONNECT = 0x25, 0x2E, 0x32, 0x71
_NEGOTIATE, _SETUP, _CONNECT, _CREATE = 0x72, 0x73, 0x75, 0xA2
_FLAGS: Final = struct.pack("<BH", 0x18, 0xC041)  # long names, NT status, Unicode
_NO_CHAIN: Final = b"\xff\0\0\0"  # no second command behind an AndX
_FIRST, _NEXT, _VOLUME = 1, 2, 3  # of TRANS2: FIND_FIRST2, FIND_NEXT2, QUERY_FS_INFORMATION
_DIRECTORY_INFO, _SIZE_INFO = 0x0101, 0x0103
_MAX_PARTS: Final = 64  # messages of one answer
_DFS_SHARE: Final = 0x2
_TO_READ, _TO_CALL = 0x0010_0081, 0x0010_0083  # as in smb2_wire
_HELLO: Final = b"\0" + struct.pack("<H", 12) + b"\x02NT LM 0.12\0"
_DATA_LIMIT: Final = 16_384  # bytes of a folder's page


def _body(words: bytes, data: bytes) -> bytes:
    """The part after the header: counted words, counted bytes."""
    return struct.pack("<B", len(words) // 2) + words + struct.pack("<H", len(data)) + data


def _login() -> bytes:
    """SESSION_SETUP_ANDX of nobody: one zero byte for a password, no name ([MS-CIFS] 2.2.4.53)."""
    able = 0x0000_005C  # Unicode, large files, NT SMBs, NT status
    words = _NO_CHAIN + struct.pack("<HHHIHHII", 0xFFFF, 2, 1, 0, 1, 0, 0, able)
    return _body(words, b"\0" + b"\0\0" * 2 + wire.utf16("Leftopen") + b"\0\0" + b"\0\0")


def _open_words(access: int, size: int) -> bytes:
    """NT_CREATE_ANDX of a file that is there already, shared with everybody (2.2.4.64)."""
    rest = (0, size, 0, 0, access, 0, 0, 7, 1, 0x40, 2, 0)
    return _NO_CHAIN + struct.pack("<BHIIIQIIIIIB", *rest)


def _transaction(words: bytes, setup: bytes, name: bytes, inside: bytes, data: bytes) -> bytes:
    """TRANSACTION or TRANS2; `words` are the limits of the answer."""
    begin = 32 + 1 + 28 + len(setup) + 2
    pad = b"\0" * (-begin % 2) + name
    pad += b"\0" * (-(begin + len(pad)) % 4)
    at = begin + len(pad)
    counts = struct.pack("<HH", len(inside), len(data)) + words
    counts += struct.pack("<HHHH", len(inside), at, len(data), at + len(inside))
    counts += struct.pack("<BB", len(setup) // 2, 0) + setup
    return _body(counts, pad + inside + data)


_LIMITS: Final = struct.pack("<HHBBHIH", 32, _DATA_LIMIT, 0, 0, 0, 0, 0)
_PIPE_LIMITS: Final = struct.pack("<HHBBHIH", 0, 4280, 0, 0, 0, 0, 0)
_PIPE: Final = wire.utf16("\\PIPE\\") + b"\0\0"
_SRVSVC: Final = wire.utf16("\\srvsvc")
_FILE: Final = b"\xee\xee"  # stands for a handle's two bytes


def _call(file: bytes, pdu: bytes) -> bytes:
    """TRANS_TRANSACT_NMPIPE (2.2.5.6)."""
    return _transaction(_PIPE_LIMITS, struct.pack("<H", 0x26) + file, _PIPE, b"", pdu)


def _two(kind: int, inside: bytes) -> bytes:
    return _transaction(_LIMITS, struct.pack("<H", kind), b"", inside, b"")


def _first(pattern: bytes) -> bytes:
    # hidden, system and folders as well; close at the end
    return _two(_FIRST, struct.pack("<HHHHI", 0x16, 512, 2, _DIRECTORY_INFO, 0) + pattern)


def _next(search: int) -> bytes:
    inside = struct.pack("<HHHIH", search, 512, _DIRECTORY_INFO, 0, 2 | 8)
    return _two(_NEXT, inside + b"\0\0")


_SIZE: Final = _two(_VOLUME, struct.pack("<H", _SIZE_INFO))


def _rule(command: int, body: bytes) -> bytes:
    """A frame with one request and nothing after it; `body` is a regular expression."""
    head = b"\0\0.." + _MAGIC + re.escape(bytes((command,))) + b"\0{4}" + re.escape(_FLAGS)
    return head + rb"\0{12}.{2}\0{2}.{4}" + body + rb"\Z"


def _literal(body: bytes) -> bytes:
    return re.escape(body).replace(re.escape(_FILE), b"..")


_NAME: Final = rb"(?:(?!\0\0)..){0,1030}\0\0"  # UTF-16; another message could not hide in it


def _search_rule() -> bytes:
    """TRANS2 FIND_FIRST2: the counts follow the name, all else is literal."""
    body = _first(b"")
    words, rest = body[1:31], body[33:]
    free = {0, 1, 18, 19, 24, 25}  # total and count of parameters, offset of no data
    text = b"".join(b"." if i in free else re.escape(words[i : i + 1]) for i in range(len(words)))
    return re.escape(body[:1]) + text + b".." + re.escape(rest) + _NAME


ALLOWED: Final = (
    _rule(_NEGOTIATE, re.escape(_HELLO)),
    _rule(_SETUP, re.escape(_login())),
    _rule(_DISCONNECT, rb"\0{3}"),
    _rule(_CONNECT, rb"\x04\xff\0{5}\x01\0..\0(?:\\\0){2}" + _NAME + rb"\?{5}\0"),
    _rule(
        _CREATE,
        rb"\x18"
        + _NO_CHAIN
        + rb"\0.."
        + re.escape(_open_words(_TO_READ, 0)[7:])
        + rb"..\0"
        + _NAME,
    ),
    _rule(
        _CREATE,
        re.escape(_body(_open_words(_TO_CALL, len(_SRVSVC)), b"\0" + _SRVSVC + b"\0\0")),
    ),
    _rule(_READ, rb"\x0c" + _NO_CHAIN + rb".{8}\0{8}.{4}\0\0"),
    *(_rule(_TRANSACTION, _literal(_call(_FILE, p))) for p in (srvsvc.BIND, srvsvc.ENUMERATE)),
    _rule(_TRANSACTION2, _search_rule()),
    _rule(
        _TRANSACTION2,
        re.escape(_next(0xEEEE)).replace(re.escape(_FILE), b".."),
    ),
    _rule(_TRANSACTION2, re.escape(_SIZE)),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One message: its header's numbers, its words and its bytes' place."""

    status: int
    tree: int
    user: int
    words: bytes
    whole: bytes

    def number(self, layout: str, at: int) -> int:
        """A number among the words; raises ProtocolError where there are too few."""
        return wire.fields(layout, self.words, at)[0]


def parse_answer(message: bytes, command: int, number: int) -> Answer:
    """The answer to that request; raises NotSmb, ProtocolError."""
    if message[:4] != _MAGIC or len(message) < 35:
        raise wire.NotSmb("no message of SMB 1")
    status, flags = wire.fields("<IB", message, 5)
    tree, _, user, to = wire.fields("<HHHH", message, 24)
    if message[4] != command or to != number or not flags & 0x80:
        raise ProtocolError("an answer to something that was not asked")
    return Answer(status, tree, user, wire.part(message, 33, 2 * message[32]), message)


class Smb1:
    """One connection that speaks SMB 1; it implements `smb_wire.Session`."""

    def __init__(self, connection: Connection, host: str) -> None:
        """`host` is the name in the path of a share."""
        self._connection = connection
        self._host = host
        self._number = 0
        self._user = 0
        self._chunk = 4096
        self.dialect = "1 (NT LM 0.12)"
        self.signing = False

    async def _ask(self, command: int, body: bytes, *fine: int, tree: int = 0, what: str) -> Answer:
        """The answer; raises Refusal for a status that is not `fine`."""
        self._number = self._number % 0xFFF0 + 1
        ids = struct.pack("<HHHH", tree, 0, self._user, self._number)
        head = _MAGIC + bytes((command,)) + bytes(4) + _FLAGS + bytes(12) + ids
        await wire.send(self._connection, head + body)
        return await self._answer(command, *fine, what=what)

    async def _answer(self, command: int, *fine: int, what: str) -> Answer:
        message = await wire.receive(self._connection)
        answer = parse_answer(message, command, self._number)
        if answer.status != wire.OK and answer.status not in fine:
            raise Refusal(answer.status, what)
        return answer

    async def negotiate(self) -> None:
        """Agree on NT LM 0.12; raises NotSmb, ProtocolError."""
        answer = await self._ask(_NEGOTIATE, _HELLO, what="negotiate")
        if answer.number("<H", 0) or len(answer.words) < 34:
            raise ProtocolError("a server older than NT LM 0.12")
        self.signing = bool(answer.number("<B", 2) & 8)
        self._chunk = min(61_440, max(1024, answer.number("<I", 7) - 256))

    async def login(self) -> None:
        """The null session; raises Refusal."""
        answer = await self._ask(_SETUP, _login(), what="a null session")
        self._user = answer.user

    async def tree(self, share: str) -> Tree:
        """Connect to a share; raises Refusal."""
        path = wire.utf16(f"\\\\{self._host}\\{share}") + b"\0\0"
        words = _NO_CHAIN + struct.pack("<HH", 0, 1)
        body = _body(words, b"\0" + path + b"?????\0")
        answer = await self._ask(_CONNECT, body, what="the share")
        support = answer.number("<H", 4) if len(answer.words) >= 6 else 0
        return Tree(answer.tree, bool(support & _DFS_SHARE))

    async def leave(self, tree: Tree) -> None:
        """Leave a share."""
        await self._ask(_DISCONNECT, b"\0\0\0", tree=tree.number, what="to leave the share")

    async def _open(self, tree: Tree, path: str, access: int = _TO_READ) -> tuple[bytes, int]:
        """A handle and the size of the file in bytes."""
        name = wire.utf16("\\" + path.replace("/", "\\"))
        body = _body(_open_words(access, len(name)), b"\0" + name + b"\0\0")
        answer = await self._ask(_CREATE, body, tree=tree.number, what="the file")
        return wire.part(answer.words, 5, 2), answer.number("<Q", 55)

    async def call(self, tree: Tree) -> bytes:
        """The stub that answers NetrShareEnum; raises Refusal, ListRefused, ProtocolError."""
        file, _ = await self._open(tree, "srvsvc", _TO_CALL)
        srvsvc.bound(await self._transceive(tree, file, srvsvc.BIND))
        data = await self._transceive(tree, file, srvsvc.ENUMERATE)
        stub = b""
        for _ in range(_MAX_PARTS):
            if found := srvsvc.fragment(data):
                stub, data = stub + found[0], data[found[2] :]
                if found[1]:
                    return stub
                continue
            data += await self._part(tree, file, 0, 4280)
            if len(stub) + len(data) > srvsvc.MAX_ANSWER:
                break
        raise ProtocolError("a share list over the limit")

    async def _transceive(self, tree: Tree, file: bytes, pdu: bytes) -> bytes:
        _, data = await self._collect(tree, _TRANSACTION, _call(file, pdu), "the share list")
        return data

    async def _collect(
        self, tree: Tree, command: int, body: bytes, what: str
    ) -> tuple[bytes, bytes]:
        """Parameters and data of a transaction, whose answer may come in parts (2.2.4.33.2)."""
        inside, data = b"", b""
        answer = await self._ask(command, body, wire.OVERFLOW, tree=tree.number, what=what)
        for _ in range(_MAX_PARTS):
            all_inside, all_data, _, count, at, gone, size, place, skipped = wire.fields(
                "<9H", answer.words, 0
            )
            if gone != len(inside) or skipped != len(data):
                raise ProtocolError("parts of an answer out of their order")
            inside += wire.part(answer.whole, at, count)
            data += wire.part(answer.whole, place, size)
            if len(inside) >= all_inside and len(data) >= all_data:
                return inside, data
            answer = await self._answer(command, wire.OVERFLOW, what=what)
        raise ProtocolError("an answer in too many parts")

    async def entries(self, tree: Tree, folder: str) -> AsyncIterator[wire.Page]:
        """A folder, page by page."""
        name = wire.utf16("\\" + folder.replace("/", "\\") + ("\\*" if folder else "*"))
        body = _first(name + b"\0\0")
        search: int | None = None
        for _ in range(wire.MAX_PAGES):
            try:
                inside, data = await self._collect(tree, _TRANSACTION2, body, "the folder")
            except Refusal as e:
                if e.status in (wire.NO_SUCH_FILE, wire.NO_MORE):
                    return
                raise
            if search is None:
                (search,), inside = wire.fields("<H", inside, 0), inside[2:]
            count, end = wire.fields("<HH", inside, 0)
            yield wire.parse_entries(data)
            if end or not count:
                return
            body = _next(search)
        raise ProtocolError("a folder without an end")

    async def _part(self, tree: Tree, file: bytes, at: int, size: int) -> bytes:
        """Bytes of an open file; none at its end."""
        low, high = at & 0xFFFF_FFFF, at >> 32
        words = _NO_CHAIN + file + struct.pack("<IHHIHI", low, size, 0, 0, 0, high)
        fine = (wire.END_OF_FILE, wire.OVERFLOW)
        answer = await self._ask(_READ, _body(words, b""), *fine, tree=tree.number, what="the file")
        if answer.status == wire.END_OF_FILE:
            return b""
        count, place = answer.number("<H", 10), answer.number("<H", 12)
        if count > size:
            raise ProtocolError("more bytes than were asked for")
        return wire.part(answer.whole, place, count)

    async def read(self, tree: Tree, path: str, limit: int) -> tuple[bytes, bool]:
        """The beginning of a file, and whether that is all of it."""
        file, size = await self._open(tree, path)
        parts: list[bytes] = []
        have = 0
        while have < limit:
            data = await self._part(tree, file, have, min(self._chunk, limit - have))
            if not data:
                break
            parts.append(data)
            have += len(data)
        return b"".join(parts), have >= size

    async def volume(self, tree: Tree) -> Volume:
        """How large the file system behind a share is."""
        _, data = await self._collect(tree, _TRANSACTION2, _SIZE, "the volume")
        total, free, sectors, size = wire.fields("<QQII", data, 0)
        return Volume(total * sectors * size, free * sectors * size)
