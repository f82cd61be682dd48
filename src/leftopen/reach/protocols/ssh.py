"""SSH: that it is there, and what it calls itself.

Nobody is let in without a credential, so nothing is sent: the server says its name unasked
(RFC 4253 section 4.2).
"""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.exposure import Access
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import NOTHING, SILENCE, by_netcat

_LINE: Final = re.compile(rb"SSH-(?:2\.0|1\.\d{1,2})-([!-~]{1,200})(?: [ -~]{0,200})?\r?\n")
_SOFTWARE: Final = re.compile(r"([A-Za-z]{1,40})[_-]v?(\d[\w.]{0,30})")


def software_of(greeting: bytes) -> str | None:
    """The software of the identification line; None where it is none."""
    found = _LINE.match(greeting)
    return found.group(1).decode("ascii") if found else None


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        greeting = await connection.greeting(SILENCE) or b""
    said = software_of(greeting)
    if said is None:
        return None
    seen = context.evidence("(nothing)", greeting, by_netcat(context))
    named = _SOFTWARE.match(said)
    product, version = (named.group(1), named.group(2)) if named else (said, "")
    detail = "SSH greets; every login is with a credential, none was tried"
    return Proof(Access.SPEAKS, detail, product, version, evidence=(seen,))


SSH = Protocol(
    name="ssh",
    ports=(22, 2222),
    sends="nothing",
    allowed=(NOTHING,),
    prove=_prove,
    recognise=lambda said: software_of(said) is not None,
    examples=(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", b"SSH-1.99-Cisco-1.25\n"),
    counterexamples=(b"SSH-2.0-\r\n", b"SSH\r\n", b"220 SSH-2.0-x\r\n"),
    source="https://www.rfc-editor.org/rfc/rfc4253#section-4.2",
)
