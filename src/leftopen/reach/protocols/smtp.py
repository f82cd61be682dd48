"""SMTP: that it is there, and what it offers after EHLO.

An inventory only: whether a server relays is known by sending mail, which is never done, and
VRFY and EXPN are not asked. RFC 5321.
"""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.greets import by_netcat, exactly

EHLO: Final = b"EHLO leftopen.invalid\r\n"
QUIT: Final = b"QUIT\r\n"
MAX_LINES: Final = 100
_LINE: Final = re.compile(rb"(\d{3})([ -]?)(.*)")
_NAMED: Final = re.compile(rb"\bE?SMTP\b")
_PRODUCT: Final = re.compile(r"\b(Postfix|Exim|Sendmail|OpenSMTPD|Exchange)\b(?:[ /](\d[\w.]*))?")


def _greeted(greeting: bytes) -> bool:
    return re.match(rb"(?:220|554)[ -]", greeting) is not None and bool(_NAMED.search(greeting))


async def reply(connection: Connection) -> tuple[int, list[bytes]]:
    """A reply of one or several lines: its code and their texts; raises ProtocolError."""
    code, texts = 0, list[bytes]()
    while len(texts) < MAX_LINES:
        found = _LINE.fullmatch(await connection.read_line(2048))
        if found is None or (code and int(found.group(1)) != code):
            raise ProtocolError("not a reply of SMTP")
        code = int(found.group(1))
        texts.append(found.group(3))
        if found.group(2) != b"-":
            return code, texts
    raise ProtocolError(f"a reply of more than {MAX_LINES} lines")


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        code, texts = await reply(connection)
        if code not in (220, 554) or not any(_NAMED.search(text) for text in texts):
            return None
        greeting = b"\n".join(texts)
        named = _PRODUCT.search(greeting.decode("utf-8", "replace"))
        product, version = (named.group(1), named.group(2) or "") if named else ("SMTP", "")
        seen = context.evidence("(nothing)", b"%d %s" % (code, greeting), by_netcat(context))
        if code != 220:
            detail = f"SMTP takes no mail from here: {safe(greeting.decode('latin-1'), 100)}"
            return Proof(Access.SPEAKS, detail, product, version, evidence=(seen,))
        await connection.write(EHLO)
        code, offers = await reply(connection)
        await connection.write(QUIT)
    if code != 250:
        return Proof(Access.SPEAKS, f"EHLO is answered with {code}", product, version)
    offered = context.evidence("EHLO leftopen.invalid", b"\n".join(offers), by_netcat(context))
    words = ", ".join(safe(offer.decode("latin-1"), 60) for offer in offers[1:20])
    secure = "" if b"STARTTLS" in offers or context.tls else "; no STARTTLS"
    detail = f"SMTP offers {words or 'nothing'}{secure}; whether it relays was not tried"
    return Proof(Access.METADATA, detail, product, version, evidence=(seen, offered))


SMTP = Protocol(
    name="smtp",
    ports=(25, 587, 2525),
    tls_ports=(465,),
    sends="EHLO, QUIT",
    allowed=exactly(EHLO, QUIT),
    prove=_prove,
    recognise=_greeted,
    examples=(b"220 mx.example.org ESMTP Postfix\r\n", b"554 No SMTP service here\r\n"),
    counterexamples=(b"220 (vsFTPd 3.0.3)\r\n", b"220 ready\r\n", b"250 SMTP\r\n"),
    source="https://www.rfc-editor.org/rfc/rfc5321",
)
