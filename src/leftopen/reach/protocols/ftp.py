"""FTP: files for the user "anonymous".

The name anonymous with an e-mail address as its password is the convention of RFC 1635 for
strangers, so neither is guessed. Proof: the first bytes of one file. Only reading commands are
sent; TLS is spoken where the server demands it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.ftp_listing import Entry, parse_list, parse_mlsd
from leftopen.reach.ftp_wire import Ftp, Reply

READ_BYTES: Final = 4096
LISTING_BYTES: Final = 500_000  # of one folder
MAX_FOLDERS: Final = 5000
MAX_DEPTH: Final = 16
KEEP: Final = 3  # connections that the walk of a proof leaves for reading files
_PRODUCT: Final = re.compile(
    rb"(vsFTPd|ProFTPD|Pure-FTPd|FileZilla Server|Microsoft FTP Service|pyftpdlib|Serv-U)"
    rb"[ /v]*([\d.]+\w*)?",
    re.IGNORECASE,
)
_TLS: Final = re.compile(rb"TLS|SSL|encrypt|secure", re.IGNORECASE)
_START: Final = re.compile(rb'"(/(?:[^"\r\n\x00\xff]|"")*)"')
_LOGGED_IN: Final = (230, 232)
_MAIL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*@[A-Za-z0-9.-]+")


@dataclass(slots=True)
class Session:
    """A conversation after the login was tried."""

    ftp: Ftp
    hello: Reply
    answer: Reply  # to USER or PASS
    start: bytes = b""  # the folder where a login ends up, without a slash at its end
    machine: bool = False  # MLSD is offered

    @property
    def open(self) -> bool:
        """Whether an anonymous login was accepted."""
        return self.answer.code in _LOGGED_IN

    def proof(self, access: Access, detail: str, *evidence: Evidence) -> Proof:
        """What is known so far, with a sentence and its evidence."""
        found = _PRODUCT.search(self.hello.text)
        return Proof(
            access=access,
            detail=detail,
            product=found.group(1).decode() if found else "",
            version=(found.group(2) or b"").decode() if found else "",
            tls=self.ftp.control.tls,
            evidence=evidence,
        )


@asynccontextmanager
async def _session(context: Context) -> AsyncIterator[Session | None]:
    """None when the peer does not speak FTP. With TLS only where the server demands it."""
    answer: Reply | None = None
    for _ in range(2):
        async with await context.dialer.connect(tls=context.tls) as control:
            ftp = Ftp(context.dialer, control)
            hello = await ftp.greeting()
            if hello is None or hello.code != 220:
                yield None
                return
            if answer and (await ftp.command(b"AUTH TLS")).code != 234:
                yield Session(ftp, hello, answer)
                return
            if answer:
                await control.start_tls()
            answer = await _name(context, ftp)
            if _wants_tls(answer) and not control.tls:
                continue  # on a new connection: vsftpd ends this one
            yield await _begin(ftp, hello, answer)
            return


def _wants_tls(answer: Reply) -> bool:
    return answer.code >= 500 and bool(_TLS.search(answer.text))


async def _begin(ftp: Ftp, hello: Reply, answer: Reply) -> Session | None:
    if answer.code in (500, 502):  # SMTP greets with 220 as well
        return None
    if 400 <= answer.code < 500:
        raise ProtocolError(f"the login was put off: {answer.said}")
    if answer.code not in _LOGGED_IN:
        return Session(ftp, hello, answer)
    if ftp.control.tls:
        await ftp.command(b"PBSZ 0")
        ftp.private = (await ftp.command(b"PROT P")).code == 200
    await ftp.command(b"TYPE I")
    features = await ftp.command(b"FEAT")
    where = _START.match((await ftp.command(b"PWD")).text)
    start = where.group(1).replace(b'""', b'"').rstrip(b"/") if where else b""
    return Session(ftp, hello, answer, start, b"MLST" in features.text.upper())


async def _name(context: Context, ftp: Ftp) -> Reply:
    """Say who we are; the reply to the last command that was needed."""
    answer = await ftp.command(b"USER anonymous")
    if answer.code == 331:
        found = _MAIL.search(context.user_agent)
        mail = found.group() if found else "leftopen@"
        answer = await ftp.command(b"PASS " + mail.encode())
    return answer


Item = tuple[bytes, Entry]  # the folder's path, and one child of it


async def _walk(
    context: Context, session: Session, keep: int = 0
) -> AsyncGenerator[Item | Gap, None]:
    """All files and folders breadth first, and a Gap for what is not seen.

    Each folder costs a connection; `keep` of them are left for other uses.
    """
    waiting = deque([(session.start, 0)])
    for _ in range(MAX_FOLDERS):
        if not waiting or not _room(context, keep):
            break
        folder, depth = waiting.popleft()
        async for item in _folder(context, session, folder):
            yield item
            if isinstance(item, tuple) and item[1].folder:
                waiting.append((_path(item), depth + 1))
        while waiting and waiting[-1][1] > MAX_DEPTH:
            yield context.gap(Reason.TOO_DEEP, _shown(waiting.pop()[0]), "folders too deep")
    if waiting:
        detail = "folders that were not listed"
        yield context.gap(Reason.BUDGET, "", detail, count=len(waiting))


def _room(context: Context, keep: int) -> bool:
    """Whether the budget allows another folder."""
    budget = context.dialer.budget
    return (
        budget.connections_left > keep
        and budget.bytes_left > 2 * LISTING_BYTES
        and budget.seconds_left > 1
    )


async def _folder(context: Context, session: Session, folder: bytes) -> AsyncIterator[Item | Gap]:
    place = _shown(folder)
    verb = b"MLSD " if session.machine else b"LIST "
    got = await session.ftp.transfer(verb + (folder or b"/"), LISTING_BYTES)
    if got.refused:
        yield context.gap(Reason.REFUSED, place, f"the folder was not listed: {got.reply.said}")
        return
    machine = session.machine
    entries, rejected = parse_mlsd(got.data) if machine else parse_list(got.data, context.now())
    if not got.ended:
        detail = f"the listing was cut at {LISTING_BYTES} bytes"
        yield context.gap(Reason.TOO_LARGE, place, detail)
    rejected += sum(not entry.usable for entry in entries)
    if rejected:
        detail = "lines of the listing that no rule can read"
        yield context.gap(Reason.UNPARSED, place, detail, count=rejected)
    for entry in entries:
        if entry.usable:
            yield folder, entry


def _path(item: Item) -> bytes:
    return item[0] + b"/" + item[1].name


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace") or "/"


async def _prove(context: Context) -> Proof | None:
    async with _session(context) as session:
        if session is None:
            return None
        login = context.evidence(
            "USER anonymous; PASS (an e-mail address)",
            b"%d %s" % (session.answer.code, session.answer.text),
            _reproduce(context),
        )
        if not session.open:
            refused = f"anonymous is refused: {session.answer.said}"
            return session.proof(Access.ASKS_CREDENTIAL, refused, login)
        items: list[Item] = []
        gaps: list[Gap] = []
        async with aclosing(_walk(context, session, KEEP)) as walk:
            async for item in walk:
                items.append(item) if isinstance(item, tuple) else gaps.append(item)
        proof = await _judge(context, session, login, items, gaps)
        if elsewhere := session.ftp.elsewhere:
            detail = f"PASV named {elsewhere}; it was not contacted"
            gaps.append(context.gap(Reason.OUT_OF_SCOPE, "", detail))
        folders = [safe(_path(item), 80) for item in items if item[1].folder]
        return replace(proof, containers=tuple(folders[:20]), gaps=tuple(gaps))


async def _judge(
    context: Context, session: Session, login: Evidence, items: list[Item], gaps: list[Gap]
) -> Proof:
    if not items and gaps:
        why = f"an anonymous login is accepted, but {gaps[0].detail}"
        return session.proof(Access.UNDETERMINED, why, login)
    names = b"\n".join(_path(item) for item in items)
    listed = context.evidence(f"listing of {safe(session.start or b'/', 80)}", names)
    files = [item for item in items if not item[1].folder]
    known = [entry.size for _, entry in files if entry.size is not None]
    size = Size(
        objects=len(files),
        bytes=sum(known),
        unit="files",
        basis="listing",
        complete=not gaps and len(known) == len(files),
    )
    for item in [item for item in files if item[1].size != 0][:KEEP]:
        got = await session.ftp.transfer(b"RETR " + _path(item), READ_BYTES)
        if got.data:
            read = context.evidence(f"RETR {safe(_path(item), 80)}", got.data, content=True)
            detail = f"{len(got.data)} bytes of a file were read by anonymous"
            proof = session.proof(Access.GIVES_DATA, detail, login, listed, read)
            return replace(proof, size=size)
    seen = "files are named, none was handed over" if files else "no file is listed"
    detail = f"an anonymous login is accepted; {seen}"
    return replace(session.proof(Access.LISTS, detail, login, listed), size=size)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _session(context) as session:
        if session is None or not session.open:
            raise ProtocolError("no anonymous login this time")
        async with aclosing(_walk(context, session)) as walk:
            async for item in walk:
                if isinstance(item, Gap):
                    yield item
                elif not item[1].folder:
                    yield _ref(item)


def _ref(item: Item) -> ObjectRef:
    folder, entry = item
    return ObjectRef(
        path=_path(item).decode("latin-1"),
        group=folder.decode("latin-1"),
        size=entry.size,
        time=entry.time,
    )


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with _session(context) as session:
        if session is None or not session.open:
            raise ProtocolError("no anonymous login this time")
        got = await session.ftp.transfer(b"RETR " + ref.path.encode("latin-1"), limit)
        if got.refused:
            raise ObjectRefused(f"the file was refused: {got.reply.said}")
        return Fetched(got.data, complete=got.ended and got.reply.code in (226, 250))


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"curl ftp://{host}:{endpoint.port}/"


def _greeted(greeting: bytes) -> bool:
    return bool(re.match(rb"220[ -]", greeting)) and not re.search(rb"\bE?SMTP\b", greeting)


_PLAIN: Final = rb"USER anonymous|TYPE I|FEAT|PWD|EPSV|PASV|AUTH TLS|PBSZ 0|PROT P"

FTP = Protocol(
    name="ftp",
    ports=(21,),
    tls_ports=(990,),
    sends="USER anonymous, PASS with an e-mail address, PWD, FEAT, EPSV, PASV, MLSD, LIST, RETR",
    allowed=(
        rb"(?:" + _PLAIN + rb")\r\n\Z",
        rb"PASS [A-Za-z0-9.+_-]+@[A-Za-z0-9.-]*\r\n\Z",
        rb"(?:MLSD|LIST|RETR) /[^\r\n\x00\xff]*\r\n\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=_greeted,
    examples=(b"220 (vsFTPd 3.0.3)\r\n", b"220-Welcome\r\n220 ready\r\n"),
    counterexamples=(b"220 mx.example.org ESMTP Postfix\r\n", b"+OK\r\n", b"* OK IMAP\r\n"),
    source="https://www.rfc-editor.org/rfc/rfc1635",
)
