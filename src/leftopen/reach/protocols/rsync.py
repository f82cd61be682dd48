"""rsync daemon: modules that open without a password.

A listed module is not an open one: each is asked for, and only the answer OK counts. Proof: the
file list of an open module and the first bytes of one file, with the server as the sender, so
that nothing can be written. Hidden modules (list = no) are not guessed.
https://download.samba.org/pub/rsync/rsyncd.conf.5
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import rsync_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

READ_BYTES: Final = 4096
MAX_TRIED: Final = 3  # files that the proof asks for
MAX_COUNTED: Final = 50_000  # files that the proof counts in one module
SPARE_BYTES: Final = 500_000  # of the budget, left for reading files
_MODULE: Final = rb"[^\n\x00/#-][^\n\x00/]{0,255}"
_PATH: Final = rb"[^\n\x00]{1,4096}"
_REFUSALS: Final = (b"@RSYNCD: AUTHREQD", b"@ERROR: access denied")


@dataclass(slots=True)
class Module:
    """One module, and what became of asking for it."""

    name: bytes
    verdict: bytes  # the server's line, without the challenge of AUTHREQD
    files: int = 0
    bytes: int = 0
    counted: bool = False  # to the end of its list
    some: list[wire.File] = field(default_factory=list)  # a few that are not empty

    @property
    def open(self) -> bool:
        """Whether it opened without a login."""
        return self.verdict.startswith(b"@RSYNCD: OK")


@asynccontextmanager
async def _greeted(context: Context) -> AsyncIterator[tuple[Connection, str | None]]:
    """A connection after the greetings; the version is None when it is not rsync."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        yield connection, await wire.hello(connection)


async def _prove(context: Context) -> Proof | None:
    async with _greeted(context) as (connection, version):
        if version is None:
            return None
        names = [name for name, _ in await wire.modules(connection)]
    listed = context.evidence("#list", b"\n".join(names), _reproduce(context))
    gaps: list[Gap] = []
    found: list[Module] = []
    for name in names:
        if not _room(context):
            detail = "modules that were not asked for"
            gaps.append(context.gap(Reason.BUDGET, "", detail, count=len(names) - len(found)))
            break
        if module := await _ask(context, name, gaps):
            found.append(module)
    read = await _read_one(context, [module for module in found if module.open])
    access, detail = _verdict(found, gaps, read)
    answers = b"\n".join(b"%s: %s" % (module.name, module.verdict) for module in found)
    asked = (context.evidence("each module by its name", answers),) if found else ()
    return Proof(
        access=access,
        detail=detail,
        product="rsync",
        version=f"protocol {version}",
        size=_size(found, gaps),
        evidence=(listed, *asked, *((read,) if read else ())),
        containers=tuple(safe(name, 80) for name in names[:20]),
        gaps=tuple(gaps),
    )


def _room(context: Context) -> bool:
    """Whether the budget allows another module, with enough left to read from an open one."""
    budget = context.dialer.budget
    return (
        budget.connections_left > MAX_TRIED
        and budget.bytes_left > 2 * SPARE_BYTES
        and budget.seconds_left > 1
    )


async def _ask(context: Context, name: bytes, gaps: list[Gap]) -> Module | None:
    """Open one module and count its files; None for a name that no line can hold."""
    shown = name.decode("utf-8", "replace")
    if not re.fullmatch(_MODULE, name):
        gaps.append(context.gap(Reason.UNSUPPORTED, shown, "a module's name that none can have"))
        return None
    async with _greeted(context) as (connection, _):
        verdict = await wire.select(connection, name)
        required = verdict.startswith(_REFUSALS[0])
        module = Module(name, _REFUSALS[0] if required else verdict)
        if module.open:
            try:
                await _count(context, module, wire.Sender(connection))
            except BudgetSpent:
                raise
            except ProtocolError as e:  # it did open; what it holds is not known
                gaps.append(context.gap(Reason.MISBEHAVED, shown, f"its file list failed: {e}"))
        return module


async def _count(context: Context, module: Module, sender: wire.Sender) -> None:
    await sender.start(module.name + b"/", below=True)
    async with aclosing(sender.files()) as files:
        async for file in files:
            if not file.regular:
                continue
            module.files += 1
            module.bytes += file.size
            if file.size and len(module.some) < MAX_TRIED:
                module.some.append(file)
            if module.files >= MAX_COUNTED or context.dialer.budget.bytes_left < SPARE_BYTES:
                return
    module.counted = True


async def _read_one(context: Context, modules: list[Module]) -> Evidence | None:
    """The first bytes of one file, as evidence."""
    files = [module.name + b"/" + file.name for module in modules for file in module.some]
    for path in files[:MAX_TRIED]:
        try:
            data, _ = await _read(context, path, READ_BYTES)
        except ObjectRefused:
            continue
        if data:
            return context.evidence(f"the beginning of {safe(path, 120)}", data, content=True)
    return None


async def _read(context: Context, path: bytes, limit: int) -> tuple[bytes, bool]:
    """The beginning of one file, and whether that is all of it."""
    if not re.fullmatch(_PATH, path):
        raise ObjectRefused("a name that no request can hold")
    async with _greeted(context) as (connection, _):
        verdict = await wire.select(connection, path.split(b"/", 1)[0])
        if not verdict.startswith(b"@RSYNCD: OK"):
            raise ObjectRefused(f"the module was refused: {safe(verdict)}")
        sender = wire.Sender(connection)
        await sender.start(_literal(path), below=False)
        found: list[wire.File] = []
        async with aclosing(sender.files()) as files:
            async for file in files:
                found.append(file)
                if len(found) > 1:
                    break
        if len(found) != 1 or not found[0].regular:
            raise ObjectRefused(f"the file is not there: {sender.said}")
        return await sender.first_file(limit)


def _literal(path: bytes) -> bytes:
    """A path that the daemon takes as it stands: it reads a part with a wildcard as a pattern."""
    parts = path.split(b"/")
    escaped = [
        re.sub(rb"([\\*?\[])", rb"\\\1", p) if re.search(rb"[*?\[]", p) else p for p in parts
    ]
    return b"/".join(escaped)


def _verdict(modules: list[Module], gaps: list[Gap], read: Evidence | None) -> tuple[Access, str]:
    is_open = [module for module in modules if module.open]
    if is_open:
        names = ", ".join(safe(module.name, 60) for module in is_open[:5])
        way = f"{len(is_open)} of {len(modules)} modules opened without a login ({names})"
        if read:
            return Access.GIVES_DATA, f"{way}; {read.answer_bytes} bytes of a file were read"
        return Access.LISTS, f"{way}; no file was read"
    unclear = [module for module in modules if not module.verdict.startswith(_REFUSALS)]
    if unclear or gaps:
        said = safe(unclear[0].verdict) if unclear else gaps[0].detail
        return Access.UNDETERMINED, f"no module opened, but not all are known to be closed: {said}"
    if not modules:
        return Access.SPEAKS, "the daemon lists no module; a hidden one may be open"
    asks = sum(module.verdict.startswith(_REFUSALS[0]) for module in modules)
    closed = f"modules listed: {len(modules)}, asking for a login: {asks}"
    return Access.ASKS_CREDENTIAL, f"{closed}, refusing this address: {len(modules) - asks}"


def _size(modules: list[Module], gaps: list[Gap]) -> Size | None:
    is_open = [module for module in modules if module.open]
    if not is_open:
        return None
    return Size(
        objects=sum(module.files for module in is_open),
        bytes=sum(module.bytes for module in is_open),
        unit="files",
        basis=f"file list of {len(is_open)} modules",
        complete=not gaps and all(module.counted for module in is_open),
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _greeted(context) as (connection, version):
        if version is None:
            raise ProtocolError("not rsync this time")
        names = [name for name, _ in await wire.modules(connection)]
    for name in names:
        shown = name.decode("utf-8", "replace")
        if not re.fullmatch(_MODULE, name):
            yield context.gap(Reason.UNSUPPORTED, shown, "a module's name that none can have")
            continue
        async with _greeted(context) as (connection, _):
            verdict = await wire.select(connection, name)
            if not verdict.startswith(b"@RSYNCD: OK"):
                yield context.gap(Reason.REFUSED, shown, "the module did not open")
                continue
            sender = wire.Sender(connection)
            await sender.start(name + b"/", below=True)
            async with aclosing(sender.files()) as files:
                async for file in files:
                    if file.regular:
                        yield _ref(name, file)


def _ref(module: bytes, file: wire.File) -> ObjectRef:
    path = (module + b"/" + file.name).decode("latin-1")
    return ObjectRef(path=path, group=path.rpartition("/")[0], size=file.size, time=file.time)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    data, complete = await _read(context, ref.path.encode("latin-1"), limit)
    return Fetched(data, complete=complete)


def _reproduce(context: Context) -> str:
    endpoint = context.target.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"rsync rsync://{host}:{endpoint.port}/"


RSYNC = Protocol(
    name="rsync",
    ports=(873,),
    tls_ports=(874,),
    sends="#list, the name of each module, the request for its file list and for one file",
    allowed=(
        re.escape(wire.HELLO) + rb"\Z",
        rb"#list\n\Z",
        _MODULE + rb"\n\Z",
        rb"--server\n--sender\n-[rd]\n\.\n" + _PATH + rb"\n\n\Z",
        re.escape(wire.NO_FILTERS) + rb"\Z",
        re.escape(wire.FIRST_FILE) + rb"\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda greeting: greeting.startswith(b"@RSYNCD: "),
    examples=(b"@RSYNCD: 31.0\n", b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"),
    counterexamples=(b"SSH-2.0-OpenSSH_9.6\r\n", b"220 ready\r\n", b"* OK IMAP\r\n"),
    source="https://download.samba.org/pub/rsync/rsyncd.conf.5",
)
