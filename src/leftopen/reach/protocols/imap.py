"""IMAP: mailboxes that open without a password.

Two ways in are a stranger's: the server greets with PREAUTH, or it offers the SASL mechanism
ANONYMOUS (RFC 4505), in which the client sends no secret but a word that says who calls. Proof:
the first bytes of one message, read with EXAMINE and BODY.PEEK, which change no flag (SELECT and
BODY[] would). RFC 3501, RFC 9051; STATUS=SIZE is RFC 8438.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.imap_wire import TRACE, Answer, Imap, Token, number, pairs, quoted

READ_BYTES: Final = 4096
MAX_COUNTED: Final = 50  # mailboxes whose messages the proof counts
MAX_TRIED: Final = 3  # mailboxes that the proof tries to read from
_PEEK: Final = b"FETCH 1 (BODY.PEEK[]<0.%d>)" % READ_BYTES
RANGE: Final = 500  # messages per FETCH of a listing
_QUOTED: Final = rb'"(?:[^"\\\r\n\x00]|\\["\\])*"'
_PRODUCT = re.compile(rb"Dovecot|Courier-IMAP|Cyrus|Exchange|hMailServer|MDaemon|Zimbra|GreenMail")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(rb" ?(\d\d?)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d\d)(\d\d)")


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation, and how a stranger got in: `way` is "" when a credential is asked for."""

    imap: Imap
    way: str
    evidence: Evidence
    sizes: bool = False  # the server can say STATUS (SIZE)
    product: str = ""

    def proof(self, access: Access, detail: str, *evidence: Evidence) -> Proof:
        """What is known so far, with one more sentence and its evidence."""
        return Proof(
            access=access,
            detail=f"{self.way}; {detail}" if self.way else detail,
            product=self.product,
            tls=self.imap.connection.tls,
            evidence=(self.evidence, *evidence),
        )


@asynccontextmanager
async def _session(context: Context) -> AsyncIterator[Session | None]:
    """None when the peer does not speak IMAP."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        imap = Imap(connection)
        hello = await imap.greeting()
        if hello and hello.status == b"BYE":
            raise ProtocolError(f"the server turned us away: {hello.said}")
        yield await _enter(context, imap, hello) if hello else None


async def _enter(context: Context, imap: Imap, hello: Answer) -> Session:
    product = found.group().decode() if (found := _PRODUCT.search(hello.text)) else ""
    capabilities = await imap.capabilities(hello.text)
    if hello.status == b"PREAUTH":
        seen = context.evidence("(the greeting)", b"* PREAUTH " + hello.text, _reproduce(context))
        way = "the server greets strangers as logged in (PREAUTH)"
        return Session(imap, way, seen, b"STATUS=SIZE" in capabilities, product)
    if b"AUTH=ANONYMOUS" not in capabilities and b"STARTTLS" in capabilities:
        await _start_tls(imap)
        capabilities = await imap.capabilities()
    if b"AUTH=ANONYMOUS" not in capabilities:
        seen = context.evidence("CAPABILITY", b" ".join(sorted(capabilities)))
        return Session(imap, "", seen, product=product)
    answer = await imap.command(b"AUTHENTICATE ANONYMOUS", reply=TRACE)
    said = b"%s %s" % (answer.status, answer.text)
    seen = context.evidence("AUTHENTICATE ANONYMOUS (trace: leftopen)", said, _reproduce(context))
    if answer.status != b"OK":
        return Session(imap, "", seen, product=product)
    capabilities = await imap.capabilities(answer.text)
    way = "the mechanism ANONYMOUS was accepted"
    return Session(imap, way, seen, b"STATUS=SIZE" in capabilities, product)


async def _start_tls(imap: Imap) -> None:
    if (await imap.command(b"STARTTLS")).status != b"OK":
        raise ProtocolError("STARTTLS was offered and refused")
    await imap.connection.start_tls()


async def _prove(context: Context) -> Proof | None:
    async with _session(context) as session:
        if session is None:
            return None
        if not session.way:
            asked = "a login is asked for; no anonymous mechanism is open"
            return session.proof(Access.ASKS_CREDENTIAL, asked)
        answer, names = await _mailboxes(session.imap)
        if answer.status != b"OK":
            refused = f"LIST was refused: {answer.said}"
            return session.proof(Access.UNDETERMINED, refused)
        listed = context.evidence('LIST "" "*"', b"\n".join(names), _reproduce(context))
        counts = await _counts(session, names)
        proof = await _first_message(context, session, listed, _candidates(names, counts))
        shown = tuple(safe(name, 80) for name in names[:20])
        return replace(proof, size=_size(session, names, counts), containers=shown)


async def _mailboxes(imap: Imap) -> tuple[Answer, list[bytes]]:
    """All mailboxes that can hold messages, sorted; INBOX first."""
    answer = await imap.command(b'LIST "" "*"')
    names = set[bytes]()
    for line in answer.data(b"LIST"):
        match line:
            case [list(flags), _, bytes(name)] if b"\\Noselect" not in flags:
                names.add(name)
    return answer, sorted(names, key=lambda name: (name.upper() != b"INBOX", name))


Counts = dict[bytes, tuple[int, int | None]]  # mailbox: messages, bytes


async def _counts(session: Session, names: list[bytes]) -> Counts:
    """What STATUS says of the first mailboxes; those it refuses are left out."""
    items = b"(MESSAGES SIZE)" if session.sizes else b"(MESSAGES)"
    found: Counts = {}
    for name in names[:MAX_COUNTED]:
        if (box := quoted(name)) is None:
            continue
        answer = await session.imap.command(b"STATUS %s %s" % (box, items))
        for line in answer.data(b"STATUS"):
            said = pairs(line[-1])
            if (messages := number(said.get(b"MESSAGES"))) is not None:
                found[name] = messages, number(said.get(b"SIZE"))
    return found


def _size(session: Session, names: list[bytes], counts: Counts) -> Size | None:
    if not counts:
        return None
    sizes = [size for _, size in counts.values()]
    return Size(
        objects=sum(messages for messages, _ in counts.values()),
        bytes=None if None in sizes else sum(size or 0 for size in sizes),
        unit="messages",
        basis=f"STATUS ({'MESSAGES SIZE' if session.sizes else 'MESSAGES'})",
        complete=len(counts) == len(names),
    )


def _candidates(names: list[bytes], counts: Counts) -> list[bytes]:
    """Mailboxes to read from: the fullest first, then those that could not be counted."""
    full = sorted((n for n in counts if counts[n][0]), key=lambda n: -counts[n][0])
    return [*full, *(name for name in names if name not in counts and quoted(name))][:MAX_TRIED]


async def _first_message(
    context: Context, session: Session, listed: Evidence, names: list[bytes]
) -> Proof:
    """The first bytes of one message, from the first mailbox that gives one."""
    refusal = ""
    for name in names:
        answer = await _examine(session.imap, name)
        if answer.status == b"OK":
            if not _exists(answer):
                continue
            answer = await session.imap.command(_PEEK, literal=READ_BYTES)
        if text := _body(answer):
            request = f"EXAMINE {safe(name, 80)}; {_PEEK.decode()}"
            read = context.evidence(request, text, content=True)
            given = f"{len(text)} bytes of a message were read"
            return session.proof(Access.GIVES_DATA, given, listed, read)
        refusal = answer.said
    if refusal:
        detail = f"mailboxes are named, reading is refused: {refusal}"
        return session.proof(Access.LISTS, detail, listed)
    return session.proof(Access.LISTS, "the mailboxes that it names are empty", listed)


async def _examine(imap: Imap, name: bytes) -> Answer:
    """Open read-only. Raises ProtocolError for a name that a command cannot hold."""
    if (box := quoted(name)) is None:
        raise ProtocolError("a mailbox name with a line end in it")
    return await imap.command(b"EXAMINE " + box)


def _exists(answer: Answer) -> int:
    """How many messages an answer to EXAMINE says there are."""
    counts = [number(line[0]) for line in answer.untagged if line[1:] == [b"EXISTS"]]
    return (counts[-1] if counts else None) or 0


def _body(answer: Answer) -> bytes:
    for line in answer.data(b"FETCH"):
        for key, value in pairs(line[0] if line else None).items():
            if key.startswith(b"BODY[]") and isinstance(value, bytes):
                return value
    return b""


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _session(context) as session:
        if session is None or not session.way:
            raise ProtocolError("no anonymous session this time")
        answer, names = await _mailboxes(session.imap)
        if answer.status != b"OK":
            raise ProtocolError(f"LIST was refused: {answer.said}")
        for name in names:
            async for item in _messages(context, session.imap, name):
                yield item


async def _messages(context: Context, imap: Imap, name: bytes) -> AsyncIterator[ObjectRef | Gap]:
    place = name.decode("utf-8", "replace")
    if quoted(name) is None:
        yield context.gap(Reason.UNSUPPORTED, place, "a mailbox name that no command can hold")
        return
    answer = await _examine(imap, name)
    if answer.status != b"OK":
        yield context.gap(Reason.REFUSED, place, f"EXAMINE was refused: {answer.said}")
        return
    last = _exists(answer)
    for first in range(1, last + 1, RANGE):
        wanted = b"%d:%d" % (first, min(first + RANGE - 1, last))
        answer = await imap.command(b"FETCH %s (UID INTERNALDATE RFC822.SIZE)" % wanted)
        refs = [ref for line in answer.data(b"FETCH") if line and (ref := _ref(name, line[0]))]
        for ref in refs:
            yield ref
        if not refs:
            detail = f"messages {wanted.decode()} were not listed: {answer.said}"
            yield context.gap(Reason.REFUSED, place, detail, count=last - first + 1)
            return


def _ref(mailbox: bytes, items: Token) -> ObjectRef | None:
    """The path is `mailbox;UID=n`, as in an IMAP URL (RFC 5092) but not percent-encoded."""
    said = pairs(items)
    if (uid := number(said.get(b"UID"))) is None:
        return None
    box = mailbox.decode("latin-1")
    return ObjectRef(
        path=f"{box};UID={uid}",
        group=box,
        size=number(said.get(b"RFC822.SIZE")),
        time=internal_date(said.get(b"INTERNALDATE")),
        media_type="message/rfc822",
    )


def internal_date(value: Token) -> datetime | None:
    """`24-Nov-2026 10:59:23 +0000` (RFC 3501, date-time), or None."""
    found = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    if not found:
        return None
    day, month, year, hour, minute, second, zone, zone_minutes = found.groups()
    try:
        away = timedelta(hours=abs(int(zone)), minutes=int(zone_minutes))
        name = month.decode("latin-1").title()
        return datetime(
            int(year),
            _MONTHS.index(name) + 1,
            *(int(day), int(hour), int(minute), int(second)),
            tzinfo=timezone(-away if zone.startswith(b"-") else away),
        )
    except ValueError:  # 31-Feb, an unknown month, a zone of more than a day
        return None


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    box, _, uid = ref.path.rpartition(";UID=")
    async with _session(context) as session:
        if session is None or not session.way:
            raise ProtocolError("no anonymous session this time")
        answer = await _examine(session.imap, box.encode("latin-1"))
        if answer.status == b"OK":
            wanted = b"UID FETCH %d (RFC822.SIZE BODY.PEEK[]<0.%d>)" % (int(uid), limit)
            answer = await session.imap.command(wanted, literal=limit)
        text = _body(answer)
        if answer.status != b"OK" or not text:
            raise ObjectRefused(f"the message was refused: {answer.said}")
        whole = [number(pairs(line[0]).get(b"RFC822.SIZE")) for line in answer.data(b"FETCH")]
        complete = len(text) < limit or len(text) in whole
        return Fetched(text, complete=complete, media_type="message/rfc822")


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    say = f'a AUTHENTICATE ANONYMOUS\\r\\n{TRACE.decode()}\\r\\nb LIST "" "*"\\r\\n'
    return f"(printf '{say}'; sleep 2) | nc {endpoint.address} {endpoint.port}"


_COMMANDS: Final = (
    rb"CAPABILITY",
    rb"STARTTLS",
    rb"AUTHENTICATE ANONYMOUS",
    rb'LIST "" "\*"',
    rb"STATUS " + _QUOTED + rb" \(MESSAGES(?: SIZE)?\)",
    rb"EXAMINE " + _QUOTED,
    rb"FETCH 1 \(BODY\.PEEK\[\]<0\.\d+>\)",
    rb"FETCH \d+:\d+ \(UID INTERNALDATE RFC822\.SIZE\)",
    rb"UID FETCH \d+ \(RFC822\.SIZE BODY\.PEEK\[\]<0\.\d+>\)",
)

IMAP = Protocol(
    name="imap",
    ports=(143,),
    tls_ports=(993,),
    sends="CAPABILITY, AUTHENTICATE ANONYMOUS, LIST, STATUS, EXAMINE and FETCH with BODY.PEEK",
    allowed=(rb"a\d+ (?:" + b"|".join(_COMMANDS) + rb")\r\n\Z", TRACE + rb"\r\n\Z"),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda greeting: bool(re.match(rb"\* (?:OK|PREAUTH|BYE)\b", greeting, re.I)),
    examples=(b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", b"* PREAUTH ready\r\n"),
    counterexamples=(b"+OK POP3 ready\r\n", b"220 mail ESMTP\r\n", b"@RSYNCD: 31.0\n"),
    source="https://www.rfc-editor.org/rfc/rfc9051",
)
