"""LDAP directories (OpenLDAP, Active Directory): entries without a bind.

Proof: a search below a naming context of the root DSE returns an entry that is not that context
itself. A bind with code 0 proves nothing (an ACL or `require authc` refuses the search), the root
DSE alone is normal, and a refused bind proves nothing either: a search needs none (RFC 4513 4).
A referral is never followed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.dialer import Connection
from leftopen.reach import ldap_wire as wire
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof, Protocol, reason_of
from leftopen.reach.ldap_wire import Entry, NotLdap, Result

MAX_CONTEXTS: Final = 10
COUNTED: Final = 5000  # entries that the proof counts, per context
LISTED: Final = 100_000
PAGE: Final = 500
SUCCESS, SIZE_LIMIT, REFERRAL, NO_SUCH_OBJECT = 0, 4, 10, 32  # RFC 4511 A.1
# operationsError is what Active Directory says to a search without a bind
CONFIDENTIALITY: Final = 13
# OpenLDAP refuses StartTLS with it while its books still hold the search that it has answered.
OPERATIONS_ERROR: Final = 1
BUSY_TRIES: Final = 5
REFUSALS: Final = {1: "operationsError", 8: "strongerAuthRequired", 13: "confidentialityRequired"}
REFUSALS.update({48: "inappropriateAuthentication", 49: "invalidCredentials"})
REFUSALS.update({50: "insufficientAccessRights", 53: "unwillingToPerform"})
_FACTS: Final = (b"namingContexts", b"defaultNamingContext", b"vendorName", b"vendorVersion")
_DISCONNECTION: Final = re.compile(rb"\x30(?:[\x10-\x7f]|\x84\0\0..)\x02\x01\x00\x78", re.DOTALL)


@dataclass(slots=True)
class _Session:
    """One connection, and where its searches were sent on to."""

    connection: Connection
    number: int = 0
    referrals: list[bytes] = field(default_factory=list)

    async def bind(self) -> Result:
        """Bind as nobody; raises NotLdap where the peer speaks something else."""
        self.number += 1
        await self.connection.write(wire.bind(self.number))
        message = await wire.read_message(self.connection)
        if message.tag not in (wire.BIND_ANSWER, wire.EXTENDED):
            raise NotLdap("no answer to a bind")
        return wire.parse_result(message)

    async def begin(self, root: list[Entry], *attributes: bytes) -> tuple[Result, Result]:
        """Bind and read the root DSE, inside TLS where the server wants that (RFC 4511 4.14)."""
        bound = await self.bind()
        said = await self.search(root, b"", wire.BASE, *attributes, entries=1)
        if CONFIDENTIALITY not in (bound.code, said.code) or self.connection.tls:
            return bound, said
        for _ in range(BUSY_TRIES):
            self.number += 1
            await self.connection.write(wire.start_tls(self.number))
            code = wire.parse_result(await wire.read_message(self.connection)).code
            if code != OPERATIONS_ERROR:
                break
        if code != SUCCESS:
            return bound, said
        await self.connection.start_tls()
        return await self.begin(root, *attributes)

    async def search(
        self,
        found: list[Entry],
        base: bytes,
        scope: int,
        *attributes: bytes,
        entries: int = 0,
        page: int = 0,
        cookie: bytes = b"",
    ) -> Result:
        """Add what one search returns to `found`; a server that does not stop is left alone."""
        self.number += 1
        asked = wire.search(
            self.number, base, scope, *attributes, entries=entries, page=page, cookie=cookie
        )
        await self.connection.write(asked)
        for _ in range(2 * (entries or page or 1) + 100):
            message = await wire.read_message(self.connection)
            if message.tag == wire.DONE and message.number != self.number:
                raise ProtocolError("the end of a search that was not asked for")
            if message.tag in (wire.DONE, wire.EXTENDED):
                result = wire.parse_result(message)
                self.referrals += result.referrals
                return result
            if message.number != self.number or message.tag not in (wire.ENTRY, wire.REFERENCE):
                raise ProtocolError("an answer to something that was not asked")
            entry = wire.parse_entry(message)
            self.referrals += entry.referrals
            if message.tag == wire.ENTRY:
                found.append(entry)
        raise ProtocolError("more entries than were asked for")

    async def names(self, base: bytes, most: int) -> AsyncIterator[bytes | Result]:
        """Names of entries page by page; the Result at the end, where the server cut them."""
        cookie, count = b"", 0
        while True:
            found: list[Entry] = []
            result = await self.search(found, base, wire.SUBTREE, b"1.1", page=PAGE, cookie=cookie)
            for entry in found:
                yield entry.name
            count += len(found)
            cut = count >= most and result.cookie
            if result.code != SUCCESS or not result.cookie or not found or cut:
                if result.code != SUCCESS or result.cookie:
                    yield result
                return
            cookie = result.cookie


async def _prove(context: Context) -> Proof | None:
    async with await context.dialer.connect(tls=context.tls) as connection:
        session = _Session(connection)
        try:
            root: list[Entry] = []
            bound, said = await session.begin(root, b"objectClass", *_FACTS)
        except NotLdap:
            if session.number > 1:  # it answered the bind as a directory does
                raise
            return None
        gaps: list[Gap] = []
        proof = await _contexts(context, session, bound, said, root)
        for url in dict.fromkeys(session.referrals):
            text = url.decode("utf-8", "replace")
            detail = f"a referral to {text}, not followed"
            gaps.append(context.gap(Reason.OUT_OF_SCOPE, "referral", detail))
        return _named(proof, root, tuple(gaps[:20]), tls=connection.tls)


def _named(proof: Proof, root: list[Entry], gaps: tuple[Gap, ...], *, tls: bool) -> Proof:
    """With the product and version that the root DSE says."""
    entry = root[0] if root else Entry(b"")
    classes = [c.lower() for c in entry.attributes.get(b"objectClass", [])]
    product = entry.first(b"vendorName")
    if b"openldaprootdse" in classes:
        product = "OpenLDAP"
    elif not product and entry.first(b"defaultNamingContext"):
        product = "Active Directory"
    return Proof(
        access=proof.access,
        detail=proof.detail,
        product=product or "ldap",
        version=entry.first(b"vendorVersion"),
        tls=tls,
        size=proof.size,
        evidence=proof.evidence,
        containers=proof.containers,
        gaps=gaps,
    )


async def _contexts(
    context: Context, session: _Session, bound: Result, said: Result, root: list[Entry]
) -> Proof:
    """Search each naming context; the first that gives an entry decides."""
    names = root[0].attributes.get(b"namingContexts", []) if root else []
    names = [name for name in names if name][:MAX_CONTEXTS]
    shown = [_root_evidence(context, bound, said, root)]
    refused = [] if said.code == SUCCESS else [said]
    read, seen = False, False
    for base in [] if refused else names:
        found: list[Entry] = []
        result = await session.search(found, base, wire.SUBTREE, b"*", entries=2)
        shown.append(_entry_evidence(context, base, found, result))
        below = [e for e in found if e.name.lower() != base.lower() and any(e.attributes.values())]
        read, seen = read or bool(below), seen or bool(found)
        if result.code not in (SUCCESS, SIZE_LIMIT):
            refused.append(result)
    containers = tuple(safe(name, 80) for name in names)
    bind = "" if bound.code == SUCCESS else f", although a bind is refused ({bound.code})"
    if read or seen:
        what = "an entry below one was read" if read else "of one no more than its own entry came"
        detail = f"{len(names)} naming contexts without a login; {what}{bind}"
        access = Access.GIVES_DATA if read else Access.LISTS
        size = await _size(context, session, names)
        return Proof(access, detail, size=size, evidence=tuple(shown), containers=containers)
    return _closed(bound, refused, tuple(shown), containers)


def _closed(
    bound: Result, refused: list[Result], shown: tuple[Evidence, ...], containers: tuple[str, ...]
) -> Proof:
    """Which refusal it was: bind refused, search refused, hidden, sent elsewhere, or empty."""
    codes = [r for r in refused if r.code in REFUSALS]
    answer = codes[0] if codes else refused[0] if refused else bound
    words = f"{answer.code} {REFUSALS.get(answer.code, '')}".strip()
    why = f"{words}: {safe(answer.said, 80)}" if answer.said else words
    bind = "the bind is answered with 0" if bound.code == SUCCESS else f"bind {bound.code}"
    if codes or (bound.code in REFUSALS and not refused):
        access, detail = Access.ASKS_CREDENTIAL, f"{bind}, the search is refused with {why}"
    elif answer.code in (SUCCESS, NO_SUCH_OBJECT, REFERRAL):
        detail = f"{bind}; no entry of its naming contexts is shown (absent or kept back, {why})"
        access = Access.SPEAKS
    else:
        access, detail = Access.UNDETERMINED, f"{bind}, the search is answered with {why}"
    return Proof(access, detail, evidence=shown, containers=containers)


def _reproduce(context: Context, base: str, scope: str, *more: str) -> str:
    endpoint, scheme = context.target.endpoint, "ldaps" if context.tls else "ldap"
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    words = ("-x", "-H", f"{scheme}://{host}:{endpoint.port}", "-b", base, "-s", scope, *more)
    return shlex.join(("ldapsearch", *words))


def _root_evidence(context: Context, bound: Result, said: Result, root: list[Entry]) -> Evidence:
    answer = b"bind %d, search %d " % (bound.code, said.code) + b"".join(map(wire.as_text, root))
    command = _reproduce(context, "", "base", "+", "*")
    return context.evidence("anonymous bind; search of the root DSE", answer, command)


def _entry_evidence(context: Context, base: bytes, found: list[Entry], result: Result) -> Evidence:
    name = safe(base, 120)
    request = f"search of {name}, subtree, sizeLimit 2"
    command = _reproduce(context, name, "sub", "-z", "2")
    if not found:
        said = b"%d %s" % (result.code, result.said[:200])
        return context.evidence(request, said, command)
    answer = b"".join(map(wire.as_text, found))
    return context.evidence(request, answer, command, content=True)


async def _size(context: Context, session: _Session, names: list[bytes]) -> Size:
    """Entries of all contexts, counted by name only; what was proved stands if that breaks off."""
    count, complete = 0, True
    try:
        for base in names:
            async for name in session.names(base, COUNTED):
                count += isinstance(name, bytes)
                complete = complete and isinstance(name, bytes)
    except (ProtocolError, TimeoutError) as e:
        context.gaps.append(context.gap(reason_of(e), "size", f"counting broke off: {e}"))
        complete = False
    return Size(objects=count, unit="entries", basis="names, paged (1.1)", complete=complete)


async def _list(context: Context) -> AsyncIterator[ObjectRef | Gap]:
    async with await context.dialer.connect(tls=context.tls) as connection:
        session = _Session(connection)
        root: list[Entry] = []
        await session.begin(root, *_FACTS)
        names = root[0].attributes.get(b"namingContexts", []) if root else []
        for base in [name for name in names if name][:MAX_CONTEXTS]:
            async for name in session.names(base, LISTED):
                yield _ref(context, base, name)
        for url in list(dict.fromkeys(session.referrals))[:100]:
            detail = f"a referral to {url.decode('utf-8', 'replace')}, not followed"
            yield context.gap(Reason.OUT_OF_SCOPE, "referral", detail)


def _ref(context: Context, base: bytes, name: bytes | Result) -> ObjectRef | Gap:
    """An entry by its name, in the group of the entry above it."""
    place = base.decode("utf-8", "replace")
    if isinstance(name, Result):
        detail = f"the list of entries was cut (code {name.code})"
        return context.gap(Reason.BUDGET, place, detail)
    try:
        path = name.decode("utf-8")
    except UnicodeDecodeError:
        return context.gap(Reason.UNPARSED, name.decode("utf-8", "replace"), "a name not in UTF-8")
    above = re.split(r"(?<!\\),", path, maxsplit=1)
    return ObjectRef(path=path, group=above[1] if len(above) > 1 else "", media_type="text/plain")


async def _fetch(context: Context, ref: ObjectRef, limit: int) -> Fetched:
    async with await context.dialer.connect(tls=context.tls) as connection:
        session = _Session(connection)
        await session.begin([], b"1.1")
        found: list[Entry] = []
        result = await session.search(found, ref.path.encode(), wire.BASE, b"*", entries=1)
        if not found:
            raise ObjectRefused(f"the entry was not shown (code {result.code})")
        text = wire.as_text(found[0])
        return Fetched(text[:limit], complete=len(text) <= limit, media_type="text/plain")


LDAP = Protocol(
    name="ldap",
    ports=(389, 3268),
    tls_ports=(636, 3269),
    sends="an anonymous bind, a search of the root DSE, bounded searches of its naming contexts",
    allowed=wire.ALLOWED,
    prove=_prove,
    list_objects=_list,
    fetch=_fetch,
    # A server of LDAP says nothing unasked but a Notice of Disconnection (RFC 4511 4.4.1).
    recognise=lambda greeting: _DISCONNECTION.match(greeting) is not None,
    examples=(
        b"\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x33\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20036",
    ),
    counterexamples=(b"220 mail ESMTP\r\n", b"0 OK\r\n", b"\x30\x0c\x02\x01\x01\x61\x07"),
    source="https://www.rfc-editor.org/rfc/rfc4511",
)
