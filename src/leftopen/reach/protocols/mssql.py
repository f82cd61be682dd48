"""Microsoft SQL Server: its version, which the pre-login packet says before any login.

Every login names a user, so none is tried. The packet is that of [MS-TDS] 2.2.6.5.
"""

from __future__ import annotations

import struct
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import exactly, never

_ENCRYPTION: Final = {0: "offered", 1: "on", 2: "not supported", 3: "required"}
# VERSION (6 bytes of zero) and ENCRYPTION (2: not supported by us), then the end of the options
PRELOGIN: Final = bytes.fromhex("1201001a0000010000000b00060100110001ff00000000000002")
MAX_PACKET: Final = 4096


def version_of(packet: bytes) -> tuple[str, str]:
    """Version and the word for encryption of an answer's body; raises ProtocolError."""
    version = encryption = ""
    for at in range(0, len(packet), 5):
        if packet[at] == 0xFF:
            break
        try:
            kind, start, size = struct.unpack_from(">BHH", packet, at)
            if kind == 0 and size == 6:
                version = "{}.{}.{}".format(*struct.unpack_from(">BBH", packet, start))
            elif kind == 1 and size == 1:
                (word,) = struct.unpack_from(">B", packet, start)
                encryption = _ENCRYPTION.get(word, "")
        except struct.error:
            raise ProtocolError("an option that lies outside of the packet") from None
    if not version or not encryption:
        raise ProtocolError("an answer to the pre-login packet without a version")
    return version, encryption


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(PRELOGIN)
        kind, status, size = struct.unpack(">BBH4x", await connection.read_exactly(8))
        if (kind, status) != (4, 1) or not 8 < size <= MAX_PACKET:
            return None
        version, encryption = version_of(await connection.read_exactly(size - 8))
    endpoint = context.target.endpoint
    command = f"nmap -Pn -p {endpoint.port} --script ms-sql-info {endpoint.address}"
    seen = context.evidence("PRELOGIN", f"{version}, encryption {encryption}".encode(), command)
    detail = f"says its version before a login; encryption is {encryption}; no login was tried"
    return Proof(Access.METADATA, detail, "Microsoft SQL Server", version, evidence=(seen,))


MSSQL = Protocol(
    name="mssql",
    ports=(1433,),
    sends="the pre-login packet",
    allowed=exactly(PRELOGIN),
    prove=_prove,
    recognise=never,
    source="https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/"
    "60f56408-0188-4cd5-8b90-25c6f2423868",
)
