"""ZooKeeper: nodes and their data without a login.

Proof: a session (which anybody gets, and which is closed again), the names below `/`, and the data
of one node that is not the server's own. An ACL closes each node by itself (NoAuth), so names may
be given where no data is. `srvr` is the only word of four letters that is on by default.
https://zookeeper.apache.org/doc/current/zookeeperProgrammers.html#sc_ZooKeeperAccessControl
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.zookeeper_wire import (
    ALLOWED,
    NO_NODE,
    REFUSED,
    NodeError,
    NoSession,
    Session,
    Stat,
    session,
)

PROOF_NODES: Final = 50
PROOF_DEPTH: Final = 2
MAX_NODES: Final = 20_000  # of one listing
MAX_DEPTH: Final = 32
SILENCE: Final = 1.5  # seconds that `srvr` waits for its answer
STATUS_BYTES: Final = 16_384
_OWN: Final = "/zookeeper"
_VERSION: Final = re.compile(rb"Zookeeper version: (\d{1,3}(?:\.\d{1,4}){1,3})\S*[^\r\n]*\r?\n")
_COUNT: Final = re.compile(rb"^Node count: (\d{1,12})\r?$", re.MULTILINE)
_CLOSED: Final = (
    b"srvr is not executed because it is not in the whitelist.",
    b"This ZooKeeper instance is not currently serving requests",
)


def status_of(said: bytes) -> tuple[str, int | None] | None:
    """Version and number of nodes out of an answer to `srvr`; None where it is none."""
    if found := _VERSION.match(said):
        count = _COUNT.search(said)
        return found.group(1).decode(), int(count.group(1)) if count else None
    return ("", None) if said.strip() in _CLOSED else None


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(b"srvr")
        if not await connection.greeting(SILENCE):
            return None
        said = b""
        while (part := await connection.read_some()) and len(said) < STATUS_BYTES:
            said += part
            if len(said) < 200 and status_of(said) is None and b"\n" in said:
                return None
    status = status_of(said)
    if status is None:
        return None
    seen = context.evidence("srvr", said, _reproduce(context, "srvr"))
    count = Size(objects=status[1], unit="nodes", basis="srvr, Node count") if status[1] else None
    try:
        async with (
            await context.dialer.connect(tls=context.tls) as connection,
            session(connection) as opened,
        ):
            proof = await _look(context, opened, seen)
    except NoSession as e:
        gap = context.gap(Reason.REFUSED, "", f"no session was given: {e}")
        detail = "ZooKeeper answers and gives no session"
        proof = Proof(Access.SPEAKS, detail, evidence=(seen,), gaps=(gap,))
    return replace(proof, product="ZooKeeper", version=status[0], size=count or proof.size)


async def _look(context: Context, opened: Session, seen: Evidence) -> Proof:
    """Names below the root, and the first data of at most 50 nodes."""
    try:
        names, _ = await opened.children("/")
    except NodeError as e:
        if e.code not in REFUSED:
            raise
        detail = f"the root is refused without a login ({e})"
        return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(seen,))
    shown = tuple(safe(name, 80) for name in names if f"/{name}" != _OWN)
    listed = context.evidence("getChildren /", "\n".join(shown).encode(), _cli(context, "ls /"))
    nodes = refused = 0
    async for path, stat in _walk(opened, PROOF_NODES, PROOF_DEPTH):
        nodes += 1
        refused += isinstance(stat, NodeError)
        if isinstance(stat, NodeError) or not stat.bytes or path.startswith(_OWN):
            continue
        try:
            data = await opened.data(path)
        except NodeError:
            refused += 1
            continue
        command = _cli(context, f"get {safe(path, 120)}")
        read = context.evidence(f"getData {safe(path, 120)}", data, command, content=True)
        detail = f"nodes are named and {len(data)} bytes of one were read"
        return _proof(Access.GIVES_DATA, detail, nodes, shown, seen, listed, read)
    detail = f"nodes are named, none of {nodes} gives data ({refused} refused)"
    if not shown:
        detail = "open without a login, with no node but its own"
    return _proof(Access.LISTS, detail, nodes, shown, seen, listed)


def _proof(
    access: Access, detail: str, nodes: int, shown: tuple[str, ...], *evidence: Evidence
) -> Proof:
    size = Size(objects=nodes, unit="nodes", basis="nodes looked at", complete=False)
    return Proof(access, detail, size=size, evidence=evidence, containers=shown[:20])


async def _walk(
    opened: Session, limit: int, depth: int
) -> AsyncIterator[tuple[str, Stat | NodeError]]:
    """Nodes breadth first, at most `limit`; the error where one is kept back."""
    todo = [("/", 0)]
    for path, level in todo:
        try:
            names, stat = await opened.children(path)
        except NodeError as e:
            if e.code == NO_NODE:  # gone since it was named
                continue
            yield path, e
            continue
        yield path, stat
        if level < depth:
            below = path.rstrip("/")
            todo.extend((f"{below}/{name}", level + 1) for name in names[: limit - len(todo)])


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with (
        await context.dialer.connect(tls=context.tls) as connection,
        session(connection) as opened,
    ):
        count = 0
        async for path, stat in _walk(opened, MAX_NODES, MAX_DEPTH):
            count += 1
            if isinstance(stat, NodeError):
                yield context.gap(Reason.REFUSED, path, str(stat))
            elif stat.bytes and not path.startswith(_OWN):
                group = path.rpartition("/")[0] or "/"
                yield ObjectRef(path=path, group=group, size=stat.bytes, time=stat.changed)
        if count >= MAX_NODES:
            yield context.gap(Reason.BUDGET, "", f"the list was cut after {count} nodes")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with (
        await context.dialer.connect(tls=context.tls) as connection,
        session(connection) as opened,
    ):
        try:
            data = await opened.data(ref.path)
        except NodeError as e:
            raise ObjectRefused(str(e)) from None
    return Fetched(data[:limit], complete=len(data) <= limit)


def _reproduce(context: Context, word: str) -> str:
    endpoint = context.target.endpoint
    return f"echo {word} | nc {endpoint.address} {endpoint.port}"


def _cli(context: Context, command: str) -> str:
    endpoint = context.target.endpoint
    return f"zkCli.sh -server {endpoint.address}:{endpoint.port} {command}"


ZOOKEEPER = Protocol(
    name="zookeeper",
    ports=(2181,),
    tls_ports=(2182, 2281),
    sends="srvr; a session that is closed again; getChildren and getData without a watch",
    allowed=ALLOWED,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda said: False,  # it says nothing unasked: its port is asked
    source="https://zookeeper.apache.org/doc/current/zookeeperAdmin.html#sc_4lw",
)
