"""POP3: a mailbox that opens without a password.

A stranger's way in is the SASL mechanism ANONYMOUS (RFC 4505), in which the client sends no
secret but a word that says who calls. Messages are read with TOP only: RETR may mark them or
start their expiry. QUIT is never sent, because only it makes a server change anything (RFC 1939,
section 6). RFC 1939, RFC 2449 (CAPA), RFC 5034 (AUTH).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

HEADER_BYTES: Final = 65_536
LISTING_BYTES: Final = 8_000_000
WHOLE: Final = 10_000_000  # lines of a body: more than any message that is fetched
TRIES: Final = 3  # messages whose header is asked for, until one comes
TRACE: Final = b"bGVmdG9wZW4="  # base64 of "leftopen": RFC 4505, trace information
_END: Final = b"\r\n.\r\n"
_PRODUCT = re.compile(rb"Dovecot|Courier|Cyrus|Exchange|hMailServer|MDaemon|Zimbra|GreenMail")
_ANONYMOUS: Final = b"AUTH ANONYMOUS"


def lines_of(data: bytes, limit: int) -> tuple[bytes, bool] | None:
    """A multi-line answer without its end and its dots; None while more is needed.

    At most `limit` bytes, and whether that is all. RFC 1939 section 3.
    """
    raw = b"\r\n" + data
    at = raw.find(_END)
    if at < 0 and len(data) <= limit:
        return None
    body = (raw if at < 0 else raw[: at + 2])[2:]
    clean = re.sub(rb"(?m)^\.", b"", body)
    return clean[:limit], at >= 0 and len(clean) <= limit


def pairs_of(data: bytes) -> dict[int, bytes]:
    """The lines `number value` of LIST and UIDL; others are left out."""
    found = re.findall(rb"^(\d{1,9}) ([\x21-\x7e]{1,100})(?: .*)?\r?$", data, re.MULTILINE)
    return {int(number): value for number, value in found}


@dataclass(slots=True)
class Pop3:
    """One conversation. Only the commands of the dialer's allow-list get through."""

    connection: Connection

    async def line(self) -> tuple[bytes, bytes]:
        """A status and its text; raises ProtocolError when it is none of POP3."""
        status, _, text = (await self.connection.read_line()).partition(b" ")
        if status.upper() not in (b"+OK", b"-ERR", b"+"):
            raise ProtocolError("not a POP3 answer")
        return status.upper(), text

    async def command(self, text: bytes) -> tuple[bytes, bytes]:
        """Send one command and read its status line."""
        await self.connection.write(text + b"\r\n")
        return await self.line()

    async def lines(self, text: bytes, limit: int = LISTING_BYTES) -> tuple[bytes, bool]:
        """A multi-line answer, cut at `limit`; raises ObjectRefused for -ERR.

        After a cut the conversation is over.
        """
        status, said = await self.command(text)
        if status != b"+OK":
            raise ObjectRefused(f"{text.decode()} was refused: {safe(said)}")
        parts, tail, size = list[bytes](), b"\r\n", 0
        while size <= 2 * limit + 5:  # a line of dots is twice as long on the wire
            if not (part := await self.connection.read_some()):
                raise ProtocolError("the peer closed the connection early")
            parts.append(part)
            size += len(part)
            tail = (tail + part)[-len(part) - 4 :]
            if _END in tail:
                break
        data = b"".join(parts)
        found = lines_of(data, limit)
        return found or (data[:limit], False)

    async def capabilities(self) -> dict[bytes, list[bytes]]:
        """What CAPA names, with its arguments; empty where it is not known (RFC 1939 alone).

        Raises ProtocolError where it has no end: what was not heard may be ANONYMOUS.
        """
        try:
            said, complete = await self.lines(b"CAPA", HEADER_BYTES)
        except ObjectRefused:
            return {}
        if not complete:
            raise ProtocolError(f"more than {HEADER_BYTES} bytes of capabilities")
        words = (line.upper().split() for line in said.splitlines())
        return {w[0]: w[1:] for w in words if w}


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation, and whether a stranger got in."""

    pop: Pop3
    open: bool
    evidence: Evidence
    product: str = ""

    def proof(
        self, access: Access, detail: str, *evidence: Evidence, size: Size | None = None
    ) -> Proof:
        """What is known so far, with one more sentence and its evidence."""
        return Proof(
            access=access,
            detail=detail,
            product=self.product,
            tls=self.pop.connection.tls,
            size=size,
            evidence=(self.evidence, *evidence),
        )


@asynccontextmanager
async def _session(context: Context) -> AsyncIterator[Session | None]:
    """None when the peer does not speak POP3."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        pop = Pop3(connection)
        status, _, hello = (await connection.read_line()).partition(b" ")
        yield await _enter(context, pop, hello) if status == b"+OK" else None


async def _enter(context: Context, pop: Pop3, hello: bytes) -> Session:
    product = found.group().decode() if (found := _PRODUCT.search(hello)) else ""
    able = await pop.capabilities()
    if b"ANONYMOUS" not in able.get(b"SASL", ()) and b"STLS" in able and not pop.connection.tls:
        if (await pop.command(b"STLS"))[0] != b"+OK":
            raise ProtocolError("STLS was offered and refused")
        await pop.connection.start_tls()
        able = await pop.capabilities()
    if b"ANONYMOUS" not in (mechanisms := able.get(b"SASL", [])):
        seen = context.evidence("CAPA", b" ".join([*sorted(able), *mechanisms]))
        return Session(pop, False, seen, product)
    status, said = await pop.command(_ANONYMOUS)
    if status == b"+":
        status, said = await pop.command(TRACE)
    request = "AUTH ANONYMOUS (trace: leftopen)"
    seen = context.evidence(request, status + b" " + said, _reproduce(context))
    return Session(pop, status == b"+OK", seen, product)


async def _prove(context: Context) -> Proof | None:
    async with _session(context) as session:
        if session is None:
            return None
        if not session.open:
            asked = "a login is asked for; no anonymous mechanism is open"
            return session.proof(Access.ASKS_CREDENTIAL, asked)
        status, said = await session.pop.command(b"STAT")
        found = re.match(rb"(\d{1,9}) (\d{1,18})\b", said)
        if status != b"+OK" or not found:
            refused = f"ANONYMOUS was accepted, STAT was not answered: {safe(said)}"
            return session.proof(Access.UNDETERMINED, refused)
        count, octets = map(int, found.groups())
        size = Size(objects=count, bytes=octets, unit="messages", basis="STAT")
        return await _first_header(context, session, size, count)


async def _first_header(context: Context, session: Session, size: Size, count: int) -> Proof:
    """The header of one of the first messages."""
    way = "the mechanism ANONYMOUS was accepted"
    refusal = ""
    for number in range(1, min(count, TRIES) + 1):
        try:
            text, _ = await session.pop.lines(b"TOP %d 0" % number, HEADER_BYTES)
        except ObjectRefused as e:
            refusal = str(e)
            continue
        if text.strip():
            read = context.evidence(f"TOP {number} 0", text, _reproduce(context), content=True)
            detail = f"{way}; {len(text)} bytes of a message's header were read"
            return session.proof(Access.GIVES_DATA, detail, read, size=size)
    said = refusal or ("no header came" if count else "the mailbox is empty")
    return session.proof(Access.LISTS, f"{way}; {said}", size=size)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _session(context) as session:
        if session is None or not session.open:
            raise ProtocolError("no anonymous session this time")
        listed, complete = await session.pop.lines(b"LIST")
        if not complete:
            raise ProtocolError(f"a list of messages over {LISTING_BYTES} bytes")
        try:
            names = pairs_of((await session.pop.lines(b"UIDL"))[0])
        except ObjectRefused:  # UIDL is optional
            names = {}
    for number, octets in pairs_of(listed).items():
        name = names.get(number, b"").decode("latin-1")
        size = int(octets) if re.fullmatch(rb"\d{1,18}", octets) else None
        path = f"{number};UIDL={name}"
        yield ObjectRef(path=path, group="INBOX", size=size, media_type="message/rfc822")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    number, _, name = ref.path.partition(";UIDL=")
    async with _session(context) as session:
        if session is None or not session.open:
            raise ProtocolError("no anonymous session this time")
        if name:  # numbers are those of one session
            _, said = await session.pop.command(b"UIDL " + number.encode())
            if pairs_of(said) != {int(number): name.encode("latin-1")}:
                raise ObjectRefused("another message has this number now")
        wanted = b"TOP %d %d" % (int(number), WHOLE)
        text, complete = await session.pop.lines(wanted, limit)
        return Fetched(text, complete=complete, media_type="message/rfc822")


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    say = f"AUTH ANONYMOUS\\r\\n{TRACE.decode()}\\r\\nSTAT\\r\\nTOP 1 0\\r\\n"
    return f"(printf '{say}'; sleep 2) | nc {endpoint.address} {endpoint.port}"


POP3 = Protocol(
    name="pop3",
    ports=(110,),
    tls_ports=(995,),
    sends="CAPA, STLS, AUTH ANONYMOUS, STAT, LIST, UIDL and TOP; neither RETR nor QUIT",
    allowed=(
        rb"(?:CAPA|STLS|AUTH ANONYMOUS|STAT|LIST|UIDL|UIDL \d+|TOP \d+ \d+)\r\n\Z",
        TRACE + rb"\r\n\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda greeting: bool(re.match(rb"\+OK(?:\s|\Z)", greeting)),
    examples=(b"+OK Dovecot ready.\r\n", b"+OK\r\n"),
    counterexamples=(b"* OK IMAP4rev1\r\n", b"220 mail ESMTP\r\n", b"+OKAY\r\n"),
    source="https://www.rfc-editor.org/rfc/rfc1939",
)
