"""git daemon: branches and tags of a repository without a login.

Proof: the references of a repository come back that the scope file claims. No object is read.
"Access denied or repository not exported" is said of a repository that is not there as well.
Requests as in https://git-scm.com/docs/gitprotocol-pack, protocol version 0.
"""

from __future__ import annotations

import re
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Evidence, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach.api import Context, Proof, Protocol
from leftopen.reach.documents import nobody

MAX_LINE: Final = 65_520
MAX_REFS: Final = 10_000
MAX_CLAIMS: Final = 10  # each costs a connection
_REF: Final = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})? ([^\0\n]{1,4096})(?:\0[^\n]*)?\n?")
_NAME: Final = re.compile(r"[^\0-\x20\x7f]{1,1000}")
_EMPTY: Final = b"capabilities^{}"  # the only "reference" of an empty repository


class _Refused(ProtocolError):
    """The daemon said ERR: the words are its own."""


async def _line(connection: Connection) -> bytes | None:
    """One pkt-line, None for a flush; raises _Refused for ERR, ProtocolError for what is none."""
    head = await connection.read_exactly(4)
    if not re.fullmatch(rb"[0-9a-f]{4}", head):
        raise ProtocolError("not a pkt-line")
    size = int(head, 16)
    if size == 0:
        return None
    if not 4 < size <= MAX_LINE + 4:
        raise ProtocolError(f"a pkt-line of {size} bytes")
    said = await connection.read_exactly(size - 4)
    if said.startswith(b"ERR "):
        raise _Refused(safe(said[4:].strip(), 120))
    return said


async def _references(context: Context, name: str) -> tuple[list[bytes], bool]:
    """The references of one repository, and whether these are all.

    Raises:
        _Refused: it is kept back, or there is none.
        ProtocolError: any other answer.
    """
    endpoint = context.target.endpoint
    host = endpoint.name or endpoint.address
    asked = f"git-upload-pack /{name.lstrip('/')}\0host={host}\0".encode()
    found: list[bytes] = []
    async with await context.dialer.connect(tls=context.tls) as connection:
        await connection.write(b"%04x%s" % (len(asked) + 4, asked))
        while (line := await _line(connection)) is not None:
            match = _REF.fullmatch(line)
            if match is None:
                raise ProtocolError("a reference that is none")
            if match.group(1) != _EMPTY:
                found.append(match.group(1))
            if len(found) >= MAX_REFS:
                return found, False
        await connection.write(b"0000")  # we want nothing: the end of a session without a fetch
    return found, True


async def _prove(context: Context) -> Proof | None:
    try:
        await _references(context, nobody(context))
    except _Refused as e:
        refusal = str(e)
    except BudgetSpent:
        raise
    except ProtocolError:
        return None
    else:
        detail = "a repository that nobody has is answered, so nothing is proved"
        return Proof(Access.UNDETERMINED, detail)
    claims = [c for c in context.claims.git_repositories if _NAME.fullmatch(c)][:MAX_CLAIMS]
    if left := len(context.claims.git_repositories) - len(claims):
        detail = f"claimed repositories beyond {MAX_CLAIMS}, or with a name that cannot be one"
        context.gaps.append(context.gap(Reason.BUDGET, "", detail, count=left))
    if not claims:
        gap = context.gap(Reason.NOT_GIVEN, "", "no repository is claimed in the scope file")
        seen = _seen(context, nobody(context), refusal.encode())
        detail = "a git daemon answers; without a claimed name nothing can be asked for"
        return Proof(Access.SPEAKS, detail, product="git", evidence=(seen,), gaps=(gap,))
    return await _claimed(context, claims)


async def _claimed(context: Context, claims: list[str]) -> Proof:
    evidence, opened, shut, total, whole = list[Evidence](), list[str](), 0, 0, True
    for claim in claims:
        try:
            found, complete = await _references(context, claim)
        except _Refused as e:
            evidence.append(_seen(context, claim, str(e).encode()))
            shut += 1
            continue
        evidence.append(_seen(context, claim, b"\n".join(found)))
        opened.append(claim)
        total += len(found)
        whole = whole and complete
    refused = f"{shut} of {len(claims)} claimed repositories are refused or not there"
    if not opened:
        detail = f"{refused}; the daemon says the same of both"
        return Proof(Access.REFUSED_OR_ABSENT, detail, product="git", evidence=tuple(evidence))
    kept = f"; {refused}" if shut else ""
    return Proof(
        Access.LISTS,
        f"{total} references of {len(opened)} repositories are named without a login{kept}",
        product="git",
        size=Size(objects=total, unit="references", basis="ls-remote", complete=whole),
        evidence=tuple(evidence),
        containers=tuple(safe(name, 80) for name in opened[:20]),
    )


def _seen(context: Context, name: str, answer: bytes) -> Evidence:
    endpoint = context.target.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    command = f"git ls-remote git://{host}:{endpoint.port}/{safe(name.lstrip('/'), 200)}"
    return context.evidence(f"git-upload-pack /{name.lstrip('/')}", answer, command)


GIT_DAEMON = Protocol(
    name="git_daemon",
    ports=(9418,),
    sends="git-upload-pack of a repository nobody has and of those claimed; no object is read",
    allowed=(
        rb"[0-9a-f]{4}git-upload-pack /[^\0\x01-\x20\x7f]{1,4000}\0host=[^\0]{1,255}\0\Z",
        rb"0000\Z",
    ),
    prove=_prove,
    recognise=lambda said: False,  # it says nothing unasked: its port is asked
    source="https://git-scm.com/docs/git-daemon",
)
