"""The share list of a Windows or Samba server: NetrShareEnum over DCE/RPC, as constant bytes.

Two requests exist here, the bind to srvsvc and NetrShareEnum at level 1 ([MS-SRVS] 3.1.4.8); the
rest of that interface can change a server and cannot be said. Framing: [C706] chapter 12, NDR:
chapter 14.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from leftopen.model.errors import ProtocolError

MAX_SHARES: Final = 5_000
MAX_ANSWER: Final = 1_048_576
_LAST: Final = 0x02
_HEADER: Final = 24  # of a response, before its stub
_RESPONSE, _FAULT, _BIND_ACK = 2, 3, 12
_DISK: Final = 0  # STYPE_DISKTREE
_DENIED: Final = 5  # ERROR_ACCESS_DENIED, and the same as an RPC fault
_MORE: Final = 234


class ListRefused(ProtocolError):
    """The server answers, and does not hand out its share list; `asks` where a login might help."""

    def __init__(self, status: int, what: str) -> None:
        """`status` is the word of Windows or of DCE/RPC."""
        super().__init__("the share list is denied" if status == _DENIED else what)
        self.asks = status == _DENIED


@dataclass(frozen=True, slots=True)
class Share:
    """One share as the server names it; name and comment may be hostile."""

    name: str
    disk: bool
    comment: str = ""


def _pdu(kind: int, call: int, body: bytes) -> bytes:
    return struct.pack("<BBBBIHHI", 5, 0, kind, 3, 0x10, 16 + len(body), 0, call) + body


def _syntax(uuid: str, version: int) -> bytes:
    return UUID(uuid).bytes_le + struct.pack("<I", version)


BIND: Final = _pdu(
    11,
    1,
    struct.pack("<HHIIHH", 4280, 4280, 0, 1, 0, 1)
    + _syntax("4b324fc8-1670-01d3-1278-5a47bf6ee188", 3)
    + _syntax("8a885d04-1ceb-11c9-9fe8-08002b104860", 2),
)
# No server name, level 1, an empty container to fill, as many as there are, from the first on
_STUB: Final = struct.pack("<7I", 0, 1, 1, 0x0002_0000, 0, 0, 0xFFFF_FFFF) + struct.pack("<I", 0)
ENUMERATE: Final = _pdu(0, 2, struct.pack("<IHH", len(_STUB), 0, 15) + _STUB)


def bound(answer: bytes) -> None:
    """Check the answer to BIND; raises ListRefused, ProtocolError."""
    if len(answer) < 16 or answer[0] != 5:
        raise ProtocolError("no answer of DCE/RPC")
    if answer[2] != _BIND_ACK:
        raise ListRefused(0, "the server offers no srvsvc")


def fragment(data: bytes) -> tuple[bytes, bool, int] | None:
    """The stub of the first fragment, whether it is the last, its length; None for too little.

    Raises:
        ListRefused: an RPC fault.
        ProtocolError: no response of DCE/RPC.
    """
    if len(data) < _HEADER:
        return None
    version, kind, flags, size = data[0], data[2], data[3], int.from_bytes(data[8:10], "little")
    if version != 5 or size < _HEADER or data[4] != 0x10:
        raise ProtocolError("no response of DCE/RPC")
    if len(data) < size:
        return None
    if kind == _FAULT:
        status = int.from_bytes(data[24:28], "little")
        raise ListRefused(status, f"srvsvc answers with fault 0x{status:08x}")
    if kind != _RESPONSE:
        raise ProtocolError("no response of DCE/RPC")
    return data[_HEADER:size], bool(flags & _LAST), size


def parse_shares(stub: bytes) -> tuple[list[Share], bool]:
    """The shares in an answer to ENUMERATE, and whether those are all.

    Raises:
        ListRefused: the server's own word is an error.
        ProtocolError: not that answer, or a count over the limit.
    """
    reader = _Reader(stub)
    reader.word(), reader.word()
    found: list[Share] = []
    if reader.word():
        count, array = reader.word(), reader.word()
        if count > MAX_SHARES:
            raise ProtocolError(f"{count} shares where {MAX_SHARES} are the limit")
        if array:
            found = reader.shares(count)
    reader.word()  # the total
    if reader.word():
        reader.word()  # where to resume
    status = reader.word()
    if status not in (0, _MORE):
        raise ListRefused(status, f"NetrShareEnum answers with error {status}")
    return found, status == 0


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise ProtocolError("a share list that ends early")
        self._at += size
        return self._data[self._at - size : self._at]

    def word(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def shares(self, count: int) -> list[Share]:
        if self.word() != count:
            raise ProtocolError("a share list that counts itself in two ways")
        heads = [(self.word(), self.word(), self.word()) for _ in range(count)]
        found = []
        for name, kind, comment in heads:
            text = self._text() if name else ""
            found.append(Share(text, kind & 0x0FFF_FFFF == _DISK, self._text() if comment else ""))
        return found

    def _text(self) -> str:
        """A conformant varying string of UTF-16, aligned to four bytes at its end."""
        _, offset, size = self.word(), self.word(), self.word()
        if offset:
            raise ProtocolError("a string that does not begin at its beginning")
        raw = self._take(2 * size)
        self._at += -self._at % 4
        return raw.decode("utf-16-le", "replace").rstrip("\0")
