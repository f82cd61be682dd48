"""MongoDB and its kin (FerretDB, DocumentDB): databases and documents without a login.

Proof: listDatabases names databases, and find with a limit of 1 gives a document of one. hello
proves nothing, it answers before any login; nor does listDatabases with ok 1 and an empty list,
which is what a server with access control may say to a stranger. The hosts of a replica set that
hello names are never contacted.
https://www.mongodb.com/docs/manual/reference/command/
"""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection, Silent
from leftopen.reach import mongodb_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.bson_wire import Document, Raw, Value, decode, encode, to_json

MAX_DATABASES: Final = 200
MAX_COLLECTIONS: Final = 1000  # of one database
TRIED: Final = 3  # databases, and collections of each, until a document comes
COUNTED: Final = 20  # databases whose size is asked for
PAGE: Final = 500
MAX_PAGES: Final = 400  # of one collection
_OWN: Final = ("admin", "config", "local")  # every server has them, with its own records
_WIPED: Final = ("read", "warning", "recover", "please_read", "hacked", "ransom")
_PATIENCE: Final = 2000  # maxTimeMS: the server gives up a read that takes longer
_OBJECT_ID: Final = 7


@dataclass(slots=True)
class _Server:
    """A connection after the handshake, and what hello said."""

    connection: Connection
    legacy: bool
    hello: Document

    async def ask(
        self, command: Document, database: str = "admin", limit: int = wire.ANSWER_BYTES
    ) -> Document:
        """The answer to one command, errors included."""
        return await wire.ask(self.connection, command, database, legacy=self.legacy, limit=limit)

    async def batch(self, command: Document, database: str) -> tuple[list[Document], int]:
        """The documents and the cursor of find, listCollections or getMore."""
        answer = await self.ask(command, database)
        if not wire.succeeded(answer):
            raise ObjectRefused(wire.words(answer))
        cursor = answer.get("cursor")
        found = cursor if isinstance(cursor, dict) else {}
        items, number = found.get("firstBatch", found.get("nextBatch")), found.get("id", 0)
        if not isinstance(items, list) or not isinstance(number, int):
            raise ProtocolError("an answer without a cursor")
        return [item for item in items if isinstance(item, dict)], number


@asynccontextmanager
async def _server(context: Context) -> AsyncIterator[_Server | None]:
    """Connect and say hello; None when it is something else.

    A server before 3.6 hangs up on OP_MSG; it is asked again with OP_QUERY.
    """
    for legacy in (False, True):
        async with await context.dialer.connect(tls=context.tls) as connection:
            try:
                hello = await _hello(connection, legacy)
            except wire.NotMongo:
                hello = None
            except (BudgetSpent, Silent):
                raise
            except ProtocolError:
                if legacy:
                    raise
                continue
            yield _Server(connection, legacy, hello) if hello else None
            return


async def _hello(connection: Connection, legacy: bool) -> Document | None:
    answer: Document = {}
    for name in ("isMaster",) if legacy else ("hello", "isMaster"):  # hello is of 4.4.2
        answer = await wire.ask(connection, {name: 1}, legacy=legacy)
        primary = answer.get("isWritablePrimary", answer.get("ismaster"))
        if wire.succeeded(answer) and isinstance(primary, bool):
            return answer
    return None


async def _prove(context: Context) -> Proof | None:
    async with _server(context) as server:
        if server is None:
            return None
        about = await server.ask({"buildInfo": 1})
        proof = await _databases(context, server, await server.ask({"listDatabases": 1}))
        version = about.get("version")
        text = safe(version, 40) if isinstance(version, str) else ""
        return replace(proof, product="mongodb", version=text)


async def _databases(context: Context, server: _Server, answer: Document) -> Proof:
    shown = _evidence(context, "admin", "listDatabases", "db.adminCommand('listDatabases')", answer)
    if wire.refused(answer):
        detail = f"hello answers, listDatabases is refused ({wire.words(answer)})"
        return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(shown,))
    names = _names(answer.get("databases"))
    if not wire.succeeded(answer) or names is None:
        detail = f"listDatabases was answered with something else ({wire.words(answer)})"
        return Proof(Access.UNDETERMINED, detail, evidence=(shown,))
    ours = [name for name in names if name not in _OWN]
    if not names:
        return await _nothing(server, shown)
    gaps: list[Gap] = []
    size = await _size(server, ours) if ours else None
    read = await _document(context, server, ours[:TRIED], gaps)
    wiped = any(name.lower().startswith(_WIPED) for name in ours)
    note = "; one is named like a ransom note, data may have been wiped before" if wiped else ""
    state = "one document was read" if read else "no document was read"
    return Proof(
        access=Access.GIVES_DATA if read else Access.LISTS,
        detail=f"{len(names)} databases are named without a login; {state}{note}",
        size=size,
        evidence=(shown, *read),
        containers=tuple(safe(name, 80) for name in ours[:20]),
        gaps=tuple(gaps),
    )


async def _nothing(server: _Server, shown: Evidence) -> Proof:
    """An empty list with ok 1: a server without access control names at least its own."""
    answer = await server.ask({"listCollections": 1, "nameOnly": True})
    if wire.refused(answer):
        detail = f"listDatabases says ok and names none, data is refused ({wire.words(answer)})"
        return Proof(Access.ASKS_CREDENTIAL, detail, evidence=(shown,))
    detail = "listDatabases says ok and names none: with access control on it does so as well"
    return Proof(Access.SPEAKS, detail, evidence=(shown,))


def _names(found: Value) -> list[str] | None:
    if not isinstance(found, list):
        return None
    named = [item.get("name") for item in found[:MAX_DATABASES] if isinstance(item, dict)]
    return [name for name in named if isinstance(name, str) and name]


async def _size(server: _Server, names: list[str]) -> Size:
    """Documents and their bytes as dbStats says; a database that does not say is left out."""
    objects = data = answered = 0
    for name in names[:COUNTED]:
        stats = await server.ask({"dbStats": 1}, name)
        counts = [stats.get(key) for key in ("objects", "dataSize")]
        if wire.succeeded(stats) and all(isinstance(n, int | float) and n >= 0 for n in counts):
            answered += 1
            objects += _whole(counts[0])
            data += _whole(counts[1])
    return Size(
        objects=objects if answered else None,
        bytes=data if answered else None,
        unit="documents",
        basis=f"dbStats of {answered} databases",
        complete=answered == len(names),
    )


def _whole(value: Value) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else 0


async def _document(
    context: Context, server: _Server, names: list[str], gaps: list[Gap]
) -> tuple[Evidence, ...]:
    """The first document of the first collection that gives one, as evidence."""
    for name in names:
        try:
            collections = await _collections(server, name)
            for collection in collections[:TRIED]:
                command: Document = {"find": collection, "limit": 1, "maxTimeMS": _PATIENCE}
                found, _ = await server.batch({**command, "singleBatch": True}, name)
                if found and found[0]:
                    code = f"db.getCollection({json.dumps(collection)}).findOne()"
                    request = f"find in {safe(f'{name}.{collection}', 120)}, limit 1"
                    return (_evidence(context, name, request, code, found[0], content=True),)
        except ObjectRefused as e:
            gaps.append(context.gap(Reason.REFUSED, name, str(e)))
        except wire.TooLarge as e:
            gaps.append(context.gap(Reason.TOO_LARGE, name, str(e)))
            break
    return ()


async def _collections(server: _Server, database: str) -> list[str]:
    """Names of collections and views; the server's own (system.) are left out."""
    command: Document = {"listCollections": 1, "nameOnly": True, "cursor": {}}
    items, _ = await server.batch(command, database)
    named = [item.get("name") for item in items[:MAX_COLLECTIONS]]
    return [n for n in named if isinstance(n, str) and n and not n.startswith("system.")]


def _evidence(
    context: Context,
    database: str,
    request: str,
    code: str,
    answer: Document,
    *,
    content: bool = False,
) -> Evidence:
    endpoint = context.target.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    # directConnection keeps mongosh, too, from contacting the hosts that hello names
    url = f"mongodb://{host}:{endpoint.port}/{database}?directConnection=true"
    url += "&tls=true&tlsAllowInvalidCertificates=true" if context.tls else ""
    command = f"mongosh {shlex.quote(url)} --quiet --eval {shlex.quote(code)}"
    return context.evidence(request, to_json(answer), command, content=content)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with _server(context) as server:
        if server is None:
            raise ProtocolError("not MongoDB this time")
        answer = await server.ask({"listDatabases": 1})
        names = _names(answer.get("databases"))
        if not wire.succeeded(answer) or names is None:
            raise ProtocolError(f"listDatabases was answered with {wire.words(answer)}")
        for name in names:
            if name in _OWN:
                continue
            try:
                for collection in await _collections(server, name):
                    async for item in _documents(context, server, name, collection):
                        yield item
            except ObjectRefused as e:
                yield context.gap(Reason.REFUSED, name, str(e))


async def _documents(
    context: Context, server: _Server, database: str, collection: str
) -> AsyncIterator[ObjectRef | Gap]:
    """The _id of every document of one collection."""
    group = f"{database}/{collection}"
    command: Document = {"find": collection, "projection": {"_id": 1}, "batchSize": PAGE}
    for _ in range(MAX_PAGES):
        items, cursor = await server.batch(command, database)
        for item in items:
            yield ObjectRef(
                path=f"{group}/{_written(item.get('_id'))}",
                group=group,
                media_type="application/json",
            )
        if not cursor:
            return
        number = Raw(18, cursor.to_bytes(8, "little", signed=True))  # must be an int64
        command = {"getMore": number, "collection": collection, "batchSize": PAGE}
    detail = f"the list of documents was cut after {MAX_PAGES} pages"
    yield context.gap(Reason.BUDGET, group, detail)


def _written(uid: Value) -> str:
    """An _id as the last part of a path: no slash in it, and its type can be told.

    Hex of an ObjectId, digits and a point for a number, a JSON string, else hex of the BSON.
    """
    if isinstance(uid, Raw) and uid.kind == _OBJECT_ID:
        return uid.data.hex()
    if isinstance(uid, int) and not isinstance(uid, bool):
        return f"{uid}."
    if isinstance(uid, str):
        return json.dumps(uid).replace("/", r"\u002f")
    return "bson:" + encode({"_id": uid}).hex()


def _uid(text: str) -> Value:
    """The _id that `_written` wrote; raises ObjectRefused when it is none."""
    try:
        if text.startswith("bson:"):
            return decode(bytes.fromhex(text[5:])).get("_id")
        if text.startswith('"'):
            return str(json.loads(text))
        return int(text[:-1]) if text.endswith(".") else Raw(_OBJECT_ID, bytes.fromhex(text))
    except (ValueError, ProtocolError):
        raise ObjectRefused("no _id of a document") from None


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    group, _, text = ref.path.rpartition("/")
    database, _, collection = group.partition("/")
    command: Document = {"find": collection, "filter": {"_id": _uid(text)}, "limit": 1}
    async with _server(context) as server:
        if server is None:
            raise ProtocolError("not MongoDB this time")
        found, _ = await server.batch({**command, "singleBatch": True}, database)
        if not found:
            raise ObjectRefused("the document is not there")
        data = to_json(found[0])
        return Fetched(data[:limit], len(data) <= limit, "application/json")


MONGODB = Protocol(
    name="mongodb",
    ports=(27017, 27018, 27019),
    tls_ports=(27017, 27018, 27019),
    sends="hello, listDatabases, listCollections, dbStats, buildInfo and find with a limit",
    allowed=wire.ALLOWED,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=wire.is_message,  # never unasked, but some answer so to a word of HTTP
    examples=(
        b"\x26\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0\x11\0\0\0",
        b"\x35\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\x08\0\0\0",
    ),
    counterexamples=(b"HTTP/1.1 400 Bad Request\r\n", b"-ERR unknown command\r\n", b"\x15\3\1\0\2"),
    source="https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/",
)
