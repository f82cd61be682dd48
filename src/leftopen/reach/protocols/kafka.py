"""Kafka: topics and records of one broker without a login.

Proof: Metadata names topics and Fetch gives a batch of records; nothing is committed, so no
consumer loses one. Only the broker that was asked is read: the others that it names are never
contacted. A SASL listener answers ApiVersions before the login and hangs up on all else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Silent
from leftopen.reach import kafka_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol
from leftopen.reach.kafka_wire import Broker, Cluster, Partition

TRIES: Final = 8  # partitions of which a batch is asked for
COUNTED: Final = 40  # partitions whose offsets are asked for by the proof
MAX_RECORDS: Final = 100_000  # of one listing
MAX_PARTITIONS: Final = 2000  # of one listing
_UNSUPPORTED_MECHANISM: Final = 33


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        broker = Broker(connection)
        try:
            versions = await broker.versions()
        except (BudgetSpent, Silent):
            raise
        except ProtocolError:
            return None
        said = ", ".join(f"{key}:{low}-{high}" for key, (low, high) in sorted(versions.items()))
        seen = context.evidence("ApiVersions 0", said.encode(), _reproduce(context, "-L"))
        try:
            cluster = await broker.cluster()
        except (BudgetSpent, Silent):
            raise
        except ProtocolError as e:
            proof = await _closed(context, e)
        else:
            proof = await _open(context, broker, cluster, versions[1])
    return replace(proof, product="Kafka", evidence=(seen, *proof.evidence))


async def _closed(context: Context, error: ProtocolError) -> Proof:
    """Why Metadata was not answered: a listener for logins says which it takes."""
    async with await context.dialer.connect(tls=context.tls) as connection:
        broker = Broker(connection)
        await broker.versions()
        try:
            code, names = await broker.mechanisms()
        except BudgetSpent:
            raise
        except ProtocolError:
            code, names = 0, ()
    if code != _UNSUPPORTED_MECHANISM:
        raise error
    said = safe(", ".join(names), 120)
    shown = context.evidence("SaslHandshake 1 without a mechanism of its own", said.encode())
    return Proof(Access.ASKS_CREDENTIAL, f"a SASL login is asked for ({said})", evidence=(shown,))


async def _open(
    context: Context, broker: Broker, cluster: Cluster, fetches: tuple[int, int]
) -> Proof:
    """Topics, their size, and the first batch that comes."""
    shown = cluster.topics[:20]
    request = "Metadata 1, all topics"
    named = context.evidence(request, "\n".join(shown).encode(), _reproduce(context, "-L"))
    if not cluster.topics:
        why = f"{cluster.denied} are kept back" if cluster.denied else "there is none"
        detail = f"the cluster is named without a login, no topic is: {why}"
        return Proof(Access.METADATA, detail, evidence=(named,))
    gaps = _elsewhere(context, cluster)
    if not fetches[0] <= wire.FETCH[1] <= fetches[1]:
        unread = f"Fetch {fetches[0]} to {fetches[1]} is spoken, which is not read here"
        gap = context.gap(Reason.UNSUPPORTED, "", unread)
        detail = f"{len(cluster.topics)} topics are named without a login; none was read"
        return Proof(Access.LISTS, detail, evidence=(named,), containers=shown, gaps=(gap, *gaps))
    size = await _size(broker, cluster)
    proof = Proof(
        Access.LISTS,
        f"{len(cluster.topics)} topics are named without a login, no record came",
        size=size,
        evidence=(named,),
        containers=shown,
        gaps=gaps,
    )
    return await _record(context, broker, cluster, proof)


async def _record(context: Context, broker: Broker, cluster: Cluster, proof: Proof) -> Proof:
    """The proof again, with the first record of the first partition that gives one."""
    for at in cluster.partitions[:TRIES]:
        error, first = await broker.offset(at, wire.EARLIEST)
        error, batch = await broker.fetch(at, first) if not error else (error, None)
        if error or batch is None or batch.control or not batch.count:
            continue
        place = f"{at.topic} {at.number}"
        request = f"Fetch 4 {place} offset {first}"
        command = _reproduce(context, f"-C -t {at.topic} -p {at.number} -o {first} -c 1 -e")
        if batch.codec:
            detail = f"a batch of {batch.count} records came, compressed by {batch.codec}"
            gap = context.gap(Reason.UNSUPPORTED, place, detail, count=batch.count)
            data = f"{batch.size} bytes".encode()
            read = context.evidence(request, data, command)
            return replace(
                proof,
                access=Access.GIVES_DATA if batch.size else proof.access,
                detail=f"topics are named, {detail} and was not unpacked",
                evidence=(*proof.evidence, read),
                gaps=(*proof.gaps, gap),
            )
        for _, value in batch.records:
            if value:
                read = context.evidence(request, value, command, content=True)
                detail = f"topics are named and {len(value)} bytes of a record were read"
                evidence = (*proof.evidence, read)
                return replace(proof, access=Access.GIVES_DATA, detail=detail, evidence=evidence)
    return proof


def _elsewhere(context: Context, cluster: Cluster) -> tuple[Gap, ...]:
    """That brokers are named: where they are is the server's word, and none is contacted."""
    endpoint = context.target.endpoint
    here = {endpoint.address, endpoint.name}
    away = [
        f"{host}:{port}"
        for host, port in cluster.brokers.values()
        if host not in here or port != endpoint.port
    ]
    if not away:
        return ()
    detail = f"other brokers are named and were not followed: {', '.join(away[:5])}"
    return (context.gap(Reason.OUT_OF_SCOPE, "brokers", detail, count=len(away)),)


async def _size(broker: Broker, cluster: Cluster) -> Size:
    """Records by the offsets of the partitions that this broker leads."""
    records, counted = 0, 0
    for at in cluster.partitions[:COUNTED]:
        (one, first), (two, last) = [
            await broker.offset(at, time) for time in (wire.EARLIEST, wire.LATEST)
        ]
        if not one and not two and 0 <= first <= last:
            records, counted = records + last - first, counted + 1
    total = len(cluster.partitions)
    basis = f"ListOffsets, {counted} partitions of {total}"
    return Size(objects=records, unit="records", basis=basis, complete=counted == total)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with await context.dialer.connect(tls=context.tls) as connection:
        broker = Broker(connection)
        cluster = await broker.cluster()
        for gap in _elsewhere(context, cluster):
            yield gap
        left = MAX_RECORDS
        for at in cluster.partitions[:MAX_PARTITIONS]:
            place = f"{at.topic} {at.number}"
            error, first = await broker.offset(at, wire.EARLIEST)
            error, last = await broker.offset(at, wire.LATEST) if not error else (error, 0)
            if error:
                away = error in wire.NOT_LEADER
                reason = Reason.OUT_OF_SCOPE if away else Reason.REFUSED
                yield context.gap(reason, place, f"no offsets of it here, error {error}")
                continue
            count = max(0, last - first)
            for offset in range(first, first + min(count, left)):
                yield ObjectRef(path=f"{at.topic}/{at.number}/{offset}", group=at.topic)
            if count > left:
                detail = f"the list was cut after {MAX_RECORDS} records"
                yield context.gap(Reason.BUDGET, place, detail, count=count - left)
            left = max(0, left - count)
        more = len(cluster.partitions) - MAX_PARTITIONS
        if more > 0:
            yield context.gap(Reason.BUDGET, "", "too many partitions", count=more)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    topic, number, offset = ref.path.split("/")
    async with await context.dialer.connect(tls=context.tls) as connection:
        error, batch = await Broker(connection).fetch(
            Partition(topic, int(number), -1), int(offset)
        )
    if error or batch is None:
        raise ObjectRefused(f"no batch came, error {error}")
    if batch.codec:
        raise ObjectRefused(f"the batch is compressed by {batch.codec}, which is not unpacked")
    value = next((value for at, value in batch.records if at == int(offset)), None)
    if value is None:
        raise ObjectRefused("no record has this offset")
    return Fetched(value[:limit], complete=len(value) <= limit)


def _reproduce(context: Context, options: str) -> str:
    endpoint = context.target.endpoint
    return f"kcat -b {endpoint.address}:{endpoint.port} {options}"


KAFKA = Protocol(
    name="kafka",
    ports=(9092,),
    tls_ports=(9093,),
    sends="ApiVersions, Metadata of all topics, ListOffsets, Fetch; SaslHandshake without a login",
    allowed=wire.ALLOWED,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda said: False,  # it says nothing unasked: its port is asked
    source="https://kafka.apache.org/protocol.html",
)
