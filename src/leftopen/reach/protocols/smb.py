"""SMB (Windows file sharing, Samba): shares that open to a null session.

A null session names no user: that is all an anonymous visitor has. A made-up name that some
servers map to a guest would be a guess, so none is tried. A login that is accepted proves
nothing; only bytes of a file do. Branches of DFS and links are never followed.
"""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach import smb1_wire, smb2_wire, smb_client, smb_srvsvc
from leftopen.reach import smb_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.smb_wire import Entry, Refusal, Session, Tree

READ_BYTES: Final = 4096
MAX_TRIED: Final = 3  # files that the proof asks for in one share
MAX_SHARES: Final = 50
MAX_COUNTED: Final = 20_000  # files that the proof counts in one share
MAX_FOLDERS: Final = 20_000
MAX_DEPTH: Final = 32
SPARE_BYTES: Final = 500_000  # of the budget, left for reading files
SPARE_SECONDS: Final = 2.0
Item = tuple[str, Entry]  # path of the folder, and one child of it


@dataclass(slots=True)
class Share:
    """One share, and what became of asking for it."""

    name: str
    said: str = ""  # why it did not open
    asks: bool = False
    absent: bool = False
    read: Evidence | None = None
    files: int = 0
    bytes: int = 0
    names: list[str] = field(default_factory=list)  # of the first folder, at most 20
    counted: bool = False
    some: list[str] = field(default_factory=list)  # paths of a few files that are not empty
    volume: wire.Volume | None = None

    @property
    def open(self) -> bool:
        """Whether its first folder was listed."""
        return not self.said


@dataclass(slots=True)
class Look:
    """What a look at one server has shown so far."""

    session: Session
    listed: list[smb_srvsvc.Share] = field(default_factory=list)
    list_said: str = ""  # why there is no share list
    list_asks: bool = False
    shares: list[Share] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


@asynccontextmanager
async def _session(context: Context) -> AsyncIterator[Session]:
    """A null session; raises Refusal where there is none, NotSmb where there is no SMB."""
    async with smb_client.negotiated(context.dialer, tls=context.tls) as session:
        await session.login()
        yield session


async def _prove(context: Context) -> Proof | None:
    try:
        async with smb_client.negotiated(context.dialer, tls=context.tls) as session:
            return await _look(context, session)
    except wire.NotSmb:
        return None


async def _look(context: Context, session: Session) -> Proof:
    try:
        await session.login()
    except Refusal as e:
        access = Access.ASKS_CREDENTIAL if e.asks else Access.UNDETERMINED
        said = str(e).encode()
        return _proof(session, access, str(e) + _signing(session), context.evidence(_HELLO, said))
    look = Look(session)
    await _list_shares(context, look)
    names = _candidates(context, look)
    for name in names:
        if not _room(context) or len(look.shares) >= MAX_SHARES:
            left = len(names) - len(look.shares)
            look.gaps.append(context.gap(Reason.BUDGET, "", "shares not asked for", count=left))
            break
        look.shares.append(await _ask(context, look, name))
    return _judge(context, look)


def _proof(session: Session, access: Access, detail: str, *evidence: Evidence) -> Proof:
    return Proof(access, detail, product="SMB", version=session.dialect, evidence=tuple(evidence))


def _signing(session: Session) -> str:
    return " (it requires signing, for which a null session has no key)" if session.signing else ""


async def _list_shares(context: Context, look: Look) -> None:
    """The share list, or why there is none; what breaks in it is a Gap."""
    try:
        tree = await look.session.tree("IPC$")
        look.listed, whole = smb_srvsvc.parse_shares(await look.session.call(tree))
        if not whole:
            look.gaps.append(context.gap(Reason.TOO_LARGE, "IPC$", "the share list was cut"))
    except (Refusal, smb_srvsvc.ListRefused) as e:
        look.list_said, look.list_asks = str(e), e.asks
        if not e.asks:
            look.gaps.append(context.gap(Reason.REFUSED, "IPC$", str(e)))


def _candidates(context: Context, look: Look) -> list[str]:
    """Disk shares of the list, then those that the owner claims; no name twice, whatever case."""
    names = [share.name for share in look.listed if share.disk]
    found: dict[str, str] = {}
    for name in (*names, *context.claims.smb_shares):
        if not _usable(name):
            gap = context.gap(Reason.UNSUPPORTED, name, "a share's name that none can have")
            look.gaps.append(gap)
        else:
            found.setdefault(name.casefold(), name)
    return list(found.values())


def _usable(name: str) -> bool:
    return 0 < len(name) <= 255 and not set(name) & set("/\\\0")


def _room(context: Context) -> bool:
    budget = context.dialer.budget
    return budget.bytes_left > 2 * SPARE_BYTES and budget.seconds_left > SPARE_SECONDS


async def _ask(context: Context, look: Look, name: str) -> Share:
    """Connect to one share, count its files, read a little of one."""
    share = Share(name)
    try:
        tree = await look.session.tree(name)
    except Refusal as e:
        _refused(context, look, share, e)
        return share
    try:
        await _count(context, look, share, tree)
    except Refusal as e:
        _refused(context, look, share, e)
    if share.open:
        await _volume(context, look, share, tree)
    for path in share.some:
        try:
            data, _ = await look.session.read(tree, path, READ_BYTES)
        except Refusal:
            continue
        if data:
            request = f"the beginning of {safe(f'{name}/{path}', 120)}"
            get = f"{_client(context, name)} -c 'get <the file> -'"
            share.read = context.evidence(request, data, get, content=True)
            break
    with suppress(Refusal):
        await look.session.leave(tree)
    return share


def _refused(context: Context, look: Look, share: Share, refusal: Refusal) -> None:
    share.said, share.asks = str(refusal), refusal.asks
    share.absent = refusal.status == wire.BAD_NAME
    if not share.asks and not share.absent:
        look.gaps.append(context.gap(_reason(refusal), share.name, share.said))


async def _volume(context: Context, look: Look, share: Share, tree: Tree) -> None:
    try:
        share.volume = await look.session.volume(tree)
    except Refusal as e:
        look.gaps.append(context.gap(Reason.REFUSED, share.name, str(e)))


async def _count(context: Context, look: Look, share: Share, tree: Tree) -> None:
    gaps = 0
    async with aclosing(_walk(context, look.session, tree, share.name, proof=True)) as walk:
        async for item in walk:
            if isinstance(item, Gap):
                look.gaps.append(item)
                gaps += 1
                continue
            folder, entry = item
            if not folder and len(share.names) < 20:
                share.names.append(entry.name)
            if not entry.folder:
                share.files += 1
                share.bytes += entry.size
                if entry.size and len(share.some) < MAX_TRIED:
                    share.some.append(folder + entry.name)
            if share.files >= MAX_COUNTED:
                break
        else:
            share.counted = not gaps


async def _walk(
    context: Context, session: Session, tree: Tree, share: str, *, proof: bool = False
) -> AsyncGenerator[Item | Gap, None]:
    """All files and folders breadth first, and a Gap for what is not seen.

    Raises Refusal where not even the first folder is listed.
    """
    waiting = deque([("", 0)])
    for _ in range(MAX_FOLDERS):
        if not waiting or (proof and not _room(context)):
            break
        folder, depth = waiting.popleft()
        try:
            async with aclosing(_folder(context, session, tree, share, folder)) as found:
                async for item in found:
                    yield item
                    if proof and not _room(context):
                        waiting.append((folder, depth))
                        break
                    if isinstance(item, tuple) and item[1].folder and not item[1].leads:
                        waiting.append((f"{folder}{item[1].name}/", depth + 1))
        except Refusal as e:
            if not folder:
                raise
            yield context.gap(_reason(e), f"{share}/{folder}", str(e))
        while waiting and waiting[-1][1] > MAX_DEPTH:
            place = f"{share}/{waiting.pop()[0]}"
            yield context.gap(Reason.TOO_DEEP, place, "folders too deep")
    if waiting:
        yield context.gap(Reason.BUDGET, share, "folders that were not listed", len(waiting))


def _reason(refusal: Refusal) -> Reason:
    elsewhere = refusal.status == wire.NOT_COVERED
    return Reason.OUT_OF_SCOPE if elsewhere else Reason.REFUSED


async def _folder(
    context: Context, session: Session, tree: Tree, share: str, folder: str
) -> AsyncGenerator[Item | Gap, None]:
    odd = 0
    async for entries, rejected in session.entries(tree, folder.rstrip("/")):
        odd += rejected
        for entry in entries:
            if entry.leads and entry.folder:
                detail = "a link or a branch of DFS, not followed"
                yield context.gap(Reason.OUT_OF_SCOPE, f"{share}/{folder}{entry.name}", detail)
            else:
                yield folder, entry
    if odd:
        detail = "names that no path can hold"
        yield context.gap(Reason.UNPARSED, f"{share}/{folder}", detail, count=odd)


def _judge(context: Context, look: Look) -> Proof:
    is_open = [share for share in look.shares if share.open]
    read = [share.read for share in look.shares if share.read]
    answers = [f"{s.name}: {s.said or 'open ' + ' '.join(s.names)}" for s in look.shares]
    listing = [f"{s.name} {s.comment}" for s in look.listed] or [look.list_said]
    evidence = [
        context.evidence(_LIST, "\n".join(listing).encode("utf-8", "replace"), _client(context))
    ]
    if answers:
        text = "\n".join(answers).encode("utf-8", "replace")
        evidence.append(context.evidence("each share by its name, its first folder", text))
    access, detail = _verdict(look, is_open, bool(read))
    shown = [s.name for s in look.listed if s.disk] or [s.name for s in is_open]
    return replace(
        _proof(look.session, access, detail, *evidence, *read),
        size=_size(is_open, look.gaps) if is_open else None,
        containers=tuple(safe(name, 80) for name in shown[:20]),
        gaps=tuple(look.gaps),
    )


def _verdict(look: Look, is_open: list[Share], read: bool) -> tuple[Access, str]:
    names = ", ".join(safe(share.name, 40) for share in is_open[:5])
    way = f"{len(is_open)} of {len(look.shares)} shares open to a null session"
    if read:
        return Access.GIVES_DATA, f"{way} ({names}); bytes of a file were read"
    if is_open:
        return Access.LISTS, f"{way} ({names}); no file was read"
    asks = sum(share.asks for share in look.shares)
    closed = f"none of {len(look.shares)} shares opens ({asks} ask for a login)"
    untried = sum(share.disk for share in look.listed) - len(look.shares)
    closed += f"; {untried} were not tried" if untried > 0 else ""
    if any(share.disk for share in look.listed):
        return Access.LISTS, f"the share list is given to a null session; {closed}"
    failed = [share.said for share in look.shares if not share.asks and not share.absent]
    if look.list_said and not look.list_asks:
        failed.append(look.list_said)
    if failed:
        return Access.UNDETERMINED, f"a null session is accepted; {safe(failed[0], 100)}"
    closed = closed if look.shares else "no share is claimed that could be asked for"
    if not look.list_said:
        return Access.METADATA, f"a null session gets a share list without a folder; {closed}"
    detail = f"a null session is accepted and gets no share list ({safe(look.list_said, 80)})"
    return Access.ASKS_CREDENTIAL, f"{detail}; {closed}{_signing(look.session)}"


def _size(shares: list[Share], gaps: list[Gap]) -> Size:
    volumes = [s.volume for s in shares if s.volume]
    used = max((v.total - v.free for v in volumes), default=0)
    basis = f"folders of {len(shares)} shares"
    return Size(
        objects=sum(share.files for share in shares),
        bytes=min(sum(share.bytes for share in shares), wire.MAX_SIZE),
        unit="files",
        basis=f"{basis}; {used} bytes are used on the largest volume" if volumes else basis,
        complete=not gaps and all(share.counted for share in shares),
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _session(context) as session:
        look = Look(session)
        await _list_shares(context, look)
        names = _candidates(context, look)
        for gap in look.gaps:
            yield gap
        for name in names:
            try:
                tree = await session.tree(name)
                async with aclosing(_walk(context, session, tree, name)) as walk:
                    async for item in walk:
                        if isinstance(item, Gap):
                            yield item
                        elif not item[1].folder:
                            yield _ref(name, item)
                with suppress(Refusal):
                    await session.leave(tree)
            except Refusal as e:
                yield context.gap(_reason(e), name, str(e))


def _ref(share: str, item: Item) -> ObjectRef:
    folder, entry = item
    group = f"{share}/{folder}"
    return ObjectRef(
        path=group + entry.name, group=group.rstrip("/"), size=entry.size, time=entry.time
    )


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    share, _, path = ref.path.partition("/")
    if not _usable(share) or set(path.split("/")) & {"", ".", ".."} or "\\" in path:
        raise ObjectRefused("a name that no request can hold")
    try:
        async with _session(context) as session:
            data, complete = await session.read(await session.tree(share), path, limit)
    except Refusal as e:
        raise ObjectRefused(str(e)) from None
    return Fetched(data, complete)


_HELLO: Final = "a null session (NTLM without a user)"
_LIST: Final = "a null session, IPC$, NetrShareEnum"


def _client(context: Context, share: str = "") -> str:
    endpoint = context.target.endpoint
    # a share's name may be hostile, and somebody will paste this into a shell
    where = shlex.quote(f"//{endpoint.address}/{safe(share, 80)}")
    return f"smbclient -N {where if share else f'-L //{endpoint.address}'} -p {endpoint.port}"


SMB = Protocol(
    name="smb",
    ports=(445, 139),
    sends=(
        "negotiate, a null session, NetrShareEnum on IPC$; for each share: tree connect, open for "
        "reading, query directory, query volume, read"
    ),
    allowed=(re.escape(smb_client.SESSION) + rb"\Z", *smb2_wire.ALLOWED, *smb1_wire.ALLOWED),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda greeting: False,  # it waits to be asked: tried on its ports only
    source="https://learn.microsoft.com/openspecs/windows_protocols/ms-smb2",
)
