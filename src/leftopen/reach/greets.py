"""What the small protocols of one port share: no greeting to know them by, nothing to send."""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context

NOTHING: Final = rb"(?!)"  # the rule of a protocol that only listens
SILENCE: Final = 2.0  # seconds that a greeting may take


def never(greeting: bytes) -> bool:
    """For a protocol whose server waits for the client: only its usual port hints at it."""
    return False


def exactly(*requests: bytes) -> tuple[bytes, ...]:
    """Rules that allow these whole requests and nothing beside them."""
    return tuple(re.escape(request) + rb"\Z" for request in requests)


def by_netcat(context: Context, sent: str = "") -> str:
    """A command line that says this and shows what comes back."""
    endpoint = context.target.endpoint
    said = f"printf '{sent}' | " if sent else ""
    return f"{said}nc {endpoint.address} {endpoint.port}"


async def whole(connection: Connection, limit: int) -> bytes:
    """All that comes to the end of the stream; raises ProtocolError beyond `limit` bytes."""
    said = b""
    while part := await connection.read_some():
        said += part
        if len(said) > limit:
            raise ProtocolError(f"an answer of more than {limit} bytes")
    return said
