"""The ways into an NFS server: what answers at an endpoint, and each version with each credential.

Only ports are taken from the portmapper (RFC 1833), at the address of the Target and within the
scope; an address is never followed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.reach import nfs3_wire, nfs4_wire
from leftopen.reach import nfs_wire as wire
from leftopen.reach.api import Context
from leftopen.reach.nfs_wire import NFS, Client, Mapped, Rpc, Status

PORTMAPPER: Final = 111
USUAL: Final = 2049
_TCP: Final = 6


@dataclass(slots=True)
class Service:
    """What answers at the endpoint, and where NFS itself is."""

    port: int = 0  # of NFS; 0 when it is not to be asked through this endpoint
    versions: tuple[int, int] = (0, 0)
    mapped: list[Mapped] | None = None  # the list of the portmapper, when it was asked
    portmapper: bool = False  # the endpoint itself is the portmapper


async def find(context: Context) -> Service | None:
    """Ask who is there; None when it is no RPC server, or one without anything of NFS."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        rpc = Rpc(connection, wire.AUTH_NONE)
        try:
            versions = await _versions(rpc)
            if versions:
                return Service(context.target.endpoint.port, versions)
            mapped = wire.mapped_of(await rpc.call(wire.PORTMAP, 2, 4))
        except (wire.NotRpc, wire.Unavailable):
            return None
    nfs = [m for m in mapped if m.program == NFS and m.transport == _TCP and m.version in (3, 4)]
    port = nfs[0].port if nfs else 0
    served = [m.version for m in nfs if m.port == port]
    # On its usual port it is an endpoint of its own: one store is not to be counted twice.
    followed = 0 if port == USUAL else port
    if followed and not context.dialer.permits(context.target.endpoint.address, port):
        followed = 0
        detail = f"NFS is at port {port}, which is out of scope"
        context.gaps.append(context.gap(Reason.OUT_OF_SCOPE, "NFS", detail))
    versions = (min(served, default=0), max(served, default=0))
    return Service(followed, versions, mapped, portmapper=True)


async def _versions(rpc: Rpc) -> tuple[int, int] | None:
    """The lowest and highest version of NFS that is served here, None for none."""
    try:
        await rpc.call(NFS, 4, 0)
    except wire.Unavailable as e:
        return (e.low, e.high) if e.high else None
    except Status:  # even NULL wants another flavour; the calls that follow will say so
        return 4, 4
    try:
        await rpc.call(NFS, 3, 0)
    except (wire.Unavailable, Status):
        return 4, 4
    return 3, 4


async def ways(context: Context, service: Service) -> AsyncGenerator[Client, None]:
    """Each version with each credential, in the order in which they are asked."""
    low, high = service.versions
    if service.port and low <= 4 <= high:
        async with await context.dialer.connect(port=service.port) as connection:
            for title, credential in wire.CREDENTIALS:
                yield nfs4_wire.Client(title, Rpc(connection, credential))
    if not service.port or not low <= 3 <= high or not (port := await _mountd(context, service)):
        return
    async with AsyncExitStack() as stack:
        try:
            mountd = await stack.enter_async_context(await context.dialer.connect(port=port))
            nfsd = await stack.enter_async_context(await context.dialer.connect(port=service.port))
        except (ProtocolError, TimeoutError) as e:
            _unasked(context, f"no connection: {safe(str(e), 80) or 'no answer'}")
            return
        for title, credential in wire.CREDENTIALS:
            client = nfs3_wire.Client(title, Rpc(nfsd, credential), Rpc(mountd, credential))
            try:
                yield client
            finally:
                await _unmount(context, client)


async def _unmount(context: Context, client: nfs3_wire.Client) -> None:
    try:
        await client.unmount()
    except ProtocolError as e:
        detail = f"UMNT failed, so a line in the server's rmtab may name this host: {e}"
        context.gaps.append(context.gap(Reason.MISBEHAVED, "", detail))


async def _mountd(context: Context, service: Service) -> int | None:
    """The port of mountd as the portmapper names it; a Gap where it names none that we may ask."""
    address = context.target.endpoint.address
    if service.mapped is None and not context.dialer.permits(address, PORTMAPPER):
        _unasked(context, "port 111 is out of scope", Reason.OUT_OF_SCOPE)
        return None
    try:
        if service.mapped is None:
            async with await context.dialer.connect(port=PORTMAPPER) as connection:
                rpc = Rpc(connection, wire.AUTH_NONE)
                service.mapped = wire.mapped_of(await rpc.call(wire.PORTMAP, 2, 4))
    except (ProtocolError, TimeoutError) as e:
        _unasked(context, f"no portmapper: {safe(str(e), 80) or 'no answer'}")
        return None
    for line in service.mapped:
        if (line.program, line.version, line.transport) == (wire.MOUNT, 3, _TCP):
            if context.dialer.permits(address, line.port):
                return line.port
            why = f"mountd is at port {line.port}, which is out of scope"
            _unasked(context, why, Reason.OUT_OF_SCOPE)
            return None
    _unasked(context, "the portmapper names no mountd")
    return None


def _unasked(context: Context, why: str, reason: Reason = Reason.NOT_GIVEN) -> None:
    detail = f"NFSv3 is served but was not asked: {why}"
    context.gaps.append(context.gap(reason, "NFSv3", detail))
