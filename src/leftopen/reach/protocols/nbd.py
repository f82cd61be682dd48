"""NBD: the names and sizes of exported disks; no block is ever read.

NBD_OPT_LIST names the exports and NBD_OPT_INFO says their sizes; the option that would open one
(EXPORT_NAME, GO) is not among what may be sent. A refusal (NBD_REP_ERR_POLICY) says nothing of an
export whose name somebody knows.
https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
"""

from __future__ import annotations

import re
import struct
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Proof, Protocol, reason_of

MAGIC: Final = b"NBDMAGIC"
_OPTION: Final = b"IHAVEOPT"
_OLD: Final = bytes.fromhex("0000420281861253")  # the handshake of before 2010
_REPLY: Final = 0x0003E889045565A9
_FLAGS: Final = struct.pack(">I", 1)  # NBD_FLAG_C_FIXED_NEWSTYLE
_LIST, _INFO = 3, 6
_ACK, _SERVER, _INFORMATION = 1, 2, 3
_POLICY, _TLS = 0x80000002, 0x80000005
MAX_REPLY: Final = 8192  # a name has at most 4096 bytes
MAX_EXPORTS: Final = 1000
MAX_NAME: Final = 240  # bytes of a name that its size is asked of
MAX_SIZED: Final = 200


class Said(ProtocolError):
    """An option was answered with an error of NBD, which is an honest answer."""

    def __init__(self, code: int, text: bytes) -> None:
        """`code` is a reply type with its highest bit set; `text` is for people, and hostile."""
        super().__init__(f"{_WORDS.get(code, hex(code))} {safe(text, 120)}".strip())
        self.code = code


_WORDS: Final = {
    0x80000001: "unsupported",
    _POLICY: "refused by policy",
    _TLS: "TLS required",
    0x80000006: "unknown export",
    0x80000007: "shutting down",
}


def option(number: int, data: bytes = b"") -> bytes:
    """One option of the client's."""
    return _OPTION + struct.pack(">II", number, len(data)) + data


def info(name: bytes) -> bytes:
    """NBD_OPT_INFO for one export, without any further question."""
    return option(_INFO, struct.pack(">I", len(name)) + name + b"\0\0")


def name_of(data: bytes) -> bytes:
    """The name in NBD_REP_SERVER; details may follow it."""
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 or size > len(data) - 4:
        raise ProtocolError("an export's name that is longer than its answer")
    return data[4 : 4 + size]


def size_of(data: bytes) -> int | None:
    """The size in NBD_REP_INFO of the kind NBD_INFO_EXPORT, None for another kind.

    nbd-server 3.24 answers 0 for every export, since it opens none to say this: 0 is no size.
    """
    if len(data) < 2:
        raise ProtocolError("an empty NBD_REP_INFO")
    if data[:2] != b"\0\0":
        return None
    if len(data) != 12:
        raise ProtocolError("an NBD_INFO_EXPORT of another length")
    return int.from_bytes(data[2:10], "big") or None


async def _reply(connection: Connection, number: int) -> tuple[int, bytes]:
    """One reply to this option: its type and data; raises Said."""
    magic, said, kind, size = struct.unpack(">QIII", await connection.read_exactly(20))
    if magic != _REPLY or said != number or size > MAX_REPLY:
        raise ProtocolError("no reply to this option")
    data = await connection.read_exactly(size)
    if kind >> 31:
        raise Said(kind, data)
    return kind, data


async def _names(connection: Connection) -> list[bytes]:
    await connection.write(option(_LIST))
    found: list[bytes] = []
    while len(found) <= MAX_EXPORTS:
        kind, data = await _reply(connection, _LIST)
        if kind == _ACK:
            return found
        if kind != _SERVER:
            raise ProtocolError("a list of something else")
        found.append(name_of(data))
    raise ProtocolError(f"more than {MAX_EXPORTS} exports")


async def _size(connection: Connection, name: bytes) -> int | None:
    await connection.write(info(name))
    size = None
    for _ in range(16):  # kinds of information that one export may have
        kind, data = await _reply(connection, _INFO)
        if kind == _ACK:
            return size
        if kind != _INFORMATION:
            raise ProtocolError("information of another kind")
        said = size_of(data)
        size = said if size is None else size
    raise ProtocolError("too much information")


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        head = await connection.read_exactly(16)
        if head[:8] != MAGIC:
            return None
        if head[8:] == _OLD:
            size = int.from_bytes(await connection.read_exactly(8), "big")
            return _old(context, size)
        if head[8:] != _OPTION:
            raise ProtocolError("neither the old handshake nor the new one")
        if not (await connection.read_exactly(2))[1] & 1:
            return Proof(Access.SPEAKS, "it opens an export by its name alone, and lists none")
        await connection.write(_FLAGS)
        try:
            names = await _names(connection)
        except Said as e:
            return await _unlisted(context, connection, e)
        return await _listed(context, connection, names)


def _old(context: Context, size: int) -> Proof:
    detail = f"the old handshake names the size of its one export, {size} bytes; no block was read"
    said = context.evidence("(the greeting)", str(size).encode(), _reproduce(context))
    one = Size(objects=1, bytes=size, unit="exports", basis="old handshake")
    return Proof(Access.METADATA, detail, product="NBD", size=one, evidence=(said,))


async def _unlisted(context: Context, connection: Connection, why: Said) -> Proof:
    """No list: whether the export without a name says its size, else what the refusal means."""
    said: tuple[Evidence, ...] = (context.evidence("NBD_OPT_LIST", str(why).encode()),)
    try:
        size = await _size(connection, b"")
    except BudgetSpent:
        raise
    except ProtocolError:  # nbd-server hangs up on a name that it does not know
        size = None
    if size is not None:
        said += (context.evidence('NBD_OPT_INFO of ""', str(size).encode()),)
        one = Size(objects=1, bytes=size, unit="exports", basis="NBD_OPT_INFO", complete=False)
        detail = f"no list ({why}); the default export says its size, {size} bytes"
        return Proof(Access.METADATA, detail, product="NBD", size=one, evidence=said)
    if why.code == _TLS:
        detail = f"no list without TLS, which was not begun: {why}"
        gap = context.gap(Reason.UNSUPPORTED, "", detail)
        return Proof(Access.UNDETERMINED, detail, product="NBD", evidence=said, gaps=(gap,))
    access = Access.REFUSED_OR_ABSENT if why.code == _POLICY else Access.SPEAKS
    detail = f"no list of exports: {why}; one whose name is known may open"
    return Proof(access, detail, product="NBD", evidence=said)


async def _listed(context: Context, connection: Connection, names: list[bytes]) -> Proof:
    sizes, gaps = await _sizes(context, connection, names)
    shown = ", ".join(safe(name, 60) for name in names[:5])
    listed = context.evidence("NBD_OPT_LIST", b"\n".join(names), _reproduce(context))
    told = "\n".join(map(str, sizes)).encode()
    asked = (context.evidence("NBD_OPT_INFO of each", told),) if sizes else ()
    return Proof(
        access=Access.LISTS if names else Access.SPEAKS,
        detail=f"{len(names)} exports listed without a login ({shown}); no block was read"
        if names
        else "the list of exports is empty; one whose name is known may open",
        product="NBD",
        size=Size(
            objects=len(names),
            bytes=sum(sizes) if sizes else None,
            unit="exports",
            basis=f"NBD_OPT_LIST, NBD_OPT_INFO of {len(sizes)}",
            complete=not sizes or len(sizes) == len(names),
        )
        if names
        else None,
        evidence=(listed, *asked),
        containers=tuple(safe(name, 80) for name in names[:20]),
        gaps=tuple(gaps),
    )


async def _sizes(
    context: Context, connection: Connection, names: list[bytes]
) -> tuple[list[int], list[Gap]]:
    """The sizes that could be had, in the order of the names, until the server will not go on."""
    asked = [name for name in names if len(name) <= MAX_NAME][:MAX_SIZED]
    sizes: list[int] = []
    gaps: list[Gap] = []
    if len(asked) < len(names):
        detail = "exports whose sizes were not asked for"
        gaps.append(context.gap(Reason.TOO_LARGE, "", detail, count=len(names) - len(asked)))
    for at, name in enumerate(asked):
        shown = name.decode("utf-8", "replace")
        try:
            size = await _size(connection, name)
        except Said as e:
            gaps.append(context.gap(Reason.REFUSED, shown, f"no size: {e}"))
            continue
        except ProtocolError as e:
            detail = f"no further size: {e}"
            gaps.append(context.gap(reason_of(e), shown, detail, count=len(asked) - at))
            break
        sizes += [] if size is None else [size]
    return sizes, gaps


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    return f"nbd-client -l {endpoint.address} -p {endpoint.port}"


def _recognise(greeting: bytes) -> bool:
    """The greeting, also where only its first packet has come: nbd-server sends two."""
    return greeting == MAGIC or greeting.startswith((MAGIC + _OPTION, MAGIC + _OLD))


_ANY_INFO: Final = b"|".join(
    re.escape(struct.pack(">II", size + 6, size)) + rb".{%d}\x00\x00" % size
    for size in range(MAX_NAME + 1)
)

NBD = Protocol(
    name="nbd",
    ports=(10809,),
    sends="the client's flags, NBD_OPT_LIST, NBD_OPT_INFO of each export",
    allowed=(
        re.escape(_FLAGS) + rb"\Z",
        re.escape(option(_LIST)) + rb"\Z",
        re.escape(_OPTION + struct.pack(">I", _INFO)) + rb"(?:" + _ANY_INFO + rb")\Z",
    ),
    prove=_prove,
    recognise=_recognise,
    examples=(MAGIC, MAGIC + _OPTION + b"\0\x03", MAGIC + _OLD + bytes(136)),
    counterexamples=(b"NBDMAGIC\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"220 ready\r\n"),
    source="https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md",
)
