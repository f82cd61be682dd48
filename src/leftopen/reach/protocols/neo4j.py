"""Neo4j and other servers of Bolt (Memgraph): nodes of a graph without a login.

Proof: the login scheme none is let in (dbms.security.auth_enabled=false) and a node comes back
from a query in read mode. Only the default database is looked into, no routing table is asked
for, and no address of another member is followed.
https://neo4j.com/docs/bolt/current/
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import bolt_wire as bolt
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

MAX_LABELS: Final = 1000
MAX_NODES: Final = 1000  # of one fetch
LABELS: Final = "CALL db.labels() YIELD label RETURN label LIMIT 1000"
COUNT: Final = "MATCH (n) RETURN count(n)"
NODE: Final = "MATCH (n) RETURN n LIMIT 1"
_SECURITY: Final = "Neo.ClientError.Security."


@dataclass(frozen=True, slots=True)
class Session:
    """A connection after the login: what the server says of itself, and how it refused."""

    connection: Connection
    version: tuple[int, int]
    server: str
    refused: str = ""  # code and message, not masked yet

    async def ask(self, cypher: str, rows: int) -> list[bolt.Value] | str:
        """The first value of each record, or the failure in words; raises ProtocolError."""
        await self.connection.write(bolt.run(cypher))
        begun = await bolt.receive(self.connection)
        if begun.tag != bolt.SUCCESS:
            return await self._failed(begun)
        await self.connection.write(bolt.PULL if self.version >= (4, 0) else bolt.PULL_ALL)
        found: list[bolt.Value] = []
        while (answer := await bolt.receive(self.connection)).tag == bolt.RECORD:
            match answer.fields:
                case [[first, *_]] if len(found) < rows:
                    found.append(first)
                case _:
                    raise ProtocolError("more records than asked for, or an empty one")
        return found if answer.tag == bolt.SUCCESS else await self._failed(answer)

    async def _failed(self, answer: bolt.Struct) -> str:
        """The failure in words; the session is made ready for the next query."""
        await self.connection.write(bolt.RESET)
        if (await bolt.receive(self.connection)).tag != bolt.SUCCESS:
            raise ProtocolError("a session that cannot be reset")
        return _failure(answer)


def _failure(answer: bolt.Struct) -> str:
    said = bolt.fields_of(answer)
    words = [said.get(key) for key in ("code", "message")]
    return safe(" ".join(word for word in words if isinstance(word, str))) or "no words"


@asynccontextmanager
async def _begin(context: Context) -> AsyncIterator[Session | None]:
    """Handshake, HELLO and where there is one LOGON, with the scheme none; None: not Bolt."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        version = await bolt.handshake(connection)
        if version is None:
            yield None
            return
        separate = version >= (5, 1)
        await connection.write(bolt.begin(not separate))
        answer = await bolt.receive(connection)
        said = bolt.fields_of(answer).get("server", "")
        server = said if isinstance(said, str) else ""
        if answer.tag == bolt.SUCCESS and separate:
            await connection.write(bolt.LOGON)
            answer = await bolt.receive(connection)
        refused = "" if answer.tag == bolt.SUCCESS else _failure(answer)
        yield Session(connection, version, server, refused)


async def _prove(context: Context) -> Proof | None:
    async with _begin(context) as session:
        if session is None:
            return None
        if session.refused:
            return _refused(context, session)
        return await _look_around(context, session)


def _product(session: Session) -> tuple[str, str]:
    product = "memgraph" if "memgraph" in session.server.lower() else "neo4j"
    found = re.match(r"Neo4j/v?(\d[\w.+-]{0,40})", session.server)
    return product, found.group(1) if found and product == "neo4j" else ""


def _evidence(context: Context, asked: str, answer: bytes, *, content: bool = False) -> Evidence:
    endpoint = context.target.endpoint
    command = f"cypher-shell -a bolt://{endpoint.address}:{endpoint.port} -u '' -p ''"
    shown = (
        f'{command} --access-mode read "{asked}"' if asked.startswith(("CALL", "M")) else command
    )
    return context.evidence(asked, answer, shown, content=content)


def _refused(context: Context, session: Session) -> Proof:
    asks = session.refused.startswith(_SECURITY)
    product, version = _product(session)
    return Proof(
        access=Access.ASKS_CREDENTIAL if asks else Access.UNDETERMINED,
        detail=f"the login scheme none was answered with {session.refused}",
        product=product,
        version=version,
        tls=context.tls,
        evidence=(_evidence(context, "HELLO, scheme none", session.refused.encode()),),
    )


async def _look_around(context: Context, session: Session) -> Proof:
    """Labels, the number of nodes, and one of them."""
    evidence = [_evidence(context, "HELLO, scheme none", b"SUCCESS")]
    labels = await session.ask(LABELS, MAX_LABELS)
    names = [name for name in labels if isinstance(name, str)] if isinstance(labels, list) else []
    evidence.append(_evidence(context, LABELS, "\n".join(names).encode()))
    counted = await session.ask(COUNT, 1)
    node = await session.ask(NODE, 1)
    read = [n for n in node if isinstance(n, bolt.Struct)] if isinstance(node, list) else []
    if read:
        evidence.append(_evidence(context, NODE, _json(read[0]), content=True))
    elif isinstance(node, str):
        context.gaps.append(context.gap(Reason.REFUSED, "nodes", node))
    access = Access.GIVES_DATA if read else Access.LISTS if names else Access.METADATA
    product, version = _product(session)
    return Proof(
        access=access,
        detail=f"no login is needed; {len(names)} labels of the default database are named, "
        + ("a node was read" if read else "no node came"),
        product=product,
        version=version,
        tls=context.tls,
        size=_size(counted),
        evidence=tuple(evidence),
        containers=tuple(safe(name, 80) for name in names[:20]),
    )


def _size(counted: list[bolt.Value] | str) -> Size | None:
    match counted:
        case [int(number)] if 0 <= number < 2**53:
            return Size(objects=number, unit="nodes", basis="count(n) of the default database")
    return None


def _json(value: bolt.Value) -> bytes:
    """A line of JSON: a node as its labels and properties."""
    return msgspec.json.encode(_plain(value))


def _plain(value: bolt.Value) -> object:
    if isinstance(value, bolt.Struct):
        if value.tag == bolt.NODE and len(value.fields) >= 3:
            return {"labels": _plain(value.fields[1]), "properties": _plain(value.fields[2])}
        return [_plain(field) for field in value.fields]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _nodes(label: str) -> str | None:
    """None for a name that quoting might not hold: Cypher reads \\u0060 as a backtick."""
    if not label or len(label) > 200 or re.search(r"[`\\\0]", label):
        return None
    return f"MATCH (n:`{label}`) RETURN n LIMIT {MAX_NODES}"


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _begin(context) as session:
        if session is None or session.refused:
            raise ProtocolError("no session without a login this time")
        labels = await session.ask(LABELS, MAX_LABELS)
        if isinstance(labels, str):
            yield context.gap(Reason.REFUSED, "db.labels", labels)
            return
        for name in labels:
            if not isinstance(name, str) or _nodes(name) is None:
                yield context.gap(Reason.UNSUPPORTED, str(name), "a label that is not asked for")
                continue
            kind = "application/x-ndjson"
            yield ObjectRef(path=quote(name, safe=" "), group="nodes", media_type=kind)
        if len(labels) == MAX_LABELS:
            yield context.gap(Reason.BUDGET, "", f"labels after the first {MAX_LABELS}")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    """The first nodes of a label, a line of JSON each."""
    if (cypher := _nodes(unquote(ref.path))) is None:
        raise ObjectRefused("a label that is not asked for")
    async with _begin(context) as session:
        if session is None or session.refused:
            raise ProtocolError("no session without a login this time")
        answer = await session.ask(cypher, MAX_NODES)
    if isinstance(answer, str):
        raise ObjectRefused(f"the nodes were refused: {answer}")
    data = b"".join(_json(node) + b"\n" for node in answer)
    whole = len(answer) < MAX_NODES and len(data) <= limit
    return Fetched(data[:limit], complete=whole, media_type="application/x-ndjson")


def _never(said: bytes) -> bool:
    """It says nothing unasked: it is tried at its usual ports, and nowhere blind."""
    del said
    return False


_LABELLED: Final = rb"MATCH \(n:`[^`\\\x00]{1,800}`\) RETURN n LIMIT 1000"
_CYPHER: Final = b"|".join(re.escape(sql.encode()) for sql in (LABELS, COUNT, NODE))

NEO4J = Protocol(
    name="neo4j",
    ports=(7687,),
    sends="Bolt handshake, HELLO and LOGON with the scheme none; in read mode: labels, count of "
    "nodes, MATCH (n) RETURN n with LIMIT",
    allowed=(
        *(
            re.escape(data) + rb"\Z"
            for data in (
                bolt.HANDSHAKE,
                bolt.begin(True),
                bolt.begin(False),
                bolt.LOGON,
                bolt.RESET,
                bolt.PULL,
                bolt.PULL_ALL,
            )
        ),
        rb".."
        + re.escape(bolt.RUN_HEAD)
        + rb"\xd1..(?:"
        + _CYPHER
        + b"|"
        + _LABELLED
        + b")"
        + re.escape(bolt.RUN_TAIL)
        + rb"\x00\x00\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=_never,
    source="https://neo4j.com/docs/bolt/current/",
)
