"""Finger: names of the users who are logged in, to whoever asks with an empty line.

No user is asked about by name, and nothing is forwarded to another host (`@host`). RFC 1288.
"""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.exposure import Access, Size
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import by_netcat, exactly, never, whole

ASKED: Final = b"\r\n"
ANSWER_BYTES: Final = 65_536
_HEAD: Final = re.compile(
    rb"\s*Login\s+(?:Name|User)\b[^\r\n]*\b(?:Tty|TTY|Idle|When|Where)\b.*", re.I
)
_NOBODY: Final = re.compile(rb"\s*No ?one (?:is )?logged (?:on|in)\.?\s*", re.IGNORECASE)
_NEEDS: Final = re.compile(rb"\s*must provide username\s*", re.IGNORECASE)
_LOGIN: Final = re.compile(rb"[\w.$-]{1,32}")


def users_of(said: bytes) -> list[str] | None:
    """Logins below the heading, each once; [] for nobody, None where it is no such list."""
    if _NOBODY.fullmatch(said):
        return []
    lines = [line.rstrip(b"\r") for line in said.split(b"\n")]
    heads = [n for n, line in enumerate(lines) if _HEAD.fullmatch(line)]
    if not heads:
        return None
    names = [line.split()[0] for line in lines[heads[0] + 1 :] if line.strip()]
    return sorted({name.decode("ascii") for name in names if _LOGIN.fullmatch(name)})


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(ASKED)
        said = await whole(connection, ANSWER_BYTES)
    command = by_netcat(context, "\\r\\n")
    users = users_of(said)
    if users is None:
        if not _NEEDS.fullmatch(said):
            return None
        detail = "a finger server that answers only for a user's name; none was asked for"
        return Proof(
            Access.SPEAKS, detail, "finger", evidence=(context.evidence("", said, command),)
        )
    seen = context.evidence("(an empty line)", said, command, content=True)
    if not users:
        detail = "nobody is logged in, and anybody is told so"
        return Proof(Access.METADATA, detail, "finger", evidence=(seen,))
    return Proof(
        Access.LISTS,
        f"{len(users)} users who are logged in are named to anybody",
        "finger",
        size=Size(objects=len(users), unit="users", basis="the list of those logged in"),
        evidence=(seen,),
        containers=tuple(safe(name, 40) for name in users[:20]),
    )


FINGER = Protocol(
    name="finger",
    ports=(79,),
    sends="an empty line",
    allowed=exactly(ASKED),
    prove=_prove,
    recognise=never,
    source="https://www.rfc-editor.org/rfc/rfc1288",
)
