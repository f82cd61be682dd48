"""beanstalkd: jobs of a work queue; there is no login.

Proof: the body of one job by `peek-ready` (or delayed, buried), which leaves it in its queue. `use`
concerns only this connection, and only tubes that `list-tubes` named. No command names jobs, so
they are found by their numbers, the newest first, until as many are found as there are.
https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol

MAX_YAML: Final = 1_048_576
MAX_TUBES: Final = 10_000
PROOF_TUBES: Final = 20
MAX_ASKED: Final = 5000  # job numbers of one listing
READ_BYTES: Final = 65_536
_PEEKS: Final = (b"peek-ready", b"peek-delayed", b"peek-buried")
_TUBE: Final = rb"[A-Za-z0-9+/;.$_()][A-Za-z0-9+/;.$_()-]{0,199}"
_PAIR: Final = re.compile(rb'([a-z-]{1,40}): "?([^"\r\n]{0,400})"?')
_STATES: Final = ("ready", "reserved", "delayed", "buried")


class NotBeanstalkd(ProtocolError):
    """The peer speaks something else."""


def pairs(document: bytes) -> dict[str, str]:
    """The mapping of `stats` and its kin: `name: value` lines, after `---`."""
    found = (_PAIR.fullmatch(line) for line in document.split(b"\n"))
    return {m.group(1).decode(): m.group(2).decode("latin-1") for m in found if m}


def names(document: bytes) -> list[bytes]:
    """The tubes that `list-tubes` names; what could not be a tube's name is left out."""
    found = re.findall(rb"^- (%s)$" % _TUBE, document, re.MULTILINE)
    return found[:MAX_TUBES]


def _number(value: str | None) -> int:
    return int(value) if value and re.fullmatch(r"\d{1,18}", value) else 0


async def _ask(connection: Connection, command: bytes) -> bytes | None:
    """The document that answers a command, None for NOT_FOUND; raises NotBeanstalkd."""
    await connection.write(command + b"\r\n")
    line = await connection.read_line()
    if line == b"NOT_FOUND":
        return None
    if not (found := re.fullmatch(rb"OK (\d{1,18})", line)):
        raise NotBeanstalkd(f"not an answer of beanstalkd: {safe(line, 60)}")
    if (size := int(found.group(1))) > MAX_YAML:
        raise ProtocolError(f"an answer of {size} bytes where {MAX_YAML} are the limit")
    document = await connection.read_exactly(size + 2)
    if not document.startswith(b"---\n"):
        raise NotBeanstalkd("a document that is not YAML")
    return document


async def _peek(connection: Connection, command: bytes, limit: int) -> tuple[bytes, bool] | None:
    """At most `limit` bytes of a job and whether that is all; None where there is no such job."""
    await connection.write(command + b"\r\n")
    line = await connection.read_line()
    if line == b"NOT_FOUND":
        return None
    if not (found := re.fullmatch(rb"FOUND \d{1,20} (\d{1,18})", line)):
        raise ProtocolError(f"not an answer to peek: {safe(line, 60)}")
    if (size := int(found.group(1))) > limit:
        return await connection.read_exactly(limit), False
    return (await connection.read_exactly(size + 2))[:-2], True


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        try:
            stats = pairs(await _ask(connection, b"stats") or b"")
        except NotBeanstalkd:
            return None
        if "current-jobs-ready" not in stats:
            return None
        tubes = names(await _ask(connection, b"list-tubes") or b"")
        return await _look(context, connection, stats, tubes)


async def _look(
    context: Context, connection: Connection, stats: dict[str, str], tubes: list[bytes]
) -> Proof:
    listed = context.evidence("list-tubes", b"\n".join(tubes), _reproduce(context, "list-tubes"))
    evidence, access, detail = [listed], Access.LISTS, "tubes are named, no job came"
    request, read, complete = await _first_job(connection, tubes)
    if read:
        evidence.append(context.evidence(request, read, _reproduce(context, request), content=True))
        access = Access.GIVES_DATA
        cut = "" if complete else "the first "
        detail = f"tubes are named and {cut}{len(read)} bytes of a job were read"
    return Proof(
        access=access,
        detail=detail,
        product="beanstalkd",
        version=safe(stats.get("version", ""), 40),
        size=Size(objects=_living(stats), unit="jobs", basis="stats"),
        evidence=tuple(evidence),
        containers=tuple(safe(t, 80) for t in tubes[:20]),
    )


def _living(stats: dict[str, str]) -> int:
    return sum(_number(stats.get(f"current-jobs-{state}")) for state in _STATES)


async def _first_job(connection: Connection, tubes: list[bytes]) -> tuple[str, bytes, bool]:
    """The commands that gave the first job, and its beginning; empty when none came."""
    for tube in tubes[:PROOF_TUBES]:
        await connection.write(b"use %s\r\n" % tube)
        if await connection.read_line() != b"USING " + tube:
            continue
        for command in _PEEKS:
            job = await _peek(connection, command, READ_BYTES)
            if job and job[0]:
                return f"use {tube.decode()}\\r\\n{command.decode()}", *job
    return "", b"", False


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with await context.dialer.connect(tls=context.tls) as connection:
        stats = pairs(await _ask(connection, b"stats") or b"")
        left, newest = _living(stats), _number(stats.get("total-jobs"))
        lowest = max(0, newest - MAX_ASKED)
        for job in range(newest, lowest, -1):
            if not left:
                return
            if document := await _ask(connection, b"stats-job %d" % job):
                left -= 1
                yield ObjectRef(path=str(job), group=pairs(document).get("tube", ""))
        if left:
            # numbers go on beyond the count of jobs after a restart with a binlog
            detail = f"jobs {lowest + 1} to {newest} were asked for, others were not found"
            yield context.gap(Reason.BUDGET, "", detail, count=left)


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with await context.dialer.connect(tls=context.tls) as connection:
        job = await _peek(connection, b"peek " + ref.path.encode("latin-1"), limit)
        if job is None:
            raise ObjectRefused("the job is gone")
        return Fetched(job[0], complete=job[1])


def _reproduce(context: Context, command: str) -> str:
    endpoint = context.target.endpoint
    return f"printf '{command}\\r\\nquit\\r\\n' | nc {endpoint.address} {endpoint.port}"


BEANSTALKD = Protocol(
    name="beanstalkd",
    ports=(11300,),
    sends="stats, list-tubes, use, peek-ready, peek-delayed, peek-buried, stats-job, peek",
    allowed=(
        rb"(?:stats|list-tubes|" + b"|".join(_PEEKS) + rb"|(?:stats-job|peek) \d{1,18})\r\n\Z",
        rb"use " + _TUBE + rb"\r\n\Z",
    ),
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    recognise=lambda said: said.startswith(b"UNKNOWN_COMMAND\r\n"),  # its answer to GET of HTTP
    examples=(b"UNKNOWN_COMMAND\r\nUNKNOWN_COMMAND\r\n",),
    counterexamples=(b"ERROR\r\n", b"-ERR unknown command\r\n", b"UNKNOWN COMMAND\r\n"),
    source="https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt",
)
