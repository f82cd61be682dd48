"""MongoDB's wire protocol, as far as a stranger needs it: one command, one bounded answer.

OP_MSG since 3.6; OP_QUERY for what is older, which is what was left open by default. Servers from
5.1 on refuse OP_QUERY for anything but the handshake (code 352), so it is never tried first.
https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

from __future__ import annotations

import struct
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.bson_wire import Document, decode, encode

ANSWER_BYTES: Final = 2_000_000
_REPLY, _QUERY, _MSG = 1, 2004, 2013
_LARGEST: Final = 48_000_000  # maxMessageSizeBytes of every release
_MORE_TO_COME: Final = 2
_CHECKSUM: Final = 1
_UNAUTHORIZED: Final = (13, 18, 33)  # Unauthorized, AuthenticationFailed, AuthSchemaIncompatible
_REFUSALS: Final = ("not authorized", "unauthorized", "need to login", "auth failed")
_VERBS: Final = (
    rb"(?:\x10(?:hello|isMaster|buildInfo|listDatabases|listCollections|dbStats)"
    rb"|\x02find|[\x10\x12]getMore)\0"
)
# One command to a message: header, flags, section of kind 0, and the first element is a read.
ALLOWED: Final = (
    rb".{12}\xdd\x07\0\0\0\0\0\0\0.{4}" + _VERBS,
    rb".{12}\xd4\x07\0\0.{4}[^\0]{1,120}\.\$cmd\0\0\0\0\0\xff\xff\xff\xff.{4}" + _VERBS,
)


class NotMongo(ProtocolError):
    """The peer speaks something else."""


class TooLarge(ProtocolError):
    """An answer beyond our limit, an honest one as it may be; the connection is of no more use."""


def message(command: Document, database: str, *, legacy: bool = False) -> bytes:
    """One command as OP_MSG, or as OP_QUERY where `legacy`."""
    if legacy:
        name = f"{database}.$cmd".encode() + b"\0"
        body = b"\0\0\0\0" + name + struct.pack("<ii", 0, -1) + encode(command)
    else:
        body = b"\0\0\0\0\0" + encode({**command, "$db": database})
    code = _QUERY if legacy else _MSG
    return struct.pack("<iiii", len(body) + 16, 1, 0, code) + body


def size_of(data: bytes, limit: int) -> int:
    """How many bytes follow these four, the first of an answer.

    Any text read as a length is beyond what MongoDB allows, so a stranger's first word is enough.

    Raises:
        NotMongo: no length of a message.
        TooLarge: longer than `limit`.
    """
    size = int(struct.unpack("<i", data)[0])
    if not 16 <= size <= _LARGEST:
        raise NotMongo("not an answer of MongoDB")
    if size > limit:
        raise TooLarge(f"a message of {size} bytes where {limit} are the limit")
    return size - 4


def is_message(said: bytes) -> bool:
    """Whether these are the first bytes of an answer, of which a header is 16."""
    if len(said) < 16:
        return False
    size, code = struct.unpack("<i8xi", said[:16])
    return 16 <= size <= _LARGEST and code in (_REPLY, _MSG)


def parse(data: bytes) -> Document:
    """The document of an answer, given without its length.

    Raises:
        NotMongo: no answer to us.
        ProtocolError: an answer that breaks its format.
    """
    if len(data) < 12:
        raise NotMongo("not an answer of MongoDB")
    _, answers, code = struct.unpack("<iii", data[:12])
    if code not in (_REPLY, _MSG) or answers != 1:
        raise NotMongo("not an answer of MongoDB")
    rest = data[12:]
    if code == _REPLY:
        if len(rest) < 20 or rest[16:20] != b"\1\0\0\0":
            raise ProtocolError("an OP_REPLY without its one document")
        return decode(rest[20:])
    flags = int.from_bytes(rest[:4], "little")
    if flags & _MORE_TO_COME or rest[4:5] != b"\0":
        raise ProtocolError("an OP_MSG that was not asked for")
    return decode(rest[5:-4] if flags & _CHECKSUM else rest[5:])


async def ask(
    connection: Connection,
    command: Document,
    database: str = "admin",
    *,
    legacy: bool = False,
    limit: int = ANSWER_BYTES,
) -> Document:
    """The answer to one command, an error of the server as well; raises ProtocolError."""
    await connection.write(message(command, database, legacy=legacy))
    size = size_of(await connection.read_exactly(4), limit)
    return parse(await connection.read_exactly(size))


def succeeded(answer: Document) -> bool:
    """Whether the server says ok."""
    return answer.get("ok") == 1


def refused(answer: Document) -> bool:
    """Whether it says no for want of a login: by code, by the words of what is older than codes."""
    if succeeded(answer):
        return False
    said = str(answer.get("errmsg", ""))
    asks = said.startswith(_REFUSALS) or said.endswith("requires authentication")
    return answer.get("code") in _UNAUTHORIZED or asks


def words(answer: Document) -> str:
    """What an error says, fit to show."""
    return safe(f"code {answer.get('code', '?')}: {answer.get('errmsg', '')}", 120)
