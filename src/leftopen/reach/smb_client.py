"""How a conversation of SMB begins: the NetBIOS session, then the newest generation there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.net.dialer import Connection, Dialer, Silent
from leftopen.reach.smb1_wire import Smb1
from leftopen.reach.smb2_wire import Smb2
from leftopen.reach.smb_wire import NotSmb, Session

NETBIOS_PORT: Final = 139
_ACCEPTED: Final = b"\x82\0\0\0"


def _netbios_name(name: bytes, kind: int) -> bytes:
    """RFC 1001 14.1: sixteen bytes, each half of one a letter from A on."""
    padded = name.ljust(15) + bytes((kind,))
    return b"\x20" + bytes(65 + half for byte in padded for half in (byte >> 4, byte & 15)) + b"\0"


# RFC 1002 4.3.2; the called name that every server takes for its own ([MS-SMB] 2.1)
SESSION: Final = (
    b"\x81\0\0\x44" + _netbios_name(b"*SMBSERVER", 0x20) + _netbios_name(b"LEFTOPEN", 0)
)


@asynccontextmanager
async def negotiated(dialer: Dialer, *, tls: bool) -> AsyncIterator[Session]:
    """A connection that has agreed on a dialect, before any login.

    A server of the first generation hangs up at the hello of the second, so it is asked again.

    Raises:
        NotSmb: the peer speaks something else.
        ProtocolError: it breaks the protocol.
    """
    for generation in (Smb2, Smb1):
        async with await dialer.connect(tls=tls) as connection:
            if dialer.target.endpoint.port == NETBIOS_PORT:
                await _netbios(connection)
            session: Smb2 | Smb1 = generation(connection, dialer.target.endpoint.address)
            try:
                await session.negotiate()
            except (BudgetSpent, Silent, NotSmb):
                raise
            except ProtocolError:
                if generation is Smb1:
                    raise
                continue
            try:
                yield session
            except NotSmb as e:  # it did speak SMB before
                raise ProtocolError(str(e)) from None
            return


async def _netbios(connection: Connection) -> None:
    await connection.write(SESSION)
    if await connection.read_exactly(4) != _ACCEPTED:
        raise NotSmb("the NetBIOS session was not accepted")
