"""NFS 3 and 4: exports that open for nobody, and one file read from them.

Version 4 first: the pseudo-root needs no mount. Version 3 where a portmapper on the same address
names mountd; a mount leaves a line in the server's rmtab, which UMNT takes back. Identity is
AUTH_NONE, then AUTH_SYS as nobody (65534); no other user is ever claimed. A closed export looks
absent (NFS4ERR_NOENT), so a refusal is never called more than "refused or absent".
RFC 7530 (NFS 4.0), RFC 1813 (NFS 3, MOUNT 3), RFC 1833 (portmapper), RFC 5531 (RPC).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach import nfs3_wire, nfs4_wire, nfs_walk
from leftopen.reach import nfs_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol, reason_of
from leftopen.reach.nfs_walk import Found, Shut, walk
from leftopen.reach.nfs_ways import PORTMAPPER, USUAL, Service, find, ways
from leftopen.reach.nfs_wire import Client, Status

READ_BYTES: Final = 4096
PROOF_FOLDERS: Final = 40
MAX_SHOWN: Final = 20  # names that a report has room for
MAX_TRIED: Final = 3  # files that the proof asks for
LISTED_FOLDERS: Final = 20_000
_RANK: Final = (
    Access.METADATA,
    Access.REFUSED_OR_ABSENT,
    Access.ASKS_CREDENTIAL,
    Access.UNDETERMINED,
    Access.LISTS,
    Access.GIVES_DATA,
)


@dataclass(slots=True)
class Findings:
    """What one version with one credential gave."""

    title: str
    exports: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)  # of the first folders, for the report
    shut: list[Shut] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    used: int | None = None
    read: Evidence | None = None
    tried: int = 0
    gaps: list[Gap] = field(default_factory=list)

    @property
    def access(self) -> Access:
        """The word for it."""
        if self.read:
            return Access.GIVES_DATA
        if self.names or self.exports:
            return Access.LISTS
        codes = {item.error.code for item in self.shut}
        if self.gaps or codes - set(wire.REFUSALS):
            return Access.UNDETERMINED
        return Access.ASKS_CREDENTIAL if wire.WRONGSEC in codes else Access.REFUSED_OR_ABSENT

    @property
    def detail(self) -> str:
        """One line for people."""
        shown = ", ".join(safe(name, 60) for name in (self.names or self.exports)[:5])
        refused = f"; {safe(str(self.shut[0].error))} for {len(self.shut)}" if self.shut else ""
        if self.read:
            read = self.read.answer_bytes
            return f"{self.title}: {self.files} files seen, {read} bytes of one were read ({shown})"
        if self.names or self.exports:
            return f"{self.title}: names came without a login, no file was read ({shown}){refused}"
        return f"{self.title}: nothing opened; a closed export looks absent{refused}"


async def _prove(context: Context) -> Proof | None:
    service = await find(context)
    if service is None:
        return None
    findings: list[Findings] = []
    async with aclosing(ways(context, service)) as clients:
        async for client in clients:
            found = Findings(client.title)
            findings.append(found)
            try:
                await _look(context, client, found)
            except BudgetSpent:
                if not any(f.access in OPEN for f in findings):
                    raise
                break
            if found.read:
                break
    return _proof(context, service, findings)


async def _look(context: Context, client: Client, found: Findings) -> None:
    """Walk and read; what goes wrong is kept beside what was found until then."""
    try:
        async with aclosing(walk(context, client, folders=PROOF_FOLDERS)) as walked:
            async for item in walked:
                _count(found, item)
                if isinstance(item, Found) and item.node.kind == wire.FILE and item.node.size:
                    await _try(context, client, item, found)
    except ProtocolError as e:
        found.gaps.append(context.gap(reason_of(e), client.title, str(e)))
        if isinstance(e, BudgetSpent):
            raise
    finally:
        found.exports = client.exports


def _count(found: Findings, item: Found | Shut | Gap) -> None:
    if isinstance(item, Gap):
        found.gaps.append(item)
    elif isinstance(item, Shut):
        found.shut.append(item)
    else:
        found.names += [item.path] if len(found.names) < MAX_SHOWN else []
        if item.node.kind == wire.FILE:
            found.files += 1
            found.bytes += item.node.size or 0


async def _try(context: Context, client: Client, item: Found, found: Findings) -> None:
    """Read the beginning of one file, of the first few that are not empty."""
    if found.read or found.tried >= MAX_TRIED:
        return
    found.tried += 1
    try:
        node = item.node
        handle = node.handle or (await client.lookup(item.parent, node.name)).handle
        data, _ = await client.read(handle, 0, READ_BYTES)
        found.used = await client.used(handle)
    except Status as e:
        found.shut.append(Shut(item.path, e))
        return
    if data:
        v4 = client.title.startswith("NFSv4")
        asked = f"{client.title}: READ of {len(data)} bytes of {safe(item.path, 120)}"
        found.read = context.evidence(
            asked, data, _reproduce(context, "cat", item.path, v4=v4), content=True
        )


def _proof(context: Context, service: Service, findings: list[Findings]) -> Proof:
    best = max(findings, key=lambda f: _RANK.index(f.access), default=None)
    if best is None:
        return _unlooked(context, service)
    access, detail = best.access, best.detail
    cut = [gap for found in findings for gap in found.gaps if gap.reason is Reason.BUDGET]
    gaps = list(dict.fromkeys([*best.gaps, *cut]))
    if access not in (Access.LISTS, Access.GIVES_DATA) and context.gaps:
        access, detail = Access.UNDETERMINED, f"{detail}; {context.gaps[-1].detail}"
    if any(item.error.code in wire.DENIED for item in best.shut):
        gaps.append(context.gap(Reason.NOT_GIVEN, best.title, _PRIVILEGED))
    for code in {item.error.code for item in best.shut} - set(wire.REFUSALS):
        reason = Reason.UNSUPPORTED if code == wire.NEWER_ONLY else Reason.UNREADABLE
        gaps.append(context.gap(reason, best.title, f"not open and not refused: {Status(code)}"))
    if "v3" in best.title:
        detail += "; each mount was noted in the server's rmtab and taken back with UMNT"
    names = best.names or best.exports
    shown = _reproduce(context, "ls", v4=best.title.startswith("NFSv4"))
    tops = best.exports or [name for name in names if b"/" not in name]
    listed = (context.evidence(f"{best.title}: names", b"\n".join(names), shown),)
    return Proof(
        access=access,
        detail=detail,
        product="NFS",
        version=", ".join(map(str, sorted(set(service.versions)))),
        size=_size(best),
        evidence=(*(listed if names else ()), *((best.read,) if best.read else ())),
        containers=tuple(safe(name, 80) for name in tops[:MAX_SHOWN]),
        gaps=tuple(gaps),
    )


_PRIVILEGED: Final = (
    "asked from a port above 1023; a server that trusts only ports below 1024, as Linux does by "
    "default, refuses that, and would open to anybody who is root on his own machine"
)


def _unlooked(context: Context, service: Service) -> Proof:
    """A portmapper alone, or versions that were not asked."""
    if service.mapped and service.portmapper:
        programs = sorted({line.program for line in service.mapped})
        shown = ", ".join(map(str, programs[:12]))
        answer = context.evidence("portmapper: DUMP", shown.encode(), _reproduce(context, "info"))
        where = f"; NFS is at port {USUAL}, an endpoint of its own"
        if wire.NFS not in programs:
            where = "; no NFS"
        elif context.gaps:
            where = f"; {context.gaps[-1].detail}"
        detail = f"the portmapper names {len(programs)} programs ({shown}){where}"
        return Proof(Access.METADATA, detail, product="portmapper", evidence=(answer,))
    low, high = service.versions
    why = context.gaps[-1].detail if context.gaps else "none that this probe speaks"
    detail = f"NFS answers, versions {low} to {high}: {why}"
    gaps = () if context.gaps else (context.gap(Reason.UNSUPPORTED, "", detail),)
    return Proof(Access.UNDETERMINED, detail, product="NFS", gaps=gaps)


def _size(found: Findings) -> Size | None:
    if not found.names:
        return None
    used = f"; the file system has {found.used} bytes in use" if found.used is not None else ""
    return Size(
        objects=found.files,
        bytes=found.bytes,
        unit="files",
        basis=f"listing over {found.title}{used}",
        complete=not found.gaps and not found.shut,
    )


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    service = await find(context)
    if service is None or not service.port:
        raise ProtocolError("not NFS this time")
    kept: list[Gap] = []
    async with aclosing(ways(context, service)) as clients:
        async for client in clients:
            files, kept = 0, []
            async with aclosing(walk(context, client, folders=LISTED_FOLDERS)) as walked:
                async for item in walked:
                    if isinstance(item, Shut):
                        path = item.path.decode("utf-8", "replace")
                        kept.append(context.gap(Reason.REFUSED, path, str(item.error)))
                    elif isinstance(item, Gap):
                        kept.append(item)
                    elif item.node.kind == wire.FILE:
                        files += 1
                        yield nfs_walk.to_ref(item)
            if files:
                break
    for gap in kept:
        yield gap


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    service = await find(context)
    if service is None or not service.port:
        raise ProtocolError("not NFS this time")
    path = ref.path.encode("latin-1")
    refused = "no version of NFS that could be asked"
    async with aclosing(ways(context, service)) as clients:
        async for client in clients:
            try:
                return await _whole(context, client, path, limit)
            except Status as e:
                refused = str(e)
    raise ObjectRefused(f"the file did not open: {refused}")


async def _whole(context: Context, client: Client, path: bytes, limit: int) -> Fetched:
    """One file from its beginning, at most `limit` bytes."""
    node = await nfs_walk.open_path(client, path, context.claims.nfs_exports)
    if node.kind != wire.FILE:
        raise Status(2)
    data = bytearray()
    while True:
        want = min(wire.READ_SIZE, limit + 1 - len(data))
        part, end = await client.read(node.handle, len(data), want)
        data += part
        if len(data) > limit:
            return Fetched(bytes(data[:limit]), complete=False)
        if end:
            return Fetched(bytes(data), complete=True)
        if not part:
            raise ProtocolError("a READ of no bytes before the end of the file")


def _reproduce(context: Context, verb: str, path: bytes = b"", *, v4: bool = False) -> str:
    """A command of libnfs-utils, or rpcinfo; without the path where a shell could take offence."""
    endpoint = context.target.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    if verb == "info":
        return f"rpcinfo -p {endpoint.address}"
    plain = path.decode().lstrip("/") if re.fullmatch(rb"[A-Za-z0-9_./-]*", path) else ""
    port = f"?version=4&nfsport={endpoint.port}" if v4 else ""
    return f"nfs-{verb} 'nfs://{host}/{plain}{port}'"


NFS_PROTOCOL = Protocol(
    name="nfs",
    ports=(USUAL, PORTMAPPER),
    sends="RPC NULL; NFSv4 COMPOUND of PUTROOTFH, PUTFH, LOOKUP, GETATTR, READDIR, READ as nobody; "
    "portmapper DUMP; MOUNT EXPORT, MNT, UMNT; NFSv3 LOOKUP, READDIRPLUS, FSSTAT, READ as nobody",
    allowed=(*wire.ALLOWED, *nfs4_wire.ALLOWED, *nfs3_wire.ALLOWED),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda _: False,  # it says nothing unasked: tried on its usual ports alone
    source="https://www.rfc-editor.org/rfc/rfc7530",
)
